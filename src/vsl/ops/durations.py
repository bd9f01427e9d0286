"""Durations as people type them."""

from __future__ import annotations

import re

from vsl.errors import InvalidInput, Problem

_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,3})?)(?P<unit>s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
ACCEPTED = "a number and s, m, h or d, such as 90s, 10m or 1h"
#: Nothing is waited for that long: a year.
LONGEST = 366 * 86400.0


def read_duration(field: str, text: str) -> float:
    """Seconds. Raises ``InvalidInput`` that names the field."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidInput([Problem(field, "is not a duration", ACCEPTED)])
    seconds = float(found["number"]) * _SECONDS[found["unit"]]
    if seconds > LONGEST:
        raise InvalidInput([Problem(field, "is longer than a year", ACCEPTED)])
    return seconds
