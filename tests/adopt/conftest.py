"""Databases with the original layout, and adopting them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Connect, NewDatabase, Psql
from tests.schema.kit import Session
from tests.support.servers import TestServer, database_name

from vsl.ops.adopt.run import Choices, adopt, look
from vsl.ops.adopt.survey import Assessment

HERE = Path(__file__).parent


@dataclass
class Original:
    """A database with the original layout. url: of its plain owner; admin: of the superuser."""

    url: str
    admin: str
    session: Session

    def adopt(self, **choices: object) -> Assessment:
        """Adopt it as its owner."""
        return asyncio.run(adopt(self.url, Choices(**choices)))  # type: ignore[arg-type]

    def look(self, **choices: object) -> Assessment:
        """What adoption would do."""
        return asyncio.run(look(self.url, Choices(**choices)))  # type: ignore[arg-type]


@pytest.fixture
def make_original(
    new_database: NewDatabase, psql: Psql, connect: Connect
) -> Callable[[TestServer], Original]:
    """Makes databases with the original layout and no rows but the ledger's."""

    def make(server: TestServer) -> Original:
        url = new_database(server)
        done = psql(url, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(HERE / "original.sql"))
        assert done.returncode == 0, done.stderr
        admin = server.url(database_name(url))
        return Original(url, admin, Session(connect(url)))

    return make


@pytest.fixture
def original(server: TestServer, make_original: Callable[[TestServer], Original]) -> Original:
    """A database with the original layout."""
    return make_original(server)


@pytest.fixture
def filled(original: Original, psql: Psql) -> Original:
    """The same with a thousand rows in each table."""
    done = psql(original.url, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(HERE / "rows.sql"))
    assert done.returncode == 0, done.stderr
    return original
