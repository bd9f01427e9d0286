"""Compares a statement's declaration with what the server says of its SQL."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import psycopg
from psycopg import pq
from psycopg._queries import _query2pg  # the driver's own reading of %(name)s

import vsl.db
from vsl.db.statement import Command, OneRow, Rows, Value, row_type

#: What a value of a PostgreSQL type is in Python, both ways.
PYTHON = {
    "text": str,
    "varchar": str,
    "int2": int,
    "int4": int,
    "int8": int,
    "float8": float,
    "numeric": Decimal,
    "bool": bool,
    "uuid": UUID,
    "timestamptz": datetime,
    "jsonb": dict,
}


def kinds() -> list[Any]:
    """Every kind of statement that the program declares."""
    bases = (Rows, OneRow, Value, Command)
    names = [
        m.name for m in pkgutil.iter_modules(vsl.db.__path__) if m.name.startswith("statements")
    ]
    return [
        found
        for name in names
        for found in vars(importlib.import_module(f"vsl.db.{name}")).values()
        if inspect.isclass(found) and issubclass(found, bases) and found not in bases
    ]


def mismatches(connection: psycopg.Connection[Any], kind: Any, text: str) -> list[str]:
    """Everything in which a kind of statement and its SQL differ; empty when they agree."""
    query, _, names, _ = _query2pg(text.encode(), "utf-8")
    server = connection.pgconn
    prepared = server.prepare(b"", query)
    if prepared.status != pq.ExecStatus.COMMAND_OK:
        return [f"it cannot be prepared: {prepared.get_error_message()}"]
    described = server.describe_prepared(b"")
    return [
        *_parameters(kind, list(names or []), described),
        *_columns(connection, kind, described),
    ]


def _parameters(kind: Any, names: list[str], described: pq.abc.PGresult) -> list[str]:
    hints = get_type_hints(kind)
    declared = {field.name for field in fields(kind)}
    found = [f"parameter {name} is not declared" for name in names if name not in declared]
    found += [f"parameter {name} is not in the SQL" for name in declared - set(names)]
    for number, name in enumerate(names):
        theirs = _type_name(described.param_type(number))
        if name in declared and not _fits(theirs, hints[name], exactly=True):
            found.append(f"parameter {name} is {theirs}, but declared as {hints[name]}")
    return found


def _columns(
    connection: psycopg.Connection[Any], kind: Any, described: pq.abc.PGresult
) -> list[str]:
    columns = {
        (described.fname(n) or b"").decode(): (
            _type_name(described.ftype(n)),
            _may_be_null(connection, described.ftable(n), described.ftablecol(n)),
        )
        for n in range(described.nfields)
    }
    kept = row_type(kind)
    if issubclass(kind, Command):
        # One column is the answer of a function that is called for its effect.
        return [f"{described.nfields} columns are answered"] if described.nfields > 1 else []
    if not is_dataclass(kept):
        if described.nfields != 1:
            return [f"{described.nfields} columns are answered, not one"]
        hints: dict[str, Any] = dict.fromkeys(columns, kept)
    else:
        hints = get_type_hints(kept)
    found = [f"column {name} is not declared" for name in columns.keys() - hints.keys()]
    found += [f"column {name} is not answered" for name in hints.keys() - columns.keys()]
    for name in columns.keys() & hints.keys():
        theirs, may_be_null = columns[name]
        if not _fits(theirs, hints[name], exactly=False):
            found.append(f"column {name} is {theirs}, but declared as {hints[name]}")
        elif may_be_null and not _takes_none(hints[name]) and is_dataclass(kept):
            found.append(f"column {name} may be NULL, but is declared as {hints[name]}")
    return found


def _type_name(oid: int) -> str:
    info = psycopg.adapters.types.get(oid)
    if info is None:
        return f"type {oid}"
    return f"{info.name}[]" if oid == info.array_oid else info.name


def _fits(theirs: str, hint: Any, *, exactly: bool) -> bool:
    """Whether a PostgreSQL type is what a hint says. exactly: int4 takes no list of objects."""
    ours = _without_none(hint)
    origin = get_origin(ours) or ours
    if theirs.endswith("[]"):
        is_array = isinstance(origin, type) and issubclass(origin, Sequence) and origin is not str
        return is_array and _fits(theirs[:-2], get_args(ours)[0], exactly=exactly)
    if theirs == "jsonb" and exactly and origin is list:
        return get_origin(get_args(ours)[0]) is dict
    return PYTHON.get(theirs) is origin


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (kept,) = (part for part in get_args(hint) if part is not NoneType)
        return kept
    return hint


def _takes_none(hint: Any) -> bool:
    return NoneType in get_args(hint)


def _may_be_null(connection: psycopg.Connection[Any], table: int, column: int) -> bool:
    """Whether a column that comes straight from a table may be NULL there."""
    row = connection.execute(
        "SELECT NOT a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE a.attrelid = %s AND a.attnum = %s AND c.relkind = 'r'",
        [table, column],
    ).fetchone()
    return bool(row and row[0])
