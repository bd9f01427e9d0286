"""How a step of maintenance ended, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from vsl.db.statements_care import Hinderer, Progress
from vsl.ops.maintain.plan import Step, duration, qualified_role


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a step is to change. dead: rows. bytes: of the table without indexes, or of the index.

    empty: estimated share of the index, None where that cannot be told.
    """

    dead: int | None = None
    bytes: int | None = None
    empty: float | None = None


#: done; useless: done, but what it was for stayed; under way: somebody else does it; skipped: not
#: begun; failed: begun and not ended.
Result = Literal["done", "useless", "under way", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended. reason, cure: of everything but ``done``, where they are a remark."""

    step: Step
    result: Result
    before: Numbers = Numbers()
    after: Numbers = Numbers()
    seconds: float = 0.0
    reason: str | None = None
    cure: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing is left to be done by somebody."""
        return self.result in ("done", "under way")


@dataclass(frozen=True, slots=True)
class Sight:
    """A step under way. progress: as the server tells it, when it does."""

    progress: Progress | None
    waits_for: tuple[Hinderer, ...]


class Spectator(Protocol):
    """Who is told what happens."""

    def begin(self, step: Step) -> None:
        """A step begins."""

    def progress(self, step: Step, sight: Sight) -> None:
        """How far it is, and whom it waits for."""

    def cleaned(self, step: Step, dropped: Sequence[str], left: Sequence[str]) -> None:
        """It was interrupted: half-built indexes that were dropped, and those still there."""

    def end(self, outcome: Outcome) -> None:
        """It has ended."""


def out_of_time(step: Step) -> Outcome:
    """The time for everything together is over."""
    return Outcome(
        step,
        "skipped",
        reason="the time was over",
        cure="Run `vsl db maintain` again, or give it longer with --max-time.",
    )


def locked_out(step: Step, hinderers: Sequence[Hinderer]) -> Outcome:
    """Somebody has the table's lock, which is as well when it is a vacuum and one was due."""
    who = describe_hinderers(hinderers)
    if step.kind in ("vacuum", "analyze") and hinderers and all(h.is_vacuum for h in hinderers):
        return Outcome(step, "under way", reason=f"it is being vacuumed by {who}")
    return Outcome(
        step,
        "skipped",
        reason=f"its lock is held by {who}" if hinderers else "its lock was not to be had",
        cure="Run `vsl db maintain` when that has ended; see `vsl db locks`.",
    )


def stuck(step: Step, hinderers: Sequence[Hinderer], patience: float) -> Outcome:
    """It waited too long for the same sessions."""
    return Outcome(
        step,
        "failed",
        reason=f"it waited {duration(patience)} for {describe_hinderers(hinderers)}",
        cure="Run `vsl db maintain` when that transaction has ended; see `vsl db locks`.",
    )


def describe_hinderers(hinderers: Sequence[Hinderer]) -> str:
    """Who is in the way, for how long."""
    return "; ".join(_describe(hinderer) for hinderer in hinderers) or "somebody"


def _describe(hinderer: Hinderer) -> str:
    if not hinderer.pid:
        return "a prepared transaction"
    words = [f"{hinderer.kind} process" if _is_server(hinderer) else "process"]
    about = [f"application {hinderer.application}"] if hinderer.application else []
    about += [f"user {qualified_role(hinderer.user_name)}"] if hinderer.user_name else []
    about += [f"in a transaction for {duration(hinderer.age)}"] if hinderer.age is not None else []
    return f"{words[0]} {hinderer.pid}" + (f" ({', '.join(about)})" if about else "")


def _is_server(hinderer: Hinderer) -> bool:
    return hinderer.kind not in (None, "client backend")
