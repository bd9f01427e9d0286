"""What the live database knows of the tables that a script names, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vsl.db.statement import Connection, fetch
from vsl.db.statements_lint import ColumnType, ListColumnTypes, ListNamedTables, NamedTable
from vsl.ops.lint.check_design import column_of
from vsl.ops.lint.finding import Draft
from vsl.ops.lint.own_rules import OWN
from vsl.ops.lint.reading import Name, Script, Words, has

#: Below both, what blocks does so for a moment.
FEW_ROWS, FEW_BYTES = 10_000, 10_000_000

Column = tuple[Name, str]


@dataclass(frozen=True, slots=True)
class Live:
    """Tables and columns of a database by name; what it does not have, or cannot say, is left out.

    tables: by the name as asked, which can be an index.
    """

    tables: Mapping[Name, NamedTable] = field(default_factory=dict)
    columns: Mapping[Column, ColumnType] = field(default_factory=dict)

    def is_small(self, names: Iterable[Name]) -> bool:
        """Whether all of some tables are known to be small."""
        found = [self.tables.get(name) for name in names]
        return bool(found) and all(
            table is not None
            and table.row_count is not None
            and table.byte_count is not None
            and table.row_count < FEW_ROWS
            and table.byte_count < FEW_BYTES
            for table in found
        )


def names_of(script: Script, drafts: Iterable[Draft]) -> set[Name]:
    """The relations to ask the database about."""
    named = {name for read in script.reads for name in read.existing}
    return named | {name for draft in drafts for name in draft.tables}


async def look(connection: Connection, names: Iterable[Name]) -> Live:
    """What a database says of some relations, without a lock on any. Raises ``DatabaseError``."""
    asked = sorted(names)
    schemas, plain = [schema for schema, _ in asked], [name for _, name in asked]
    tables = await fetch(connection, ListNamedTables(schemas=schemas, names=plain))
    columns = await fetch(connection, ListColumnTypes(schemas=schemas, names=plain))
    return Live(
        {(row.schema, row.name): row for row in tables},
        {((row.schema, row.name), row.column_name): row for row in columns},
    )


def is_disproved(draft: Draft, script: Script, live: Live) -> bool:
    """Whether the database shows that a finding is none."""
    if draft.rule.name not in _DISPROVABLE:
        return False
    reads = [read for read in script.reads if read.line == draft.statement]
    if len(reads) != 1 or not draft.tables:
        return False
    table = live.tables.get(draft.tables[0])
    if draft.rule.name == "attach-partition":
        return table is not None and not table.has_default_partition
    if draft.rule.name == "changing-column-type":
        changes = [action for action in reads[0].actions if "TYPE" in action[:5]]
        return _all(draft.tables[0], changes, live, _is_free)
    if draft.rule.name == "adding-not-nullable-field":
        changes = [action for action in reads[0].actions if has(action, "SET", "NOT", "NULL")]
        return _all(draft.tables[0], changes, live, lambda column, _: column.is_checked_not_null)
    return False


_DISPROVABLE = frozenset({"attach-partition", "changing-column-type", "adding-not-nullable-field"})


def _all(
    table: Name,
    actions: Sequence[Words],
    live: Live,
    is_fine: Callable[[ColumnType, Words], bool],
) -> bool:
    """Whether the database has every column that some actions change, and each change is fine."""
    columns = [live.columns.get((table, column_of(action) or "")) for action in actions]
    pairs = zip(columns, actions, strict=True)
    return bool(actions) and all(column and is_fine(column, action) for column, action in pairs)


_TYPE = re.compile(
    r"(?P<base>varchar|character varying|text|numeric|decimal) ?"
    r"(?:\( ?(?P<size>\d+) ?(?:, ?(?P<scale>\d+) ?)?\))?"
)
_BASES = {"varchar": "text", "character varying": "text", "decimal": "numeric"}


def _is_free(column: ColumnType, action: Words) -> bool:
    """Whether old values are valid as they are: PostgreSQL then rewrites nothing (all versions)."""
    written = " ".join(action[action.index("TYPE") + 1 :]).lower()
    old, new = _TYPE.fullmatch(column.type_name), _TYPE.fullmatch(written)
    if old is None or new is None or _base(old) != _base(new):
        return False
    if new["size"] is None:
        return True
    if old["size"] is None or int(new["size"]) < int(old["size"]):
        return False
    return int(new["scale"] or 0) == int(old["scale"] or 0)


def _base(found: re.Match[str]) -> str:
    return _BASES.get(found["base"], found["base"])


def from_database(script: Script, live: Live) -> list[Draft]:
    """Findings that only the database can make: unique indexes that go."""
    return [
        Draft(OWN["drop-unique-index"], read.line, read.line, (name,))
        for read in script.reads
        if read.kind == "DROP INDEX"
        for name in read.existing
        if name in live.tables and live.tables[name].is_unique_index
    ]
