"""Fills a database with a made-up history, to measure and to try things on.

The jobs are tracked and their models external: no worker takes them, and nothing is charged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from vsl.db.faults import translated
from vsl.db.pool import connect
from vsl.db.statement import Connection, execute, fetch_value
from vsl.db.statements_bench import (
    HasOtherJobs,
    HasSeededJob,
    PauseTriggers,
    ResumeTriggers,
    SeedJobs,
    SeedModels,
    VacuumSeeded,
)
from vsl.errors import NotAllowed

#: Jobs in one transaction: large enough to be fast, small enough to hold nobody up for long.
CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class History:
    """What to make. jobs: how many. users: among how many, besides the one who has a twentieth."""

    jobs: int
    users: int
    seed: int


async def seed(
    url: str, history: History, *, among_others: bool, told: Callable[[int], None]
) -> int:
    """Make a history; how many jobs of it were not there yet. told: how many are there by now.

    A run that was interrupted is taken up where it ended. Raises ``NotAllowed`` in a database with
    jobs of others, unless ``among_others``; ``DatabaseError`` for a login that does not own the
    tables.
    """
    made = 0
    until = datetime.now(UTC)
    async with connect(url, application="vsl bench seed") as connection:
        if not among_others and await fetch_value(connection, HasOtherJobs()):
            raise NotAllowed(
                "the database holds jobs that are not made up",
                hint="Use a database of its own for this, or `--yes` to mix them.",
            )
        await execute(connection, SeedModels())
        for first in range(1, history.jobs + 1, CHUNK):
            last = min(first + CHUNK - 1, history.jobs)
            if not await fetch_value(connection, HasSeededJob(seed=history.seed, first=first)):
                await make_chunk(connection, history, first, last, until)
                made += last - first + 1
            told(last)
        if made:
            await execute(connection, VacuumSeeded())
    return made


async def make_chunk(
    connection: Connection, history: History, first: int, last: int, until: datetime
) -> None:
    """Make the jobs numbered first to last, in one transaction. Raises ``DatabaseError``."""
    made = SeedJobs(
        seed=history.seed,
        first=first,
        last=last,
        jobs=history.jobs,
        users=history.users,
        until=until,
    )
    async with translated(), connection.transaction():
        await execute(connection, PauseTriggers())
        await execute(connection, made)
        await execute(connection, ResumeTriggers())
