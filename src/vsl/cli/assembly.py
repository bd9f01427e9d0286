"""Putting the parts together from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from vsl.config import Config, load
from vsl.db.embedded.binaries import find_binaries
from vsl.db.migrate import require_current
from vsl.db.pool import connect
from vsl.db.server import EmbeddedServer
from vsl.db.statement import Connection
from vsl.domain.provider import Provider
from vsl.errors import DatabaseError
from vsl.providers.cog import CogProvider

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Addresses:
    """How to reach the database. pooled: whether ``url`` leads through a pooler."""

    url: str
    direct_url: str

    @property
    def pooled(self) -> bool:
        """Whether sessions cannot be relied on."""
        return self.url != self.direct_url


def run(work: Coroutine[Any, Any, T]) -> T:
    """Cross from the command line into asynchronous code; the only place that does."""
    return asyncio.run(work)


def embedded(config: Config) -> EmbeddedServer:
    """The embedded PostgreSQL of the settings. Raises ``ServerError`` without its programs."""
    return EmbeddedServer(config.home, find_binaries(config.pg_bin), port=config.pg_port)


def addresses(config: Config) -> Addresses:
    """Where the database is. Raises ``DatabaseError`` when the embedded one does not run."""
    if config.database_url is not None:
        return Addresses(config.database_url, config.direct_url or config.database_url)
    status = embedded(config).status()
    if status.url is None or status.state != "running":
        raise DatabaseError(
            "the embedded database is not running",
            hint="Start everything with `vsl up`, the database alone with `vsl db start`, "
            "or set DATABASE_URL.",
            retryable=True,
        )
    return Addresses(status.url, status.url)


@asynccontextmanager
async def connected(config: Config | None = None) -> AsyncIterator[Connection]:
    """A connection to a database whose schema fits this program, for one command."""
    async with connect(addresses(config or load()).url, application="vsl cli") as connection:
        await require_current(connection)
        yield connection


def make_providers(config: Config) -> dict[str, Provider]:
    """The providers that are configured, by name."""
    del config  # C brings `replicate`, which needs its token.
    return {"cog": CogProvider()}


def provider_names(config: Config) -> frozenset[str]:
    """The names of the providers that are configured."""
    del config
    return frozenset({"cog"})
