"""Compares a live installation with one made from ``schema.sql`` and one made by the migrations.

Both references are made in scratch databases, and are gone afterwards whatever happens. They are
made on the live server when the login may create databases there, else where the caller says, else
in a temporary embedded server of the same major version.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsl.db.catalogue import list_objects
from vsl.db.migrate import migrate
from vsl.db.pool import connect, is_pooled
from vsl.db.scratch import (
    describe_installation,
    embedded_major,
    install,
    scratch_database,
    temporary_server,
)
from vsl.db.statement import Connection, Row, Rows, fetch, fetch_value
from vsl.db.statements import RelationExists
from vsl.db.statements_adopt import Installation, ListRecordedVersions
from vsl.db.statements_schema import ListRepeatables
from vsl.errors import ConnectionPooled, DatabaseError, NotAllowed
from vsl.ops.verify.compare import ROLES, Difference, Snapshot, compare

Place = Literal["same server", "scratch", "embedded"]
_DENIED = "42501"  # SQLSTATE insufficient_privilege


@dataclass(frozen=True, slots=True)
class Report:
    """How a live installation compares.

    place: where the references were made. quick: whether the migrated one was left out. notes: what
    could not be compared, and why. unseen: whether the login may not read what VSL records.
    """

    database: str
    server_version: str
    place: Place
    quick: bool
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    unseen: bool

    @property
    def clean(self) -> bool:
        """Whether all is as it should be; what was added by others does not count."""
        return not self.unseen and all(d.level == "added" for d in self.differences)


async def verify(
    url: str,
    *,
    scratch: str | None = None,
    pg_bin: Path | None = None,
    quick: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> Report:
    """Compare an installation with what it should be.

    url: an unpooled address. scratch: the address of a server for the references. pg_bin: as
    ``find_binaries`` has it. quick: without the migrated reference. on_step: told what is done.
    Raises ``NotAllowed`` when VSL is not installed or there is no place for the references,
    ``ConnectionPooled``, and ``DatabaseError``.
    """
    on_step("Reading the live catalogue")
    async with connect(url, application="vsl verify") as connection:
        here = await describe_installation(connection)
        if not here.installed:
            raise NotAllowed("VSL is not installed in this database", hint="Run `vsl db migrate`.")
        if scratch is None and await is_pooled(connection):
            raise ConnectionPooled(
                "this address leads through a pooler, which knows no scratch databases",
                hint="Set VSL_DIRECT_DATABASE_URL to the address of the server itself, or give "
                "--scratch.",
            )
        live = await _snapshot(connection, here)
    async with _place(url, here, scratch, pg_bin) as (where, place):
        on_step("Making an installation from schema.sql")
        fresh = await _reference(place, install)
        migrated = None
        if not quick:
            on_step("Making an installation by the migrations, from the first version")
            migrated = await _reference(place, migrate)
    return Report(
        database=here.database,
        server_version=here.server_version,
        place=where,
        quick=quick,
        differences=tuple(compare(fresh, migrated, live)),
        notes=tuple(_notes(live, fresh)),
        unseen=live.versions is None or live.texts is None,
    )


@dataclass(frozen=True, slots=True)
class _References:
    """Where references are made. owner: whom their sessions act as; None for the login itself."""

    url: str
    owner: str | None


@asynccontextmanager
async def _place(
    url: str, here: Installation, scratch: str | None, pg_bin: Path | None
) -> AsyncIterator[tuple[Place, _References]]:
    if scratch is not None:
        async with connect(scratch, application="vsl verify") as connection:
            there = await describe_installation(connection)
        _require_fitting(here, there)
        yield "scratch", _References(scratch, None)
    elif here.may_create:
        # As the live one's owner, so that the reference is what this owner gets on this server.
        yield "same server", _References(url, here.owner if here.owner_taken else None)
    elif embedded_major(pg_bin) == here.major:
        async with temporary_server(pg_bin) as temporary:
            yield "embedded", _References(temporary, None)
    else:
        raise NotAllowed(
            f"there is no place for the installations to compare with: {here.login} may not create "
            f"databases on this server, and the embedded PostgreSQL is not a {here.major}",
            hint=f"One of three: ALTER ROLE {here.login} CREATEDB; or --scratch with the address "
            f"of another PostgreSQL {here.major} where you may create databases; or VSL_PG_BIN "
            f"with the programs of a PostgreSQL {here.major}, for a temporary server.",
        )


def _require_fitting(here: Installation, there: Installation) -> None:
    if there.major != here.major:
        raise NotAllowed(
            f"the scratch server is PostgreSQL {there.server_version}, the live one "
            f"{here.server_version}; their catalogues cannot be compared",
            hint=f"Give the address of a PostgreSQL {here.major}.",
        )
    if not there.may_create:
        raise NotAllowed(
            f"{there.login} may not create databases on the scratch server",
            hint=f"Run there: ALTER ROLE {there.login} CREATEDB;",
        )


async def _reference(place: _References, make: Callable[[str], Awaitable[object]]) -> Snapshot:
    async with scratch_database(place.url, owner=place.owner) as url:
        with _quiet():
            await make(url)
        async with connect(url, application="vsl verify") as connection:
            return await _snapshot(connection, await describe_installation(connection))


@contextmanager
def _quiet() -> Iterator[None]:
    """What could not be made of a reference is told once, in the notes, and not as it happens."""
    logger = logging.getLogger("vsl.db.migrate")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


async def _snapshot(connection: Connection, here: Installation) -> Snapshot:
    texts = await _readable(connection, "vsl.repeatables", ListRepeatables())
    return Snapshot(
        objects=await list_objects(connection),
        roles=frozenset(here.roles),
        versions=await _readable(connection, "public.schema_migrations", ListRecordedVersions()),
        texts=None if texts is None else {row.path: row.sha256 for row in texts},
    )


async def _readable(
    connection: Connection, relation: str, statement: Rows[Row]
) -> list[Row] | None:
    """The rows of a table; none when it is not there, None when this login may not read it."""
    try:
        if not await fetch_value(connection, RelationExists(relation=relation)):
            return []
        return await fetch(connection, statement)
    except DatabaseError as error:
        if error.sqlstate != _DENIED:
            raise
        return None


def _notes(live: Snapshot, fresh: Snapshot) -> list[str]:
    """What was left out of the comparison, each reason once."""
    notes = []
    missing = [role for role in ROLES if role not in live.roles]
    if missing:
        notes.append(
            f"This server has no role {_listed(missing)}, so what they would be granted was not "
            "compared. To have them, let a superuser run database/roles.sql."
        )
    elsewhere = [role for role in ROLES if role in live.roles and role not in fresh.roles]
    if elsewhere:
        notes.append(
            f"Where the references were made there is no role {_listed(elsewhere)}, so what is "
            "granted to them was not compared."
        )
    if live.versions is None or live.texts is None:
        notes.append(
            "This login may not read which versions and texts were applied, so these were not "
            "compared. GRANT vsl_monitor to it."
        )
    return notes


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]
