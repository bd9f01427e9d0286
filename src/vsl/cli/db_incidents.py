"""``vsl db``: ending sessions, and what was written down of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from vsl.cli.asking import DryRunOption, YesOption, agreed
from vsl.cli.db_connections import connections
from vsl.cli.output import JsonOption, Listing, moment, print_json, say, show_facts
from vsl.cli.remarks import NONE, LimitOption, many_sessions, reached, seconds_text
from vsl.cli.stopping import run
from vsl.db.statements_looks import Act
from vsl.errors import InvalidInput, Problem
from vsl.ops.audit import list_acts
from vsl.ops.durations import read_duration
from vsl.ops.incidents import RUNNING, Ended, Suspect, end_session, look_at_session


def kill(
    pid: Annotated[
        int,
        typer.Argument(
            metavar="PID", min=1, max=2**31 - 1, help="The process, as `connections --list` has it."
        ),
    ],
    started_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only if the session began then, as --list has it."),
    ] = None,
    wait: Annotated[
        str, typer.Option(metavar="TIME", help="How long a cancelled statement may take to end.")
    ] = "10s",
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a session: cancel what it runs, wait for that, then terminate it.

    Shows first what it is and whom it blocks, and asks. Refuses replication, vacuum that prevents
    wraparound and the server's own processes. The status is 0 when it is gone, else 1.
    """
    patience = read_duration("--wait", wait)
    start = None if started_at is None else _read_moment(started_at)
    suspect = run(_suspect(pid, start))
    if not as_json:
        show_facts(_facts(suspect))
        _say_plan(suspect, wait)
    if dry_run:
        if as_json:
            print_json(_document(suspect, None))
        return
    if not agreed(f"End process {pid}?", yes=yes):
        say("Nothing was ended.")
        raise typer.Exit(1)
    ended = run(_end_one(suspect, patience, as_json=as_json))
    if as_json:
        print_json(_document(suspect, ended))
    raise typer.Exit(0 if ended.gone else 1)


async def _suspect(pid: int, started_at: datetime | None) -> Suspect:
    async with reached() as connection:
        return await look_at_session(connection, pid, started_at)


async def _end_one(suspect: Suspect, wait: float, *, as_json: bool) -> Ended:
    async with reached() as connection:
        tell = (lambda _: None) if as_json else say
        return await end_session(connection, suspect.victim, wait=wait, tell=tell)


def _document(suspect: Suspect, ended: Ended | None) -> dict[str, Any]:
    return {
        "session": suspect.victim,
        "worker": suspect.worker,
        "jobs": suspect.jobs,
        "gone": None if ended is None else ended.gone,
        "did": [] if ended is None else ended.did,
        "unrecorded": None if ended is None else ended.unrecorded,
    }


def _facts(suspect: Suspect) -> dict[str, str | Text]:
    victim = suspect.victim
    state = f"{victim.state or victim.kind} for {seconds_text(victim.state_age)}"
    facts: dict[str, str | Text] = {
        "process": str(victim.pid),
        "began": moment(victim.started_at),
        "user": victim.user_name or NONE,
        "application": victim.application or "(no name)",
        "client": victim.client or "local",
        "database": victim.database or NONE,
        "state": state,
    }
    if victim.kind != "client backend":
        facts["kind"] = victim.kind or NONE
    if victim.transaction_age is not None:
        facts["transaction"] = f"open for {seconds_text(victim.transaction_age)}"
    if victim.wait_event is not None and victim.state in RUNNING:
        facts["waits for"] = f"{victim.wait_event_type}: {victim.wait_event}"
    blocked = ", ".join(map(str, victim.blocks))
    facts["blocks"] = f"{blocked} ({many_sessions(len(victim.blocks))})" if blocked else "nobody"
    if victim.migrates:
        facts["migration"] = "VSL's migrations are in progress here"
    if suspect.worker is not None:
        facts["worker"] = suspect.worker
        facts["jobs"] = _jobs(suspect)
    return facts


def _jobs(suspect: Suspect) -> str:
    if suspect.jobs is None:
        return "cannot be told"
    return ", ".join(f"{job.job_id} ({job.phase})" for job in suspect.jobs) or "none"


def _say_plan(suspect: Suspect, wait: str) -> None:
    if suspect.victim.state in RUNNING:
        say(f"Its statement is cancelled first and has {wait} to end; then the session ends.")
    else:
        say("It runs no statement that could be cancelled: the session ends at once.")
    if suspect.worker is not None:
        say("A worker connects again by itself; its jobs go on.")


def _read_moment(text: str) -> datetime:
    """A time as this program prints it, in the reader's zone unless it names one."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        accepted = "a time as `connections --list` prints it, such as 2026-01-31 12:00:00"
        raise InvalidInput([Problem("--started-at", "is not a time", accepted)]) from None


def audit(limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """What was done to this database by hand: who ended what, and when."""

    async def work() -> list[Act]:
        async with reached() as connection:
            return await list_acts(connection, limit)

    found = run(work())
    if as_json:
        print_json(found)
        return
    made = Listing(("when", "who", "act", "subject", "detail"), spare=("detail",))
    for act in found:
        made.add(moment(act.happened_at), act.actor, act.act, act.subject, _detail(act))
    if found:
        made.show()
    else:
        say("Nothing was written down.")


def _detail(act: Act) -> str:
    """The parts of an act that fit a line."""
    detail = act.detail
    if "gone" in detail:
        return "gone" if detail["gone"] else "still there"
    if isinstance(detail.get("sessions"), list):
        outcomes = [str(one.get("outcome") or one.get("pid")) for one in detail["sessions"]]
        return ", ".join(f"{outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes))
    wanted = ("user", "application", "state")
    return ", ".join(str(detail[name]) for name in wanted if detail.get(name))


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {
    "connections": connections,
    "kill": kill,
    "audit": audit,
}
