"""What a statement is, and how one is run.

A statement is a value: its parameters are fields, and its class says what it answers.
``ClaimJobs(worker=…)`` runs ``database/queries/claim_jobs.sql``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from vsl.db.faults import translated
from vsl.db.files import database_dir

Connection = AsyncConnection[Any]
Row = TypeVar("Row")
#: Metadata of a field whose value comes from outside as it is, and must not keep a job from ending.
FOREIGN = {"foreign": True}
#: A JSON object; a parameter of this type, or a list of it, travels as jsonb.
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Generic[Row]):
    """A statement that answers any number of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRow(Generic[Row]):
    """A statement that answers one row, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(Generic[Row]):
    """A statement that answers one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A statement that answers nothing."""


AnyStatement = Rows[Any] | OneRow[Any] | Value[Any] | Command


@cache
def statement_name(kind: Any) -> str:
    """``ClaimJobs`` is ``claim_jobs``: the name of the file."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@cache
def statement_text(kind: Any) -> str:
    """The SQL of a kind of statement."""
    path = database_dir() / "queries" / f"{statement_name(kind)}.sql"
    return path.read_text(encoding="utf-8")


@cache
def row_type(kind: Any) -> Any:
    """What a row (or the value) of a kind of statement is; None for a command."""
    for base in kind.__orig_bases__ if hasattr(kind, "__orig_bases__") else ():
        if get_origin(base) in (Rows, OneRow, Value):
            return get_args(base)[0]
    return None


@cache
def _json_fields(kind: Any) -> frozenset[str]:
    """Fields that travel as JSON: objects, and arrays of objects."""
    hints = get_type_hints(kind)
    return frozenset(
        name
        for name, hint in hints.items()
        if get_origin(hint) is dict or dict in (get_origin(part) for part in get_args(hint))
    )


def parameters(statement: AnyStatement) -> dict[str, Any]:
    """A statement's parameters as the driver takes them."""
    kind: Any = type(statement)
    json_fields = _json_fields(kind)
    values = {f.name: getattr(statement, f.name) for f in fields(statement)}
    for f in fields(statement):
        if f.metadata == FOREIGN:
            values[f.name] = storable(values[f.name])
    return {name: _adapted(value, json=name in json_fields) for name, value in values.items()}


def storable(value: Any) -> Any:
    """A value without what PostgreSQL cannot hold: NUL, half a surrogate pair, NaN, infinity."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part) for part in value]
    return value


_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def _adapted(value: Any, *, json: bool) -> Any:
    if json and value is not None:
        return Jsonb(value)
    # The driver sends a list as an array, but a tuple as a composite value.
    return list(value) if isinstance(value, tuple) else value


async def fetch(connection: Connection, statement: Rows[Row]) -> list[Row]:
    """Run a statement; all its rows.

    Raises ``DatabaseError``, or the error that the database's refusal means.
    """
    kind: Any = type(statement)
    async with translated(), connection.cursor(row_factory=_row_factory(kind)) as cursor:
        await cursor.execute(statement_text(kind).encode(), parameters(statement))
        return await cursor.fetchall()


async def fetch_one(connection: Connection, statement: OneRow[Row]) -> Row | None:
    """Run a statement; its row, or None. Raises as ``fetch`` does."""
    kind: Any = type(statement)
    async with translated(), connection.cursor(row_factory=_row_factory(kind)) as cursor:
        await cursor.execute(statement_text(kind).encode(), parameters(statement))
        return await cursor.fetchone()


async def fetch_value(connection: Connection, statement: Value[Row]) -> Row:
    """Run a statement; its one value. Raises as ``fetch`` does."""
    kind: Any = type(statement)
    async with translated(), connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(statement_text(kind).encode(), parameters(statement))
        # CI compares the declared type with the column's.
        return cast(Row, await cursor.fetchone())


async def execute(connection: Connection, statement: Command) -> None:
    """Run a statement that answers nothing. Raises as ``fetch`` does."""
    kind: Any = type(statement)
    async with translated():
        await connection.execute(statement_text(kind).encode(), parameters(statement))


@cache
def _row_factory(kind: Any) -> Any:
    kept = row_type(kind)
    return scalar_row if kept in (str, int, bool, UUID) else class_row(kept)
