"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, within: float = 10.0, what: str = "") -> T:
    """Ask until the answer is true and return it. within: seconds, then AssertionError."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {what or condition}"
        time.sleep(0.01)
    return answer


async def wait_until_async(
    condition: Callable[[], Awaitable[T]], *, within: float = 10.0, what: str = ""
) -> T:
    """The same for a condition that is awaited."""
    deadline = time.monotonic() + within
    while not (answer := await condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {what or condition}"
        await asyncio.sleep(0.01)
    return answer
