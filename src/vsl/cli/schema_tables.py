"""How ``vsl db status`` and ``vsl db plan`` look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from vsl.cli.output import Listing, moment, print_json, say, show_facts
from vsl.db.migrate import Planned, SchemaState
from vsl.db.migration.folder import Script
from vsl.db.migration.rehearse import Step
from vsl.db.script import outside_transaction
from vsl.db.statements_schema import LedgerRow

_NONE = "–"
_STATES = {"applied": "green", "running": "yellow", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Edit:
    """An applied file that says something else now."""

    version: str
    file: str
    diff: str


def status_document(state: SchemaState, edits: Sequence[Edit]) -> dict[str, Any]:
    """The state of the schema as JSON has it."""
    return {
        "versions": [_row_document(row) for row in state.rows],
        "pending": [m.version for m in state.pending],
        "pending_files": [m.path.name for m in state.pending],
        "changed": state.changed,
        "unknown": state.unknown,
        "edited": edits,
        "missing": state.missing,
        "out_of_order": [m.version for m in state.misplaced],
        "taken": [m.path.name for m in state.taken],
        "current": state.current,
    }


def _row_document(row: LedgerRow) -> dict[str, Any]:
    return {**asdict(row), "state": row.state or "applied"}


def show_status(
    described: Mapping[str, Any], state: SchemaState | None, edits: Sequence[Edit]
) -> None:
    """Print what runs and how its schema compares. state: None when nothing runs."""
    show_facts({name: str(value) for name, value in described.items() if value is not None})
    if state is None:
        say("It does not run. Start it with `vsl db start`, or everything with `vsl up`.")
        return
    if state.rows:
        _show_rows(state.rows)
    if state.pending:
        _show_pending(state)
    _show_trouble(state, edits)
    say()
    _show_verdict(state)


def _show_rows(rows: Sequence[LedgerRow]) -> None:
    made = Listing(
        ("version", "state", "origin", "description", "applied", "by", "took"),
        ("took",),
        spare=("by", "took", "origin"),
        title="Schema",
    )
    for row in rows:
        state = row.state or "applied"
        made.add(
            row.version,
            Text(state, style=_STATES.get(state, "")),
            row.origin or _NONE,
            row.description or "",
            moment(row.applied_at),
            row.applied_by or _NONE,
            _NONE if row.duration_ms is None else f"{row.duration_ms / 1000:.2f} s",
        )
    made.show()


def _show_pending(state: SchemaState) -> None:
    made = Listing(("version", "origin", "file"), title="Pending")
    for migration in state.pending:
        made.add(migration.version, migration.origin, migration.path.name)
    made.show()


def _show_trouble(state: SchemaState, edits: Sequence[Edit]) -> None:
    lines = []
    for row in state.unfinished:
        words = f"{row.version} was begun and is not ended: {row.statements_done or 0} statements"
        words += f" are done. It failed: {row.error}" if row.error else " are done."
        lines.append(f"{words} `vsl db migrate` goes on with it.")
    for edit in edits:
        lines.append(
            f"{edit.file} says something else than was applied; see `vsl db accept-edit "
            f"{edit.version} --dry-run`."
        )
    if state.missing:
        lines.append(f"The files of these applied versions are gone: {', '.join(state.missing)}.")
    if state.misplaced:
        names = ", ".join(migration.path.name for migration in state.misplaced)
        lines.append(f"A higher version was applied before {names}; give it a higher one.")
    if state.taken:
        names = ", ".join(migration.path.name for migration in state.taken)
        lines.append(f"VSL has another migration of the same version as {names}; rename it.")
    for number, line in enumerate(lines):
        if number == 0:
            say()
        say(line, style="yellow")


def _show_verdict(state: SchemaState) -> None:
    if state.unknown:
        newer = ", ".join(state.unknown)
        say(f"The schema is newer than this program: {newer}. Install a newer VSL.", style="yellow")
    elif not state.versions and not state.unfinished:
        say("VSL is not installed in this database. Run `vsl db migrate`.", style="yellow")
    elif not state.sound:
        say("`vsl db migrate` would refuse this.", style="yellow")
    elif state.current:
        say("The schema is up to date.", style="green")
    else:
        say("The schema is not up to date. Run `vsl db migrate`.", style="yellow")


def show_plan(planned: Planned, *, as_json: bool) -> None:
    """Print what a run would do, and what a rehearsal found."""
    if as_json:
        print_json(_plan_document(planned))
        return
    if not planned.scripts and not planned.changed:
        say("Nothing is to be done.")
        return
    for script in planned.scripts:
        _show_script(script)
    if planned.changed:
        say(f"Then apply again: {len(planned.changed)} functions, views and grants.")
    if planned.steps is not None:
        _show_steps(planned.steps)


def _show_script(script: Script) -> None:
    count = len(script.statements)
    statements = "1 statement" if count == 1 else f"{count} statements"
    if script.mode == "transaction":
        say(f"{script.migration.path.name}: {statements} in one transaction")
        return
    say(f"{script.migration.path.name}: {statements}, one by one, without a transaction")
    for statement in script.statements:
        name = outside_transaction(statement)
        if name is not None:
            say(f"  line {statement.line}: {name}")


def _show_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.needs:
            say()
            say(f"{step.file}: not run, since it builds on {step.needs}", style="bold")
            continue
        title = f"{step.file}: run and rolled back in {step.seconds:.3f} s"
        if not step.locks:
            say()
            say(f"{title}; no lock on anything that was there before", style="bold")
            continue
        columns = ("lock", "on", "line", "held", "meaning")
        made = Listing(columns, ("line", "held"), spare=("line",), title=title)
        for lock in step.locks:
            line = _NONE if lock.line is None else str(lock.line)
            made.add(lock.mode, lock.name, line, f"{lock.held * 1000:.0f} ms", lock.strength)
        made.show()
    say()
    say("All of it was rolled back. What runs without a transaction was not run.")


def _plan_document(planned: Planned) -> dict[str, Any]:
    return {
        "files": [
            {
                "version": script.migration.version,
                "origin": script.migration.origin,
                "file": script.migration.path.name,
                "mode": script.mode,
                "statements": len(script.statements),
            }
            for script in planned.scripts
        ],
        "reapplied": [file.path for file in planned.changed],
        "executed": planned.steps,
    }
