"""The commands of maintenance, which name tables and indexes and so are composed here.

None of them can run in a transaction, and none keeps readers or writers of a table waiting.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import errors as pg
from psycopg import sql
from psycopg.errors import Diagnostic

from vsl.db.faults import translated
from vsl.db.statement import Connection, execute
from vsl.db.statements_care import EndWithClient
from vsl.errors import DatabaseError


class Locked(DatabaseError):
    """The server left a table out, as somebody has a lock on it."""


async def vacuum(connection: Connection, schema: str, table: str, *, freeze: bool) -> list[str]:
    """VACUUM and ANALYZE a table, with its TOAST table, without waiting for its lock.

    Answers what the server warned of: a table that this role may not vacuum is left out with a
    warning only. Raises ``Locked`` when somebody has a lock on it, ``DatabaseError`` when the
    server refuses.
    """
    options = sql.SQL("ANALYZE, SKIP_LOCKED, FREEZE" if freeze else "ANALYZE, SKIP_LOCKED")
    async with translated():
        return await _run(connection, "VACUUM ({}) {}", options, sql.Identifier(schema, table))


async def analyze(connection: Connection, schema: str, table: str) -> list[str]:
    """ANALYZE a table; answers and raises as ``vacuum`` does."""
    async with translated():
        return await _run(connection, "ANALYZE (SKIP_LOCKED) {}", sql.Identifier(schema, table))


async def reindex(connection: Connection, schema: str, index: str) -> None:
    """Build an index again beside the old one, and put it in its place.

    Raises ``DatabaseError``; then what was built stays behind, invalid, under a name of its own.
    """
    async with translated():
        try:
            await _run(connection, "REINDEX INDEX CONCURRENTLY {}", sql.Identifier(schema, index))
        except pg.UniqueViolation:
            # Its DETAIL has the key, which may be anything.
            raise DatabaseError(
                f"{index} cannot be unique: rows of its table have the same key",
                hint=f"Settle which row stays; then `vsl db maintain` builds {index} again.",
                sqlstate=pg.UniqueViolation.sqlstate,
            ) from None


async def drop_index(connection: Connection, schema: str, index: str) -> None:
    """Drop an index, waiting for who uses it. Raises ``DatabaseError``."""
    async with translated():
        name = sql.Identifier(schema, index)
        await _run(connection, "DROP INDEX CONCURRENTLY IF EXISTS {}", name)


async def stop_with_client(connection: Connection) -> None:
    """Have the server stop soon what it does for this session, should this program be killed.

    Where the server's system cannot do that, it goes on to the end of the statement.
    """
    try:
        await execute(connection, EndWithClient())
    except DatabaseError as error:
        if not isinstance(error.__cause__, pg.InvalidParameterValue | pg.FeatureNotSupported):
            raise


async def _run(connection: Connection, text: LiteralString, *parts: sql.Composable) -> list[str]:
    said: list[Diagnostic] = []
    connection.add_notice_handler(said.append)
    try:
        await connection.execute(sql.SQL(text).format(*parts), prepare=False)
    finally:
        connection.remove_notice_handler(said.append)
    warnings = [notice for notice in said if notice.severity_nonlocalized == "WARNING"]
    if any(notice.sqlstate == pg.LockNotAvailable.sqlstate for notice in warnings):
        raise Locked("somebody has a lock on it", retryable=True)
    return [notice.message_primary or "" for notice in warnings]
