"""Where the measuring happens: a PostgreSQL server, databases on it, a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from vsl.db.migrate import migrate
from vsl.db.server import EmbeddedServer, find_binaries

T = TypeVar("T")
Connection = psycopg.Connection[Any]

#: What our own server gets besides VSL's settings; fsync and synchronous_commit stay on.
SETTINGS = {"shared_buffers": "1GB", "max_connections": "100"}
QUICK_SETTINGS = {**SETTINGS, "shared_buffers": "128MB"}


@dataclass(frozen=True, slots=True)
class Place:
    """What every benchmark gets.

    url: of a database whose user may create databases. quick: sizes that only show that a
    benchmark works. scratch: a folder that is thrown away. peers: the folder of the harness for
    peers; peers_home: where what it installs is kept.
    """

    url: str
    quick: bool
    scratch: Path
    peers: Path | None = None
    peers_home: Path | None = None

    def size(self, full: T, quick: T) -> T:
        """The size of a run."""
        return quick if self.quick else full

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A new database with VSL in it, dropped at the end; its URL."""
        name = f"vsl_bench_{name}_{os.getpid()}"
        identifier = sql.Identifier(name)
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier)
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(drop)
            admin.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        try:
            url = urlsplit(self.url)._replace(path=f"/{name}").geturl()
            await migrate(url)
            yield url
        finally:
            with psycopg.connect(self.url, autocommit=True) as admin:
                admin.execute(drop)


def settle(connection: Connection) -> None:
    """Bring the tables into the state of a server that is kept well, and the disk to rest."""
    connection.execute(b"VACUUM ANALYZE")
    connection.execute(b"CHECKPOINT")


@contextmanager
def own_server(binaries: str, *, quick: bool) -> Iterator[str]:
    """A server started for this run in a folder that is thrown away; its URL.

    binaries: ``embedded``, or a folder of PostgreSQL programs.
    """
    home = scratch_folder()
    try:
        found = find_binaries(None if binaries == "embedded" else Path(binaries))
        settings = QUICK_SETTINGS if quick else SETTINGS
        server = EmbeddedServer(home, found, settings=settings)
        try:
            yield server.start().url
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def scratch_folder() -> Path:
    """A new folder that the server's own user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="vsl-bench-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    return folder


@cache
def text(name: str) -> bytes:
    """A statement of ``benchmarks/sql``."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_bytes()
