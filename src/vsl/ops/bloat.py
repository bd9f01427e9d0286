"""A look at dead rows and empty space, and at what keeps dead rows from being removed.

Empty space is an estimate from statistics: what the rows would need, beside what there is. Of TOAST
tables it is a lower bound: a page holds at most four full chunks, so of ``relpages`` pages at least
1 - reltuples / (4 * relpages) is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vsl.db.statement import Connection, fetch
from vsl.db.statements_looks import (
    Bloat,
    DatabaseFacts,
    DeadRows,
    HorizonHolder,
    ListBloat,
    ListDeadRows,
    ListHorizonHolders,
)
from vsl.errors import DatabaseError
from vsl.ops.doctor.check import show
from vsl.ops.looks import Remark, describe, looking

#: Full chunks of TOAST on a page of 8 kB.
CHUNKS_PER_PAGE = 4
#: From how many dead rows and which share of the table on it is said.
MANY_DEAD, DEAD_SHARE = 10_000, 0.10
#: Empty space worth a word: bytes, and a share (pgdoctor's figures).
WASTED, WASTED_SHARE = 100 * 1024**2, 0.30
#: The estimate is off by some: fewer pages than this say nothing.
FEW_PAGES = 100
#: A snapshot older than this, in seconds, is worth a word.
OLD_SNAPSHOT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBloat:
    """A table's dead rows and empty space, in bytes. None: it cannot be told.

    empty: of its rows' own pages. toast_empty: at least. index_bytes, index_empty: of those of its
    B-trees that can be told of.
    """

    dead: DeadRows
    bytes: int | None
    empty: int | None
    toast_empty: int | None
    index_bytes: int | None
    index_empty: int | None

    @property
    def dead_share(self) -> float | None:
        """Dead rows among all of the table's."""
        rows = self.dead.live + self.dead.dead
        return self.dead.dead / rows if rows else None

    @property
    def wasted(self) -> int:
        """All the empty space that can be told."""
        return (self.empty or 0) + (self.toast_empty or 0) + (self.index_empty or 0)

    @property
    def is_due(self) -> bool:
        """Whether autovacuum comes for it."""
        return self.dead.is_autovacuumed and self.dead.dead > self.dead.dead_for_autovacuum


@dataclass(frozen=True, slots=True, kw_only=True)
class BloatLook:
    """Dead rows and empty space of all tables. estimate: why there is none, or None.

    holders: what keeps dead rows from being removed, the oldest first.
    """

    database: DatabaseFacts
    tables: Sequence[TableBloat]
    indexes: Sequence[Bloat]
    holders: Sequence[HorizonHolder]
    unknown: str | None


async def look_at_bloat(connection: Connection, *, all_schemas: bool = False) -> BloatLook:
    """Dead rows and empty space, most dead rows first. Raises ``DatabaseError``."""
    async with looking(connection):
        database = await describe(connection)
        dead = await fetch(connection, ListDeadRows(all_schemas=all_schemas))
        holders = await fetch(connection, ListHorizonHolders())
    estimates, unknown = await _estimates(connection)
    return BloatLook(
        database=database,
        tables=[table_bloat(row, estimates) for row in dead],
        indexes=[one for one in estimates if one.index_name is not None],
        holders=holders,
        unknown=unknown,
    )


async def _estimates(connection: Connection) -> tuple[list[Bloat], str | None]:
    try:
        async with looking(connection):
            return await fetch(connection, ListBloat()), None
    except DatabaseError as error:
        if error.sqlstate is None:
            raise
        return [], f"column widths cannot be read: {error.message}"


def table_bloat(row: DeadRows, estimates: Sequence[Bloat]) -> TableBloat:
    """A table's dead rows with what is estimated of it and of its indexes."""
    own = [e for e in estimates if (e.schema, e.table_name) == (row.schema, row.name)]
    heap = next((e for e in own if e.index_name is None), None)
    known = [e for e in own if e.index_name is not None and e.needed is not None]
    page = own[0].page_size if own else 8192
    return TableBloat(
        dead=row,
        bytes=row.pages * page,
        empty=None if heap is None else empty_bytes(heap),
        toast_empty=toast_slack(row.toast_pages, row.toast_rows, page),
        index_bytes=sum(e.pages * page for e in known) if known else None,
        index_empty=sum(empty_bytes(e) or 0 for e in known) if known else None,
    )


