"""Fixtures for the tests of the engine's functions.

There are hundreds of them, so most share one database for each server, emptied before each test. A
test that changes the schema asks for ``own_engine``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connect, NewDatabase
from tests.engine.kit import LANE, Engine
from tests.support.servers import ServerPool, TestServer

_EMPTY = """
    SET LOCAL lock_timeout = '10s';
    SET LOCAL session_replication_role = replica;
    TRUNCATE jobs, media_outputs, usage_tracking, model_configurations, vsl.attempts, vsl.dispatch,
        vsl.ledger_entries, vsl.doomed_objects, vsl.predictions, vsl.audit_entries;
    INSERT INTO model_configurations SELECT * FROM kept.model_configurations;
"""


class SharedDatabases:
    """One database with VSL on each server."""

    def __init__(self, servers: ServerPool, schema: Path) -> None:
        self._servers, self._schema = servers, schema
        self._names: dict[int, str] = {}

    def get(self, server: TestServer) -> str:
        """The URL of the server's database, as if it had been installed just now."""
        if server.major not in self._names:
            name = server.create_database(server.template(self._schema))
            self._names[server.major] = name
            with psycopg.connect(server.url(name)) as connection:
                connection.execute("CREATE SCHEMA kept")
                connection.execute(
                    "CREATE TABLE kept.model_configurations AS TABLE model_configurations"
                )
        url = server.url(self._names[server.major])
        with psycopg.connect(url) as connection:
            connection.execute(_EMPTY)
        return url

    def close(self) -> None:
        """Drop the databases."""
        for major, name in self._names.items():
            self._servers.get(major).drop_database(name)


@pytest.fixture(scope="session")
def shared_databases(servers: ServerPool, template_sql: Path) -> Iterator[SharedDatabases]:
    """The databases that the tests of the engine share."""
    databases = SharedDatabases(servers, template_sql)
    yield databases
    databases.close()


@pytest.fixture
def database(server: TestServer, shared_databases: SharedDatabases) -> str:
    """The URL of the shared database, empty, for the superuser."""
    return shared_databases.get(server)


@pytest.fixture
def engine(database: str, connect: Connect) -> Engine:
    """The engine on an empty database, with a priced model ``painter`` of the lane ``paint``."""
    return _with_painter(connect(database))


@pytest.fixture
def own_engine(
    server: TestServer, new_database: NewDatabase, template_sql: Path, connect: Connect
) -> Engine:
    """The same on a database of the test's own, whose schema it may change."""
    return _with_painter(connect(new_database(server, schema=template_sql)))


def _with_painter(connection: psycopg.Connection[object]) -> Engine:
    engine = Engine(connection)
    engine.add_model("painter", lane=LANE)
    return engine


@pytest.fixture
def another(database: str, connect: Connect, engine: Engine) -> Callable[[], Engine]:  # noqa: ARG001
    """Makes further sessions on the engine's database."""
    return lambda: Engine(connect(database))
