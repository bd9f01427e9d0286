"""Reads the tables of an original layout as VSL would hold them, and moves them over.

Their columns are not known beforehand, so each row is read as JSON, through temporary views that
follow a table to wherever it is moved: what is counted before and what is copied later are the same
view. The SQL stands in ``database/adopt``. All of it belongs into one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import LiteralString

from psycopg import sql
from psycopg.rows import class_row

from vsl import __version__
from vsl.db.faults import translated
from vsl.db.files import Migration, database_dir, manifest, version_key
from vsl.db.statement import Connection, Row, execute, fetch
from vsl.db.statements import UsePublic
from vsl.db.statements_adopt import (
    Dependent,
    Holder,
    ListHoldersOfOriginals,
    ListUniqueColumns,
    OriginalVersion,
    RecordAdoptedVersion,
)
from vsl.db.statements_schema import RecordRepeatable
from vsl.errors import DatabaseError, InvalidInput, NotAllowed, VslError

#: The schema that the original tables are moved to.
KEPT = "vsl_original"
#: SQLSTATE of a lock that was not had in time.
IN_USE = "55P03"
#: What each table is called in the names of scripts and views, in the order of their references.
TABLES: Mapping[str, str] = {
    "model_configurations": "models",
    "jobs": "jobs",
    "media_outputs": "outputs",
    "usage_tracking": "usage",
    "user_preferences": "preferences",
}
_KEYS = (
    ("jobs", "id"),
    ("jobs", "job_id"),
    ("media_outputs", "id"),
    ("usage_tracking", "id"),
)
_LATER = ("registry.sql", "roles.sql")


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many rows a rule is about. rule: column and rule, such as ``status:spelling``.

    refused: whether these rows cannot be had. first: some of those, by identifier.
    """

    refused: bool
    rule: str
    rows: int
    first: list[str]


@dataclass(frozen=True, slots=True)
class RowCount:
    """The rows of a table, and how many of them are refused."""

    rows: int
    refused: int


@dataclass(frozen=True, slots=True)
class ExtraCount:
    """How many rows have something in a column that VSL has no place for."""

    column: str
    rows: int


@dataclass(frozen=True, slots=True)
class Provider:
    """Who ran a model, in the words of the original registry."""

    model_id: str
    original_provider: str | None


@dataclass(frozen=True, slots=True)
class _Check:
    table: str
    same: bool
    expected: str
    found: str


async def make_views(
    connection: Connection,
    columns: Mapping[str, Collection[str]],
    extras: Mapping[str, Sequence[str]],
) -> None:
    """Make the views that the functions below read. Raises ``DatabaseError``.

    columns: of the original tables that there are. extras: those of them that VSL has not.
    """
    await _run(connection, _text("read_values"))
    await _run(connection, _text("make_repeated_keys"))
    unique = {(row.table, row.column) for row in await fetch(connection, ListUniqueColumns())}
    for table, column in _KEYS:
        if column in columns.get(table, ()) and (table, column) not in unique:
            names = {"table": _name(table), "column": _name(column)}
            place = sql.Literal(f"{table}.{column}")
            await _run(connection, _composed("find_repeated_keys", place=place, **names))
    for table, short in TABLES.items():
        view = _name(f"original_{short}")
        if table in columns:
            extra = sql.Literal(list(extras.get(table, ())))
            script = _composed("read_original", view=view, table=_name(table), extra=extra)
        else:
            script = _composed("read_nothing", view=view)
        await _run(connection, script)
    for short in TABLES.values():
        await _run(connection, _text(f"read_{short}"))


async def drop_views(connection: Connection) -> None:
    """Take them away again, within the transaction. Raises ``DatabaseError``."""
    await _run(connection, _text("drop_views"))


async def count_rows(connection: Connection, table: str) -> RowCount:
    """The rows of an original table. Raises ``DatabaseError``."""
    view = _name(f"adopted_{TABLES[table]}")
    return (await _rows(connection, RowCount, _composed("count_rows", view=view)))[0]


async def count_rules(connection: Connection, table: str) -> list[RuleCount]:
    """What would be mended in an original table, and what is refused. Raises ``DatabaseError``."""
    view = _name(f"adopted_{TABLES[table]}")
    return await _rows(connection, RuleCount, _composed("count_rules", view=view))


async def count_extras(connection: Connection, table: str) -> list[ExtraCount]:
    """The use of columns that VSL has not. Raises ``DatabaseError``."""
    view = _name(f"original_{TABLES[table]}")
    return await _rows(connection, ExtraCount, _composed("count_extras", view=view))


async def list_providers(connection: Connection) -> list[Provider]:
    """The models, each with who ran it. Raises ``DatabaseError``."""
    return await _rows(connection, Provider, sql.SQL(_text("list_providers")))


async def lock_tables(connection: Connection) -> None:
    """Keep everybody away from the original tables.

    Raises ``DatabaseError`` with SQLSTATE ``IN_USE`` when that is not had in the time that
    ``PrepareAdoption`` allows.
    """
    await _run(connection, _text("lock_tables"))


async def in_use(connection: Connection, error: DatabaseError) -> DatabaseError:
    """The error that names who uses the original tables, in place of one that says only that.

    The transaction must be over.
    """
    holders = await fetch(connection, ListHoldersOfOriginals())
    named = "; ".join(_described(holder) for holder in holders)
    return DatabaseError(
        "the original tables are in use, and were not to be had within 5 seconds"
        + (f": {named}" if named else ""),
        hint="Stop what uses them, or wait for it, and try again.",
        sqlstate=error.sqlstate,
        retryable=True,
    )


