"""Looks at sessions: who is connected, how many more may be, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vsl.db.statement import Connection, fetch, fetch_one
from vsl.db.statements_looks import (
    ConnectionLimits,
    DatabaseFacts,
    GetConnectionLimits,
    ListLockWaits,
    ListPreparedTransactions,
    ListSessions,
    ListStrongLocks,
    LockWait,
    PreparedTransaction,
    Session,
    StrongLock,
)
from vsl.errors import DatabaseError
from vsl.ops.doctor.check import show
from vsl.ops.looks import Remark, describe, looking, quoted

#: Parts of the connections that may be had from which on it is said (pgdoctor's figures).
BUSY, NEARLY_FULL = 0.70, 0.85
#: Seconds that a transaction may wait for its client before it is said.
IDLE_IN_TRANSACTION = 60.0
_WORKERS = ("vsl listen ", "vsl worker ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGroup:
    """Sessions that are alike. state: None when it is hidden.

    oldest: the longest time in the state; oldest_transaction: the longest open one.
    """

    application: str
    user_name: str | None
    database: str | None
    state: str | None
    count: int
    oldest: float | None
    oldest_transaction: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """All sessions of the server's clients, and how many there may be."""

    database: DatabaseFacts
    limits: ConnectionLimits
    sessions: Sequence[Session]

    @property
    def used(self) -> int:
        """Sessions of clients, that of the looker included."""
        return len(self.sessions)

    @property
    def available(self) -> int:
        """Connections that anybody may have, used or not."""
        limits = self.limits
        return limits.server - limits.for_superusers - limits.for_members

    @property
    def left(self) -> int:
        """How many more anybody may have on the server."""
        return max(self.available - self.used, 0)

    @property
    def used_here(self) -> int:
        """Sessions of this database."""
        return sum(session.database == self.database.name for session in self.sessions)

    @property
    def used_by_role(self) -> int:
        """Sessions of the role that looks."""
        return sum(session.user_name == self.database.role for session in self.sessions)

    @property
    def hidden(self) -> int:
        """Sessions of which the looker may not see the state."""
        return sum(session.is_hidden for session in self.sessions)

    def groups(self) -> list[SessionGroup]:
        """Sessions by application, user, database and state, the largest group first."""
        found: dict[tuple[str, str | None, str | None, str | None], list[Session]] = {}
        for session in self.sessions:
            key = (
                application_of(session.application),
                session.user_name,
                session.database,
                session.state,
            )
            found.setdefault(key, []).append(session)
        groups = [
            SessionGroup(
                application=key[0],
                user_name=key[1],
                database=key[2],
                state=key[3],
                count=len(alike),
                oldest=_longest(session.state_age for session in alike),
                oldest_transaction=_longest(session.transaction_age for session in alike),
            )
            for key, alike in found.items()
        ]
        return sorted(groups, key=lambda group: (-group.count, -(group.oldest or 0)))


async def look_at_connections(connection: Connection, *, with_queries: bool = False) -> Connections:
    """All sessions of clients. with_queries: with their texts, which may hold prompts.

    Raises ``DatabaseError``.
    """
    async with looking(connection):
        limits = await fetch_one(connection, GetConnectionLimits())
        if limits is None:
            raise DatabaseError("the database does not say how many connections it takes")
        wanted = ListSessions(all_kinds=False, with_queries=with_queries)
        return Connections(
            database=await describe(connection),
            limits=limits,
            sessions=await fetch(connection, wanted),
        )


def application_of(name: str) -> str:
    """What an application is, without which one: each worker has a name of its own."""
    return next((words.strip() for words in _WORKERS if name.startswith(words)), name)


def remarks_on_connections(found: Connections) -> list[Remark]:
    """What stands out among sessions, and the command to go on with."""
    remarks = []
    if found.hidden:
        remarks.append(hidden_remark(found.database, found.hidden))
    part = found.used / found.available if found.available > 0 else 1.0
    if part >= BUSY:
        worst = "Nearly full" if part >= NEARLY_FULL else "Busy"
        remarks.append(
            Remark(
                says=f"{worst}: {found.used} of {found.available} connections are in use.",
                next="vsl db connections --kill-idle 10m --dry-run",
            )
        )
    remarks += _own_limits(found)
    stuck = [
        session
        for session in found.sessions
        if session.state in IN_TRANSACTION and (session.state_age or 0) >= IDLE_IN_TRANSACTION
    ]
    if stuck:
        worst_one = max(stuck, key=lambda session: session.state_age or 0)
        age = show(worst_one.state_age or 0, "seconds")
        said = f"{_many(len(stuck), 'session waits', 'sessions wait')} for the client inside of a"
        remarks.append(
            Remark(
                says=f"{said} transaction, the longest (process {worst_one.pid}) for {age}.",
                next=f"vsl db kill {worst_one.pid}",
            )
        )
    blocked = sum(bool(session.blocked_by) for session in found.sessions)
    if blocked:
        said = _many(blocked, "session waits", "sessions wait")
        remarks.append(Remark(says=f"{said} for a lock.", next="vsl db locks"))
    return remarks or [Remark(says="Nothing stands out.", next="vsl db doctor")]


