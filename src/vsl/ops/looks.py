"""Looks at the database: sizes of tables, and how its indexes are used.

A look only reads, in one short transaction, and waits for nobody: where a table is locked, its size
is the one that the last vacuum wrote down. What is judged here is judged without I/O.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from vsl.db.faults import translated
from vsl.db.purposes import index_purposes
from vsl.db.statement import Connection, Rows, execute, fetch, fetch_one
from vsl.db.statements_looks import (
    DatabaseFacts,
    DescribeDatabase,
    Growth,
    IndexUse,
    LimitLook,
    ListGrowth,
    ListIndexes,
    ListTableSizes,
    TableSize,
)
from vsl.errors import DatabaseError
from vsl.ops.doctor.check import show

Row = TypeVar("Row")

LOCK_NOT_AVAILABLE = "55P03"
#: An index below this is not worth a thought, in bytes (what PgHero leaves out).
SMALL_INDEX = 10 * 1024**2
#: An index that was not used for so long is not used (pganalyze's figure).
UNUSED_AFTER = timedelta(days=35)
#: Growth within a week that is worth a word: a share, and bytes.
GROWTH_SHARE, GROWTH_BYTES = 0.2, 100 * 1024**2
#: What an interrupted REINDEX CONCURRENTLY leaves behind.
_LEFTOVER = re.compile(r"_cc(?:new|old)\d*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What stands out. next: the command to go on with, or None."""

    says: str
    next: str | None = None


@asynccontextmanager
async def looking(connection: Connection) -> AsyncIterator[None]:
    """A transaction that only reads and gives up soon. Raises ``DatabaseError``."""
    async with translated(), connection.transaction():
        await execute(connection, LimitLook())
        yield


async def describe(connection: Connection) -> DatabaseFacts:
    """The database and who looks. Raises ``DatabaseError``."""
    facts = await fetch_one(connection, DescribeDatabase())
    if facts is None:
        raise DatabaseError("the database does not say what it is called")
    return facts


async def _exact_or_not(
    connection: Connection, exact: Rows[Row], estimated: Rows[Row]
) -> tuple[list[Row], bool]:
    """Rows with exact sizes; with estimated ones when somebody has a table locked."""
    try:
        async with looking(connection):
            return await fetch(connection, exact), True
    except DatabaseError as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise
    async with looking(connection):
        return await fetch(connection, estimated), False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A database and its tables. exact: whether the sizes are those of the files.

    growth: by table, since about a week ago; empty when no snapshot is as old.
    """

    database: DatabaseFacts
    tables: Sequence[TableSize]
    exact: bool
    growth: Sequence[Growth]

    @property
    def grown_since(self) -> datetime | None:
        """When the snapshot was taken that growth is told from."""
        return self.growth[0].taken_at if self.growth else None

    @property
    def database_growth(self) -> int | None:
        """Bytes that the database has gained since then."""
        return self.growth[0].database_growth if self.growth else None

    def share(self, table: TableSize) -> float | None:
        """A table's part of the whole database."""
        whole = self.database.bytes
        return table.total / whole if whole else None

    def growth_of(self, table: TableSize) -> int | None:
        """Bytes that a table's rows have gained; None when the snapshot did not have it."""
        names = (table.schema, table.name)
        return next((g.growth for g in self.growth if (g.schema, g.name) == names), None)


async def look_at_sizes(connection: Connection, *, all_schemas: bool = False) -> Sizes:
    """Tables of ``public`` and ``vsl``, or of all schemas, by size. Raises ``DatabaseError``."""
    tables, exact = await _exact_or_not(
        connection,
        ListTableSizes(all_schemas=all_schemas, exact=True),
        ListTableSizes(all_schemas=all_schemas, exact=False),
    )
    async with looking(connection):
        database = await describe(connection)
    return Sizes(database=database, tables=tables, exact=exact, growth=await _growth(connection))


async def _growth(connection: Connection) -> Sequence[Growth]:
    """Growth since a week ago; nothing without VSL's schema or the right to read its snapshots."""
    try:
        async with looking(connection):
            return await fetch(connection, ListGrowth())
    except DatabaseError as error:
        if error.sqlstate is None:
            raise
        return []


