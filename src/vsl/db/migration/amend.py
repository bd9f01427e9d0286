"""Correcting the ledger by hand: one verb for each thing, each looked at before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsl.db.files import Migration
from vsl.db.migrate import Options, difference_of, own_session
from vsl.db.migration import ledger
from vsl.db.migration.apply import act_as_owner
from vsl.db.migration.folder import is_same_version, read_files, read_script
from vsl.db.migration.ladder import REAL
from vsl.db.migration.lock import only_runner
from vsl.db.migration.state import SchemaState, key_of
from vsl.db.statement import Command, Connection, Json, execute, fetch_value
from vsl.db.statements_looks import RecordAct
from vsl.db.statements_schema import DropVersion, LedgerRow
from vsl.errors import InvalidInput, NotAllowed, NotFound, Problem


@dataclass(frozen=True, slots=True)
class Amendment:
    """What would be done. says: in words. diff: of an accepted edit."""

    act: str
    version: str
    says: tuple[str, ...]
    statement: Command
    detail: Json
    diff: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """A version: its row, its file, and how everything compares."""

    state: SchemaState
    row: LedgerRow | None
    migration: Migration | None


async def plan(url: str, folder: Path, act: str, version: str) -> Amendment:
    """What an act on a version would do. act: accept-edit, mark-applied or forget-failed.

    Raises ``NotFound`` for a version that neither the ledger nor the files have, ``NotAllowed``
    when there is nothing of that kind to do, and as ``read_files`` does.
    """
    async with own_session(url) as connection:
        return await _plan(connection, folder, act, version)


async def carry_out(url: str, folder: Path, wanted: Amendment, options: Options) -> None:
    """Do what ``plan`` has shown. Raises ``NotAllowed`` when things have changed since."""
    async with (
        own_session(url) as connection,
        only_runner(connection, wait=options.wait, pace=REAL, tell=options.tell),
    ):
        now = await _plan(connection, folder, wanted.act, wanted.version)
        if now != wanted:
            raise NotAllowed("the file or the ledger has changed meanwhile", hint="Look again.")
        async with connection.transaction():
            await act_as_owner(connection)
            await execute(connection, now.statement)
            if (await ledger.look(connection)).may_record_acts:
                subject = f"migration {now.version}"
                act = RecordAct(act=now.act, subject=subject, detail=now.detail)
                await fetch_value(connection, act)


async def _plan(connection: Connection, folder: Path, act: str, version: str) -> Amendment:
    found = await _find(connection, folder, version)
    if not (await ledger.look(connection)).has_columns:
        raise NotAllowed(
            "the ledger is older than this command", hint="Run `vsl db migrate` first."
        )
    if act == "accept-edit":
        return await _accept_edit(connection, found)
    return {"mark-applied": _mark_applied, "forget-failed": _forget_failed}[act](found, version)


async def _find(connection: Connection, folder: Path, version: str) -> _Found:
    files = read_files(folder)
    state = await ledger.read_state(connection, files, whole=True)
    migration = next((m for m in files.all() if is_same_version(version, m)), None)
    row = next((r for r in state.rows if r.version == version), None)
    if row is None and migration is not None:
        row = next((r for r in state.rows if key_of(r) == migration.order), None)
    if row is None and migration is None:
        raise NotFound(f"there is no migration {version}", hint="See `vsl db status`.")
    return _Found(state, row, migration)


async def _accept_edit(connection: Connection, found: _Found) -> Amendment:
    edits = [*found.state.edited, *found.state.retouched]
    edit = next((known for known in edits if known.row == found.row), None)
    if edit is None or found.row is None:
        raise NotAllowed(
            "this file says what was applied; there is no edit to accept",
            hint="See `vsl db status`.",
        )
    version, migration = edit.row.version, edit.migration
    return Amendment(
        act="accept-edit",
        version=version,
        says=(
            f"{migration.path.name} would count as applied as it stands now. Nothing of it is run: "
            "the database must be as it says already.",
        ),
        statement=ledger.accepted(version, migration),
        detail={"before": edit.row.sha256, "after": migration.sha256},
        diff=await difference_of(connection, version, migration),
    )


def _mark_applied(found: _Found, _: str) -> Amendment:
    migration, row = found.migration, found.row
    if migration is None:
        raise InvalidInput(
            [Problem("VERSION", "has no file", "a version that is pending")],
            hint="See `vsl db status`.",
        )
    if row is not None and row.applied:
        raise NotAllowed(f"{row.version} is applied already", hint="See `vsl db status`.")
    version = row.version if row is not None else migration.version
    read_script(migration)  # a file that is no migration is no applied one
    return Amendment(
        act="mark-applied",
        version=version,
        says=(
            f"{migration.path.name} would count as applied. Nothing of it is run: the database "
            "must be as it says already.",
        ),
        statement=ledger.marked(migration, version),
        detail={"sha256": migration.sha256, "state": row.state if row is not None else None},
    )


def _forget_failed(found: _Found, version: str) -> Amendment:
    row = found.row
    if row is None or row.applied:
        raise NotAllowed(
            f"{row.version if row else version} is not one that was begun and not ended",
            hint="Only such can be forgotten; see `vsl db status`.",
        )
    done = row.statements_done or 0
    return Amendment(
        act="forget-failed",
        version=row.version,
        says=(
            f"{row.version} ({row.state}) would be forgotten. What it did stays in the database: "
            f"{done} of its statements are done.",
            "The next `vsl db migrate` begins it at its first statement.",
        ),
        statement=DropVersion(version=row.version),
        detail={"state": row.state, "statements_done": done, "error": row.error},
    )
