"""Amounts of memory and time, as PostgreSQL's settings and people write them.

In PostgreSQL 1 kB is 1024 bytes, and so it is here.
"""

from __future__ import annotations

import re

from vsl.errors import InvalidInput, Problem

KB = 1024
MB = 1024 * KB
GB = 1024 * MB
TB = 1024 * GB

_MEMORY = {"B": 1, "kB": KB, "8kB": 8 * KB, "16kB": 16 * KB, "MB": MB, "GB": GB, "TB": TB}
_TIME = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_TYPED = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,3})?)\s*(?P<unit>[kMGT]i?B?)", re.IGNORECASE)
_FACTORS = {"k": KB, "m": MB, "g": GB, "t": TB}


def read_memory(field: str, text: str) -> int:
    """Bytes of what a person typed, such as ``8GB``. Raises ``InvalidInput`` naming the field."""
    found = _TYPED.fullmatch(text.strip())
    if found is None:
        accepted = "a number and MB, GB or TB, such as 8GB or 512MB"
        raise InvalidInput([Problem(field, "is not an amount of memory", accepted)])
    return int(float(found["number"]) * _FACTORS[found["unit"][0].lower()])


def is_memory(unit: str | None) -> bool:
    """Whether a setting's unit is one of memory."""
    return unit in _MEMORY


def is_time(unit: str | None) -> bool:
    """Whether a setting's unit is one of time."""
    return unit in _TIME


def base_value(setting: str, unit: str | None) -> float:
    """A setting's number in bytes, in milliseconds or as it is. Negative ones mean something else.

    Raises ``ValueError`` when it is no number.
    """
    number = float(setting)
    factor = _MEMORY.get(unit or "", _TIME.get(unit or "", 1))
    return number if number < 0 else number * factor


def show_memory(value: float) -> str:
    """Bytes as a setting takes them: whole, in the largest unit that keeps it exact."""
    if value < 0:
        return str(int(value))
    amount = int(value)
    for name, size in (("TB", TB), ("GB", GB), ("MB", MB), ("kB", KB)):
        if amount and amount % size == 0:
            return f"{amount // size}{name}"
    return f"{amount}B"


def about(value: float) -> str:
    """Bytes for people to read, rounded."""
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(amount) < 1024 or unit == "GB":
            return f"{amount:.0f} {unit}" if amount == round(amount) else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("the last unit fits all")


def show_time(value: float) -> str:
    """Milliseconds as a setting takes them."""
    if value <= 0:
        return str(int(value))
    for name, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if value % size == 0:
            return f"{int(value // size)}{name}"
    return f"{value:.0f}ms"


def show_value(value: float | str, unit: str | None) -> str:
    """A value as a setting of that unit takes it."""
    if isinstance(value, str):
        return value
    if is_memory(unit):
        return show_memory(value)
    if is_time(unit):
        return show_time(value)
    return f"{value:g}"
