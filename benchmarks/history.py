"""A made-up history of ``vsl bench seed``, beside a COPY of the same rows.

Chunk after chunk is made by the generator and then copied, from memory, into tables with the same
columns, checks and indexes. The generator's rows also pass the foreign keys.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import psycopg

from benchmarks.place import Connection, text
from benchmarks.result import Mark, Result, compared
from vsl.db.pool import connect
from vsl.db.statement import execute
from vsl.db.statements_bench import SeedModels
from vsl.ops.seed import CHUNK, History, make_chunk

WANTED = Mark("ratio", "at least", 0.5)
TABLES = ("jobs", "media_outputs", "usage_tracking")


async def make(url: str, jobs: int, compare: int) -> Result:
    """Fill a database with a history of this many jobs; its rate, compared for the first ones."""
    history = History(jobs=jobs, users=10_000, seed=1)
    until = datetime.now(UTC)
    rates, floors = [], []
    with psycopg.connect(url, autocommit=True) as beside:
        beside.execute(text("copy_tables"))
        async with connect(url) as connection:
            await execute(connection, SeedModels())
            for first in range(1, jobs + 1, CHUNK):
                last = min(first + CHUNK - 1, jobs)
                begun = time.perf_counter()
                await make_chunk(connection, history, first, last, until)
                rate = (last - first + 1) / (time.perf_counter() - begun)
                if first <= compare:
                    rates.append(rate)
                    floors.append((last - first + 1) / _copy(beside, first, last))
        beside.execute(text("copy_tables_off"))
        beside.execute(b"VACUUM (ANALYZE)")
    return compared(
        "made-up history (floor: COPY of the same rows)",
        "jobs/s",
        rates,
        floors,
        wanted=WANTED,
        notes={"jobs": jobs, "jobs_a_chunk": CHUNK},
    )


def _copy(connection: Connection, first: int, last: int) -> float:
    """Seconds that COPY takes for the rows of some jobs."""
    seconds = 0.0
    for table in TABLES:
        out = text(f"copy_out_{table}").replace(b"%(first)s", str(first).encode())
        out = out.replace(b"%(last)s", str(last).encode())
        with connection.cursor().copy(out) as source:
            rows = b"".join(bytes(part) for part in source)
        begun = time.perf_counter()
        with connection.cursor().copy(text(f"copy_in_{table}")) as target:
            target.write(rows)
        seconds += time.perf_counter() - begun
    return seconds
