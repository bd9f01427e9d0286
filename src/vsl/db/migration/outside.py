"""Files whose statements cannot run in a transaction: sent one by one, and gone on with.

After each statement the ledger says how many are done. A runner that is killed between a statement
and that record does the statement again, and takes "exists already" for its own work then.
"""

from __future__ import annotations

from vsl.db.migration import ledger
from vsl.db.migration.apply import Runner, act_as_owner
from vsl.db.migration.folder import Script, records_itself
from vsl.db.migration.indexes import check_built, clear_leftovers
from vsl.db.migration.ladder import PATIENT, Ladder
from vsl.db.migration.ledger import Applied
from vsl.db.migration.send import send
from vsl.db.script import Statement, outside_transaction
from vsl.db.statement import Command, Connection, execute, fetch_value
from vsl.db.statements_schema import (
    DropVersion,
    EndStatements,
    FailStatements,
    LedgerRow,
    PrepareFile,
    RecordStatement,
    ResetSession,
    SetLockTimeout,
)
from vsl.errors import MigrationBlocked, MigrationFailed

#: Commands whose waits for locks make no reader or writer wait.
_PATIENT = frozenset(
    {"CREATE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY", "REINDEX CONCURRENTLY", "VACUUM"}
)
#: What PostgreSQL says when the work of a statement is there already (exists, does not exist), by
#: the statement's first word. Only a statement that may have been done before is excused by it.
_DONE_BEFORE = {
    "CREATE": frozenset({"42P07", "42P04", "42710"}),
    "DROP": frozenset({"42704", "42P01", "3D000"}),
}


async def apply_outside(runner: Runner, script: Script, row: LedgerRow | None) -> Applied:
    """Send the statements of a file that are not done yet. row: of an earlier, unfinished run.

    Raises ``MigrationFailed`` or ``MigrationBlocked``, with what was done kept and recorded;
    ``MigrationEdited`` when statements that are done were changed since.
    """
    migration, connection = script.migration, runner.connection
    version = row.version if row is not None else migration.version
    done = (row.statements_done or 0) if row is not None else 0
    if row is not None:
        await ledger.refuse_changed(connection, script, row)
        runner.tell(f"{migration.path.name}: going on after statement {done}")
    begun = runner.pace.now()
    await _prepare(runner)
    await _record(connection, ledger.begun(migration, version))
    sent = _Sender(runner, script, version, (row.duration_ms or 0) if row is not None else 0)
    try:
        await sent.settings_before(done)
        for number, statement in enumerate(script.statements[done:], done + 1):
            again = row is not None and row.state == "running" and number == done + 1
            await sent.one(number, statement, again=again)
    except (MigrationFailed, MigrationBlocked) as error:
        await _record(connection, FailStatements(version=sent.version, error=error.message))
        raise
    await _record(connection, EndStatements(version=sent.version))
    await execute(connection, ResetSession())
    took = runner.pace.now() - begun
    return Applied(sent.version, migration, "statements", len(script.statements), took)


async def _prepare(runner: Runner) -> None:
    await execute(runner.connection, ResetSession())
    wanted = PrepareFile(local=False, lock_timeout_ms="1000", statement_timeout_ms="0")
    await fetch_value(runner.connection, wanted)


async def _record(connection: Connection, *statements: Command) -> None:
    """Write to the ledger, in a transaction of its own."""
    async with connection.transaction():
        await act_as_owner(connection)
        for statement in statements:
            await execute(connection, statement)


class _Sender:
    """Sends the statements of one file. version: as recorded. took: milliseconds so far."""

    def __init__(self, runner: Runner, script: Script, version: str, took: int) -> None:
        self._runner = runner
        self._connection = runner.connection
        self._script = script
        self.version = version
        self._took = took
        self._count = len(script.statements)
        self._own_limit = any(_sets_lock_timeout(s) for s in script.statements)

    async def settings_before(self, done: int) -> None:
        """What was set for the session before the statement to go on with counts again."""
        for number, statement in enumerate(self._script.statements[:done], 1):
            if statement.words[0] in ("SET", "RESET"):
                await self._send(statement, number)

    async def one(self, number: int, statement: Statement, *, again: bool) -> None:
        """Send a statement and record that it is done. again: it may have been done before."""
        begun = self._runner.pace.now()
        if records_itself(statement):
            await self._own_record(number, statement)
            return
        command = outside_transaction(statement)
        if command is None:
            await self._send(statement, number)
        else:
            await self._climb(number, statement, command, again=again)
        took = round((self._runner.pace.now() - begun) * 1000)
        self._took += took
        await _record(
            self._connection,
            RecordStatement(version=self.version, done=number, duration_ms=took),
        )
        self._runner.tell(
            f"{self._script.migration.path.name}: statement {number} of {self._count} is done"
        )

    async def _climb(self, number: int, statement: Statement, command: str, *, again: bool) -> None:
        what = f"{self._script.migration.path.name}, line {statement.line}"

        async def attempt(lock_timeout_ms: str) -> None:
            if not self._own_limit:
                await fetch_value(self._connection, SetLockTimeout(lock_timeout_ms=lock_timeout_ms))
            await clear_leftovers(self._connection, statement, self._runner.tell)
            try:
                await self._send(statement, number)
            except MigrationFailed as error:
                if not (again and error.sqlstate in _DONE_BEFORE.get(statement.words[0], ())):
                    raise
                self._runner.tell(f"{what}: was done before the runner was stopped")
            await check_built(self._connection, self._script.migration, statement, number)

        await self._runner.climber.climb(what, self._ladder(statement, command), attempt)

    def _ladder(self, statement: Statement, command: str) -> Ladder:
        patient = command in _PATIENT and "FULL" not in statement.words
        return PATIENT if patient else self._runner.strict

    async def _send(self, statement: Statement, number: int) -> None:
        await send(self._connection, self._script.migration, statement, number, self._count)

    async def _own_record(self, number: int, statement: Statement) -> None:
        """A file's own INSERT of its row: it makes the row, which then gets all that was known."""
        migration = self._script.migration
        async with self._connection.transaction():
            await act_as_owner(self._connection)
            await execute(self._connection, DropVersion(version=self.version))
            before = await ledger.read_rows(self._connection)
            await self._send(statement, number)
            recorded = await ledger.recorded_as(self._connection, migration, before)
            self.version = recorded or migration.version
            await execute(self._connection, ledger.begun(migration, self.version))
            progress = RecordStatement(version=self.version, done=number, duration_ms=self._took)
            await execute(self._connection, progress)


def _sets_lock_timeout(statement: Statement) -> bool:
    return statement.words[0] == "SET" and "LOCK_TIMEOUT" in statement.words[1:3]
