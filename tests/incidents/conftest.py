"""Fixtures for the tests of incidents: real sessions to end, and logins with the least rights."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.cli.program import Vsl
from tests.conftest import Connect
from tests.schema.kit import Session
from tests.support.servers import ServerPool, database_name
from tests.support.waiting import wait_until

#: What a role that gets through incidents has.
KEEPER = ("vsl_monitor", "pg_signal_backend")


def make_role(admin: psycopg.Connection[Any], name: str, *rights: str) -> None:
    """A role without login that has the rights of others; it may be there already."""
    if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    for right in rights:
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(right), sql.Identifier(name))
        admin.execute(grant)


@pytest.fixture
def login(servers: ServerPool, connect: Connect) -> Callable[..., str]:
    """``login(database, "name", *roles)``: the URL for a login with just those roles' rights."""

    def make(database: str, name: str, *rights: str) -> str:
        make_role(connect(database), name, *rights)
        server = servers.of(database)
        return server.url(database_name(database), server.login_for(name))

    return make


@pytest.fixture
def keeper(database: str, login: Callable[..., str], on: Callable[[str], Vsl]) -> Vsl:
    """The program for a login with vsl_monitor and pg_signal_backend."""
    return on(login(database, "keeper", *KEEPER))


@pytest.fixture
def keeper_url(database: str, login: Callable[..., str]) -> str:
    """The URL of the same login."""
    return login(database, "keeper", *KEEPER)


@pytest.fixture
def owner(database: str, connect: Connect) -> Session:
    """The superuser's session on ``database``."""
    return Session(connect(database))


@pytest.fixture
def app_url(database: str, login: Callable[..., str]) -> str:
    """The URL of somebody's application."""
    return login(database, "somebody", "vsl_app")


class PsqlVictim:
    """A real psql that runs a statement."""

    def __init__(self, program: str, url: str, statement: str) -> None:
        self.process = subprocess.Popen(
            [program, "--no-psqlrc", url, "-c", statement],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "PGAPPNAME": "victim"},
            text=True,
        )

    def end(self) -> str:
        """What it said when it ended."""
        _, said = self.process.communicate(timeout=30)
        return said


@pytest.fixture
def psql_victim(
    database: str, app_url: str, servers: ServerPool, owner: Session
) -> Iterator[Callable[[str], tuple[int, PsqlVictim]]]:
    """``psql_victim(statement)``: a real psql of the application's, and its backend's process."""
    made: list[PsqlVictim] = []

    def start(statement: str) -> tuple[int, PsqlVictim]:
        program = servers.of(database).embedded.binaries.program("psql")
        made.append(PsqlVictim(str(program), app_url, statement))
        query = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'victim'"
            " AND state = 'active' AND datname = current_database()"
        )
        return wait_until(lambda: [row["pid"] for row in owner.all(query)])[0], made[-1]

    yield start
    for victim in made:
        victim.process.kill()
        victim.process.communicate()


@pytest.fixture
def alive(owner: Session) -> Callable[[int], bool]:
    """``alive(pid)``: whether the server still has that process."""
    return lambda pid: bool(owner.all("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid))


@pytest.fixture
def acts(owner: Session) -> Callable[[], list[dict[str, Any]]]:
    """``acts()``: what was written down, oldest first."""
    return lambda: owner.all("SELECT * FROM vsl.audit_entries ORDER BY id")
