"""Short waits for locks, many times: the ladder that a migration climbs, and who stands on it.

Whatever queues behind a waiting ALTER TABLE waits as long as it does, so a wait is as long as an
application can bear to stall: about a second. Decisions are pure; time and chance are given.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from psycopg import errors as pg

from vsl.db.pool import connect
from vsl.db.statement import Connection, fetch
from vsl.db.statements_schema import NameBlockers, OtherSession
from vsl.errors import DatabaseError, MigrationBlocked, VslError


@dataclass(frozen=True, slots=True)
class Pace:
    """Time and chance, given by tests as they like. now and sleep: in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


#: The time and chance of this world.
REAL = Pace()


@dataclass(frozen=True, slots=True)
class Ladder:
    """How long each try waits for locks, and how long to rest before the next. All in seconds.

    The waits grow evenly from ``first`` to ``last`` over all ``tries``; the rests grow by half each
    time, from ``rest`` up to ``longest_rest``, and are then shortened by up to a half by chance, so
    that two of them do not go on meeting. The figures follow strong_migrations and GitLab's
    lock retries: waits an application can bear, and about three minutes in all.
    """

    first: float = 1.0
    last: float = 2.0
    tries: int = 30
    rest: float = 0.2
    longest_rest: float = 10.0

    def wait(self, number: int) -> float:
        """How long try ``number``, from 1, may wait for a lock. Never without a limit."""
        if self.tries == 1:
            return self.first
        return self.first + (self.last - self.first) * (number - 1) / (self.tries - 1)

    def rest_after(self, number: int, chance: float) -> float | None:
        """How long to rest after try ``number`` failed; None when it was the last one.

        chance: from 0 to 1.
        """
        if number >= self.tries:
            return None
        full = min(self.rest * 1.5 ** (number - 1), self.longest_rest)
        return full * (1 - chance / 2)


#: For what makes an application wait: ALTER TABLE and its like.
STRICT = Ladder()
#: For what waits without making others wait: concurrent builds, VACUUM. Each try may be long work.
PATIENT = Ladder(first=300.0, last=600.0, tries=3)

#: SQLSTATEs of a try that may go better next time.
LOCKED = (pg.LockNotAvailable, pg.DeadlockDetected)
LOCKED_STATES = frozenset(kind.sqlstate for kind in LOCKED)


def milliseconds(seconds: float) -> str:
    """A duration as PostgreSQL's settings take it; never 0, which would mean no limit."""
    return str(max(1, round(seconds * 1000)))


@dataclass(slots=True)
class Watch:
    """Looks over a session's shoulder: who makes it wait, as a second connection sees it.

    Once a lock's wait has timed out nobody can be asked any more, so the looking is done meanwhile.
    The second connection is opened only when a statement takes longer than ``after``, in seconds,
    and its trouble is nobody's business. tell: is told when somebody else stands in the way.
    """

    url: str
    pid: int
    after: float
    tell: Callable[[str], None]
    seen: Sequence[OtherSession] = ()
    _done: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done.set()
        if self._task is not None:
            done, _pending = await asyncio.wait({self._task}, timeout=2)
            if not done:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        if await self._ended_within(self.after):
            return
        with suppress(VslError):
            async with connect(self.url, application="vsl migrate (looks)") as connection:
                while True:
                    found = await fetch(connection, NameBlockers(pid=self.pid))
                    if found and [who.pid for who in found] != [who.pid for who in self.seen]:
                        self.tell(f"waiting for {names(found)}")
                    self.seen = found or self.seen
                    if await self._ended_within(self.after):
                        return

    async def _ended_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._done.wait(), seconds)
        except TimeoutError:
            return False
        return True


def names(sessions: Sequence[OtherSession]) -> str:
    """Sessions in words: process, application, login, state and how long; no statement's text."""
    if not sessions:
        return "somebody who could not be seen"
    return "; ".join(_name(session) for session in sessions)


def _name(session: OtherSession) -> str:
    if not session.pid:
        return "a prepared transaction (see pg_prepared_xacts)"
    facts = [
        session.application or "no application name",
        f"login {session.login}" if session.login else "",
        session.state or "",
        f"for {duration(session.seconds)}" if session.seconds is not None else "",
    ]
    return f"process {session.pid} ({', '.join(fact for fact in facts if fact)})"


def duration(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True, slots=True)
class Climber:
    """Climbs ladders for one runner's connection. url: for a second connection that looks."""

    connection: Connection
    url: str
    pace: Pace
    tell: Callable[[str], None]

    async def climb(
        self, what: str, ladder: Ladder, attempt: Callable[[str], Awaitable[None]]
    ) -> None:
        """Try until it works. attempt: takes the lock_timeout in milliseconds, as a text.

        Raises ``MigrationBlocked`` when no try worked, naming who was in the way at the last one.
        """
        number = 0
        while True:
            number += 1
            wait = ladder.wait(number)
            watch = self._watch(what, wait)
            try:
                async with watch:
                    await attempt(milliseconds(wait))
            except (*LOCKED, DatabaseError) as error:
                if error.sqlstate not in LOCKED_STATES:
                    raise
                rest = ladder.rest_after(number, self.pace.chance())
                if rest is None:
                    raise self._blocked(what, number, watch.seen) from None
                self.tell(
                    f"{what}: no lock within {duration(wait)}; in the way: {names(watch.seen)}. "
                    f"Try {number} of {ladder.tries}; next in {duration(rest)}"
                )
            else:
                return
            await self.pace.sleep(rest)

    def _watch(self, what: str, wait: float) -> Watch:
        # Short waits are told of once they have failed, long ones while they last.
        tell = (lambda words: self.tell(f"{what}: {words}")) if wait > 10 else (lambda _: None)
        after = min(wait / 3, 2.0)
        return Watch(self.url, self.connection.info.backend_pid, after, tell)

    @staticmethod
    def _blocked(what: str, tries: int, seen: Sequence[OtherSession]) -> MigrationBlocked:
        return MigrationBlocked(
            f"{what}: a lock could not be had in {tries} tries; in the way: {names(seen)}",
            hint="Let it end, or end it with `vsl db kill PID`; then run `vsl db migrate` again.",
            retryable=True,
        )
