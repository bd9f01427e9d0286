"""``vsl db connections``: who is connected, and ending those that have been idle for long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.text import Text

from vsl.cli.asking import DryRunOption, YesOption, agreed
from vsl.cli.output import JsonOption, Listing, moment, plain, print_json, say
from vsl.cli.remarks import (
    NONE,
    LimitOption,
    count_text,
    left_out,
    many_sessions,
    reached,
    say_remarks,
    seconds_text,
)
from vsl.cli.stopping import run
from vsl.db.statements_looks import IdleSession, Session
from vsl.errors import InvalidInput, Problem
from vsl.ops.audit import not_recorded
from vsl.ops.durations import read_duration
from vsl.ops.idle import IDLE_STATES, Idle, IdleEnded, IdleFound, end_idle, find_idle, why_kept
from vsl.ops.incidents import RUNNING
from vsl.ops.looks import quoted
from vsl.ops.sessions import Connections, look_at_connections, remarks_on_connections

StateOption = Annotated[
    str | None,
    typer.Option(metavar="STATE", help=f"Only in this state: {', '.join(IDLE_STATES)}."),
]


def connections(
    each: Annotated[bool, typer.Option("--list", help="One line for each session.")] = False,
    queries: Annotated[
        bool,
        typer.Option("--queries", help="With each session's statement, which may hold prompts."),
    ] = False,
    kill_idle: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="End sessions that have been idle so long, as in 10m."),
    ] = None,
    state: StateOption = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this login.")] = None,
    application: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only of this application.")
    ] = None,
    all_databases: Annotated[
        bool, typer.Option("--all-databases", help="With --kill-idle: of other databases too.")
    ] = False,
    limit: LimitOption = 50,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Who is connected and how many more may be; with --kill-idle, end idle sessions.

    Ends sessions of this database only, never its own, nor those of replication, of the server
    itself and of VSL's migrations; shows them first and asks. Each must still be the same and still
    idle when it is ended. The status is 1 when one could not be ended.
    """
    if state is not None and state not in IDLE_STATES:
        accepted = "one of " + ", ".join(IDLE_STATES)
        raise InvalidInput([Problem("--state", "is not known", accepted)])
    if kill_idle is None:
        _only_with_kill(all_databases=all_databases, yes=yes, dry_run=dry_run)
        _look(_Filter(state, user, application), each or queries, queries, limit, as_json)
        return
    idle = Idle(
        seconds=read_duration("--kill-idle", kill_idle),
        states=IDLE_STATES[state or "idle"],
        user=user,
        application=application,
        all_databases=all_databases,
    )
    raise typer.Exit(_kill_idle(idle, kill_idle, yes=yes, dry_run=dry_run, as_json=as_json))


def _only_with_kill(**given: bool) -> None:
    problems = [
        Problem(f"--{name.replace('_', '-')}", "is for --kill-idle only")
        for name, value in given.items()
        if value
    ]
    if problems:
        raise InvalidInput(problems)


class _Filter:
    """Which sessions of all are shown."""

    def __init__(self, state: str | None, user: str | None, application: str | None) -> None:
        self._states = None if state is None else IDLE_STATES[state]
        self._user = user
        self._application = application

    def takes(self, session: Session) -> bool:
        """Whether a session is shown."""
        name = session.application
        return (
            (self._states is None or session.state in self._states)
            and (self._user is None or session.user_name == self._user)
            and (
                self._application is None
                or name == self._application
                or name.startswith(f"{self._application} ")
            )
        )


def _look(wanted: _Filter, each: bool, queries: bool, limit: int, as_json: bool) -> None:
    async def work() -> Connections:
        async with reached() as connection:
            return await look_at_connections(connection, with_queries=queries)

    found = run(work())
    shown = replace(found, sessions=[s for s in found.sessions if wanted.takes(s)])
    remarks = remarks_on_connections(found)
    if as_json:
        rows = {"sessions": shown.sessions[:limit]} if each else {"groups": shown.groups()[:limit]}
        print_json({**_counts(found), **rows, "remarks": remarks})
        return
    if each:
        _list(shown.sessions[:limit], queries=queries)
        left_out(limit, len(shown.sessions))
    else:
        _groups(shown, limit)
    _say_counts(found)
    if queries:
        say("These texts may hold prompts and other people's data.", style="yellow")
    say_remarks(remarks)


def _counts(found: Connections) -> dict[str, Any]:
    return {
        "used": found.used,
        "available": found.available,
        "left": found.left,
        "limits": found.limits,
        "used_in_database": found.used_here,
        "used_by_role": found.used_by_role,
        "hidden": found.hidden,
    }


def _say_counts(found: Connections) -> None:
    limits = found.limits
    kept = limits.for_superusers + limits.for_members
    say(
        f"{found.used} of {found.available} connections are in use, {found.left} are left; "
        f"max_connections is {limits.server}, of which {kept} are reserved "
        f"({limits.for_superusers} for superusers)."
    )
    for limit, used, whose in (
        (limits.database, found.used_here, f"Database {found.database.name}"),
        (limits.role, found.used_by_role, f"Role {found.database.role}"),
    ):
        if limit >= 0:
            say(f"{whose} may have {limit}, and has {used}.")


