"""Looks at a database and makes the plan of what maintenance it needs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from vsl.db.pool import is_pooled
from vsl.db.statement import Connection, fetch, fetch_one
from vsl.db.statements_care import (
    GetMaintainer,
    ListRunners,
    ListStandingTransactions,
    Maintainer,
    MeasureIndexes,
    MeasureTables,
    Runner,
    TableMeasures,
)
from vsl.db.statements_looks import HorizonHolder, ListHorizonHolders
from vsl.errors import DatabaseError, InvalidInput, NotAllowed, Problem
from vsl.ops.maintain.plan import (
    Horizon,
    Kind,
    Step,
    duration,
    plan_index,
    plan_table,
    qualified,
    qualified_role,
)

#: Seconds from which on a holder of the horizon is shown whatever the plan is.
LONG_HELD = 60.0
#: A rebuilt index needs its size again, and some room for sorting.
DISK_MARGIN = 1.2

_GROUPS: dict[Kind, str] = {
    "drop": "reindex",
    "vacuum": "vacuum",
    "analyze": "analyze",
    "reindex": "reindex",
}
_ORDER: dict[Kind, int] = {"drop": 0, "vacuum": 1, "analyze": 2, "reindex": 3}
#: What ``only`` may name.
GROUPS = ("vacuum", "analyze", "reindex")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller wants. tables: names, empty for all. only: one of ``GROUPS``, or None.

    anyway: also what is expected to be of no use.
    """

    tables: Sequence[str] = ()
    only: str | None = None
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in order, and what stands in the way.

    tables: how many were looked at. holders: who keeps dead rows from being removed, for long or in
    the way of a step. disk_free: bytes, where they can be seen. notes: what could not be seen.
    """

    who: Maintainer
    tables: int
    steps: tuple[Step, ...]
    holders: tuple[HorizonHolder, ...]
    disk_free: int | None
    notes: tuple[str, ...]


async def refuse_pooler(connection: Connection) -> None:
    """Raise ``NotAllowed`` when a pooler stands between: before anything is set in its session."""
    if await is_pooled(connection):
        raise NotAllowed(
            "maintenance needs the server itself, and this address leads through a pooler",
            hint="Set VSL_DIRECT_DATABASE_URL to the server's own address.",
        )


async def look(connection: Connection, wishes: Wishes) -> Plan:
    """The plan. connection: straight to the server, and to a primary.

    Raises ``NotAllowed`` through a pooler, on a standby, and beside a migration; ``InvalidInput``
    for a table that is not there; ``DatabaseError``.
    """
    await refuse_pooler(connection)
    holders = await fetch(connection, ListHorizonHolders())
    horizon = Horizon(holders, await fetch(connection, ListStandingTransactions()))
    who = await fetch_one(connection, GetMaintainer())
    if who is None:  # it always answers a row
        raise DatabaseError("the database does not say who is connected")
    if who.is_standby:
        raise NotAllowed(
            "this server is a standby: it takes over what the primary does",
            hint="Maintain the primary.",
        )
    await refuse_beside_migration(connection)
    tables = await fetch(connection, MeasureTables())
    chosen = _chosen(tables, wishes.tables)
    only = wishes.only == "analyze"
    steps = [s for table in chosen for s in plan_table(table, who, horizon, only_analyze=only)]
    steps += await plan_indexes(connection, chosen, who)
    steps = wanted(steps, wishes)
    disk_free = _disk_free(who)
    shown = [h for h in holders if (h.age or 0) >= LONG_HELD or any(s.overridable for s in steps)]
    return Plan(
        who,
        len(chosen),
        tuple(_with_disk(step, disk_free) for step in steps),
        tuple(shown),
        disk_free,
        tuple(_notes(who, steps, disk_free)),
    )


async def plan_indexes(
    connection: Connection, tables: Sequence[TableMeasures], who: Maintainer
) -> list[Step]:
    """What the indexes of these tables need."""
    by_relation = {table.relation: table for table in tables}
    only = tables[0].relation if len(tables) == 1 else None
    found = await fetch(connection, MeasureIndexes(relation=only, exact=False))
    steps = [
        plan_index(index, by_relation[index.relation], who)
        for index in found
        if index.relation in by_relation
    ]
    return [step for step in steps if step is not None]


async def refuse_beside_migration(connection: Connection) -> None:
    """Raise ``NotAllowed`` while a migration runs or waits in this database."""
    for runner in await fetch(connection, ListRunners(name="migrate")):
        raise NotAllowed(
            f"a migration is at work: {describe_runner(runner)}",
            hint="Run `vsl db maintain` when it has ended.",
        )


def describe_runner(runner: Runner) -> str:
    """Who runs, for how long."""
    words = [f"process {runner.pid}"]
    words += [f"application {runner.application}"] if runner.application else []
    words += [f"user {runner.user_name}"] if runner.user_name else []
    words += [f"for {duration(runner.age)}"] if runner.age is not None else []
    return ", ".join(words)


def wanted(steps: Sequence[Step], wishes: Wishes) -> list[Step]:
    """The steps of the groups that are wanted, in the order in which they are done."""
    kept = [
        replace(step, hindrance=None, cure=None) if step.overridable and wishes.anyway else step
        for step in steps
        if wishes.only in (None, _GROUPS[step.kind])
    ]
    return sorted(kept, key=lambda step: (_ORDER[step.kind], not step.freeze))


def _chosen(tables: Sequence[TableMeasures], names: Sequence[str]) -> list[TableMeasures]:
    if not names:
        return list(tables)
    chosen: dict[int, TableMeasures] = {}
    problems = []
    for name in names:
        found = [t for t in tables if name in (t.name, f"{t.schema}.{t.name}")]
        found = [t for t in found if t.schema == "public"] or found
        chosen |= {table.relation: table for table in found}
        if not found:
            accepted = "one of " + ", ".join(qualified(t.schema, t.name) for t in tables)
            problems.append(Problem("--table", f"there is no table {name!r}", accepted))
    if problems:
        raise InvalidInput(problems)
    return list(chosen.values())


def _disk_free(who: Maintainer) -> int | None:
    """Free bytes of the data directory's disk, when the server is on this machine."""
    if not who.is_local or who.data_directory is None:
        return None
    with suppress(OSError):
        return shutil.disk_usage(who.data_directory).free
    return None


def _with_disk(step: Step, free: int | None) -> Step:
    if step.hindrance or free is None or free >= step.disk * DISK_MARGIN:
        return step
    need, have = step.disk / 1e6, free / 1e6
    return replace(
        step,
        hindrance=f"it needs {need:,.0f} MB of disk meanwhile, and {have:,.0f} MB are free",
        cure="Make room on the server's disk.",
    )


def _notes(who: Maintainer, steps: Sequence[Step], free: int | None) -> list[str]:
    notes = []
    if not who.sees_all:
        grant = f"GRANT pg_read_all_stats TO {qualified_role(who.role)};"
        notes.append(
            "This role does not see since when others' transactions are open, so VACUUM is tried "
            f"where it may be of no use. {grant} would show it."
        )
    need = max((step.disk for step in steps), default=0)
    if need and free is None:
        notes.append(
            "A rebuild needs the index's size again while it runs, here up to "
            f"{need / 1e6:,.1f} MB; how much of the server's disk is free cannot be seen from here."
        )
    return notes
