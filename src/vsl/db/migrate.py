"""Brings a database's schema to this program's version, and applies the user's own migrations.

Files that can, run in a transaction each; the others' statements are sent one by one. First come
the packaged files, then every function, view and grants file whose text has changed, then the
user's, so that a new installation and an old one see the same order.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from psycopg import IsolationLevel
from psycopg.errors import Diagnostic

from vsl.db.files import Migration, SqlFile, manifest
from vsl.db.migration import ledger
from vsl.db.migration.apply import (
    Runner,
    act_as_owner,
    apply_in_transaction,
    apply_repeatables,
    prepare_session,
    with_grants,
)
from vsl.db.migration.folder import Files, Script, read_files, read_script
from vsl.db.migration.ladder import REAL, STRICT, Ladder, Pace
from vsl.db.migration.ledger import Applied
from vsl.db.migration.lock import WAIT, only_runner
from vsl.db.migration.outside import apply_outside
from vsl.db.migration.psql import psql_script
from vsl.db.migration.rehearse import Step, rehearse
from vsl.db.migration.send import RIGHTS
from vsl.db.migration.state import NOTHING, Allowed, SchemaState, refuse
from vsl.db.migration.wording import unified
from vsl.db.pool import connect, is_pooled
from vsl.db.statement import Connection, fetch_value
from vsl.db.statements_schema import GetAppliedText, NameStrangers
from vsl.errors import (
    ConnectionPooled,
    DatabaseError,
    MigrationEdited,
    MigrationRefused,
    SchemaOfOthers,
    SchemaVersionError,
)

log = logging.getLogger(__name__)

__all__ = [
    "Options",
    "Outcome",
    "Planned",
    "SchemaState",
    "migrate",
    "plan",
    "require_current",
    "run_migrations",
    "schema_state",
    "script_for_psql",
]

_MIGRATE = "Run `vsl db migrate`."


async def schema_state(connection: Connection, folder: Path | None = None) -> SchemaState:
    """How the database compares with this program and the user's folder, if one is given.

    Raises ``DatabaseError``, and as ``read_files`` does.
    """
    return await ledger.read_state(connection, read_files(folder), whole=folder is not None)


async def require_current(connection: Connection) -> None:
    """Raise ``SchemaVersionError`` unless the database's schema is this program's.

    The user's own migrations are not asked for: a program works with or without them.
    """
    state = await schema_state(connection)
    if state.unknown:
        raise SchemaVersionError(
            f"the database's schema is newer than this program: it has {', '.join(state.unknown)}",
            hint="Install a newer VSL.",
        )
    if state.pending and not state.versions:
        raise SchemaVersionError("VSL is not installed in this database", hint=_MIGRATE)
    if state.pending:
        missing = ", ".join(m.version for m in state.pending)
        raise SchemaVersionError(
            f"the database's schema is older than this program: it lacks {missing}", hint=_MIGRATE
        )
    if state.changed:
        raise SchemaVersionError(
            f"the database's functions are older than this program ({len(state.changed)} differ)",
            hint=_MIGRATE,
        )


@dataclass(frozen=True, slots=True)
class Options:
    """How a run goes. folder: of the user's migrations. wait: seconds for another runner to end.

    tell: is told of each step, in a line of words.
    """

    folder: Path | None = None
    wait: float = WAIT
    allowed: Allowed = NOTHING
    tell: Callable[[str], None] = log.info
    pace: Pace = REAL
    strict: Ladder = STRICT


@dataclass(slots=True)
class Outcome:
    """What a run has done. reapplied: paths of functions, views and grants. before: see there."""

    before: SchemaState
    applied: list[Applied] = field(default_factory=list)
    reapplied: tuple[str, ...] = ()


async def migrate(url: str, *, folder: Path | None = None) -> SchemaState:
    """Apply everything that is pending; the state before. url: an unpooled address.

    Raises as ``run_migrations`` does.
    """
    return (await run_migrations(url, Options(folder=folder))).before


async def run_migrations(url: str, options: Options) -> Outcome:
    """Apply everything that is pending. url: an unpooled address.

    Raises ``MigrationRefused`` (a class for each reason) when files and database do not fit,
    ``MigrationBusy`` when another runner does not end, ``MigrationFailed`` or ``MigrationBlocked``
    when a file fails, and ``InvalidInput`` for files that cannot be read.
    """
    files = read_files(options.folder)
    whole = options.folder is not None
    async with own_session(url) as connection:
        state = await ledger.read_state(connection, files, whole=whole)
        if state.current and not _refused(state, options.allowed) and not state.to_write_down:
            return Outcome(state)
        async with only_runner(connection, wait=options.wait, pace=options.pace, tell=options.tell):
            state = await ledger.read_state(connection, files, whole=whole)
            await refuse_with_diff(connection, state, options.allowed)
            runner = Runner(connection, url, options.pace, options.tell, options.strict)
            return await _apply_all(runner, state, files, whole=whole)


def _refused(state: SchemaState, allowed: Allowed) -> bool:
    try:
        refuse(state, allowed)
    except MigrationRefused:
        return True
    return False


@asynccontextmanager
async def own_session(url: str, *, application: str = "vsl migrate") -> AsyncIterator[Connection]:
    """A connection whose session is its own. Raises ``ConnectionPooled`` for a pooler's."""
    async with connect(url, application=application) as connection:
        if await is_pooled(connection):
            raise ConnectionPooled(
                "this address leads through a pooler, which gives each transaction another session:"
                " the lock against a second runner would be lost on the way",
                hint="Set VSL_DIRECT_DATABASE_URL to the address of the server itself.",
            )
        connection.add_notice_handler(_pass_on)
        await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
        await connection.set_read_only(False)
        await prepare_session(connection)
        try:
            yield connection
        except DatabaseError as error:
            if error.sqlstate == "42501" and error.hint is None:
                error.hint = RIGHTS
            raise