def _groups(found: Connections, limit: int) -> None:
    groups = found.groups()
    made = Listing(
        ("application", "user", "database", "state", "count", "oldest", "transaction"),
        ("count", "oldest", "transaction"),
        spare=("transaction", "user"),
    )
    for group in groups[:limit]:
        made.add(
            group.application or "(no name)",
            group.user_name or NONE,
            group.database or NONE,
            group.state or "(hidden)",
            count_text(group.count),
            seconds_text(group.oldest),
            seconds_text(group.oldest_transaction),
        )
    made.show()
    left_out(limit, len(groups))


def _list(sessions: Sequence[Session], *, queries: bool) -> None:
    columns = ["process", "user", "application", "client", "state", "since", "transaction"]
    columns += ["waits for", "blocked by", "database", "started", *(["statement"] * queries)]
    made = Listing(
        columns,
        ("since", "transaction"),
        spare=("started", "waits for", "client", "database", "transaction", "user"),
    )
    for session in sessions:
        wait = f"{session.wait_event_type}: {session.wait_event}"
        cells = [
            f"{session.pid} (this)" if session.is_own else str(session.pid),
            session.user_name or NONE,
            session.application or "(no name)",
            "(hidden)" if session.is_hidden else session.client or "local",
            session.state or "(hidden)",
            seconds_text(session.state_age),
            seconds_text(session.transaction_age),
            wait if session.wait_event and session.state in RUNNING else "",
            ", ".join(map(str, session.blocked_by)),
            session.database or NONE,
            moment(session.started_at),
        ]
        made.add(*cells, *([" ".join((session.query or "").split())] * queries))
    made.show()


def _kill_idle(idle: Idle, typed: str, *, yes: bool, dry_run: bool, as_json: bool) -> int:
    async def look() -> IdleFound:
        async with reached() as connection:
            return await find_idle(connection, idle)

    found = run(look())
    ended: IdleEnded | None = None
    if not as_json:
        _show_idle(found, typed)
    if found.to_end and not dry_run:
        many = many_sessions(len(found.to_end))
        if not agreed(f"End {'this' if many == '1 session' else 'these'} {many}?", yes=yes):
            say("Nothing was ended.")
            return 1
        ended = run(_end(idle, found.to_end))
        if not as_json:
            _show_ended(ended)
    if as_json:
        outcomes = {(s.pid, s.started_at): became for s, became in ended.outcomes} if ended else {}
        rows = [
            {**plain(s), "outcome": outcomes.get((s.pid, s.started_at))} for s in found.sessions
        ]
        unrecorded = ended.unrecorded if ended else None
        kept = {s.kept for s in found.sessions}
        print_json(
            {
                "sessions": rows,
                "kept": {word: why for word, why in why_kept(found).items() if word in kept},
                "hidden": found.hidden,
                "unrecorded": unrecorded,
            }
        )
    if ended is not None and ended.of("still there"):
        return 1
    return 1 if found.not_permitted or (found.hidden and not found.to_end) else 0


async def _end(idle: Idle, chosen: Sequence[IdleSession]) -> IdleEnded:
    async with reached() as connection:
        return await end_idle(connection, idle, chosen)


def _show_idle(found: IdleFound, typed: str) -> None:
    if found.sessions:
        made = Listing(
            ("process", "user", "application", "client", "database", "state", "since"),
            ("since",),
            spare=("client", "database"),
        )
        for session in found.sessions:
            made.add(
                str(session.pid) if session.kept is None else Text(f"{session.pid} stays"),
                session.user_name,
                session.application or "(no name)",
                session.client or "local",
                session.database,
                session.state,
                seconds_text(session.state_age),
            )
        made.show()
    words = why_kept(found)
    for reason in dict.fromkeys(s.kept for s in found.sessions if s.kept is not None):
        pids = ", ".join(str(s.pid) for s in found.sessions if s.kept == reason)
        say(f"{pids} stays: {words[reason]}.")
    if not found.to_end:
        say(f"No session that may be ended has been idle for {typed}.")
    if found.hidden:
        hidden = many_sessions(found.hidden)
        say(f"The state of {hidden} is hidden from {found.role}; what is hidden stays.")
        say(
            Text("next:", style="bold"),
            f"GRANT pg_read_all_stats TO {quoted(found.role)};",
            whole=True,
        )


def _show_ended(ended: IdleEnded) -> None:
    words = {
        "ended": "{} ended.",
        "gone before": "{} had ended before.",
        "in use again": "{} had been used again, and stayed.",
        "still there": "{} told to end, and still there.",
    }
    for outcome, said in words.items():
        count = len(ended.of(outcome))
        if count:
            say(said.format(many_sessions(count)))
    if ended.unrecorded:
        say(not_recorded(ended.unrecorded), style="yellow")
