"""Counters for tuning whose places differ by version and installation, and so are composed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from vsl.db.faults import translated
from vsl.db.files import database_dir
from vsl.db.statement import Connection

#: The first version in which checkpoints have a view of their own.
_OWN_VIEW_FROM = 17


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints by time and on request, counted since."""

    timed: int
    requested: int
    since: datetime | None


async def count_checkpoints(connection: Connection, major: int) -> Checkpoints:
    """How many checkpoints there were. major: the server's version. Raises ``DatabaseError``."""
    names = ("pg_stat_bgwriter", "checkpoints_timed", "checkpoints_req")
    if major >= _OWN_VIEW_FROM:
        names = ("pg_stat_checkpointer", "num_timed", "num_requested")
    view, timed, requested = map(sql.Identifier, names)
    query = _text("count_checkpoints").format(view=view, timed=timed, requested=requested)
    async with translated(), connection.cursor(row_factory=class_row(Checkpoints)) as cursor:
        found = await (await cursor.execute(query)).fetchone()
    return found or Checkpoints(0, 0, None)


async def largest_spill(connection: Connection, schema: str) -> int | None:
    """Bytes that the statement with the largest temporary files writes each time it runs.

    schema: of pg_stat_statements. None also when that cannot be asked: it is installed without
    being loaded, or this role may not read it. Raises ``DatabaseError`` when the database is lost.
    """
    query = _text("get_largest_spill").format(schema=sql.Identifier(schema))
    async with translated():
        try:
            async with connection.cursor(row_factory=scalar_row) as cursor:
                found: Any = await (await cursor.execute(query)).fetchone()
        except psycopg.Error:
            if connection.closed:
                raise
            return None
    return None if found is None else int(found)


def _text(name: str) -> sql.SQL:
    path = database_dir() / "queries" / "composed" / f"{name}.sql"
    return sql.SQL(path.read_text(encoding="utf-8"))
