"""Decides by the numbers what a table and its indexes need. Pure: no database here.

The limits are those at which `vsl db doctor` warns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from vsl.db.statements_care import IndexMeasures, Maintainer, StandingTransaction, TableMeasures
from vsl.db.statements_looks import HorizonHolder
from vsl.ops.maintain.bloat import is_bloated

Kind = Literal["drop", "vacuum", "analyze", "reindex"]

#: Dead rows are too many from this share of all rows on, and when there are more than the floor.
DEAD_SHARE = 0.10
DEAD_FLOOR = 10_000
#: Tables that are queues: every claim steps over their dead rows. They are due when more rows are
#: dead than alive, above a hundred, which fill a page or two, or when more than the floor are dead.
QUEUES = frozenset({("vsl", "dispatch")})
QUEUE_FLOOR = 100
#: Autovacuum is behind when a table has passed its trigger so many times over.
OVERDUE = 2
#: Rows from which on a table must have been vacuumed at least once.
MANY_ROWS = 10_000
#: Part of autovacuum_freeze_max_age from which on rows are old: autovacuum should have been there.
OLD = 1.10
_LEFTOVER = re.compile(r"_cc(?:new|old)\d*$")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of maintenance. schema, name: of what it is about, a table or an index.

    reasons: why, with the numbers. disk: bytes that are needed meanwhile. hindrance: why it cannot
    be done or would be of no use, known beforehand; cure: what to do about that. overridable:
    whether ``anyway`` does it all the same. for_dead: it is to remove dead rows.
    """

    kind: Kind
    relation: int
    table: str
    schema: str
    name: str
    reasons: tuple[str, ...]
    freeze: bool = False
    disk: int = 0
    hindrance: str | None = None
    cure: str | None = None
    overridable: bool = False
    for_dead: bool = False

    @property
    def subject(self) -> str:
        """What it is about, as SQL names it."""
        return qualified(self.schema, self.name)

    @property
    def command(self) -> str:
        """The command, as a person would type it."""
        if self.kind == "vacuum":
            options = ["FREEZE", "ANALYZE"] if self.freeze else ["ANALYZE"]
            return f"VACUUM ({', '.join(options)}) {self.subject}"
        words = {
            "analyze": "ANALYZE",
            "reindex": "REINDEX INDEX CONCURRENTLY",
            "drop": "DROP INDEX CONCURRENTLY",
        }
        return f"{words[self.kind]} {self.subject}"


@dataclass(frozen=True, slots=True)
class Horizon:
    """Who keeps dead rows from being removed, and which of them stand still since when."""

    holders: Sequence[HorizonHolder] = ()
    standing: Sequence[StandingTransaction] = ()

    def since(self, holder: HorizonHolder) -> datetime | None:
        """Since when a holder stands still; None when it does not, or that is not known."""
        for one in self.standing:
            if (one.pid is not None and one.pid == holder.pid) or (
                one.name is not None
                and one.name == holder.name
                and holder.kind == "prepared transaction"
            ):
                return one.since
        return None


def qualified(schema: str, name: str) -> str:
    """A qualified name as SQL writes it, with quotes where they are needed."""
    parts = (p if _PLAIN.fullmatch(p) else '"' + p.replace('"', '""') + '"' for p in (schema, name))
    return ".".join(parts)


def plan_table(
    table: TableMeasures,
    who: Maintainer,
    horizon: Horizon,
    *,
    only_analyze: bool = False,
) -> list[Step]:
    """VACUUM with ANALYZE, ANALYZE alone, or nothing for a table."""
    old, dead, other = list(_old(table)), list(_dead(table)), list(_unvacuumed(table))
    changed = list(_changed(table))
    step = Step(
        "vacuum",
        table.relation,
        qualified(table.schema, table.name),
        table.schema,
        table.name,
        (*old, *dead, *other, *changed),
        freeze=bool(old),
        for_dead=bool(dead),
    )
    analyze = replace(step, kind="analyze", reasons=tuple(changed), freeze=False, for_dead=False)
    if table.is_partitioned or only_analyze or not (old or dead or other):
        return [_permitted(analyze, table, who)] if changed else []
    step = _permitted(step, table, who)
    useless = _useless(table, horizon) if not (old or other) else None
    if old:
        useless = _unfreezable(table, horizon)
    if step.hindrance is None and useless is not None:
        step = replace(step, hindrance=useless[0], cure=useless[1], overridable=True)
        return [step, *([analyze] if changed else [])]
    return [step]


