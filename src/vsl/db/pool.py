"""Connections to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from vsl.db.faults import translated, unreachable
from vsl.db.statement import Connection, fetch_value
from vsl.db.statements_schema import BackendPid
from vsl.errors import DatabaseError

Pool = AsyncConnectionPool[Connection]

#: How long to wait for a connection before saying that the database cannot be reached, in seconds.
CONNECT_TIMEOUT = 10.0
#: The same behind a pooler: longer than the 30 s after which PgBouncer and RDS Proxy, configured as
#: VSL advises, say themselves that none of their connections came free.
POOLER_TIMEOUT = 35.0


@asynccontextmanager
async def connect(url: str, *, application: str = "vsl") -> AsyncIterator[Connection]:
    """One connection of its own, each statement its own transaction.

    Nothing is prepared on it, so that url may be a pooler's address. Raises ``DatabaseError`` when
    the database cannot be reached. Foreign errors within the block leave translated.
    """
    _options(url)
    async with (
        translated(),
        await psycopg.AsyncConnection.connect(
            url,
            autocommit=True,
            application_name=application,
            connect_timeout=int(CONNECT_TIMEOUT),
            prepare_threshold=None,
        ) as connection,
    ):
        yield connection


def connections_for(jobs: int) -> int:
    """How many connections a worker needs that drives so many jobs at a time.

    One for each few jobs is enough, since their calls are short; two for its own upkeep.
    """
    return 2 + jobs // 4


async def is_pooled(connection: Connection) -> bool:
    """Whether a pooler stands between this program and the server. Raises ``DatabaseError``.

    A pooler makes up the process number that it tells a client at its start; the server itself
    answers with the one of its backend. Measured with PgBouncer 1.18 in transaction mode.
    """
    return connection.info.backend_pid != await fetch_value(connection, BackendPid())


class Database:
    """A pool of connections, each statement its own transaction.

    url may be a pooler's address: ``open`` finds that out, and then nothing is kept in sessions.
    pooled: known to be one, should it not show. size: the most connections at a time.
    """

    def __init__(
        self, url: str, *, pooled: bool = False, size: int = 4, application: str = "vsl"
    ) -> None:
        self._url = url
        self._application = application
        self._size = size
        self._pool: Pool | None = None
        self._pooled = pooled
        # Why the last connection could not be used; None once one could.
        self._refused: psycopg.Error | None = None

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands between; known once it was opened."""
        return self._pooled

    async def open(self) -> None:
        """Reach the database, so that a wrong address is said now. Raises ``DatabaseError``."""
        async with connect(self._url, application=self._application) as connection:
            self._pooled = self._pooled or await is_pooled(connection)
            self._pool = self._made()
            await self._pool.open()

    def _made(self) -> Pool:
        return AsyncConnectionPool(
            self._url,
            min_size=0,
            max_size=self._size,
            open=False,
            timeout=POOLER_TIMEOUT if self._pooled else CONNECT_TIMEOUT,
            reconnect_timeout=CONNECT_TIMEOUT,
            check=self._check,
            kwargs={
                "autocommit": True,
                "application_name": self._application,
                # A pooler gives each transaction another session. What one client prepared there
                # is missing for it later, or worse, is another's statement under the same name.
                "prepare_threshold": None if self._pooled else 5,
            },
        )

    async def _check(self, connection: Connection) -> None:
        """Whether a connection of the pool still works. Raises ``psycopg.Error``."""
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error as error:
            self._refused = error
            raise
        self._refused = None

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.close()

    async def __aenter__(self) -> Database:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a while. Raises ``DatabaseError`` when none can be had."""
        if self._pool is None:
            raise unreachable()
        async with translated(), self._lent(self._pool) as connection:
            yield connection

    @asynccontextmanager
    async def _lent(self, pool: Pool) -> AsyncIterator[Connection]:
        try:
            connection = await pool.getconn()
        except PoolTimeout:
            # The pool says only that it has none; what a pooler said of the last one says more.
            raise (self._pooled and self._refused) or unreachable() from None
        try:
            async with connection:
                yield connection
        finally:
            await pool.putconn(connection)


def libpq_variables(url: str) -> dict[str, str]:
    """A connection address as libpq's environment variables, for programs such as psql."""
    given = _options(url)
    defaults = {option.keyword.decode(): option.envvar for option in pq.Conninfo.get_defaults()}
    variables = {}
    for name, value in given.items():
        variable = defaults.get(name)
        if variable and value is not None:
            variables[variable.decode()] = str(value)
    return variables


def _options(url: str) -> dict[str, Any]:
    """The parts of a connection address. Raises ``DatabaseError`` when it is none."""
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver quotes what it cannot read, and that can be a password.
        raise DatabaseError(
            "the database's address cannot be read",
            hint="DATABASE_URL looks like postgresql://user@host:5432/database.",
        ) from None
