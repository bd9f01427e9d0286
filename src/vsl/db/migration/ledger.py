"""The ledger of migrations, ``public.schema_migrations``, with or without its newer columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vsl import __version__
from vsl.db.files import Migration, SqlFile, manifest
from vsl.db.migration.folder import Files, Script
from vsl.db.migration.state import Known, SchemaState, compare, key_of
from vsl.db.script import Statement, meaning, split
from vsl.db.statement import Command, Connection, execute, fetch, fetch_one, fetch_value
from vsl.db.statements_schema import (
    AcceptText,
    BeginStatements,
    CompleteVersion,
    DescribeVersion,
    GetAppliedText,
    LedgerRow,
    ListLedger,
    ListRepeatables,
    LookAtSchema,
    MarkVersion,
    RecordVersion,
    RenumberVersion,
    SchemaLook,
)
from vsl.errors import DatabaseError, InvalidInput, MigrationEdited, Problem


async def refuse_changed(connection: Connection, script: Script, row: LedgerRow) -> None:
    """Raise ``MigrationEdited`` unless the statements that are done are still in the file.

    row: of a run that was begun and not ended.
    """
    applied = await fetch_value(connection, GetAppliedText(version=row.version))
    done = row.statements_done or 0
    if applied is None or row.sha256 == script.migration.sha256 or not done:
        return
    if _sayings(split(applied)[:done]) == _sayings(script.statements[:done]):
        return
    raise MigrationEdited(
        f"{script.migration.path.name}: {done} of its statements are done, and those were changed "
        "since",
        hint="Put them back as they were, and change only what comes after; or start over with "
        f"`vsl db forget-failed {row.version}`.",
    )


def _sayings(statements: Sequence[Statement]) -> list[str]:
    return [meaning(statement.text) for statement in statements]


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that was applied. version: as recorded. statements: how many it has.

    seconds: of the last try, without the waits before it; None when nobody measured it.
    """

    version: str
    migration: Migration
    mode: str
    statements: int
    seconds: float | None


async def look(connection: Connection) -> SchemaLook:
    """What there is of VSL in the database. Raises ``DatabaseError``."""
    found = await fetch_one(connection, LookAtSchema())
    assert found is not None  # noqa: S101 - the statement always answers one row
    return found


async def read_rows(connection: Connection, there: SchemaLook | None = None) -> list[LedgerRow]:
    """The rows of the ledger, oldest first; none when there is no ledger.

    Raises ``DatabaseError`` when the login may not read it.
    """
    there = there or await look(connection)
    if not there.has_ledger:
        return []
    if not there.may_read_ledger:
        raise _unreadable(there, "public.schema_migrations")
    rows = await fetch(connection, ListLedger())
    # What came in one transaction has one time.
    return sorted(rows, key=lambda row: (row.applied_at, key_of(row) or ()))


async def read_state(connection: Connection, files: Files, *, whole: bool) -> SchemaState:
    """How the database compares with files; see ``compare``."""
    there = await look(connection)
    rows = await read_rows(connection, there)
    changed = await read_changed(connection, there, rows)
    return compare(rows, files, changed, whole=whole)


async def read_changed(
    connection: Connection, there: SchemaLook, rows: Sequence[LedgerRow]
) -> list[SqlFile]:
    """Functions, views and grants whose text is newer than what the database has."""
    files = [file for file in manifest() if file.repeatable]
    if not rows or not there.has_repeatables:
        return files
    if not there.may_read_repeatables:
        raise _unreadable(there, "vsl.repeatables")
    applied = {row.path: row.sha256 for row in await fetch(connection, ListRepeatables())}
    return [file for file in files if applied.get(file.path) != file.sha256]


def _unreadable(there: SchemaLook, table: str) -> DatabaseError:
    return DatabaseError(
        f"the login {there.login} may not read {table}, which says what schema this is",
        hint=f"Looking takes vsl_monitor, and migrating vsl_migrator: have an administrator run "
        f'GRANT vsl_monitor TO "{there.login}", or use another login.',
        sqlstate="42501",
    )


