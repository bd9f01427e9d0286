"""What pg_stat_statements has counted, wherever the extension was put.

Its view is in no schema of ours, so the name is put into the statement, which is why that stands
apart from the others, in ``database/queries/composed``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from psycopg import sql
from psycopg.rows import class_row

from vsl.db.faults import translated
from vsl.db.files import database_dir
from vsl.db.statement import Connection

#: What slow statements can be sorted by.
SORTS = ("mean", "total", "calls", "rows")


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """A statement and what it took: milliseconds. share: of the time of all of them.

    query: with $1 for constants, but utility statements keep theirs. cached: the share of blocks
    that came from the cache; None when there were none.
    """

    query: str | None = field(repr=False)
    calls: int
    mean: float | None
    total: float | None
    share: float | None
    rows: int
    cached: float | None


async def fetch_slow_statements(
    connection: Connection, schema: str, *, sort: str, count: int, all_databases: bool
) -> list[SlowStatement]:
    """The slowest statements. schema: the extension's. sort: one of ``SORTS``.

    Raises ``DatabaseError``; its sqlstate is 55000 when the server did not load the extension.
    """
    path = database_dir() / "queries" / "composed" / "list_slow_statements.sql"
    statement = sql.SQL(path.read_text(encoding="utf-8")).format(schema=sql.Identifier(schema))
    wanted = {"sort": sort, "count": count, "all_databases": all_databases}
    async with (
        translated(),
        connection.cursor(row_factory=class_row(SlowStatement)) as cursor,
    ):
        await cursor.execute(statement, wanted)
        return await cursor.fetchall()
