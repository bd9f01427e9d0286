"""Fixtures for the tests of ``vsl db doctor``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.program import Vsl, new_home, remove_home
from tests.cli.stem import Stem
from tests.conftest import Connect, NewDatabase
from tests.doctor.kit import Stage
from tests.support.servers import ServerPool, TestServer

#: What faults of replication, archiving and prepared transactions need.
_SPECIAL = {
    "max_prepared_transactions": "10",
    "wal_level": "logical",
    "archive_mode": "on",
    "archive_command": "true",
    "max_connections": "30",
    "superuser_reserved_connections": "10",
    "autovacuum_freeze_max_age": "100000",
}


@pytest.fixture(scope="session")
def special_servers(servers: ServerPool) -> Callable[[int], TestServer]:
    """The server of a major version on which those faults can be made; one for the session."""
    made: dict[int, TestServer] = {}

    def get(major: int) -> TestServer:
        if major not in made:
            made[major] = servers.fresh(major, **_SPECIAL)
        return made[major]

    return get


@pytest.fixture(scope="session")
def sound_servers(servers: ServerPool) -> Callable[[int], TestServer]:
    """The server of a major version that waits for the disk as it should; the others do not."""
    made: dict[int, TestServer] = {}

    def get(major: int) -> TestServer:
        if major not in made:
            made[major] = servers.fresh(major, fsync="on", full_page_writes="on")
        return made[major]

    return get


@pytest.fixture
def new_stage(
    new_database: NewDatabase,
    connect: Connect,
    role_url: Callable[[str, str], str],
    template_sql: Path,
) -> Iterator[Callable[[TestServer], Stage]]:
    """``new_stage(server)``: a new database with VSL."""
    made: list[Stage] = []

    def make(server: TestServer) -> Stage:
        url = new_database(server, schema=template_sql)
        made.append(Stage(server, url, connect, role_url))
        return made[-1]

    yield make
    for stage in made:
        stage.undo()


@pytest.fixture
def stage(server: TestServer, new_stage: Callable[[TestServer], Stage]) -> Stage:
    """A new database with VSL on 15 and 18."""
    return new_stage(server)


@pytest.fixture(scope="session")
def stem() -> Iterator[Stem]:
    """What commands are split off from."""
    made = Stem()
    yield made
    made.close()


@pytest.fixture
def program(stem: Stem) -> Iterator[Vsl]:
    """The program with a home in which nothing is yet."""
    home = new_home()
    yield Vsl(home, stem=stem)
    remove_home(home)
