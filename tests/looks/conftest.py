"""Fixtures for the tests of the looks: each is made by the program, with the least rights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.cli.program import Done, Vsl
from tests.conftest import Connect, NewDatabase
from tests.schema.kit import Session
from tests.support.servers import ServerPool, TestServer


class Look(Protocol):
    """Type of the fixture ``look``."""

    def __call__(self, url: str, *arguments: str, role: str = "vsl_monitor") -> Done:
        """What ``vsl db …`` does for a login with a role's rights."""


@pytest.fixture
def look(on: Callable[[str], Vsl], role_url: Callable[[str, str], str]) -> Look:
    """``look(database, "sizes")``: ``vsl db sizes``, as vsl_monitor unless told otherwise."""

    def run(url: str, *arguments: str, role: str = "vsl_monitor") -> Done:
        return on(role_url(url, role))("db", *arguments)

    return run


@pytest.fixture
def seen(look: Look) -> Callable[..., Any]:
    """``seen(database, "sizes")``: the JSON of a look that succeeds."""

    def run(url: str, *arguments: str, role: str = "vsl_monitor") -> Any:
        done = look(url, *arguments, "--json", role=role)
        assert done.status == 0, done.err
        return done.document

    return run


@pytest.fixture
def owner(database: str, connect: Connect) -> Session:
    """The superuser's session on ``database``."""
    return Session(connect(database))


class OddServers:
    """Servers that take prepared transactions and count no statements, unlike the usual ones."""

    def __init__(self, servers: ServerPool) -> None:
        self._servers = servers
        self._started: dict[int, TestServer] = {}

    def get(self, major: int) -> TestServer:
        """The session's one of a major version, started when it is first needed."""
        if major not in self._started:
            self._started[major] = self._servers.fresh(
                major, shared_preload_libraries="", max_prepared_transactions="5"
            )
        return self._started[major]


@pytest.fixture(scope="session")
def odd_servers(servers: ServerPool) -> OddServers:
    """The servers of ``odd_database``."""
    return OddServers(servers)


@pytest.fixture(params=[15, 18], ids=lambda major: f"odd{major}")
def odd_database(
    odd_servers: OddServers,
    request: pytest.FixtureRequest,
    new_database: NewDatabase,
    template_sql: Path,
) -> str:
    """The URL of a database with VSL on such a server, for the superuser."""
    return new_database(odd_servers.get(request.param), schema=template_sql)
