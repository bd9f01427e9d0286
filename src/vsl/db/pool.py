"""Connections to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from vsl.db.faults import translated
from vsl.db.statement import Connection
from vsl.errors import DatabaseError

#: How long to wait for a connection before saying that the database cannot be reached, in seconds.
CONNECT_TIMEOUT = 10.0


@asynccontextmanager
async def connect(url: str, *, application: str = "vsl") -> AsyncIterator[Connection]:
    """One connection of its own, each statement its own transaction.

    Raises ``DatabaseError`` when the database cannot be reached. Foreign errors within the block
    leave translated.
    """
    _options(url)
    async with (
        translated(),
        await psycopg.AsyncConnection.connect(
            url,
            autocommit=True,
            application_name=application,
            connect_timeout=int(CONNECT_TIMEOUT),
        ) as connection,
    ):
        yield connection


class Database:
    """A pool of connections, each statement its own transaction.

    url may be a pooler's address; then ``pooled`` must be true, so that nothing is kept in
    sessions. size: the most connections at a time.
    """

    def __init__(
        self, url: str, *, pooled: bool = False, size: int = 4, application: str = "vsl"
    ) -> None:
        self._url = url
        self._application = application
        self._pool = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=size,
            open=False,
            timeout=CONNECT_TIMEOUT,
            reconnect_timeout=CONNECT_TIMEOUT,
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "application_name": application,
                # A pooler gives each transaction another session, so prepared statements get lost.
                "prepare_threshold": None if pooled else 5,
            },
        )

    async def open(self) -> None:
        """Reach the database, so that a wrong address is said now. Raises ``DatabaseError``."""
        async with connect(self._url, application=self._application):
            await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    async def __aenter__(self) -> Database:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a while. Raises ``DatabaseError`` when none can be had."""
        async with translated(), self._pool.connection() as connection:
            yield connection


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
