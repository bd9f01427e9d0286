"""Invalid indexes that interrupted concurrent builds leave: removed before, looked for after.

A concurrent build that is cut off leaves an index that is written to and never read. ``IF NOT
EXISTS`` then succeeds and leaves it so: only ``indisvalid`` says that an index is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import sql

from vsl.db.files import Migration
from vsl.db.migration.send import failed_otherwise
from vsl.db.script import Statement, concurrent_index, outside_transaction
from vsl.db.script.names import qualified
from vsl.db.statement import Connection, fetch, fetch_one
from vsl.db.statements_schema import FindIndex, FoundIndex, Leftover, ListReindexLeftovers
from vsl.errors import MigrationBlocked


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a REINDEX CONCURRENTLY is about. scope: INDEX, TABLE, SCHEMA, DATABASE or SYSTEM."""

    scope: str
    schema: str | None
    name: str | None


def reindexed(statement: Statement) -> Reindexed | None:
    """What a REINDEX CONCURRENTLY rebuilds; None for any other statement."""
    if outside_transaction(statement) != "REINDEX CONCURRENTLY":
        return None
    words = statement.words
    at = words.index(")") + 1 if words[1] == "(" else 1
    scope = words[at]
    at += 2 if words[at + 1 : at + 2] == ("CONCURRENTLY",) else 1
    schema, name = qualified(words, at) or (None, None)
    return Reindexed(scope, schema, name)


async def clear_leftovers(
    connection: Connection, statement: Statement, tell: Callable[[str], None]
) -> None:
    """Drop, concurrently, the invalid indexes that an earlier try of a statement left behind.

    Raises ``MigrationBlocked`` when another session is building one of them at this moment.
    """
    found: list[FoundIndex | Leftover] = []
    index = concurrent_index(statement)
    rebuilt = reindexed(statement)
    if index is not None:
        there = await fetch_one(connection, FindIndex(schema=index[0], name=index[1]))
        found = [there] if there is not None and not there.valid else []
    elif rebuilt is not None:
        left = await fetch(connection, _leftovers(rebuilt))
        found += left
    for one in found:
        name = f"{one.schema}.{one.name}"
        if one.builder is not None:
            raise MigrationBlocked(
                f"index {name} is being built by process {one.builder}",
                hint="Wait until that has ended; then run `vsl db migrate` again.",
                retryable=True,
            )
        tell(f"index {name} is invalid, left by an interrupted build: dropped")
        drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}")
        await connection.execute(drop.format(sql.Identifier(one.schema, one.name)))


async def check_built(
    connection: Connection, migration: Migration, statement: Statement, number: int
) -> None:
    """Raise ``MigrationFailed`` unless what a statement built is there and valid."""
    index = concurrent_index(statement)
    rebuilt = reindexed(statement)
    if index is not None:
        found = await fetch_one(connection, FindIndex(schema=index[0], name=index[1]))
        if found is None:
            words = f"index {index[1]} is not there: something else may have its name"
            raise failed_otherwise(migration, statement, number, words)
        if not found.valid:
            words = f"index {index[1]} is invalid"
            raise failed_otherwise(migration, statement, number, words)
    elif rebuilt is not None:
        left = await fetch(connection, _leftovers(rebuilt))
        if left:
            words = f"invalid indexes are left: {', '.join(index.name for index in left)}"
            raise failed_otherwise(migration, statement, number, words)


def _leftovers(rebuilt: Reindexed) -> ListReindexLeftovers:
    return ListReindexLeftovers(scope=rebuilt.scope, schema=rebuilt.schema, name=rebuilt.name)
