"""A clock that tests move forward."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime


class FakeClock:
    """This machine's time, ahead of it by what ``advance`` was given so far.

    It belongs to one event loop: move it from there.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._stirred = asyncio.Event()

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def today(self) -> datetime:
        """The same as a time with a zone."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, seconds: float) -> None:
        """Move time forward, and wake everybody who waits for it."""
        if seconds < 0:
            raise ValueError("time goes forward only")
        self._ahead += seconds
        self.stir()

    def stir(self) -> None:
        """Wake everybody who waits, so that they look again."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def pause(self, until: float | None) -> None:
        """Wait until a time, or until somebody stirs the clock, whichever is first."""
        stirred = self._stirred
        left = None if until is None else max(until - self.now(), 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await stirred.wait()

    async def reach(self, when: float) -> None:
        """Wait until a time."""
        while self.now() < when:
            await self.pause(when)