def _described(holder: Holder) -> str:
    if holder.pid is None:
        return "a prepared transaction"
    parts = [f"process {holder.pid}"]
    if holder.user_name:
        parts.append(f"of {holder.user_name}")
    if holder.application:
        parts.append(f"({holder.application})")
    if holder.state:
        parts.append(holder.state)
    if holder.age is not None:
        parts.append(f"for {holder.age:.0f} s")
    return " ".join(parts)


async def take_away(connection: Connection, dependents: Sequence[Dependent]) -> None:
    """Drop foreign keys and views of others on the original tables, the outermost views first."""
    for dependent in sorted(dependents, key=lambda found: -found.depth):
        if dependent.taken is not None:
            await _run(connection, dependent.taken)


async def make_again(connection: Connection, dependents: Sequence[Dependent]) -> None:
    """Make them again, on VSL's tables. Raises ``NotAllowed`` naming the one that does not fit."""
    for dependent in dependents:
        try:
            for statement in dependent.made or ():
                await _run(connection, statement)
        except VslError as error:
            raise NotAllowed(
                f"{dependent.kind} {dependent.name} cannot be made again on VSL's tables: {error}",
                hint="Drop it before the adoption, and make it again as it fits afterwards.",
            ) from error


async def move_originals(connection: Connection) -> None:
    """Move the original tables and views to the schema where they are kept."""
    await _run(connection, _text("move_originals"))


async def install_tables(connection: Connection) -> None:
    """Make all of the schema but the rows of the registry, the roles and their grants."""
    await _install(connection, later=False)


async def install_rest(connection: Connection) -> None:
    """Add VSL's own models, the roles and the grants, and record all texts."""
    await _install(connection, later=True)
    for file in manifest():
        if file.repeatable:
            await execute(connection, RecordRepeatable(path=file.path, sha256=file.sha256))


async def _install(connection: Connection, *, later: bool) -> None:
    await execute(connection, UsePublic())
    for file in manifest():
        if (file.path in _LATER) is later:
            await _run(connection, file.text)


async def copy_table(connection: Connection, table: str) -> None:
    """Copy what is not refused of an original table. Raises ``DatabaseError``."""
    try:
        await _run(connection, _text(f"copy_{TABLES[table]}"))
    except InvalidInput as error:
        # A rule of a table that the views do not know: the row is the database's, not the caller's.
        raise NotAllowed(
            f"{table} has a row that VSL refuses: {error.message}",
            hint="Nothing was changed. Please report this.",
        ) from error


async def check_copies(connection: Connection) -> None:
    """Compare counts and sums of what was to be copied with what is there.

    Raises ``DatabaseError`` when they differ, or a job would be run.
    """
    for check in await _rows(connection, _Check, sql.SQL(_text("check_copies"))):
        if not check.same:
            raise DatabaseError(
                f"the copy of {check.table} is not what was to be copied: "
                f"expected {check.expected}, found {check.found}",
                hint="Nothing was changed. Please report this.",
            )


async def record_versions(
    connection: Connection, migrations: Sequence[Migration], originals: Sequence[OriginalVersion]
) -> None:
    """Fill the ledger: VSL's versions, and what the original ledger had.

    A version that both have keeps the original's words and time. One of the original's that means
    something else under a number of VSL's is kept as ``1.2.0-original``.
    """
    left = {row.version: row for row in originals}
    for migration in migrations:
        same = next((row for row in left.values() if _is_same(row, migration)), None)
        if same is not None:
            del left[same.version]
        record = RecordAdoptedVersion(
            version=migration.version,
            description=(same.description if same else None) or migration.description,
            applied_at=None if same is None else same.applied_at,
            origin="vsl",
            sha256=migration.sha256,
            meaning=migration.meaning,
            applied_text=migration.text,
            program_version=__version__,
        )
        await execute(connection, record)
    known = {migration.order for migration in migrations}
    for row in left.values():
        taken = _key(row.version) in known
        version = f"{row.version}-original" if taken else row.version
        record = RecordAdoptedVersion(
            version=version[:50],
            description=row.description,
            applied_at=row.applied_at,
            origin="user",
            sha256=None,
            meaning=None,
            applied_text=None,
            program_version=__version__,
        )
        await execute(connection, record)


def _is_same(row: OriginalVersion, migration: Migration) -> bool:
    """Whether an original's version is VSL's: the first one, and the seed's example."""
    if _key(row.version) != migration.order:
        return False
    return migration.version == "1.0.0" or "preferences" in (row.description or "").lower()


def _key(version: str) -> tuple[int, ...] | None:
    try:
        return version_key(version)
    except ValueError:
        return None


@cache
def _text(name: str) -> LiteralString:
    path = database_dir() / "adopt" / f"{name}.sql"
    return path.read_text(encoding="utf-8")


def _composed(name: str, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(_text(name)).format(**parts)


def _name(name: str) -> sql.Identifier:
    return sql.Identifier(name)


async def _run(connection: Connection, script: str | sql.Composed) -> None:
    async with translated():
        whole = script.encode() if isinstance(script, str) else script
        await connection.execute(whole, prepare=False)


async def _rows(
    connection: Connection, kind: type[Row], query: sql.SQL | sql.Composed
) -> list[Row]:
    async with translated(), connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(query, prepare=False)
        return await cursor.fetchall()
