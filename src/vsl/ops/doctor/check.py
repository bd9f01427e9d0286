"""What a check is, and how its answer is judged. No I/O here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from vsl.domain.health import Measure


class Level(IntEnum):
    """How things stand, better before worse.

    ``unknown``: VSL was kept from seeing, and a problem may hide there. It stands below ``warn``:
    what is known to be wrong is read first.
    """

    ok = 0
    note = 1
    unknown = 2
    warn = 3
    fail = 4


#: Level words that a check's SQL may answer itself, when several measures count.
DECIDED = {level.name: level for level in (Level.ok, Level.note, Level.warn, Level.fail)}


@dataclass(frozen=True, slots=True)
class Limits:
    """From which value on a measure is a note, a warning, a failure; None: never.

    A measure reaches a limit when it is equal or greater. falling: smaller is worse, and a limit is
    reached when the measure is less than it.
    """

    note: float | None = None
    warn: float | None = None
    fail: float | None = None
    falling: bool = False

    def __post_init__(self) -> None:
        given = [limit for limit in (self.note, self.warn, self.fail) if limit is not None]
        if given != sorted(given, reverse=self.falling):
            raise ValueError(f"the limits are not in order: {given}")

    def reached(self, value: float) -> tuple[Level, float | None]:
        """The worst level that a value reaches, and that level's limit."""
        steps = ((Level.fail, self.fail), (Level.warn, self.warn), (Level.note, self.note))
        for level, limit in steps:
            if limit is not None and (value < limit if self.falling else value >= limit):
                return level, limit
        return Level.ok, None

    def next_worse(self, level: Level) -> float | None:
        """The limit that a value at this level has not reached; None when it is the last."""
        steps = ((Level.note, self.note), (Level.warn, self.warn), (Level.fail, self.fail))
        return next((limit for step, limit in steps if step > level and limit is not None), None)


#: Units of measures, and how ``show`` writes them.
UNITS = ("seconds", "days", "bytes", "percent", "transactions", "rows", "count", "milliseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question about a database's health.

    id: stable, of lower-case words and hyphens; its SQL is
    ``database/queries/doctor/{id with underscores}.sql``. title: what is asked, in a few words.
    area: sessions, replication, jobs, storage and the like. unit: of the measure, one of ``UNITS``.
    why: what it costs not to care. next: the general cure, a command where there is one.
    """

    id: str
    title: str
    area: str
    unit: str
    limits: Limits
    why: str
    next: str

    @property
    def name(self) -> str:
        """The name of its SQL file, without the ending."""
        return self.id.replace("-", "_")

    @property
    def file(self) -> str:
        """Its SQL file, as a path within the repository."""
        return f"database/queries/doctor/{self.name}.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A judged measure. limit: the one that was reached; None when none was or the SQL decided."""

    subject: str
    level: Level
    value: float | None
    limit: float | None
    evidence: str
    next: str | None
    unknown: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A check's answer. findings: worst first; empty when there is nothing to say."""

    check: Check
    level: Level
    findings: tuple[Finding, ...]
    seconds: float = 0.0


def judge(check: Check, rows: Sequence[Measure], seconds: float = 0.0) -> Result:
    """Compare what a check's SQL answered with its limits. No rows: ok.

    Raises ``ValueError`` when the SQL answers a level that is none.
    """
    findings = sorted((_judged(check, row) for row in rows), key=_worst_first)
    level = max((finding.level for finding in findings), default=Level.ok)
    return Result(check=check, level=level, findings=tuple(findings), seconds=seconds)


def _judged(check: Check, row: Measure) -> Finding:
    value, unknown, limit = row.value, row.unknown, None
    if value is not None and not math.isfinite(value):
        value, unknown = None, unknown or "the measure is no number"
    if unknown is not None:
        level = Level.unknown
    elif row.level is not None:
        level = DECIDED.get(row.level, Level.unknown)
        if level is Level.unknown:
            raise ValueError(f"{check.id}: {row.level!r} is not a level")
    elif value is None:
        level = Level.ok
    else:
        level, limit = check.limits.reached(value)
    return Finding(
        subject=row.subject or check.title,
        level=level,
        value=value,
        limit=limit,
        evidence=row.evidence or "",
        next=None if level is Level.ok else row.next or check.next,
        unknown=unknown,
    )


def _worst_first(finding: Finding) -> tuple[int, str]:
    return -finding.level, finding.subject


def exit_status(results: Sequence[Result]) -> int:
    """0 good; 1 a warning, or something cannot be told; 3 a check fails."""
    worst = max((result.level for result in results), default=Level.ok)
    return {Level.fail: 3, Level.warn: 1, Level.unknown: 1}.get(worst, 0)


def show(value: float, unit: str) -> str:
    """A measure with its unit, for people."""
    if unit == "seconds":
        return _duration(value)
    if unit == "bytes":
        return _bytes(value)
    if unit == "percent":
        return f"{value:.1f} %"
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"
    return number if unit == "count" else f"{number} {'ms' if unit == 'milliseconds' else unit}"


def _duration(value: float) -> str:
    steps = ((86400.0, 2, "days"), (3600.0, 2, "h"), (60.0, 5, "min"))
    for size, from_many, word in steps:
        if abs(value) >= size * from_many:
            return f"{value / size:.1f} {word}".replace(".0 ", " ")
    return f"{value:.1f} s".replace(".0 ", " ")


def _bytes(value: float) -> str:
    """In the units that PostgreSQL prints: 1 GB is 1024 MB."""
    amount = float(value)
    for unit in ("B", "kB", "MB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GB"
