"""Applying files that run in a transaction, and functions, views and grants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsl.db.files import Migration, SqlFile
from vsl.db.migration import ledger
from vsl.db.migration.folder import Script
from vsl.db.migration.ladder import STRICT, Climber, Ladder, Pace
from vsl.db.migration.ledger import Applied
from vsl.db.migration.send import at_the_end, send
from vsl.db.migration.state import begun_row
from vsl.db.script import Statement
from vsl.db.statement import Connection, execute, fetch_value
from vsl.db.statements_schema import (
    ActAsOwner,
    DropVersion,
    LedgerRow,
    OnlyWarnings,
    PrepareFile,
    RecordRepeatable,
    ResetRole,
    ResetSession,
)

#: Milliseconds that a statement inside a transaction may take: an hour, as strong_migrations
#: advises. Locks are waited for much shorter; this ends what would block others for ever.
STATEMENT_TIMEOUT = "3600000"
#: Milliseconds that the runner itself waits for the ledger, which another one may be changing.
READ_TIMEOUT = "30000"
#: Of functions, views and grants the one that says whose everything is. It runs as the login, which
#: may give away what is its own, and runs again whenever something else was made.
GRANTS = "roles.sql"


#: Is told of a statement that was done, and when it was sent.
Look = Callable[[Statement, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Runner:
    """What applying needs: a connection of one's own, time, and somebody to tell."""

    connection: Connection
    url: str
    pace: Pace
    tell: Callable[[str], None]
    strict: Ladder = STRICT

    @property
    def climber(self) -> Climber:
        """Climbs the ladder of locks on this connection."""
        return Climber(self.connection, self.url, self.pace, self.tell)


async def apply_in_transaction(runner: Runner, script: Script) -> Applied:
    """Apply a file, all or nothing, its row of the ledger included.

    Raises ``MigrationFailed``, ``MigrationBlocked``, and ``DatabaseError`` when the connection is
    lost; the file has left nothing then.
    """
    done: list[Applied] = []

    async def attempt(lock_timeout_ms: str) -> None:
        with at_the_end(script.migration):
            async with runner.connection.transaction():
                done.append(await run_file(runner, script, lock_timeout_ms))

    await runner.climber.climb(script.migration.path.name, runner.strict, attempt)
    return done[-1]


async def run_file(
    runner: Runner, script: Script, lock_timeout_ms: str, after: Look | None = None
) -> Applied:
    """Run a file and record it, inside of a transaction. after: called after each statement."""
    connection, migration = runner.connection, script.migration
    begun, count = runner.pace.now(), len(script.statements)
    await prepare(connection, lock_timeout_ms)
    before = await _without_unfinished(connection, script)
    if migration.origin == "vsl":
        await act_as_owner(connection)
    for number, statement in enumerate(script.statements, 1):
        sent = runner.pace.now()
        await send(connection, migration, statement, number, count)
        if after is not None:
            await after(statement, sent)
    # Whatever the file has set must not touch the record.
    await execute(connection, ResetRole())
    await _set(connection, lock_timeout_ms)
    await act_as_owner(connection)
    took = runner.pace.now() - begun
    applied = Applied(migration.version, migration, "transaction", count, took)
    return await ledger.record(connection, applied, before)


async def _without_unfinished(connection: Connection, script: Script) -> list[LedgerRow]:
    """The ledger, without the row of an earlier form of the file that ran without a transaction.

    Raises ``MigrationEdited`` when some of that is done.
    """
    before = await ledger.read_rows(connection)
    row = begun_row(before, script.migration)
    if row is None:
        return before
    await ledger.refuse_changed(connection, script, row)
    await act_as_owner(connection)
    await execute(connection, DropVersion(version=row.version))
    await execute(connection, ResetRole())
    return [other for other in before if other is not row]


async def prepare(connection: Connection, lock_timeout_ms: str) -> None:
    """The same conditions for each file, whatever the login's or the file before has set."""
    await execute(connection, ResetSession())
    await _set(connection, lock_timeout_ms)


async def prepare_session(connection: Connection) -> None:
    """The same for what the runner itself asks."""
    wanted = PrepareFile(
        local=False,
        lock_timeout_ms=READ_TIMEOUT,
        statement_timeout_ms=STATEMENT_TIMEOUT,
    )
    await fetch_value(connection, wanted)


async def _set(connection: Connection, lock_timeout_ms: str) -> None:
    wanted = PrepareFile(
        local=True, lock_timeout_ms=lock_timeout_ms, statement_timeout_ms=STATEMENT_TIMEOUT
    )
    await fetch_value(connection, wanted)


async def act_as_owner(connection: Connection) -> None:
    """Act as the owner of VSL's schema to the end of the transaction, where the login may."""
    await fetch_value(connection, ActAsOwner())


async def apply_repeatables(runner: Runner, files: Sequence[SqlFile]) -> None:
    """Apply functions, views and grants again, all of them or none."""
    connection = runner.connection

    async def attempt(lock_timeout_ms: str) -> None:
        async with connection.transaction():
            await prepare(connection, lock_timeout_ms)
            await execute(connection, OnlyWarnings())
            await run_repeatables(connection, files)

    await runner.climber.climb("functions, views and grants", runner.strict, attempt)


async def run_repeatables(connection: Connection, files: Sequence[SqlFile]) -> None:
    """Run functions, views and grants inside of a transaction, and record their texts."""
    for file in files:
        await execute(connection, ResetRole())
        if file.path != GRANTS:
            await act_as_owner(connection)
        # As a whole: they are sent often, and hold nothing that a server reads in another way then.
        migration = Migration("0", file.path, Path(file.path), file.text)
        await send(connection, migration, Statement(file.text, 1, ()), 0, 0)
    await execute(connection, ResetRole())
    await act_as_owner(connection)
    for file in files:
        await execute(connection, RecordRepeatable(path=file.path, sha256=file.sha256))


def with_grants(changed: Sequence[SqlFile], manifest: Sequence[SqlFile]) -> list[SqlFile]:
    """Files to apply again, and the grants with them: what is new has an owner and rights then."""
    paths = {file.path for file in changed} | {GRANTS}
    return [file for file in manifest if file.path in paths]
