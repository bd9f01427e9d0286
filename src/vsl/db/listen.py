"""Waking by NOTIFY. Polling is the truth; this only shortens the wait."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from vsl.db.faults import translated
from vsl.db.pool import Database, connect, is_pooled
from vsl.db.statement import Connection, execute
from vsl.db.statements import ListenForCancels, ListenForWork, NotifyWork, Probe

log = logging.getLogger(__name__)

WORK_CHANNEL = "vsl_work"
CANCEL_CHANNEL = "vsl_cancel"

#: An idle connection is probed this often, in seconds: a half-open one says nothing by itself.
PROBE_EVERY = 10.0
PROBE_TIMEOUT = 5.0
#: For a process that cannot be woken.
POOLED = (
    "no wake-ups: the address to hear them at leads through a pooler, which passes none on. "
    "Work is found by polling. Set VSL_DIRECT_DATABASE_URL to the address of the server itself"
)


async def listen(
    url: str,
    on_message: Callable[[str, str], None],
    *,
    application: str,
    on_loss: Callable[[], None] = lambda: None,
) -> None:
    """Call ``on_message(channel, payload)`` for every notification, until cancelled.

    url: an unpooled address. Through a pooler nothing would be heard, in silence: such an address
    is said once in the log, and this returns. Else it reconnects for ever with a jittered pause,
    and calls ``on_message("", "")`` after each connection: what was sent in between is lost, so the
    receiver must look for itself. on_loss is called whenever nothing is heard any more.
    """
    pause = 0.5
    while True:
        try:
            async with connect(url, application=application) as connection, translated():
                if await is_pooled(connection):
                    log.warning(POOLED)
                    on_loss()
                    return
                await execute(connection, ListenForWork())
                await execute(connection, ListenForCancels())
                on_message("", "")
                pause = 0.5
                await _receive(connection, on_message)
        except Exception as error:
            log.warning("listening stopped (%s); trying again", type(error).__name__)
            on_loss()
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        pause = min(pause * 2, 15.0)


async def _receive(connection: Connection, on_message: Callable[[str, str], None]) -> None:
    while True:
        async for message in connection.notifies(timeout=PROBE_EVERY):
            on_message(message.channel, message.payload)
        async with asyncio.timeout(PROBE_TIMEOUT):
            await execute(connection, Probe())


class Waker:
    """Wakes the workers of lanes after a commit: at once, and then at most every 10 ms a lane.

    A NOTIFY takes a lock on the whole server at its commit, so a burst of submissions shares a few.
    """

    INTERVAL = 0.010

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def wake(self, lane: str) -> None:
        """Wake a lane's workers soon. Never fails: a missed notification costs one poll."""
        self._waiting.add(lane)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def flush(self) -> None:
        """Wait until everything asked for was sent."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            lanes, self._waiting = self._waiting, set()
            try:
                async with self._database.connection() as connection:
                    for lane in sorted(lanes):
                        await execute(connection, NotifyWork(lane=lane))
            except Exception as error:
                log.warning("could not wake workers (%s)", type(error).__name__)
            await asyncio.sleep(self.INTERVAL)
