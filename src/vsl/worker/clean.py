"""What providers say, as a row can hold it.

PostgreSQL takes no NUL, no half of a surrogate pair and no number that is none; Python's JSON
reader accepts all three. What a provider put there by mistake must not keep a job from ending.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: Characters of one string inside a provider's answer that a row keeps.
MAX_TEXT = 100_000
#: Levels of lists and objects that a row keeps.
MAX_DEPTH = 50
#: Seconds: what the columns for processing times hold.
MAX_SECONDS = 999_999_999.0


def clean_text(text: str) -> str:
    """A text without what PostgreSQL refuses."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def clean_json(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A JSON value that ``jsonb`` takes; what it would not take becomes null or is cut off."""
    if isinstance(value, str):
        return clean_text(value[:MAX_TEXT])
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if depth and isinstance(value, Mapping):
        return {clean_text(str(name)): clean_json(part, depth - 1) for name, part in value.items()}
    if depth and isinstance(value, list | tuple):
        return [clean_json(part, depth - 1) for part in value]
    return None


def clean_seconds(seconds: float | None) -> float | None:
    """A processing time, or None when it is not one."""
    if seconds is None or not 0 <= seconds <= MAX_SECONDS:
        return None
    return seconds
