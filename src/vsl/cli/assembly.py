"""Putting the parts together from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from vsl.config import Config, load
from vsl.db.embedded.binaries import find_binaries
from vsl.db.migrate import require_current
from vsl.db.pool import connect, libpq_variables
from vsl.db.server import EmbeddedServer
from vsl.db.statement import Connection
from vsl.domain.provider import Provider, RemoteProvider
from vsl.errors import DatabaseError, InvalidInput, Problem

AnyProvider = Provider | RemoteProvider


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


def provider_names(config: Config) -> frozenset[str]:
    """The names of the providers that jobs can run at with these settings."""
    return frozenset({"cog", "replicate"} if config.replicate_token else {"cog"})


def make_providers(config: Config) -> dict[str, AnyProvider]:
    """The providers that jobs can run at with these settings, by name."""
    from vsl.providers.cog import CogProvider  # with an HTTP client, which few commands need

    made: dict[str, AnyProvider] = {"cog": CogProvider()}
    if config.replicate_token:
        from vsl.providers.guard import DownloadRules
        from vsl.providers.replicate import BASE_URL, OUTPUT_HOSTS, ReplicateProvider

        # An address that was set may be of this machine, and serves its files itself.
        own = (urlsplit(config.replicate_url).netloc,) if config.replicate_url else ()
        made["replicate"] = ReplicateProvider(
            config.replicate_token,
            base_url=config.replicate_url or BASE_URL,
            rules=DownloadRules(hosts=OUTPUT_HOSTS, private_hosts=own),
        )
    return made