def remarks_on_sizes(sizes: Sizes) -> list[Remark]:
    """What stands out among tables, and where to look next."""
    remarks = []
    if not sizes.exact:
        remarks.append(
            Remark(
                says="A table is locked, so these sizes are those that vacuum last wrote down.",
                next="vsl db locks",
            )
        )
    for table in sizes.tables:
        growth = sizes.growth_of(table) or 0
        if growth >= GROWTH_BYTES and growth >= GROWTH_SHARE * (table.heap - growth):
            name = f"{table.schema}.{table.name}"
            remarks.append(Remark(says=f"{name} has grown by {show(growth, 'bytes')} in a week."))
    if not sizes.tables:
        remarks.append(Remark(says="There are no tables.", next="vsl db status"))
        return remarks
    largest = sizes.tables[0]
    share = sizes.share(largest)
    part = f", {show(share * 100, 'percent')} of the database" if share is not None else ""
    said = f"The largest is {largest.schema}.{largest.name}: {show(largest.total, 'bytes')}{part}"
    if largest.toast > largest.total / 2:
        said += (
            f"; {show(100 * largest.toast / largest.total, 'percent')} of it is long values (TOAST)"
        )
    remarks.append(Remark(says=f"{said}. How much of that is empty?", next="vsl db bloat"))
    return remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """The indexes of a database. exact: whether the sizes are those of the files."""

    database: DatabaseFacts
    indexes: Sequence[IndexUse]
    exact: bool

    def purpose(self, index: IndexUse) -> str | None:
        """What an index is for: its own comment, what VSL's files say of it, or its constraint."""
        own = index_purposes().get(f"{index.schema}.{index.name}")
        if index.serves or own:
            return index.serves or own
        if index.is_primary:
            return "Keeps the primary key."
        if index.constraint_name:
            return f"Keeps the constraint {index.constraint_name}."
        return "Keeps values unique." if index.is_unique else None

    def counted_for(self) -> timedelta | None:
        """How long uses have been counted; None when nobody knows."""
        since = self.database.counted_since
        return None if since is None else datetime.now(UTC) - since

    def unused(self) -> list[IndexUse]:
        """Indexes of a size that matters, without a use, that nothing but queries can need."""
        return [
            index
            for index in self.indexes
            if index.scans == 0
            and index.bytes >= SMALL_INDEX
            and not (index.is_unique or index.constraint_name or index.is_replica_identity)
            and index.is_valid
        ]


async def look_at_indexes(connection: Connection, *, all_schemas: bool = False) -> Indexes:
    """Indexes, the least used first. Raises ``DatabaseError``."""
    indexes, exact = await _exact_or_not(
        connection,
        ListIndexes(all_schemas=all_schemas, exact=True),
        ListIndexes(all_schemas=all_schemas, exact=False),
    )
    async with looking(connection):
        database = await describe(connection)
    return Indexes(database=database, indexes=indexes, exact=exact)


def remarks_on_indexes(found: Indexes) -> list[Remark]:
    """What stands out among indexes, and what to do about it."""
    remarks = []
    if not found.exact:
        remarks.append(
            Remark(
                says="A table is locked, so these sizes are those that vacuum last wrote down.",
                next="vsl db locks",
            )
        )
    remarks += [_invalid(index) for index in found.indexes if not index.is_valid]
    unused = found.unused()
    if unused:
        remarks.append(_unused(found, unused))
    if not remarks:
        remarks.append(Remark(says="All are valid, and none of size is unused.", next=_DOCTOR))
    return remarks


_DOCTOR = "vsl db doctor"


def _invalid(index: IndexUse) -> Remark:
    name = f"{quoted(index.schema)}.{quoted(index.name)}"
    if index.is_being_built:
        return Remark(says=f"{name} is being built.", next=None)
    verb = "DROP" if _LEFTOVER.search(index.name) else "REINDEX"
    return Remark(
        says=f"{name} is not valid: it costs writes and serves no query.",
        next=f"vsl db psql -c '{verb} INDEX CONCURRENTLY {name}'",
    )


def _unused(found: Indexes, unused: Sequence[IndexUse]) -> Remark:
    names = ", ".join(f"{index.schema}.{index.name}" for index in unused)
    size = show(sum(index.bytes for index in unused), "bytes")
    age = found.counted_for()
    if age is None:
        since = (
            "Since when uses are counted is not known (a crash loses the counters), "
            "so that is no proof"
        )
    elif age < UNUSED_AFTER:
        since = f"Uses have been counted for {age.days} days only, so that is no proof"
    else:
        since = f"Uses have been counted for {age.days} days. Ask replicas too before dropping one"
    return Remark(says=f"Not used: {names} ({size}). {since}.", next=_DOCTOR)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*", name)
    return name if plain else '"' + name.replace('"', '""') + '"'