def _old(table: TableMeasures) -> Iterator[str]:
    kinds = (
        ("transactions", table.age, table.freeze_age),
        ("multixacts", table.multixact_age, table.multixact_freeze_age),
    )
    for what, age, most in kinds:
        if age > OLD * most:
            share = f"{100 * age / most:.0f} % of where autovacuum is forced"
            yield f"its oldest row is {age:,} {what} old, {share}"


def _dead(table: TableMeasures) -> Iterator[str]:
    if (table.schema, table.name) in QUEUES:
        if table.dead > max(table.live, QUEUE_FLOOR) or table.dead > DEAD_FLOOR:
            yield f"{table.dead:,} dead rows in a queue of {table.live:,}"
            return
    elif _too_many(table.dead, table.live):
        yield f"{table.dead:,} dead rows, {_percent(table.dead, table.live)} of all"
        return
    if table.dead > OVERDUE * table.vacuum_trigger:
        yield f"{table.dead:,} dead rows, autovacuum's trigger is {table.vacuum_trigger:,}"
    if _too_many(table.toast_dead, table.toast_live):
        share = _percent(table.toast_dead, table.toast_live)
        yield f"{table.toast_dead:,} dead rows in its TOAST table, {share} of all"


def _unvacuumed(table: TableMeasures) -> Iterator[str]:
    if table.insert_trigger is not None and table.inserted > OVERDUE * table.insert_trigger:
        trigger = f"autovacuum's trigger is {table.insert_trigger:,}"
        yield f"{table.inserted:,} rows inserted since the last VACUUM, {trigger}"
    if table.last_vacuum is None and table.live > MANY_ROWS:
        yield f"{table.live:,} rows, and no VACUUM is known of"


def _changed(table: TableMeasures) -> Iterator[str]:
    if table.is_partitioned:
        # Autovacuum never analyzes these; what changed in the partitions is not counted here.
        if table.last_analyze is None:
            yield "partitioned, and it has no statistics"
    elif table.last_analyze is None and table.live >= max(table.analyze_trigger, 1):
        yield f"{table.live:,} rows, and no ANALYZE is known of"
    elif table.changed > table.analyze_trigger:
        trigger = f"autovacuum's trigger is {table.analyze_trigger:,}"
        yield f"{table.changed:,} rows changed since the last ANALYZE, {trigger}"


def _too_many(dead: int, live: int) -> bool:
    return dead > DEAD_FLOOR and dead >= DEAD_SHARE * (dead + live)


def _percent(dead: int, live: int) -> str:
    return f"{100 * dead / (dead + live):.1f} %"


def _permitted(step: Step, table: TableMeasures, who: Maintainer) -> Step:
    """The step, hindered when this role may not do it."""
    if table.is_owner or table.may_maintain:
        if step.kind != "drop" or table.is_owner:
            return step
    elif table.owns_database and step.kind in ("vacuum", "analyze"):
        return step
    grants = [f"GRANT {qualified_role(table.owner)} TO {qualified_role(who.role)};"]
    if who.major >= 17 and step.kind != "drop":
        right = f"GRANT MAINTAIN ON {qualified(table.schema, table.name)}"
        grants.insert(0, f"{right} TO {qualified_role(who.role)};")
    return replace(
        step,
        hindrance=f"{who.role} may not maintain it; it belongs to {table.owner}",
        cure=" or ".join(grants),
    )