def empty_bytes(estimate: Bloat) -> int | None:
    """Bytes more than needed, never less than none; None when the need is not known."""
    if estimate.needed is None:
        return None
    return max(estimate.pages - estimate.needed, 0) * estimate.page_size


def toast_slack(pages: int | None, rows: int | None, page_size: int) -> int | None:
    """Bytes of a TOAST table that are empty at least; None when nobody has counted its chunks."""
    if pages is None or rows is None:
        return None
    if pages == 0:
        return 0
    return int(max(0.0, 1 - rows / (CHUNKS_PER_PAGE * pages)) * pages * page_size)


def remarks_on_bloat(found: BloatLook) -> list[Remark]:
    """What stands out, and the command that cleans it."""
    remarks = [_held(found)] if _held_back(found) else []
    remarks += [_dead(table) for table in found.tables if _many_dead(table)]
    remarks += [_empty(table) for table in found.tables if _much_empty(table)]
    remarks += [
        Remark(says=f"Autovacuum is off for {_name(table)}.", next="vsl db maintain")
        for table in found.tables
        if not table.dead.is_autovacuumed
    ]
    if found.unknown:
        remarks.append(Remark(says=f"Empty space: {found.unknown}.", next="vsl db migrate"))
    elif any(table.empty is None and table.dead.pages >= FEW_PAGES for table in found.tables):
        remarks.append(
            Remark(
                says="Empty space is not known (–) where nothing was analyzed yet.",
                next="vsl db maintain",
            )
        )
    return remarks or [Remark(says="Nothing stands out.", next="vsl db maintain --dry-run")]


def _name(table: TableBloat) -> str:
    return f"{table.dead.schema}.{table.dead.name}"


def _many_dead(table: TableBloat) -> bool:
    return table.dead.dead >= MANY_DEAD and (table.dead_share or 0) >= DEAD_SHARE


def _much_empty(table: TableBloat) -> bool:
    whole = (table.bytes or 0) + (table.index_bytes or 0)
    whole += (table.dead.toast_pages or 0) * 8192
    return table.wasted >= WASTED and table.wasted >= WASTED_SHARE * whole


def _held_back(found: BloatLook) -> bool:
    """Whether somebody keeps dead rows, where there are any."""
    return bool(old_holders(found.holders)) and any(table.dead.dead for table in found.tables)


def old_holders(holders: Sequence[HorizonHolder]) -> list[HorizonHolder]:
    """Those that have been there for a while: of a session a minute, of all else any time."""
    return [h for h in holders if h.kind != "session" or (h.age or 0) >= OLD_SNAPSHOT]


def _held(found: BloatLook) -> Remark:
    holder = old_holders(found.holders)[0]
    age = f" for {show(holder.age, 'seconds')}" if holder.age is not None else ""
    if holder.kind == "session":
        who = f"process {holder.pid} ({holder.application or 'no name'}, {holder.user_name})"
        cure = f"vsl db kill {holder.pid}"
    elif holder.kind == "standby":
        who = f"a standby ({holder.application or 'no name'}), for a query that runs there"
        cure = "vsl db doctor"
    elif holder.kind == "prepared transaction":
        who = f"the prepared transaction {holder.name!r} of {holder.user_name}"
        cure = "vsl db locks"
    else:
        who = f"the replication slot {holder.name} ({holder.state})"
        cure = "vsl db doctor"
    held = f"Dead rows of the last {holder.transactions:,} transactions cannot be removed"
    return Remark(
        says=f"{held}: {who} has held them{age}. Vacuum is in vain until then.", next=cure
    )


def _dead(table: TableBloat) -> Remark:
    share = show(100 * (table.dead_share or 0), "percent")
    said = f"{_name(table)} has {table.dead.dead:,} dead rows, {share} of all"
    if table.dead.is_being_vacuumed:
        return Remark(says=f"{said}; it is being vacuumed.")
    return Remark(says=f"{said}.", next="vsl db maintain")


def _empty(table: TableBloat) -> Remark:
    said = f"About {show(table.wasted, 'bytes')} of {_name(table)} and its indexes is empty"
    return Remark(
        says=f"{said} (an estimate). New rows use it again; it is not given back.",
        next="vsl db maintain",
    )
