"""Pages touched for each claimed job, beside few and beside many finished jobs.

Two databases differ in the number of finished jobs only: the rows of ``jobs``, the one table
besides the queue's own and the registry that a claim reads. Both have the same queue; batches of 50
are claimed from them in turn, and EXPLAIN counts every page that is touched, those that the
function's statements touch included.
"""

from __future__ import annotations

from typing import Any

import psycopg

from benchmarks.batches import LANE
from benchmarks.place import Connection, Place, settle, text
from benchmarks.result import Mark, Result, compared
from vsl.db.statement import parameters, statement_text
from vsl.db.statements import ClaimJobs

WANTED = Mark("ratio", "at most", 1.2)
MODEL = "bench-claim"
BATCH = 50
STEP = 100_000


async def measure(place: Place) -> list[Result]:
    """Pages for each claimed job."""
    few, many = place.size((2_000, 2_000_000), (200, 2_000))
    queue, rounds = place.size((2_000, 20), (400, 3))
    async with place.database("claim_few") as url_few, place.database("claim_many") as url_many:
        with (
            psycopg.connect(url_few, autocommit=True) as small,
            psycopg.connect(url_many, autocommit=True) as large,
        ):
            for connection, count in ((small, few), (large, many)):
                _fill(connection, finished=count, queue=queue)
                # What a session reads once, such as the catalogue, is no part of a claim.
                for _ in range(3):
                    _claim(connection)
            figures, floors = [], []
            for _ in range(rounds):
                figures.append(_claim(large))
                floors.append(_claim(small))
    return [
        compared(
            f"claim beside {many:,} finished jobs (floor: beside {few:,})",
            "pages/job",
            figures,
            floors,
            wanted=WANTED,
            notes={"batch": BATCH, "queue": queue},
        )
    ]


def _fill(connection: Connection, *, finished: int, queue: int) -> None:
    connection.execute(
        text("add_model"), {"model": MODEL, "media_type": "image", "provider": "replicate"}
    )
    connection.execute(text("triggers_off"))
    for first in range(1, finished + 1, STEP):
        last = min(first + STEP - 1, finished)
        connection.execute(text("fill_finished"), {"model": MODEL, "first": first, "last": last})
    connection.execute(text("triggers_on"))
    connection.execute(text("drain_fill"), {"model": MODEL, "count": queue})
    settle(connection)


def _claim(connection: Connection) -> float:
    """Claim a batch; pages touched for each of its jobs."""
    statement = ClaimJobs(worker="bench", lanes=[LANE], count=BATCH, lease=30.0)
    query = text("explain") + statement_text(ClaimJobs).encode()
    row = connection.execute(query, parameters(statement)).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    claimed = int(plan["Actual Rows"])
    assert claimed == BATCH, "the queue ran dry"
    return (int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])) / claimed
