"""Putting the parts together from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vsl.config import Config, load
from vsl.db.embedded.binaries import find_binaries
from vsl.db.migrate import require_current
from vsl.db.pool import connect, libpq_variables
from vsl.db.server import EmbeddedServer
from vsl.db.statement import Connection
from vsl.domain.provider import Provider
from vsl.errors import DatabaseError, InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class Addresses:
    """How to reach the database. pooled: whether ``url`` leads through a pooler."""

    url: str
    direct_url: str

    @property
    def pooled(self) -> bool:
        """Whether sessions cannot be relied on."""
        return self.url != self.direct_url


def embedded(config: Config) -> EmbeddedServer:
    """The embedded PostgreSQL of the settings. Raises ``ServerError`` without its programs."""
    return EmbeddedServer(config.home, find_binaries(config.pg_bin), port=config.pg_port)


def addresses(config: Config) -> Addresses:
    """Where the database is.

    Raises ``DatabaseError`` when the embedded one does not run, ``InvalidInput`` for an address
    that PostgreSQL's library cannot read.
    """
    if config.database_url is not None:
        direct_url = config.direct_url or config.database_url
        _check_address("DATABASE_URL", config.database_url)
        _check_address("VSL_DIRECT_DATABASE_URL", direct_url)
        return Addresses(config.database_url, direct_url)
    status = embedded(config).status()
    if status.url is None or status.state != "running":
        raise DatabaseError(
            "the embedded database is not running",
            hint="Start everything with `vsl up`, the database alone with `vsl db start`, "
            "or set DATABASE_URL.",
            retryable=True,
        )
    return Addresses(status.url, status.url)


def _check_address(name: str, url: str) -> None:
    try:
        ports = libpq_variables(url).get("PGPORT", "")
        readable = all(port.isdecimal() for port in ports.split(",") if port)
    except DatabaseError:
        readable = False
    if not readable:
        accepted = "postgresql://user:password@host:port/database"
        raise InvalidInput([Problem(name, "is not a PostgreSQL address", accepted)])


@asynccontextmanager
async def connected(config: Config | None = None) -> AsyncIterator[Connection]:
    """A connection to a database whose schema fits this program, for one command."""
    async with connect(addresses(config or load()).url, application="vsl cli") as connection:
        await require_current(connection)
        yield connection


#: The names of the providers that jobs can run at.
PROVIDERS = frozenset({"cog"})


def make_providers() -> dict[str, Provider]:
    """The providers that jobs can run at, by name."""
    from vsl.providers.cog import CogProvider  # with an HTTP client, which few commands need

    return {"cog": CogProvider()}
