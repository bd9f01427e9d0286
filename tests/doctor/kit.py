"""What the tests of ``vsl db doctor`` share: faults, the stage they happen on, and looks at it."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from tests.conftest import Connect
from tests.schema.kit import MODELS, Session
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until

from vsl.db.health import health_session
from vsl.domain.health import Measure
from vsl.ops.doctor.catalogue import CHECKS
from vsl.ops.doctor.check import Check, Finding, Level, Result, judge

BY_ID = {check.id: check for check in CHECKS}


@dataclass(frozen=True)
class Stage:
    """A database with VSL on a real server. url: of the superuser; role_url: of a role's login."""

    server: TestServer
    url: str
    connect: Connect
    role_url: Callable[[str, str], str]
    ends: list[Callable[[], object]] = field(default_factory=list)

    def later(self, end: Callable[[], object]) -> None:
        """Do this when the test is over, what was added last first."""
        self.ends.append(end)

    def undo(self) -> None:
        """Do what was left for later."""
        while self.ends:
            self.ends.pop()()

    def connect_as(self, login: str) -> None:
        """Another session of a login, as long as the test."""
        self.connect(self.server.url(database_name(self.url), login))

    def until_active(self, connection: psycopg.Connection[Any], text: str) -> None:
        """Wait until a session is seen to run a statement."""
        session = self.session()
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND query = %s"
        pid = connection.info.backend_pid
        wait_until(lambda: session.all(query, pid, text), what=text)

    def session(self, *, role: str | None = None, autocommit: bool = True) -> Session:
        """A session that lasts as long as the test."""
        url = self.url if role is None else self.role_url(self.url, role)
        return Session(self.connect(url, autocommit=autocommit))

    def measures(self, check: str, role: str = "vsl_monitor") -> list[Measure]:
        """What a check's SQL answers to a role's login."""
        return ask(self.role_url(self.url, role), check)

    def look(self, check: str, role: str = "vsl_monitor") -> Result:
        """A check's judged answer."""
        return judge(BY_ID[check], self.measures(check, role))


def ask(url: str, check: str) -> list[Measure]:
    """What a check's SQL answers to a login."""

    async def work() -> list[Measure]:
        async with health_session(url) as session:
            return await session.ask(BY_ID[check].name)

    return asyncio.run(work())


def add_models(stage: Stage) -> Session:
    """The models of the schema's tests, and a superuser's session."""
    session = stage.session()
    session.run(MODELS)
    return session


def healthy(stage: Stage) -> None:
    """Jobs that ended, one that runs, one that waits."""
    session = add_models(stage)
    for _ in range(3):
        session.add_job()
        session.run_job()
    session.add_job()
    session.start()
    session.add_job()
    session.run("ANALYZE")


@dataclass(frozen=True)
class Fault:
    """Something wrong, and what the doctor must say of it as the monitor role.

    inject: makes it on a real server. subject: a pattern for the finding's subject. next: a pattern
    for its next command. scaled: where a test cannot wait for the measure to grow, the value that
    stands in for the measured one when the level is judged; the measured one must be above 0.
    special: needs the server with replication, archiving and prepared transactions. majors: of the
    servers on which it can be made, or looks like this.
    """

    check: str
    name: str
    inject: Callable[[Stage], object]
    level: Level
    subject: str = ""
    evidence: str = ""
    next: str = ""
    scaled: float | None = None
    special: bool = False
    majors: tuple[int, ...] = (15, 18)

    def __str__(self) -> str:
        return f"{self.check}: {self.name}"


@dataclass(frozen=True)
class Calm:
    """Something that looks like a fault and is none. level: the worst that the check may answer."""

    check: str
    name: str
    inject: Callable[[Stage], object]
    special: bool = False
    level: Level = Level.ok
    majors: tuple[int, ...] = (15, 18)

    def __str__(self) -> str:
        return f"{self.check}: {self.name}"


def found(fault: Fault, stage: Stage) -> Finding:
    """The finding about a fault, at the level that it must have. AssertionError when it is not."""
    check: Check = BY_ID[fault.check]
    rows = stage.measures(fault.check)
    about = [row for row in rows if re.search(fault.subject, row.subject or check.title)]
    assert about, f"nothing about {fault.subject!r} in {rows}"
    if fault.scaled is not None:
        assert all(row.value is not None and row.value > 0 for row in about), about
        about = [dataclasses.replace(row, value=fault.scaled) for row in about]
    finding = judge(check, about).findings[0]
    assert finding.level is fault.level, finding
    assert re.search(fault.evidence, finding.evidence or finding.unknown or ""), finding
    assert finding.next, finding
    assert re.search(fault.next, finding.next), finding
    return finding
