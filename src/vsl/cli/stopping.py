"""Being told to stop: what a command says then, and its exit status."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """A signal stopped a command. status: 128 and the signal's number."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status
        self.message = "interrupted" if status == 128 + signal.SIGINT else "told to stop"
        self.hint: str | None = None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Cross from the command line into asynchronous code; the only place that does.

    SIGINT and SIGTERM cancel the work, which cleans up, unless it handles them itself. Raises
    ``Stopped`` then.
    """
    try:
        return asyncio.run(_until_terminated(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stopped(128 + signal.SIGINT) from None


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    told: list[int] = []

    def terminate() -> None:
        told.append(signal.SIGTERM)
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if told:
            raise Stopped(128 + signal.SIGTERM) from None
        raise


@asynccontextmanager
async def cancelled_by(stop: asyncio.Event) -> AsyncIterator[None]:
    """Within this block, ``stop`` cancels what runs; then ``Stopped`` is raised."""
    task = asyncio.current_task()

    async def watch() -> None:
        await stop.wait()
        if task is not None:
            task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        raise Stopped(128 + signal.SIGINT) from None
    finally:
        watching.cancel()