def _own_limits(found: Connections) -> list[Remark]:
    """The limits of a database and of a role, where there are any and they are near."""
    remarks = []
    here = (
        (found.limits.database, found.used_here, f"database {found.database.name}"),
        (found.limits.role, found.used_by_role, f"role {found.database.role}"),
    )
    for limit, used, whose in here:
        if limit >= 0 and used >= BUSY * limit:
            said = f"{used} of the {limit} connections of {whose} are in use."
            remarks.append(Remark(says=said, next="vsl db connections --kill-idle 10m --dry-run"))
    return remarks


def hidden_remark(database: DatabaseFacts, count: int) -> Remark:
    """What a role without the right to see sessions of others cannot see, and the grant."""
    said = _many(count, "session of another role hides its", "sessions of other roles hide their")
    return Remark(
        says=f"{said} state, age and address from {database.role}.",
        next=f"GRANT pg_read_all_stats TO {quoted(database.role)};",
    )


IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


def _longest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in ages if age is not None), default=None)


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockNode:
    """A process, or prepared transactions (pid 0), and who waits for it.

    wait: what it waits for itself; None at the root. also: others that it waits for too.
    """

    pid: int
    session: Session | None
    wait: LockWait | None
    also: Sequence[int]
    waiters: Sequence[LockNode]

    @property
    def count(self) -> int:
        """How many wait for it, directly or behind others."""
        return sum(1 + waiter.count for waiter in self.waiters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """Who waits for whom. prepared: prepared transactions, which can hold locks for ever."""

    database: DatabaseFacts
    roots: Sequence[LockNode]
    sessions: Mapping[int, Session]
    strong: Sequence[StrongLock]
    prepared: Sequence[PreparedTransaction]


async def look_at_locks(connection: Connection) -> Locks:
    """Who waits for whom, and who has strong locks. Raises ``DatabaseError``."""
    async with looking(connection):
        waits = await fetch(connection, ListLockWaits())
        sessions = {
            session.pid: session
            for session in await fetch(connection, ListSessions(all_kinds=True, with_queries=False))
        }
        return Locks(
            database=await describe(connection),
            roots=lock_tree(waits, sessions),
            sessions=sessions,
            strong=await fetch(connection, ListStrongLocks()),
            prepared=await fetch(connection, ListPreparedTransactions()),
        )


def lock_tree(waits: Sequence[LockWait], sessions: Mapping[int, Session]) -> list[LockNode]:
    """Who waits for whom, from those who wait for nobody; whom most wait for comes first.

    Who waits for several stands below the first of them that waits for nobody itself. In a
    deadlock, which lasts until the server ends it, everybody waits: then the smallest number leads.
    """
    by_pid = {wait.pid: wait for wait in waits}
    parents: dict[int, int] = {}
    for wait in waits:
        blockers = [pid for pid in dict.fromkeys(wait.blocked_by) if pid != wait.pid]
        if blockers:
            parents[wait.pid] = next((pid for pid in blockers if pid not in by_pid), blockers[0])
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    placed: set[int] = set()

    def node(pid: int) -> LockNode:
        placed.add(pid)
        wait = by_pid.get(pid)
        also = [
            other
            for other in dict.fromkeys(wait.blocked_by if wait else ())
            if other not in (parents.get(pid), pid)
        ]
        below = [node(child) for child in children.get(pid, []) if child not in placed]
        return LockNode(pid=pid, session=sessions.get(pid), wait=wait, also=also, waiters=below)

    roots = [node(pid) for pid in sorted(children) if pid not in parents]
    for pid in sorted(parents):
        if pid not in placed:
            roots.append(replace(node(pid), also=by_pid[pid].blocked_by))
    return sorted(roots, key=lambda root: -root.count)


def remarks_on_locks(found: Locks) -> list[Remark]:
    """Who is in whose way, and the command to go on with."""
    remarks = []
    for root in found.roots:
        if root.pid == 0:
            remarks += [
                Remark(
                    says=f"The prepared transaction {one.gid!r} of {one.user_name} is "
                    f"{show(one.age, 'seconds')} old and may be what they wait for.",
                    next=_roll_back(one.gid),
                )
                for one in found.prepared
            ]
            continue
        said = _many(root.count, "session waits", "sessions wait")
        remarks.append(
            Remark(says=f"{said} because of process {root.pid}.", next=f"vsl db kill {root.pid}")
        )
    hidden = [root for root in found.roots if root.session is not None and root.session.is_hidden]
    if hidden:
        remarks.append(hidden_remark(found.database, len(hidden)))
    return remarks or [Remark(says="Nobody waits for a lock.")]


def _roll_back(gid: str) -> str:
    quoted = gid.replace("'", "''")
    return f"ROLLBACK PREPARED '{quoted}'; -- or COMMIT PREPARED, as its owner"
