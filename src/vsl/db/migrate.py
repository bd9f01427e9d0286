"""Brings a database's schema to this program's version.

Each migration is one transaction, which holds a lock that only one runner can have. Then every
function, view and grants file whose text has changed since it was last applied is applied again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from psycopg.errors import Diagnostic

from vsl.db.faults import translated
from vsl.db.files import Migration, SqlFile, manifest, migrations, version_key
from vsl.db.pool import connect
from vsl.db.statement import Connection, execute, fetch, fetch_value
from vsl.db.statements import (
    ListRepeatables,
    ListVersions,
    LockMigrations,
    NameStrangers,
    OnlyWarnings,
    RecordRepeatable,
    RecordVersion,
    RelationExists,
    UsePublic,
)
from vsl.errors import NotAllowed, SchemaVersionError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SchemaState:
    """How a database compares with this program.

    versions: what the database embodies, oldest first. pending: migrations to apply.
    changed: paths of files whose text is newer than what the database has.
    unknown: versions that this program does not have: the database is newer.
    """

    versions: tuple[str, ...]
    pending: tuple[Migration, ...]
    changed: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def current(self) -> bool:
        """Whether nothing is to be done."""
        return not self.pending and not self.changed and not self.unknown


async def schema_state(connection: Connection) -> SchemaState:
    """How the database compares with this program. Raises ``DatabaseError``."""
    versions = await _versions(connection)
    known = {m.order: m for m in migrations()}
    applied = {version_key(version) for version in versions}
    changed = tuple(file.path for file in await _changed(connection, versions))
    return SchemaState(
        versions=tuple(versions),
        pending=tuple(m for order, m in sorted(known.items()) if order not in applied),
        changed=changed,
        unknown=tuple(v for v in versions if version_key(v) not in known),
    )


async def require_current(connection: Connection) -> None:
    """Raise ``SchemaVersionError`` unless the database's schema is this program's."""
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


_MIGRATE = "Run `vsl db migrate`."


async def migrate(url: str) -> SchemaState:
    """Apply everything that is pending; the state before. url: an unpooled address.

    Raises ``NotAllowed`` when the database is newer, or holds an installation that is not VSL's;
    ``DatabaseError`` when a migration fails, which then left nothing behind.
    """
    async with connect(url, application="vsl migrate") as connection:
        connection.add_notice_handler(_pass_on)
        before = await schema_state(connection)
        if before.unknown:
            raise NotAllowed(
                "the database's schema is newer than this program: "
                f"it has {', '.join(before.unknown)}",
                hint="Install a newer VSL.",
            )
        for migration in before.pending:
            await _apply(connection, migration)
        await _apply_repeatables(connection)
        return before


def _pass_on(notice: Diagnostic) -> None:
    """Say what a script could not do, such as making roles."""
    if notice.severity_nonlocalized == "WARNING":
        hint = f" {notice.message_hint}" if notice.message_hint else ""
        log.warning("%s%s", notice.message_primary, hint)


async def _apply(connection: Connection, migration: Migration) -> None:
    async with translated(), connection.transaction():
        await execute(connection, LockMigrations())
        await execute(connection, UsePublic())
        if migration.order in {version_key(v) for v in await _versions(connection)}:
            return  # Another runner was here while this one waited.
        if not await _versions(connection):
            await _refuse_strangers(connection)
        await connection.execute(migration.text.encode(), prepare=False)
        # A file may record itself, as the seed's example does, or leave that to the runner.
        record = RecordVersion(version=migration.version, description=migration.description)
        await execute(connection, record)


async def _apply_repeatables(connection: Connection) -> None:
    async with translated(), connection.transaction():
        await execute(connection, LockMigrations())
        await execute(connection, UsePublic())
        await execute(connection, OnlyWarnings())
        for file in await _changed(connection, await _versions(connection)):
            await connection.execute(file.text.encode(), prepare=False)
            await execute(connection, RecordRepeatable(path=file.path, sha256=file.sha256))


async def _refuse_strangers(connection: Connection) -> None:
    """An empty ledger beside tables of our names means somebody else's schema."""
    strangers = await fetch_value(connection, NameStrangers())
    if strangers:
        raise NotAllowed(
            f"schema public already has relations that VSL would create: {strangers}",
            hint="Use a database without them.",
        )


async def _versions(connection: Connection) -> list[str]:
    if not await _exists(connection, "public.schema_migrations"):
        return []
    return [row.version for row in await fetch(connection, ListVersions())]


async def _changed(connection: Connection, versions: list[str]) -> list[SqlFile]:
    files = [file for file in manifest() if file.repeatable]
    if not versions or not await _exists(connection, "vsl.repeatables"):
        return files
    applied = {row.path: row.sha256 for row in await fetch(connection, ListRepeatables())}
    return [file for file in files if applied.get(file.path) != file.sha256]


async def _exists(connection: Connection, relation: str) -> bool:
    return await fetch_value(connection, RelationExists(relation=relation))
