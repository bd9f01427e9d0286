"""Running what is pending for real, seeing which locks it takes, and rolling all of it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from vsl.db.files import SqlFile
from vsl.db.migration.apply import Runner, prepare, run_file, run_repeatables
from vsl.db.migration.folder import Script
from vsl.db.migration.send import at_the_end
from vsl.db.script import Statement
from vsl.db.statement import execute, fetch
from vsl.db.statements_schema import HeldLock, ListOwnLocks, ListRelations, OnlyWarnings
from vsl.errors import MigrationFailed

#: What a lock means for others, by its mode, the strongest first (PostgreSQL's manual, 13.3).
STRENGTHS = {
    "AccessExclusiveLock": "blocks reads and writes",
    "ExclusiveLock": "blocks writes",
    "ShareRowExclusiveLock": "blocks writes",
    "ShareLock": "blocks writes",
    "ShareUpdateExclusiveLock": "blocks other changes of the schema, and VACUUM",
    "RowExclusiveLock": "blocks changes of the schema",
    "RowShareLock": "blocks changes of the schema",
    "AccessShareLock": "blocks changes of the schema",
}
KINDS = {"r": "table", "p": "table", "i": "index", "I": "index", "S": "sequence", "v": "view"}


@dataclass(frozen=True, slots=True)
class TakenLock:
    """A lock on something that was there before. held: seconds, to the end of the file.

    line: of the statement that took it; None for functions, views and grants.
    """

    mode: str
    strength: str
    kind: str
    name: str
    line: int | None
    held: float


@dataclass(slots=True)
class Step:
    """A file that was run. locks: those that no file before it had taken, the strongest first.

    needs: for one that failed here behind a file that is not run in a rehearsal, that file: most
    likely it builds on it.
    """

    file: str
    seconds: float = 0.0
    locks: list[TakenLock] = field(default_factory=list)
    needs: str | None = None


async def rehearse(
    runner: Runner, packaged: Sequence[Script], files: Sequence[SqlFile], own: Sequence[Script]
) -> list[Step]:
    """Run scripts, functions, views and grants, and scripts, in one transaction; roll it back.

    Those that run without a transaction are passed over. Raises as applying them does, but for a
    script behind one of those. Sequences that were asked for numbers keep what they gave.
    """
    steps: list[Step] = []

    async def attempt(lock_timeout_ms: str) -> None:
        steps.clear()
        async with runner.connection.transaction():
            await execute_steps(lock_timeout_ms)
            raise psycopg.Rollback

    async def execute_steps(lock_timeout_ms: str) -> None:
        known = set(await fetch(runner.connection, ListRelations()))
        rehearsal = _Rehearsal(runner, known, steps)
        for script in packaged:
            await rehearsal.run(script, lock_timeout_ms)
        if files:
            await rehearsal.run_again(files, lock_timeout_ms)
        for script in own:
            await rehearsal.run(script, lock_timeout_ms)

    await runner.climber.climb("plan --execute", runner.strict, attempt)
    return steps


def _of_ledger(lock: HeldLock) -> bool:
    """Whether it is the runner's own, which reads the ledger and writes a row."""
    weak = ("AccessShareLock", "RowExclusiveLock")
    return lock.name.startswith("public.schema_migrations") and lock.mode in weak


class _Rehearsal:
    """What was run so far. known: relations that were there before."""

    def __init__(self, runner: Runner, known: set[int], steps: list[Step]) -> None:
        self._runner = runner
        self._known = known
        self._steps = steps
        self._held: set[tuple[int, str]] = set()
        self._passed_over: str | None = None

    async def run(self, script: Script, lock_timeout_ms: str) -> None:
        """Run a script, or pass it over."""
        name = script.migration.path.name
        if script.mode != "transaction":
            self._passed_over = name
        elif self._passed_over is None:
            await self._run(script, lock_timeout_ms)
        else:
            try:
                async with self._runner.connection.transaction():
                    await self._run(script, lock_timeout_ms)
            except MigrationFailed:
                self._steps.append(Step(name, needs=self._passed_over))

    async def _run(self, script: Script, lock_timeout_ms: str) -> None:
        found: list[tuple[HeldLock, int | None, float]] = []
        begun = self._runner.pace.now()

        async def after(statement: Statement, sent: float) -> None:
            found.extend((lock, statement.line, sent) for lock in await self._new_locks())

        with at_the_end(script.migration):
            await run_file(self._runner, script, lock_timeout_ms, after)
        self._add(script.migration.path.name, begun, found)

    async def run_again(self, files: Sequence[SqlFile], lock_timeout_ms: str) -> None:
        begun = self._runner.pace.now()
        await prepare(self._runner.connection, lock_timeout_ms)
        await execute(self._runner.connection, OnlyWarnings())
        await run_repeatables(self._runner.connection, files)
        locks = [(lock, None, begun) for lock in await self._new_locks()]
        self._add(f"functions, views and grants ({len(files)})", begun, locks)

    async def _new_locks(self) -> list[HeldLock]:
        """The locks that were not held before, on relations that others can know."""
        locks = await fetch(self._runner.connection, ListOwnLocks())
        new = [lock for lock in locks if (lock.relation, lock.mode) not in self._held]
        self._held |= {(lock.relation, lock.mode) for lock in new}
        return [lock for lock in new if lock.relation in self._known and not _of_ledger(lock)]

    def _add(
        self, name: str, begun: float, found: Sequence[tuple[HeldLock, int | None, float]]
    ) -> None:
        now = self._runner.pace.now()
        order = list(STRENGTHS)
        locks = [
            TakenLock(
                mode=lock.mode,
                strength=STRENGTHS.get(lock.mode, ""),
                kind=KINDS.get(lock.kind, "relation"),
                name=lock.name,
                line=line,
                held=now - since,
            )
            for lock, line, since in found
        ]
        locks.sort(key=lambda lock: (order.index(lock.mode), lock.name))
        self._steps.append(Step(name, now - begun, locks))
