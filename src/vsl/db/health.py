"""Asks a database how it is, without doing it any harm.

Every check runs in a transaction of its own that can only read and gives up soon; the settings last
as long as the transaction, so a pooler between is no trouble. What one check may not see or cannot
do becomes its answer, and never hides another's.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import class_row

from vsl.db.faults import translate
from vsl.db.files import database_dir, manifest, migrations
from vsl.db.pool import connect
from vsl.db.statement import Connection, Json, execute, fetch_value
from vsl.db.statements import RelationExists
from vsl.db.statements_health import BeginCheck, TakeSnapshot
from vsl.domain.health import Measure
from vsl.errors import DatabaseError, SchemaVersionError

#: What the sessions of checks are called in pg_stat_activity.
APPLICATION = "vsl doctor"

_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")

_NOT_THERE = (
    pg.UndefinedTable,
    pg.UndefinedColumn,
    pg.UndefinedFunction,
    pg.UndefinedObject,
    pg.InvalidSchemaName,
)


class HealthSession:
    """A connection that checks are asked on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, name: str) -> list[Measure]:
        """The rows of ``database/queries/doctor/{name}.sql``.

        When the database refuses, one row that says why it cannot be told. Raises ``DatabaseError``
        only when the database is no longer reached.
        """
        try:
            async with self._connection.transaction():
                await execute(self._connection, BeginCheck(program=program()))
                async with self._connection.cursor(row_factory=class_row(Measure)) as cursor:
                    await cursor.execute(check_text(name).encode(), prepare=False)
                    return await cursor.fetchall()
        except psycopg.Error as error:
            return [self._answer(error)]

    async def take_snapshot(self) -> Measure | None:
        """Keep the server's counters, for later looks to compare with; why not, when it cannot be.

        Raises ``DatabaseError`` only when the database is no longer reached.
        """
        try:
            async with self._connection.transaction():
                await execute(self._connection, TakeSnapshot())
        except DatabaseError as error:
            cause = error.__cause__
            if not isinstance(cause, psycopg.Error):
                raise
            return self._answer(cause)
        return None

    def _answer(self, error: psycopg.Error) -> Measure:
        """A refusal as an answer; raised on when there is nobody to ask any more."""
        if self._connection.closed or error.sqlstate is None:
            raise translate(error) from error
        return self._refused(error)

    def _refused(self, error: psycopg.Error) -> Measure:
        """Why there is no answer, in words that hold no data: names of objects at most."""
        words = error.diag.message_primary or "the database refused"
        if isinstance(error, pg.InsufficientPrivilege):
            return Measure(unknown=words, next=self._grant())
        if isinstance(error, pg.QueryCanceled):
            return Measure(unknown="it took longer than 10 s", next="Ask again at a quieter time.")
        if isinstance(error, pg.LockNotAvailable):
            return Measure(
                unknown="a lock was not to be had within 1 s",
                next="See `vsl db locks`, and ask again.",
            )
        if isinstance(error, pg.ReadOnlySqlTransaction):
            return Measure(unknown="this server only reads, as a standby does")
        if isinstance(error, _NOT_THERE):
            return Measure(unknown=words, next="vsl db migrate")
        return Measure(unknown=f"the database refused: {type(error).__name__} ({error.sqlstate})")

    def _grant(self) -> str:
        user = self._connection.info.user
        if not _PLAIN_NAME.fullmatch(user):
            user = sql.Identifier(user).as_string(self._connection)
        return f"GRANT vsl_monitor TO {user};"


@asynccontextmanager
async def health_session(url: str) -> AsyncIterator[HealthSession]:
    """A session to ask checks on. url: a pooler's address is good enough.

    Raises ``DatabaseError`` when the database cannot be reached, ``SchemaVersionError`` when it
    has no VSL in it.
    """
    async with connect(url, application=APPLICATION) as connection:
        if not await fetch_value(connection, RelationExists(relation="public.schema_migrations")):
            raise SchemaVersionError(
                "VSL is not installed in this database", hint="Run `vsl db migrate`."
            )
        yield HealthSession(connection)


def check_text(name: str) -> str:
    """The SQL of a check. Raises ``KeyError`` when there is none of that name."""
    path = database_dir() / "queries" / "doctor" / f"{name}.sql"
    if not path.is_file():
        raise KeyError(name)
    return path.read_text(encoding="utf-8")


@cache
def program() -> Json:
    """The schema that this program needs: versions, and texts of functions, views and grants."""
    return {
        "versions": [migration.version for migration in migrations()],
        "texts": {file.path: file.sha256 for file in manifest() if file.repeatable},
    }
