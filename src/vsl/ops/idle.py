"""Ending sessions that have been idle for long: one statement decides and signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Connection, Json, fetch
from vsl.db.statements_looks import EndIdleSessions, IdleSession, ListSessions
from vsl.ops.audit import record_act, wait_for
from vsl.ops.incidents import TO_BE_GONE
from vsl.ops.looks import describe, looking, quoted

#: What people call the states of sessions that may be ended for being idle.
IDLE_STATES = {
    "idle": ("idle",),
    "idle-in-transaction": ("idle in transaction", "idle in transaction (aborted)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Which sessions count as idle. seconds: for how long."""

    seconds: float
    states: Sequence[str] = IDLE_STATES["idle"]
    user: str | None = None
    application: str | None = None
    all_databases: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleFound:
    """Sessions that have been idle for so long. hidden: how many states the role may not see."""

    role: str
    sessions: Sequence[IdleSession]
    hidden: int

    @property
    def to_end(self) -> list[IdleSession]:
        """Those that may be ended."""
        return [session for session in self.sessions if session.kept is None]

    @property
    def not_permitted(self) -> list[IdleSession]:
        """Those that this role may not end for want of a right that can be granted."""
        return [session for session in self.sessions if session.kept == "not_permitted"]


async def find_idle(connection: Connection, idle: Idle) -> IdleFound:
    """Sessions that have been idle for so long. Raises ``DatabaseError``."""
    async with looking(connection):
        database = await describe(connection)
        sessions = await fetch(connection, _statement(idle, None))
        every = await fetch(connection, ListSessions(all_kinds=False, with_queries=False))
    return IdleFound(
        role=database.role,
        sessions=sessions,
        hidden=sum(session.is_hidden for session in every),
    )


def _statement(idle: Idle, chosen: Sequence[IdleSession] | None) -> EndIdleSessions:
    return EndIdleSessions(
        states=idle.states,
        idle=idle.seconds,
        all_databases=idle.all_databases,
        user_name=idle.user,
        application=idle.application,
        pids=None if chosen is None else [session.pid for session in chosen],
        starts=None if chosen is None else [session.started_at for session in chosen],
        act=chosen is not None,
    )


def why_kept(found: IdleFound) -> dict[str, str]:
    """Why sessions are left alone, in words by the word for it."""
    return {
        "listens": "a worker hears its notifications there, is idle by nature, and would be back",
        "migrates": "VSL's migrations are in progress there",
        "superuser": "it is a superuser's, and only a superuser may end it",
        "not_permitted": f"{found.role} may not; have a superuser run: "
        f"GRANT pg_signal_backend TO {quoted(found.role)};",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleEnded:
    """What became of the sessions that were to be ended.

    outcome of each: ended; gone before; in use again; still there.
    """

    outcomes: Sequence[tuple[IdleSession, str]]
    unrecorded: str | None

    def of(self, outcome: str) -> list[IdleSession]:
        """The sessions with this outcome."""
        return [session for session, became in self.outcomes if became == outcome]


async def end_idle(
    connection: Connection, idle: Idle, chosen: Sequence[IdleSession], *, wait: float = TO_BE_GONE
) -> IdleEnded:
    """End those of the chosen sessions that are still the same and still as idle.

    One statement decides and signals. Raises ``DatabaseError``.
    """
    subject = "1 idle session" if len(chosen) == 1 else f"{len(chosen)} idle sessions"
    before: Json = {
        "idle_seconds": idle.seconds,
        "states": list(idle.states),
        "sessions": [_about_idle(session) for session in chosen],
    }
    unrecorded = await record_act(connection, "kill-idle", subject, before)
    signalled = {
        (session.pid, session.started_at)
        for session in await fetch(connection, _statement(idle, chosen))
        if session.was_signalled
    }
    left: set[tuple[int, datetime | None]] = set()

    async def gone() -> bool:
        nonlocal left
        every = await fetch(connection, ListSessions(all_kinds=False, with_queries=False))
        left = {(session.pid, session.started_at) for session in every}
        return not signalled & left

    await wait_for(gone, wait)

    def outcome(session: IdleSession) -> str:
        key = (session.pid, session.started_at)
        if key in signalled:
            return "still there" if key in left else "ended"
        return "in use again" if key in left else "gone before"

    outcomes = [(session, outcome(session)) for session in chosen]
    after: Json = {
        "sessions": [
            {"pid": session.pid, "started_at": session.started_at.isoformat(), "outcome": became}
            for session, became in outcomes
        ]
    }
    then = await record_act(connection, "kill-idle-outcome", subject, after)
    return IdleEnded(outcomes=outcomes, unrecorded=unrecorded or then)


def _about_idle(session: IdleSession) -> Json:
    return {
        "pid": session.pid,
        "started_at": session.started_at.isoformat(),
        "user": session.user_name,
        "application": session.application,
        "database": session.database,
        "client": session.client,
        "state": session.state,
        "idle_for": session.state_age,
    }