async def record(connection: Connection, applied: Applied, before: Sequence[LedgerRow]) -> Applied:
    """Record a migration that was applied in this transaction, unless its file did; as it stands.

    before: the ledger as it was when the transaction began. Raises ``InvalidInput`` when the file
    recorded another version than its own.
    """
    migration = applied.migration
    there = await look(connection)
    version = await recorded_as(connection, migration, before)
    if version is None:
        version = migration.version
        wanted = RecordVersion(version=version, description=migration.description)
        await execute(connection, wanted)
    applied = replace(applied, version=version)
    if there.has_columns:
        await execute(connection, completed(applied))
    return applied


async def recorded_as(
    connection: Connection, migration: Migration, before: Sequence[LedgerRow]
) -> str | None:
    """How a file wrote its version that recorded itself: 1.1 may be 1.1.0. None if it did not.

    Raises ``InvalidInput`` when it recorded another version than its own.
    """
    known = {row.version for row in before}
    new = [row for row in await read_rows(connection) if row.version not in known]
    version = next((row.version for row in new if key_of(row) == migration.order), None)
    strange = [row.version for row in new if row.version != version]
    if strange:
        reason = f"records version {', '.join(strange)} in schema_migrations"
        raise InvalidInput([Problem(migration.path.name, reason, f"its own, {migration.version}")])
    return version


def completed(applied: Applied) -> CompleteVersion:
    """The statement that says all about a migration that was applied in a transaction."""
    migration = applied.migration
    return CompleteVersion(
        version=applied.version,
        origin=migration.origin,
        sha256=migration.sha256,
        meaning=migration.meaning,
        applied_text=migration.text,
        mode="transaction",
        statements=applied.statements,
        duration_ms=None if applied.seconds is None else round(applied.seconds * 1000),
        program_version=__version__,
    )


async def write_down(
    connection: Connection, state: SchemaState, mine: Mapping[str, Applied]
) -> None:
    """Bring rows up to date whose files have another number or layout, or that say too little.

    mine: what this very run has applied, by version, some of it before the ledger had the columns.
    """
    for statement in descriptions(state):
        applied = None
        if isinstance(statement, DescribeVersion):
            applied = mine.get(statement.version)
        await execute(connection, statement if applied is None else completed(applied))


def descriptions(state: SchemaState) -> list[Command]:
    """The statements that say of each row what is known of it."""
    found: list[Command] = []
    for known in state.renumbered:
        now = known.migration.version
        found += [RenumberVersion(version=known.row.version, now=now)]
        found += [accepted(now, known.migration)]
    found += [accepted(known.row.version, known.migration) for known in state.retouched]
    return [*found, *(_described(known) for known in state.undescribed)]


def _described(known: Known) -> DescribeVersion:
    migration = known.migration
    return DescribeVersion(
        version=known.row.version,
        origin=migration.origin,
        sha256=migration.sha256,
        meaning=migration.meaning,
        applied_text=migration.text,
    )


def accepted(version: str, migration: Migration) -> AcceptText:
    """The statement that takes a file's present text for the applied one."""
    return AcceptText(
        version=version,
        sha256=migration.sha256,
        meaning=migration.meaning,
        applied_text=migration.text,
    )


def begun(migration: Migration, version: str) -> BeginStatements:
    """The statement that records the beginning of a file without a transaction."""
    return BeginStatements(
        version=version,
        description=migration.description,
        origin=migration.origin,
        sha256=migration.sha256,
        meaning=migration.meaning,
        applied_text=migration.text,
        program_version=__version__,
    )


def marked(migration: Migration, version: str) -> MarkVersion:
    """The statement that records a file as applied, whoever did it."""
    return MarkVersion(
        version=version,
        description=migration.description,
        origin=migration.origin,
        sha256=migration.sha256,
        meaning=migration.meaning,
        applied_text=migration.text,
        program_version=__version__,
    )
