"""One runner at a time: a lock of the session, which goes with it when the runner is killed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from vsl.db.migration.ladder import Pace, names
from vsl.db.statement import Connection, fetch, fetch_value
from vsl.db.statements_schema import NameLockHolder, TryLockMigrations, UnlockMigrations
from vsl.errors import DatabaseError, MigrationBusy

#: Seconds between two tries: growing from the first to the second.
POLL = (0.05, 1.0)
#: Seconds of waiting after which the holder is named.
NAME_AFTER = 1.0
#: Seconds to wait for another runner at most, unless told otherwise.
WAIT = 600.0


@asynccontextmanager
async def only_runner(
    connection: Connection, *, wait: float, pace: Pace, tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Within this block no other runner or installer is at work in the database.

    Asks again and again in place of waiting: a session that waits inside ``pg_advisory_lock`` holds
    a snapshot, for which the holder's concurrent index builds wait in their turn. wait: seconds,
    then ``MigrationBusy``. Raises ``DatabaseError`` when the lock was lost before the end.
    """
    await _take(connection, wait=wait, pace=pace, tell=tell)
    try:
        yield
    except BaseException:
        # What went wrong in the block matters more; the lock goes with the session.
        if not connection.closed and not connection.broken:
            await _give_back_quietly(connection)
        raise
    if not await fetch_value(connection, UnlockMigrations()):
        raise DatabaseError(
            "the lock against a second runner was lost on the way",
            hint="Did a file release it (pg_advisory_unlock_all)? See `vsl db status`.",
        )


async def _take(
    connection: Connection, *, wait: float, pace: Pace, tell: Callable[[str], None]
) -> None:
    begun, pause = pace.now(), POLL[0]
    named = False
    while not await fetch_value(connection, TryLockMigrations()):
        waited = pace.now() - begun
        if waited >= wait:
            holder = names(await fetch(connection, NameLockHolder()))
            raise MigrationBusy(
                f"another runner or installer is at work in this database: {holder}",
                hint="Wait until it has ended, or look what keeps it: `vsl db locks`.",
                retryable=True,
            )
        if waited >= NAME_AFTER and not named:
            named = True
            holder = names(await fetch(connection, NameLockHolder()))
            tell(f"another runner is at work; waiting for {holder}")
        await pace.sleep(min(pause * (1 - pace.chance() / 2), max(wait - waited, 0.01)))
        pause = min(pause * 1.5, POLL[1])


async def _give_back_quietly(connection: Connection) -> None:
    try:
        await fetch_value(connection, UnlockMigrations())
    except DatabaseError:
        return
