"""``vsl db maintain``: VACUUM, ANALYZE and REINDEX where the numbers ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from vsl.cli.asking import DryRunOption, YesOption, agreed
from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, Listing, err, print_json, say, seconds, size
from vsl.cli.stopping import run
from vsl.config import load
from vsl.errors import InvalidInput, Problem
from vsl.ops.durations import read_duration
from vsl.ops.maintain.look import GROUPS, Plan, Wishes
from vsl.ops.maintain.outcome import Outcome, Sight, Spectator, describe_hinderers
from vsl.ops.maintain.plan import Step, cure_of, describe_holder
from vsl.ops.maintain.run import Limits, maintenance, plan_maintenance, record

SPACE = (
    "VACUUM frees space for new rows of the same table and gives none back to the disk, but for "
    "empty pages at its end. What would is VACUUM FULL, which locks out every reader and writer "
    "while it writes the table anew, or pg_repack, which needs room for a copy: VSL runs neither."
)

_ONE_LINE = Column(no_wrap=True, overflow="ellipsis")
_STYLES = {"done": "green", "useless": "yellow", "skipped": "yellow", "failed": "red"}


def maintain(
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this table; may be given more than once."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="WHAT", help=f"Only this: {', '.join(GROUPS)}.")
    ] = None,
    max_time: Annotated[
        str, typer.Option(metavar="TIME", help="Begin nothing after it, and stop what runs then.")
    ] = "30m",
    patience: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Give a rebuild up when the same transaction is in its way for so long.",
        ),
    ] = "60s",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also VACUUM where somebody still sees the dead rows.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """VACUUM, ANALYZE and rebuild indexes where the numbers ask for it, one after the other.

    Nobody is kept waiting: there is no VACUUM FULL. It needs the login that owns the tables, such
    as one with vsl_migrator. The status is 1 when something that is due could not be done.
    """
    if only is not None and only not in GROUPS:
        raise InvalidInput([Problem("--only", "is not known", "one of " + ", ".join(GROUPS))])
    wishes = Wishes(tuple(table or ()), only, anyway)
    limits = Limits(read_duration("--max-time", max_time), read_duration("--patience", patience))
    url = addresses(load()).direct_url
    plan = run(plan_maintenance(url, wishes))
    if not as_json:
        _show_plan(plan)
    doable = [step for step in plan.steps if step.hindrance is None]
    if dry_run or not plan.steps:
        if as_json:
            print_json(_document(plan, None, recorded=False))
        raise typer.Exit(0)
    question = f"Do {len(doable)} of these now?" if len(doable) > 1 else "Do it now?"
    if doable and not agreed(question, yes=yes):
        say("Nothing was done.", to=err)
        raise typer.Exit(0)
    outcomes, (recorded, remark) = run(_carry_out(url, wishes, limits, plan, quiet=as_json))
    if as_json:
        print_json(_document(plan, outcomes, recorded=recorded))
    else:
        _show_outcomes(outcomes)
        if recorded or remark:
            say(remark or "It is written down in vsl.audit_entries.", style="dim")
    raise typer.Exit(0 if all(outcome.is_good for outcome in outcomes) else 1)


async def _carry_out(
    url: str, wishes: Wishes, limits: Limits, agreed: Plan, *, quiet: bool
) -> tuple[list[Outcome], tuple[bool, str | None]]:
    spectator: Spectator = _Silent() if quiet else _Bar() if err.is_terminal else _Lines()
    async with maintenance(url, wishes, spectator, limits) as work:
        # The plan may be minutes old: what is no longer due is left out, and nothing else is done
        # than was shown.
        shown = {(step.kind, step.relation, step.name) for step in agreed.steps}
        steps = [s for s in work.plan.steps if (s.kind, s.relation, s.name) in shown]
        outcomes = await work.carry_out(steps, wishes)
    return outcomes, await record(url, outcomes)


def _show_plan(plan: Plan) -> None:
    for holder in plan.holders:
        say(f"Dead rows are kept for {describe_holder(holder)}.", style="yellow")
        say(f"  {cure_of(holder)}")
    for note in plan.notes:
        say(note, style="dim")
    if not plan.steps:
        say(f"Nothing is due: {plan.tables} tables and their indexes are well.", style="green")
        return
    made = Listing(("due", "why"), title="Plan")
    for step in plan.steps:
        made.add(step.command, "; ".join(step.reasons))
    made.show()
    for step in plan.steps:
        if step.hindrance is not None:
            say(f"{step.subject} will be left out: {step.hindrance}.", style="yellow")
            if step.cure:
                say(f"  {step.cure}")
    if any(step.kind == "vacuum" for step in plan.steps):
        say("Indexes of vacuumed tables are looked at again after it.", style="dim")
    disk = max(step.disk for step in plan.steps)
    if disk:
        free = f", of {size(plan.disk_free)} that are free" if plan.disk_free is not None else ""
        say(f"Rebuilding needs up to {size(disk)} of disk meanwhile{free}.", style="dim")


def _show_outcomes(outcomes: Sequence[Outcome]) -> None:
    made = Listing(
        ("did", "result", "dead rows", "size", "empty", "took"),
        ("dead rows", "size", "empty", "took"),
        spare=("took", "empty"),
        title="Result",
    )
    for outcome in outcomes:
        before, after = outcome.before, outcome.after
        made.add(
            outcome.step.command,
            Text(outcome.result, style=_STYLES.get(outcome.result, "")),
            _change(before.dead, after.dead, lambda value: f"{value:,}"),
            _change(before.bytes, after.bytes, size),
            _change(before.empty, after.empty, lambda value: f"{100 * value:.0f} %"),
            seconds(outcome.seconds),
        )
    made.show()
    for outcome in outcomes:
        if outcome.reason:
            style = "" if outcome.is_good else "yellow"
            say(f"{outcome.step.subject}: {outcome.reason}.", style=style)
        if outcome.cure:
            say(f"  {outcome.cure}")
    if any(outcome.step.kind == "vacuum" and outcome.result == "done" for outcome in outcomes):
        say(SPACE, style="dim")


def _change(before: Any, after: Any, shown: Any) -> str:
    if before is None or after is None:
        return "–" if before is None else shown(before)
    return shown(after) if before == after else f"{shown(before)} → {shown(after)}"


def _document(plan: Plan, outcomes: Sequence[Outcome] | None, *, recorded: bool) -> dict[str, Any]:
    holders = [
        {"holder": describe_holder(holder), "cure": cure_of(holder)} for holder in plan.holders
    ]
    return {
        "tables": plan.tables,
        "plan": [_step(step) for step in plan.steps],
        "holders": holders,
        "notes": plan.notes,
        "disk_free": plan.disk_free,
        "outcomes": None
        if outcomes is None
        else [
            {
                **_step(outcome.step),
                "result": outcome.result,
                "before": outcome.before,
                "after": outcome.after,
                "seconds": round(outcome.seconds, 3),
                "reason": outcome.reason,
                "cure": outcome.cure,
            }
            for outcome in outcomes
        ],
        "recorded": recorded,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "table": step.table,
        "subject": step.subject,
        "command": step.command,
        "reasons": step.reasons,
        "disk": step.disk,
        "hindrance": step.hindrance,
        "cure": step.cure,
    }


class _Silent:
    """Tells nobody."""

    def begin(self, step: Step) -> None:
        """A step begins."""

    def progress(self, step: Step, sight: Sight) -> None:
        """How far it is."""

    def cleaned(self, step: Step, dropped: Sequence[str], left: Sequence[str]) -> None:
        """It was interrupted."""

    def end(self, outcome: Outcome) -> None:
        """It has ended."""


class _Lines(_Silent):
    """Says a line when a step begins, when somebody is in its way, and when it has ended."""

    def __init__(self) -> None:
        self._said = ""

    def begin(self, step: Step) -> None:
        """A step begins."""
        say(f"{step.command} …", to=err)

    def progress(self, step: Step, sight: Sight) -> None:
        """Whom it waits for, once."""
        line = _waiting(step, sight)
        if line and line != self._said:
            say(line, to=err)
        self._said = line

    def cleaned(self, step: Step, dropped: Sequence[str], left: Sequence[str]) -> None:
        """It was interrupted."""
        _say_cleaned(step, dropped, left)

    def end(self, outcome: Outcome) -> None:
        """It has ended."""
        say(f"{outcome.step.command}: {outcome.result}", to=err)


class _Bar(_Silent):
    """Shows on a terminal how far the step is, by what the server says of its progress."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: Any = None

    def begin(self, step: Step) -> None:
        """A step begins."""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=_ONE_LINE),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )
        self._task = self._progress.add_task(step.command, total=None)
        self._progress.start()

    def progress(self, step: Step, sight: Sight) -> None:
        """How far it is."""
        if self._progress is None:
            return
        phase = sight.progress
        words = f"{step.command}: {phase.phase}" if phase else step.command
        self._progress.update(
            self._task,
            description=_waiting(step, sight) or words,
            completed=phase.done if phase else 0,
            total=(phase.total if phase else 0) or None,
        )

    def cleaned(self, step: Step, dropped: Sequence[str], left: Sequence[str]) -> None:
        """It was interrupted."""
        self._stop()
        _say_cleaned(step, dropped, left)

    def end(self, outcome: Outcome) -> None:
        """It has ended."""
        self._stop()
        say(f"{outcome.step.command}: {outcome.result}", to=err)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _waiting(step: Step, sight: Sight) -> str:
    if not sight.waits_for:
        return ""
    return f"{step.subject} waits for {describe_hinderers(sight.waits_for)}"


def _say_cleaned(step: Step, dropped: Sequence[str], left: Sequence[str]) -> None:
    for name in dropped:
        say(f"{step.command} was interrupted; what was half built is dropped: {name}", to=err)
    for name in left:
        say(f"{name} is left invalid; the next `vsl db maintain` drops it", to=err)


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {"maintain": maintain}
