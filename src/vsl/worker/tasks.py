"""Calling tasks off so that they really end."""

from __future__ import annotations

import asyncio
from typing import Any

#: Seconds between two tries.
AGAIN = 0.5


async def call_off(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and return when all have ended, however they did.

    More than once where needed: ``asyncio.wait_for`` of Python 3.11, which the connection pool
    uses, forgets a cancellation that comes in the moment of its success.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # Looked at, so that asyncio does not report it as forgotten.
