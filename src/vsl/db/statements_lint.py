"""Statements of the linter: what the live database says of the tables that a migration names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vsl.db.statement import Rows


@dataclass(frozen=True, slots=True)
class NamedTable:
    """A table, or the table of an index, as last analysed.

    schema, name: as asked. row_count, byte_count: estimates, with partitions and TOAST, without
    indexes; None when a part was never analysed.
    """

    schema: str
    name: str
    table_schema: str
    table_name: str
    is_unique_index: bool
    has_default_partition: bool
    row_count: int | None
    byte_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNamedTables(Rows[NamedTable]):
    """Sizes of the tables and indexes of some names that there are. schemas, names: in pairs."""

    schemas: Sequence[str]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column. is_checked_not_null: a validated CHECK says IS NOT NULL of it, and no more."""

    schema: str
    name: str
    column_name: str
    type_name: str
    is_checked_not_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListColumnTypes(Rows[ColumnType]):
    """Columns of the tables of some names. schemas, names: in pairs."""

    schemas: Sequence[str]
    names: Sequence[str]