def _pass_on(notice: Diagnostic) -> None:
    """Say what a script could not do, such as making roles."""
    if notice.severity_nonlocalized == "WARNING":
        hint = f" {notice.message_hint}" if notice.message_hint else ""
        log.warning("%s%s", notice.message_primary, hint)


async def refuse_with_diff(connection: Connection, state: SchemaState, allowed: Allowed) -> None:
    """Raise the error that says why a migration cannot begin, an edited file with its diff."""
    # The original layout has a ledger, but none of VSL's own tables.
    if not state.rows or not (await ledger.look(connection)).has_repeatables:
        await _refuse_strangers(connection)
    try:
        refuse(state, allowed)
    except MigrationEdited as error:
        parts = [
            await difference_of(connection, known.row.version, known.migration)
            for known in state.edited
        ]
        raise MigrationEdited(error.message, diff="\n".join(parts), hint=error.hint) from None


async def difference_of(connection: Connection, version: str, migration: Migration) -> str:
    """A unified diff of the text that was applied against a file; empty when it is not known."""
    applied = await fetch_value(connection, GetAppliedText(version=version))
    return "" if applied is None else unified(applied, migration)


async def _refuse_strangers(connection: Connection) -> None:
    """An empty ledger beside tables of our names means somebody else's schema."""
    strangers = await fetch_value(connection, NameStrangers())
    if strangers:
        raise SchemaOfOthers(
            f"schema public already has relations that VSL would create: {strangers}",
            hint="Use a database without them. Should they be an older layout of VSL's, see "
            "`vsl db adopt`.",
        )


async def _apply_all(runner: Runner, state: SchemaState, files: Files, *, whole: bool) -> Outcome:
    scripts = await _read_scripts(runner.connection, state)
    outcome = Outcome(state)
    await _write_down(runner, state, outcome)
    for script in scripts:
        if script.migration.origin == "vsl":
            await _apply(runner, state, script, outcome)
    await _write_down(runner, await _state(runner, files, whole=whole), outcome)
    await _apply_changed(runner, outcome)
    for script in scripts:
        if script.migration.origin == "user":
            await _apply(runner, state, script, outcome)
    return outcome


