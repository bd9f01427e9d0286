"""Ending somebody's session: what may be ended, in which order, and what is written down.

A session is one process with one start: numbers of processes are used again, so both are compared
at the moment of each signal, in the statement that sends it. Acts are written down before and
after; where that cannot be done it is said, and the act goes on: an incident does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Connection, Json, fetch, fetch_one, fetch_value
from vsl.db.statements_looks import (
    GetSession,
    HeldJob,
    ListJobsOfWorker,
    SignalSession,
    Victim,
)
from vsl.errors import DatabaseError, NotAllowed, NotFound, VslError
from vsl.ops.audit import not_recorded, record_act, wait_for
from vsl.ops.looks import describe, looking, quoted

#: Seconds that a terminated session gets at least to be gone.
TO_BE_GONE = 5.0

CLIENT, AUTOVACUUM = "client backend", "autovacuum worker"
#: States in which a statement runs that can be cancelled.
RUNNING = ("active", "fastpath function call")
#: Names of applications before the name of a worker.
_WORKER_NAMES = ("vsl listen ", "vsl worker ")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A process that somebody wants to end.

    worker: the one whose session it is, by the name of its application. jobs: what that worker
    holds; None when it cannot be told.
    """

    victim: Victim
    worker: str | None = None
    jobs: Sequence[HeldJob] | None = None


async def look_at_session(
    connection: Connection, pid: int, started_at: datetime | None = None
) -> Suspect:
    """What a process is, if it is one that may be ended.

    started_at: the start that it must have, to the second when there are no parts of one. Raises
    ``NotFound`` when there is no such process, ``NotAllowed`` when it may not be ended.
    """
    async with looking(connection):
        database = await describe(connection)
        victim = await fetch_one(connection, GetSession(pid=pid))
    refusal = refuse(victim, pid, database.role, started_at)
    if refusal is not None:
        raise refusal
    assert victim is not None  # noqa: S101 - refused otherwise
    worker = worker_of(victim.application)
    jobs: Sequence[HeldJob] | None = None
    if worker is not None and victim.database == database.name:
        jobs = await _jobs(connection, worker)
    return Suspect(victim=victim, worker=worker, jobs=jobs)


def worker_of(application: str) -> str | None:
    """The worker that an application's name names."""
    for prefix in _WORKER_NAMES:
        if application.startswith(prefix):
            return application.removeprefix(prefix)
    return None


async def _jobs(connection: Connection, worker: str) -> list[HeldJob] | None:
    try:
        async with looking(connection):
            return await fetch(connection, ListJobsOfWorker(worker=worker))
    except DatabaseError as error:
        if error.sqlstate is None:
            raise
        return None


def refuse(
    victim: Victim | None, pid: int, role: str, started_at: datetime | None
) -> VslError | None:
    """Why a process may not be ended by this role, or None."""
    if victim is None:
        return NotFound(
            f"there is no process {pid} on this server (any more)",
            hint="See `vsl db connections --list`.",
        )
    if victim.is_own:
        return NotAllowed(f"process {pid} is this command's own session")
    if victim.kind is None or victim.started_at is None:
        return NotAllowed(
            f"{role} may not see what process {pid} is",
            hint=f"Have a superuser run: GRANT pg_read_all_stats TO {quoted(role)};",
        )
    if started_at is not None and not _same_start(victim.started_at, started_at):
        return NotAllowed(
            f"process {pid} is another session by now: it began at {victim.started_at.isoformat()}",
            hint="Look again with `vsl db connections --list`.",
        )
    return _refuse_kind(victim) or _refuse_right(victim, role)


def _same_start(found: datetime, wanted: datetime) -> bool:
    return found == wanted or (wanted.microsecond == 0 and found.replace(microsecond=0) == wanted)


def _refuse_kind(victim: Victim) -> VslError | None:
    """The server's own processes, and those without which it would come to harm."""
    pid = victim.pid
    if victim.kind == AUTOVACUUM and victim.prevents_wraparound:
        return NotAllowed(
            f"process {pid} is autovacuum at work to prevent wraparound: "
            "without it the server would refuse all writes one day",
            hint="Let it end. What it blocks waits less when it is left alone.",
        )
    if victim.kind in (CLIENT, AUTOVACUUM):
        return None
    if victim.kind == "walsender":
        return NotAllowed(
            f"process {pid} sends replication or a base backup to {victim.client or 'a client'}: "
            "ending it would break that off",
            hint="Stop it at the other end.",
        )
    if victim.kind == "parallel worker":
        leader = victim.leader_pid
        return NotAllowed(
            f"process {pid} helps with the statement of process {leader}",
            hint=f"End that one: `vsl db kill {leader}`.",
        )
    return NotAllowed(f"process {pid} is the server's own: {victim.kind}")