def qualified_role(name: str) -> str:
    """A role's name as SQL writes it."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _useless(table: TableMeasures, horizon: Horizon) -> tuple[str, str] | None:
    """Why VACUUM would remove nothing, and the cure.

    A transaction that has stood still since before the table was last vacuumed may see all rows
    that have died since. Of one that moves it is not known from when on it sees.
    """
    for holder in horizon.holders:
        since = horizon.since(holder)
        if table.last_vacuum is not None and since is not None and since <= table.last_vacuum:
            reason = (
                "VACUUM would remove nothing: all rows that died since the last one are kept for"
            )
            return f"{reason} {describe_holder(holder)}", cure_of(holder)
    return None


def _unfreezable(table: TableMeasures, horizon: Horizon) -> tuple[str, str] | None:
    """Why freezing would not help: somebody still sees what is as old as the limit."""
    for holder in horizon.holders:
        if holder.transactions > table.freeze_age:
            reason = "VACUUM cannot freeze what is still seen by"
            return f"{reason} {describe_holder(holder)}", cure_of(holder)
    return None


def describe_holder(holder: HorizonHolder) -> str:
    """Who holds the horizon: class, name, user, since when, how far behind."""
    words = [holder.kind]
    words += [f"{holder.name}"] if holder.name else []
    words += [f"process {holder.pid}"] if holder.pid else []
    about = [f"application {holder.application}"] if holder.application else []
    about += [f"user {holder.user_name}"] if holder.user_name else []
    about += [holder.state] if holder.state else []
    about += [f"for {duration(holder.age)}"] if holder.age is not None else []
    about += [f"{holder.transactions:,} transactions behind"]
    return f"{' '.join(words)} ({', '.join(about)})"


def cure_of(holder: HorizonHolder) -> str:
    """What to do about a holder of the horizon; it differs by class."""
    if holder.kind == "prepared transaction":
        name = (holder.name or "").replace("'", "''")
        return f"COMMIT PREPARED '{name}'; or ROLLBACK PREPARED '{name}';"
    if holder.kind == "replication slot":
        name = (holder.name or "").replace("'", "''")
        return f"Let its subscriber catch up, or SELECT pg_drop_replication_slot('{name}');"
    if holder.kind == "standby":
        return "End the long query on the standby, or set hot_standby_feedback = off there."
    return f"End that transaction, or `vsl db kill {holder.pid}`."


def duration(value: float) -> str:
    """A duration in words, such as ``3 min`` or ``2.5 h``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:.0f} {unit}"
    return f"{value:.0f} s"


def plan_index(index: IndexMeasures, table: TableMeasures, who: Maintainer) -> Step | None:
    """DROP of what an interrupted build left, REINDEX of what is invalid or bloated, or nothing."""
    step = Step(
        "reindex",
        index.relation,
        qualified(index.table_schema, index.table_name),
        index.schema,
        index.name,
        (),
        disk=index.bytes,
    )
    if not index.is_valid or not index.is_live:
        return _permitted(_mend(step, index), table, who)
    bloat = is_bloated(index) if not index.is_toast else None
    if bloat is None:
        return None
    megabytes = bloat.bytes / 1024 / 1024
    reason = f"about {100 * bloat.share:.0f} % of it is empty, {megabytes:,.0f} MB"
    return _permitted(_rebuildable(replace(step, reasons=(reason,)), index), table, who)


def _mend(step: Step, index: IndexMeasures) -> Step:
    if _LEFTOVER.search(index.name):
        reason = "invalid: left by an interrupted REINDEX CONCURRENTLY"
        return replace(step, kind="drop", reasons=(reason,), disk=0)
    if not index.is_live:
        reason = "invalid: left by an interrupted DROP INDEX CONCURRENTLY"
        return replace(step, kind="drop", reasons=(reason,), disk=0)
    reason = "invalid: its build was interrupted, and no query uses it"
    return _rebuildable(replace(step, reasons=(reason,)), index)


def _rebuildable(step: Step, index: IndexMeasures) -> Step:
    if not index.is_exclusion:
        return step
    return replace(
        step,
        hindrance="an exclusion constraint's index cannot be rebuilt without locking its table",
        cure=f"In a maintenance window: REINDEX INDEX {step.subject};",
    )