async def _read_scripts(connection: Connection, state: SchemaState) -> list[Script]:
    """What is pending. All is read before any is run: a bad one is said before a change is made."""
    scripts = [read_script(migration) for migration in state.pending]
    for script in scripts:
        row = state.begun(script.migration)
        if row is not None:
            await ledger.refuse_changed(connection, script, row)
    return scripts


async def _state(runner: Runner, files: Files, *, whole: bool) -> SchemaState:
    return await ledger.read_state(runner.connection, files, whole=whole)


async def _apply(runner: Runner, state: SchemaState, script: Script, outcome: Outcome) -> None:
    if script.mode == "transaction":
        applied = await apply_in_transaction(runner, script)
    else:
        applied = await apply_outside(runner, script, state.begun(script.migration))
    outcome.applied.append(applied)
    runner.tell(f"applied {script.migration.path.name} ({applied.seconds or 0:.2f} s)")


async def _write_down(runner: Runner, state: SchemaState, outcome: Outcome) -> None:
    if not state.to_write_down or not (await ledger.look(runner.connection)).has_columns:
        return
    mine = {applied.version: applied for applied in outcome.applied}
    async with runner.connection.transaction():
        await act_as_owner(runner.connection)
        await ledger.write_down(runner.connection, state, mine)
    for known in state.renumbered:
        runner.tell(f"{known.row.version} is {known.migration.path.name} now")
    for known in state.retouched:
        runner.tell(f"{known.migration.path.name}: comments or layout were changed; noted")


async def _apply_changed(runner: Runner, outcome: Outcome) -> None:
    there = await ledger.look(runner.connection)
    rows = await ledger.read_rows(runner.connection, there)
    changed = await ledger.read_changed(runner.connection, there, rows)
    if changed or outcome.applied:
        files = with_grants(changed, manifest())
        await apply_repeatables(runner, files)
        outcome.reapplied = tuple(file.path for file in files)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do. steps: of a rehearsal, when one was asked for.

    scripts: what is pending, in order. changed: functions, views and grants to apply again.
    """

    state: SchemaState
    scripts: tuple[Script, ...]
    changed: tuple[SqlFile, ...]
    steps: tuple[Step, ...] | None = None


async def plan(url: str, options: Options, *, execute: bool) -> Planned:
    """What a run would do. execute: run what runs in a transaction, and roll it back.

    Raises as ``run_migrations`` does.
    """
    files = read_files(options.folder)
    whole = options.folder is not None
    async with own_session(url) as connection:
        planned = await _planned(connection, files, options, whole=whole)
        if not execute:
            return planned
        async with only_runner(connection, wait=options.wait, pace=options.pace, tell=options.tell):
            planned = await _planned(connection, files, options, whole=whole)
            runner = Runner(connection, url, options.pace, options.tell, options.strict)
            packaged = [s for s in planned.scripts if s.migration.origin == "vsl"]
            own = [s for s in planned.scripts if s.migration.origin == "user"]
            steps = await rehearse(runner, packaged, planned.changed, own)
            return replace(planned, steps=tuple(steps))


async def _planned(
    connection: Connection, files: Files, options: Options, *, whole: bool
) -> Planned:
    state = await ledger.read_state(connection, files, whole=whole)
    await refuse_with_diff(connection, state, options.allowed)
    scripts = tuple(await _read_scripts(connection, state))
    there = await ledger.look(connection)
    changed = await ledger.read_changed(connection, there, state.rows)
    if changed or any(script.migration.origin == "vsl" for script in scripts):
        changed = with_grants(changed, manifest())
    return Planned(state, scripts, tuple(changed))


async def script_for_psql(url: str, options: Options) -> str:
    """A script for psql that does what a run would do. Raises as ``run_migrations`` does."""
    planned = await plan(url, options, execute=False)
    async with own_session(url) as connection:
        columns = (await ledger.look(connection)).has_columns
    return psql_script(planned.state, planned.scripts, planned.changed, columns=columns)
