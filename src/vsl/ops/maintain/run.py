"""Does what a plan says, one step after the other, in nobody's way.

VACUUM and ANALYZE do not wait for a table's lock: they try a few times. REINDEX and DROP INDEX
CONCURRENTLY have to wait for transactions that were there before them, which a lock_timeout would
cut off, leaving an invalid index; they keep nobody waiting meanwhile, are watched from a second
connection, and given up when the same session is in the way for too long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from vsl.db.maintenance import Locked, stop_with_client
from vsl.db.pool import connect
from vsl.db.statement import Connection, execute, fetch, fetch_value
from vsl.db.statements import RelationExists
from vsl.db.statements_care import LimitMaintenance, ListRunners, LockMaintenance, MeasureTables
from vsl.db.statements_looks import ListHorizonHolders
from vsl.errors import DatabaseError, NotAllowed
from vsl.ops.audit import not_recorded, record_act
from vsl.ops.maintain.act import Hands, Seen, Stuck
from vsl.ops.maintain.look import (
    Plan,
    Wishes,
    describe_runner,
    look,
    plan_indexes,
    refuse_beside_migration,
    refuse_pooler,
    wanted,
)
from vsl.ops.maintain.outcome import Outcome, Spectator, locked_out, out_of_time, stuck
from vsl.ops.maintain.plan import OLD, Step, cure_of, describe_holder

APPLICATION = "vsl maintain"
#: How often a lock is tried for, and seconds between.
TRIES = 3
PAUSE = 1.0
#: VACUUM was of no use when more than this share of the dead rows are there still.
STILL_DEAD = 0.5
#: A rebuilt index of more than this share of its old size was not bloated.
HARDLY_SMALLER = 0.9


@dataclass(frozen=True, slots=True)
class Limits:
    """seconds: for everything together. patience: seconds to wait for the same session."""

    seconds: float = 1800.0
    patience: float = 60.0


async def plan_maintenance(url: str, wishes: Wishes) -> Plan:
    """What is due; nothing is done. url: an unpooled address. Raises as ``look`` does."""
    async with connect(url, application=APPLICATION) as connection:
        await refuse_pooler(connection)
        await execute(connection, LimitMaintenance(lock="1s", statement="30s"))
        plan = await look(connection, wishes)
        await _refuse_beside_another(connection)
        return plan


class Maintenance:
    """A run that has the lock. plan: what is due now."""

    def __init__(
        self,
        connection: Connection,
        second: Connection,
        plan: Plan,
        spectator: Spectator,
        limits: Limits,
    ) -> None:
        self.plan = plan
        self._second = second
        self._hands = Hands(connection, second, spectator)
        self._spectator = spectator
        self._patience = limits.patience
        self._deadline = time.monotonic() + limits.seconds

    @property
    def _left(self) -> float:
        return self._deadline - time.monotonic()

    async def carry_out(self, steps: Sequence[Step], wishes: Wishes) -> list[Outcome]:
        """Do the steps, and rebuild what VACUUM shows to be bloated; how each one ended.

        Raises ``DatabaseError`` only when the database is no longer reached.
        """
        outcomes = [await self._do(step) for step in steps if step.kind != "reindex"]
        vacuumed = {
            outcome.step.relation
            for outcome in outcomes
            if outcome.step.kind == "vacuum" and outcome.result == "done"
        }
        reindexes = [step for step in steps if step.kind == "reindex"]
        if vacuumed and wishes.only is None:
            # Only now it is known how many rows are left in their indexes.
            reindexes = [step for step in reindexes if step.relation not in vacuumed]
            reindexes += await self._bloated(vacuumed, wishes)
        return outcomes + [await self._do(step) for step in reindexes]

    async def _bloated(self, relations: set[int], wishes: Wishes) -> list[Step]:
        tables = [t for t in await fetch(self._second, MeasureTables()) if t.relation in relations]
        found = await plan_indexes(self._second, tables, self.plan.who)
        return [step for step in wanted(found, wishes) if step.kind == "reindex"]

    async def _do(self, step: Step) -> Outcome:
        began = time.monotonic()
        outcome = await self._why_not(step)
        if outcome is None:
            self._spectator.begin(step)
            outcome = await self._try(step)
        outcome = replace(outcome, seconds=time.monotonic() - began)
        self._spectator.end(outcome)
        return outcome

    async def _why_not(self, step: Step) -> Outcome | None:
        if step.hindrance is not None:
            return Outcome(step, "skipped", reason=step.hindrance, cure=step.cure)
        if self._left <= 0:
            return out_of_time(step)
        try:
            await refuse_beside_migration(self._second)
        except NotAllowed as refusal:
            return Outcome(step, "skipped", reason=refusal.message, cure=refusal.hint)
        return None

    async def _try(self, step: Step) -> Outcome:
        # A lock is looked for beforehand: an autovacuum ends when somebody waits for its lock.
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSE)
            if not await self._hands.who_locks(step):
                try:
                    return await self._act(step)
                except Locked:
                    continue
        return locked_out(step, await self._hands.who_locks(step))

    async def _act(self, step: Step) -> Outcome:
        before = await self._hands.see(step)
        try:
            warned = await self._hands.act(
                step, left=max(self._left, 0.001), patience=self._patience
            )
        except Stuck as found:
            return stuck(step, found.hinderers, self._patience)
        except Locked:
            raise
        except DatabaseError as error:
            if self._hands.lost:
                raise
            if self._left <= 0:
                return out_of_time(step)
            return Outcome(step, "failed", reason=error.message, cure=error.hint)
        after = await self._hands.counted(step, before)
        if after is None:
            reason = "; ".join(warned) or "the server left it out without saying why"
            return Outcome(step, "failed", before.numbers, reason=reason)
        return await self._judged(step, before, after)

    async def _judged(self, step: Step, before: Seen, after: Seen) -> Outcome:
        done = Outcome(step, "done", before.numbers, after.numbers)
        if step.kind == "reindex":
            return _judged_index(done, after)
        if step.kind == "drop":
            return done
        dead, were = done.after.dead or 0, done.before.dead or 0
        if step.for_dead and dead > STILL_DEAD * were:
            return await self._held_back(done, f"{dead:,} of {were:,} dead rows had to stay")
        if step.freeze and after.table and after.table.age > OLD * after.table.freeze_age:
            return await self._held_back(done, "its oldest row could not be frozen")
        return done

    async def _held_back(self, done: Outcome, what: str) -> Outcome:
        holders = await fetch(self._second, ListHorizonHolders())
        if holders:
            reason = f"{what} for {describe_holder(holders[0])}"
            return replace(done, result="useless", reason=reason, cure=cure_of(holders[0]))
        cure = "Look with a login that has pg_read_all_stats: `vsl db doctor` names who sees them."
        if self.plan.who.sees_all:
            cure = "Who held them has gone: run `vsl db maintain` again."
        return replace(done, result="useless", reason=f"{what}: somebody still saw them", cure=cure)


def _judged_index(done: Outcome, after: Seen) -> Outcome:
    index = after.index
    if index is None or not index.is_valid:
        reason = "it is invalid still" if index else "it is no longer there"
        return replace(done, result="failed", reason=reason, cure="Run `vsl db maintain` again.")
    if done.before.empty and index.bytes > HARDLY_SMALLER * (done.before.bytes or 0):
        return replace(done, reason="hardly smaller: the estimate does not fit this index")
    return done


@asynccontextmanager
async def maintenance(
    url: str, wishes: Wishes, spectator: Spectator, limits: Limits
) -> AsyncIterator[Maintenance]:
    """A run that has the lock which one maintainer at a time has. url: an unpooled address.

    Raises ``NotAllowed`` when another one has it, and as ``look`` does.
    """
    async with (
        connect(url, application=APPLICATION) as connection,
        connect(url, application=f"{APPLICATION} look") as second,
    ):
        for each in (connection, second):
            await refuse_pooler(each)
            await execute(each, LimitMaintenance(lock="1s", statement="30s"))
        plan = await look(connection, wishes)
        if not await fetch_value(connection, LockMaintenance()):
            await _refuse_beside_another(connection)
            raise _another("somebody who has ended since")
        await stop_with_client(connection)
        yield Maintenance(connection, second, plan, spectator, limits)


async def _refuse_beside_another(connection: Connection) -> None:
    for runner in await fetch(connection, ListRunners(name="maintain")):
        raise _another(describe_runner(runner))


def _another(who: str) -> NotAllowed:
    return NotAllowed(
        f"the database is being maintained already: {who}",
        hint="One at a time is enough. One whose program was killed ends within seconds.",
    )


async def record(url: str, outcomes: Sequence[Outcome]) -> tuple[bool, str | None]:
    """Write down what was done; whether it is, and what to say when it could not be.

    Where VSL is not installed there is nothing to write to, and nothing to say.
    """
    done = [outcome for outcome in outcomes if outcome.result in ("done", "useless")]
    if not done:
        return False, None
    detail = {
        "steps": [
            {"command": o.step.command, "result": o.result, "seconds": round(o.seconds, 3)}
            for o in outcomes
        ]
    }
    subject = f"{len(done)} of {len(outcomes)} steps"
    try:
        async with connect(url, application=APPLICATION) as connection:
            if not await fetch_value(connection, RelationExists(relation="vsl.audit_entries")):
                return False, None
            refused = await record_act(connection, "maintain", subject, detail)
    except DatabaseError as error:
        # The work is done; without a right on the schema not even this may be asked.
        refused = error.message
    return refused is None, refused and not_recorded(refused)
