"""Sending the statements of a file, and saying which one failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from vsl.db.faults import quotes_the_value, translate
from vsl.db.files import Migration
from vsl.db.migration.ladder import LOCKED
from vsl.db.script import Statement
from vsl.db.statement import Connection
from vsl.errors import DatabaseError, MigrationFailed, VslError

#: What to do when a login may not do something.
RIGHTS = (
    "Run it as the login that installed VSL or owns the tables; where everything belongs to "
    "vsl_owner, as one that has vsl_migrator."
)


async def send(
    connection: Connection, migration: Migration, statement: Statement, number: int, count: int
) -> None:
    """Send one statement of a file. number: from 1, of ``count``, which is 0
    for a file that is sent as a whole.

    Raises ``MigrationFailed`` naming file, line and statement, with PostgreSQL's own message and
    never its DETAIL, which can print a row; ``DatabaseError`` when the connection is lost. A wait
    for a lock that took too long leaves as it is, for the ladder.
    """
    try:
        await connection.execute(statement.text.encode(), prepare=False)
    except LOCKED:
        raise
    except psycopg.Error as error:
        raise _failed(error, migration, statement, number, count) from error


@contextmanager
def at_the_end(migration: Migration) -> Iterator[None]:
    """Within this block, what only COMMIT finds out is said as the file's failure."""
    try:
        yield
    except LOCKED:
        raise
    except psycopg.Error as error:
        if is_lost(error):
            raise lost(error, migration) from error
        raise MigrationFailed(
            f"{migration.path.name}, at its end: {_words(error)}",
            file=migration.path.name,
            sqlstate=error.sqlstate,
            hint=_hint(error),
        ) from error


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection went, whoever ended it: the server's states 57P and 08, or none."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state.startswith(("57P", "08"))


def lost(error: psycopg.Error, migration: Migration) -> VslError:
    """What to say when the connection went in the middle of a file."""
    return DatabaseError(
        f"{migration.path.name}: the connection to the database was lost "
        f"({translate(error).message})",
        hint="Nothing is half done. Run `vsl db migrate` again: it goes on from there.",
        sqlstate=error.sqlstate,
        retryable=True,
    )


def _failed(
    error: psycopg.Error, migration: Migration, statement: Statement, number: int, count: int
) -> VslError:
    if is_lost(error):
        return lost(error, migration)
    line = line_of(statement, error.diag.statement_position)
    where = f" (statement {number} of {count})" if count else ""
    return MigrationFailed(
        f"{migration.path.name}, line {line}{where}: {_words(error)}",
        file=migration.path.name,
        line=line,
        statement=number,
        sqlstate=error.sqlstate,
        hint=_hint(error),
    )


def failed_otherwise(
    migration: Migration, statement: Statement, number: int, words: str
) -> MigrationFailed:
    """A failure that PostgreSQL did not see. number: of the statement, from 1."""
    return MigrationFailed(
        f"{migration.path.name}, line {statement.line} (statement {number}): {words}",
        file=migration.path.name,
        line=statement.line,
        statement=number,
    )


def line_of(statement: Statement, position: str | None) -> int:
    """The line of the file that a position within a statement, from 1, is on."""
    if position is None:
        return statement.line
    return statement.line + statement.text.count("\n", 0, int(position) - 1)


def _words(error: psycopg.Error) -> str:
    if quotes_the_value(error):
        return f"a value does not have the form or the range that is needed ({error.sqlstate})"
    return error.diag.message_primary or f"the driver refused ({type(error).__name__})"


def _hint(error: psycopg.Error) -> str | None:
    if isinstance(error, pg.InsufficientPrivilege):
        return RIGHTS
    if isinstance(error, pg.UnsafeNewEnumValueUsage):
        return "Add the value in one file and use it in the next."
    return error.diag.message_hint
