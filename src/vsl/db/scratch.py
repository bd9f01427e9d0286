"""Databases and servers to try something in, which are gone afterwards."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vsl.db.embedded.binaries import find_binaries
from vsl.db.faults import translated
from vsl.db.files import database_dir
from vsl.db.pool import connect
from vsl.db.server import EmbeddedServer
from vsl.db.statement import Connection, execute, fetch, fetch_one, fetch_value
from vsl.db.statements_adopt import (
    ActAsLogin,
    DescribeInstallation,
    Installation,
    ListForgottenScratchDatabases,
    NameScratchDatabase,
)
from vsl.errors import ServerError, VslError

T = TypeVar("T")

_FOLDER = "vsl-verify-"
#: The server is thrown away, so nothing of it has to survive.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_APPLICATION = "vsl verify"


async def describe_installation(connection: Connection) -> Installation:
    """The server, the login and VSL's roles. Raises ``DatabaseError``."""
    found = await fetch_one(connection, DescribeInstallation())
    assert found is not None  # noqa: S101 - it always answers one row
    return found


@asynccontextmanager
async def scratch_database(url: str, *, owner: str | None = None) -> AsyncIterator[str]:
    """The address of a new, empty database on the server of ``url``; dropped in the end.

    owner: a role that its sessions act as; None for the login itself. VSL's roles that come to
    exist meanwhile are removed with it. Forgotten ones of killed runs are removed as well. Raises
    ``DatabaseError``.
    """
    async with connect(url, application=_APPLICATION) as connection:
        await execute(connection, ActAsLogin())
        await _remove_forgotten(connection)
        before = (await describe_installation(connection)).roles
        name = await fetch_value(connection, NameScratchDatabase())
    try:
        async with connect(url, application=_APPLICATION) as connection, translated():
            await execute(connection, ActAsLogin())
            create = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            if owner is not None:
                create += sql.SQL(" OWNER {}").format(sql.Identifier(owner))
            await connection.execute(create)
        yield _address(url, name, owner)
    except BaseException as error:
        # A connection that was being made when this was cancelled stays half open as long as the
        # frames of the attempt live, and DROP DATABASE would wait for it until the server gives
        # up on it, which takes a minute.
        traceback.clear_frames(error.__traceback__)
        # What went wrong first is what is told.
        with suppress(VslError):
            await _to_the_end(_remove(url, name, before))
        raise
    await _to_the_end(_remove(url, name, before))


async def _remove(url: str, name: str, roles: list[str]) -> None:
    """Drop the database, and VSL's roles that are no longer only ``roles``."""
    async with connect(url, application=_APPLICATION) as connection, translated():
        await execute(connection, ActAsLogin())
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        await connection.execute(drop.format(sql.Identifier(name)))
        for role in (await describe_installation(connection)).roles:
            if role not in roles:
                # Another installation may have come to need it: then it stays.
                with suppress(VslError):
                    await _run(connection, sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


async def _remove_forgotten(connection: Connection) -> None:
    for name in await fetch(connection, ListForgottenScratchDatabases()):
        # Somebody may have connected, or dropped it, in this moment.
        with suppress(VslError):
            await _run(connection, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


async def _run(connection: Connection, statement: sql.Composed) -> None:
    async with translated():
        await connection.execute(statement)


def _address(url: str, name: str, owner: str | None) -> str:
    """The address of another database of the same server, for sessions that act as the owner."""
    if owner is None:
        return make_conninfo(url, dbname=name)
    escaped = owner.replace("\\", "\\\\").replace(" ", "\\ ")
    given = conninfo_to_dict(url).get("options") or ""
    return make_conninfo(url, dbname=name, options=f"{given} -c role={escaped}".strip())


async def install(url: str) -> None:
    """Install ``schema.sql`` as psql does. Raises ``DatabaseError``; then nothing is left."""
    text = (database_dir() / "schema.sql").read_text(encoding="utf-8")
    # Lines for psql itself; the server has no use for them.
    lines = [line for line in text.splitlines() if not line.startswith("\\")]
    async with connect(url, application=_APPLICATION) as connection, translated():
        await connection.execute("\n".join(lines).encode(), prepare=False)


@asynccontextmanager
async def temporary_server(pg_bin: Path | None) -> AsyncIterator[str]:
    """The address of a new embedded server, gone in the end. pg_bin: as ``find_binaries`` has it.

    Raises ``ServerError`` when it cannot start.
    """
    await asyncio.to_thread(_remove_abandoned)
    folder = _new_folder()
    with (folder / "claim").open("w") as claim:
        # The system gives it back however this process ends; then others may clean up.
        fcntl.flock(claim, fcntl.LOCK_EX)
        server = EmbeddedServer(
            folder, find_binaries(pg_bin), settings=_SETTINGS, initdb_options=("--no-sync",)
        )
        try:
            yield (await _to_the_end(asyncio.to_thread(server.start))).url
        finally:
            await _to_the_end(asyncio.to_thread(_discard, server, folder))


def embedded_major(pg_bin: Path | None) -> int | None:
    """The major version of the embedded server; None when there are no programs for it."""
    try:
        return find_binaries(pg_bin).major
    except ServerError:
        return None


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # the system user who runs the server passes through
    return folder


def _discard(server: EmbeddedServer, folder: Path) -> None:
    try:
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Stop and remove the servers of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        # Somebody else's, still in use, or being removed by another run right now.
        with suppress(OSError, VslError), (folder / "claim").open("r+") as claim:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _discard(EmbeddedServer(folder, find_binaries(None)), folder)


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for what must not be left half done; a cancellation meanwhile is raised after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # it has been looked at
        raise cancelled
    return task.result()
