"""Reading what clients ask of the fake Replicate server, as strictly as the API does."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vsl.testing.replicate_http import Problem, Request
from vsl.testing.replicate_models import FakeVersion
from vsl.testing.replicate_predictions import FINAL_EVENTS

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_WAIT = re.compile(r"wait(?:=(\d+))?")


def invalid(detail: str) -> Problem:
    """A 422 for an input that is not right."""
    return Problem(422, "Input validation failed", f"{detail}\n")


def read_creation(request: Request, version: FakeVersion) -> dict[str, Any]:
    """The facts of a prediction that is asked for. Raises ``Problem``."""
    given = request.json()
    if not isinstance(given, Mapping) or not isinstance(given.get("input"), Mapping):
        raise invalid("- input is required")
    problems = version.problems(given["input"])
    if problems:
        raise invalid("\n".join(problems))
    webhook, events = given.get("webhook"), given.get("webhook_events_filter", FINAL_EVENTS)
    local = isinstance(webhook, str) and webhook.startswith("http://127.0.0.1:")
    if webhook is not None and not (local or str(webhook).startswith("https://")):
        raise invalid("- webhook must be an HTTPS URL")
    if not isinstance(events, list | tuple) or not set(events) <= set(FINAL_EVENTS):
        raise invalid("- webhook_events_filter has an unknown event")
    return {"input": given["input"], "webhook": webhook, "events": tuple(events)}


def read_duration(value: str | None) -> float | None:
    """The seconds of a header like ``1h30m45s``, or None. Raises ``Problem``."""
    if value is None:
        return None
    match = _DURATION.fullmatch(value)
    if not value or match is None:
        raise invalid("- Cancel-After is not a duration")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def read_wait(value: str | None) -> float | None:
    """The seconds that ``Prefer: wait`` asks for, or None. Raises ``Problem``."""
    match = _WAIT.fullmatch(value or "")
    if match is None:
        return None
    seconds = int(match[1] or 60)
    if not 1 <= seconds <= 60:
        raise invalid("- Prefer: wait is from 1 to 60")
    return float(seconds)


def read_time(value: str | None, *, default: float) -> float:
    """A time as seconds since 1970. Raises ``Problem``."""
    if value is None:
        return default
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(value).timestamp()
    raise invalid("- created_after and created_before are ISO 8601 dates")


def read_cursor(value: str | None) -> int | None:
    """The number that a page of the list begins below, or None. Raises ``Problem``."""
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        return int(base64.urlsafe_b64decode(value))
    raise invalid("- cursor is not one")


def write_cursor(number: int) -> str:
    """What ``read_cursor`` reads."""
    return base64.urlsafe_b64encode(str(number).encode()).decode()
