"""Fixtures for all tests: real PostgreSQL servers and databases on them.

A test that asks for ``empty_database`` or ``database`` runs on every server of ``server``, that is
15 and 18. To run on one only: ``@pytest.mark.parametrize("server", [18], indirect=True)``.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from tests.cli.program import Vsl, new_home, remove_home
from tests.cli.stem import Stem
from tests.schema.kit import MODELS, Session
from tests.support.pgbouncer import RunningPgBouncer
from tests.support.seaweed import Seaweed
from tests.support.servers import PLAIN_ROLE, ServerPool, TestServer, database_name

Connection = psycopg.Connection[Any]
AsyncConnection = psycopg.AsyncConnection[Any]


class Connect(Protocol):
    """Type of the fixture ``connect``."""

    def __call__(self, url: str, *, autocommit: bool = True, **options: Any) -> Connection:
        """A connection that is closed when the test ends."""


class ConnectAsync(Protocol):
    """Type of the fixture ``connect_async``."""

    def __call__(
        self, url: str, *, autocommit: bool = True, **options: Any
    ) -> Awaitable[AsyncConnection]:
        """A connection that is closed when the test ends."""


class NewDatabase(Protocol):
    """Type of the fixture ``new_database``."""

    def __call__(self, server: TestServer, *, schema: Path | None = None) -> str:
        """The URL of a new database: empty and of the plain role, or a clone with ``schema``."""


class NewPgBouncer(Protocol):
    """Type of the fixture ``new_pgbouncer``."""

    def __call__(self, url: str, **settings: Any) -> RunningPgBouncer:
        """A PgBouncer in front of a database, stopped when the test ends."""


class Psql(Protocol):
    """Type of the fixture ``psql``."""

    def __call__(
        self, url: str, *args: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run psql of the server that the URL leads to."""


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerPool]:
    """The servers of this session; each starts when it is first needed."""
    pool = ServerPool()
    yield pool
    pool.close()


@pytest.fixture(scope="session", params=[15, 18], ids=lambda major: f"pg{major}")
def server(servers: ServerPool, request: pytest.FixtureRequest) -> TestServer:
    """Debian's PostgreSQL 15 and the embedded 18."""
    return servers.get(request.param)


@pytest.fixture(scope="session", params=[14, 15, 16, 17, 18], ids=lambda major: f"pg{major}")
def any_server(servers: ServerPool, request: pytest.FixtureRequest) -> TestServer:
    """Every supported PostgreSQL. Databases come from ``new_database(any_server)``."""
    return servers.get(request.param)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Seaweed]:
    """A real S3 server, shared by the session: take a prefix of your own, and leave it running."""
    made = Seaweed()
    yield made
    made.close()


@pytest.fixture
def fresh_server(servers: ServerPool) -> Callable[[int], TestServer]:
    """Makes a server of a major version on which nothing has happened, roles included."""
    return servers.fresh


@pytest.fixture(scope="session")
def template_sql() -> Path:
    """The file that makes the template of ``database``."""
    return Path(__file__).parents[1] / "database" / "schema.sql"


@pytest.fixture
def new_database() -> Iterator[NewDatabase]:
    """Makes databases that are dropped when the test ends."""
    made: list[tuple[TestServer, str]] = []

    def make(server: TestServer, *, schema: Path | None = None) -> str:
        if schema is None:
            name, user = server.create_database(owner=PLAIN_ROLE), PLAIN_ROLE
        else:
            name, user = server.create_database(server.template(schema)), "vsl"
        made.append((server, name))
        return server.url(name, user)

    yield make
    for server, name in made:
        server.drop_database(name)


@pytest.fixture
def empty_database(server: TestServer, new_database: NewDatabase) -> str:
    """The URL of an empty database for its owner, a role that may log in and nothing else."""
    return new_database(server)


@pytest.fixture
def database(server: TestServer, new_database: NewDatabase, template_sql: Path) -> str:
    """The URL of a database with VSL, for the superuser; ``role_url`` gives those of the roles."""
    return new_database(server, schema=template_sql)


@pytest.fixture
def role_url(servers: ServerPool) -> Callable[[str, str], str]:
    """``role_url(database, role)``: the same database for a login with just that role's rights."""

    def url(database: str, role: str) -> str:
        server = servers.of(database)
        return server.url(database_name(database), server.login_for(role))

    return url


@pytest.fixture
def new_pgbouncer(
    servers: ServerPool,
    new_database: NewDatabase,  # noqa: ARG001 (it stops before its database is dropped)
) -> Iterator[NewPgBouncer]:
    """``new_pgbouncer(database)``: a PgBouncer of its own, in transaction mode; see its class."""
    made: list[RunningPgBouncer] = []

    def make(url: str, **settings: Any) -> RunningPgBouncer:
        made.append(RunningPgBouncer(servers.of(url), database_name(url), **settings))
        return made[-1]

    yield make
    for bouncer in made:
        bouncer.close()


@pytest.fixture
def pgbouncer(database: str, new_pgbouncer: NewPgBouncer) -> RunningPgBouncer:
    """A PgBouncer in front of ``database``; ``pgbouncer.url()`` is its address."""
    return new_pgbouncer(database)


@pytest.fixture
def psql(servers: ServerPool) -> Psql:
    """``psql(url, *args, stdin=None)``: run the server's psql; its status is not checked."""

    def run(url: str, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return servers.of(url).psql(url, *args, stdin=stdin)

    return run


@pytest.fixture
def connect(
    new_database: NewDatabase,  # noqa: ARG001 (connections are closed before databases are dropped)
) -> Iterator[Connect]:
    """``connect(url, autocommit=True)``: a psycopg connection, closed when the test ends."""
    opened: list[Connection] = []

    def open_one(url: str, *, autocommit: bool = True, **options: Any) -> Connection:
        opened.append(psycopg.connect(url, autocommit=autocommit, **options))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
async def connect_async(
    new_database: NewDatabase,  # noqa: ARG001 (as above)
) -> AsyncIterator[ConnectAsync]:
    """``await connect_async(url, autocommit=True)``: the same, asynchronous."""
    opened: list[AsyncConnection] = []

    async def open_one(url: str, *, autocommit: bool = True, **options: Any) -> AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(url, autocommit=autocommit, **options)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        await connection.close()


@pytest.fixture
def session(database: str, connect: Connect) -> Session:
    """The superuser in a database with VSL and with the models of ``tests.schema.kit.MODELS``."""
    session = Session(connect(database))
    session.run(MODELS)
    return session


@pytest.fixture
def make_home() -> Iterator[Callable[[], Path]]:
    """Makes homes for the program that are cleaned up."""
    made: list[Path] = []

    def make() -> Path:
        made.append(new_home())
        return made[-1]

    yield make
    for home in made:
        remove_home(home)


@pytest.fixture(scope="session")
def stem() -> Iterator[Stem]:
    """What commands are split off from."""
    made = Stem()
    yield made
    made.close()


@pytest.fixture
def vsl(make_home: Callable[[], Path], stem: Stem) -> Vsl:
    """The program with a home in which nothing is yet."""
    return Vsl(make_home(), stem=stem)


@pytest.fixture
def on(vsl: Vsl) -> Callable[[str], Vsl]:
    """``on(url)``: the program with somebody's own database."""
    return lambda url: vsl.with_variables(DATABASE_URL=url)