def _refuse_right(victim: Victim, role: str) -> VslError | None:
    if victim.may_signal:
        return None
    if victim.kind == AUTOVACUUM:
        return NotAllowed(
            f"{role} may not end a worker of autovacuum",
            hint="That needs a superuser, or from PostgreSQL 18 on: "
            f"GRANT pg_signal_autovacuum_worker TO {quoted(role)};",
        )
    if victim.is_superuser:
        return NotAllowed(
            f"process {victim.pid} is a session of a superuser, {victim.user_name}, "
            f"which {role} may not end",
            hint="Only a superuser may.",
        )
    return NotAllowed(
        f"{role} may not end sessions of {victim.user_name}",
        hint=f"Have a superuser run: GRANT pg_signal_backend TO {quoted(role)};",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a session. did: what was done, in words. unrecorded: why it is not written
    down, or None.
    """

    pid: int
    started_at: datetime
    gone: bool
    did: Sequence[str]
    unrecorded: str | None


async def end_session(
    connection: Connection, victim: Victim, *, wait: float, tell: Tell = lambda _: None
) -> Ended:
    """Cancel what a session runs, give it ``wait`` seconds to stop, then terminate the session.

    tell: called with each step as it is done. Raises ``DatabaseError``.
    """
    assert victim.started_at is not None  # noqa: S101 - refused otherwise
    subject = f"process {victim.pid}"
    unrecorded = await record_act(connection, "kill", subject, _about(victim))
    did: list[str] = []

    def say(step: str) -> None:
        did.append(step)
        tell(step)

    if unrecorded is not None:
        tell(not_recorded(unrecorded))
    gone = await _cancel(connection, victim, wait, say)
    if not gone:
        gone = await _terminate(connection, victim, wait, say)
    outcome: Json = {"gone": gone, "did": did, "started_at": victim.started_at.isoformat()}
    after = await record_act(connection, "kill-outcome", subject, outcome)
    if after is not None and unrecorded is None:
        tell(not_recorded(after))
    return Ended(
        pid=victim.pid,
        started_at=victim.started_at,
        gone=gone,
        did=did,
        unrecorded=unrecorded or after,
    )


async def _cancel(connection: Connection, victim: Victim, wait: float, say: Tell) -> bool:
    """Cancel the running statement and wait for its end; whether the session is gone."""
    now = await _still(connection, victim)
    if now is None:
        say("It has ended by itself.")
        return True
    if now.state not in RUNNING:
        say(f"It is {now.state}: there is no statement to cancel.")
        return False
    if not await _signal(connection, victim, terminate=False):
        say("It has ended by itself.")
        return True
    say("Cancelled its statement.")

    async def ended() -> bool:
        then = await _still(connection, victim)
        return then is None or then.state not in RUNNING or then.query_start != now.query_start

    if await wait_for(ended, wait):
        say("The statement has ended.")
    else:
        say(f"The statement has not ended within {wait:g} s.")
    gone = await _still(connection, victim) is None
    if gone:
        say("It is gone.")
    return gone


async def _terminate(connection: Connection, victim: Victim, wait: float, say: Tell) -> bool:
    """End the session and wait for it to be gone; whether it is."""
    if not await _signal(connection, victim, terminate=True):
        gone = await _still(connection, victim) is None
        say("It has ended by itself." if gone else "It may not be ended any more.")
        return gone
    say("Terminated the session.")

    async def gone_now() -> bool:
        return await _still(connection, victim) is None

    gone = await wait_for(gone_now, max(wait, TO_BE_GONE))
    say("It is gone." if gone else f"It is still there after {max(wait, TO_BE_GONE):g} s.")
    return gone


async def _signal(connection: Connection, victim: Victim, *, terminate: bool) -> bool:
    assert victim.started_at is not None  # noqa: S101 - refused otherwise
    return await fetch_value(
        connection,
        SignalSession(pid=victim.pid, started_at=victim.started_at, terminate=terminate),
    )


async def _still(connection: Connection, victim: Victim) -> Victim | None:
    """The same session as it is now; None when it is gone."""
    found = await fetch_one(connection, GetSession(pid=victim.pid))
    return found if found is not None and found.started_at == victim.started_at else None


def _about(victim: Victim) -> Json:
    """Who a session is, for the audit: nothing of its statements."""
    return {
        "started_at": victim.started_at.isoformat() if victim.started_at else None,
        "user": victim.user_name,
        "application": victim.application,
        "database": victim.database,
        "client": victim.client,
        "kind": victim.kind,
        "state": victim.state,
        "transaction_age": victim.transaction_age,
        "blocks": list(victim.blocks),
    }
