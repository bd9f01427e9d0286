"""Adopts a database with the original layout, in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vsl.db import adoption
from vsl.db.files import migrations
from vsl.db.migrate import own_session
from vsl.db.statement import Connection, execute, fetch_value
from vsl.db.statements_adopt import AnalyzeContract, PrepareAdoption, TryAdoptionLock
from vsl.db.statements_looks import RecordAct
from vsl.errors import DatabaseError, InvalidInput, MigrationBusy, NotAllowed, Problem
from vsl.ops.adopt.survey import Assessment, Structure, assess, read_structure

_BAD_VALUE = "22023"  # SQLSTATE invalid parameter value


@dataclass(frozen=True, slots=True)
class Choices:
    """What the owner decides.

    time_zone: of times without a zone; None takes the session's. user_id, model_id: for rows
    without one; None refuses them. leave: what has no place in VSL stays with the original tables.
    """

    time_zone: str | None = None
    user_id: str | None = None
    model_id: str | None = None
    leave: bool = False


async def look(
    url: str, choices: Choices, *, on_step: Callable[[str], None] = lambda _: None
) -> Assessment:
    """What adoption would do; nothing is changed, and nothing is locked.

    Raises ``NotAllowed`` when there is nothing to adopt, ``InvalidInput``, ``DatabaseError``.
    """
    async with (
        own_session(url, application="vsl adopt") as connection,
        connection.transaction(force_rollback=True),
    ):
        await _prepare(connection, choices)
        there = await read_structure(connection)
        return await _assessed(connection, there, on_step)


async def adopt(
    url: str, choices: Choices, *, on_step: Callable[[str], None] = lambda _: None
) -> Assessment:
    """Adopt the database, as a whole or not at all; what was found and done.

    url: an unpooled address. Raises ``NotAllowed`` when something is in the way or the owner has
    to decide something first, ``InvalidInput``, ``DatabaseError``.
    """
    async with own_session(url, application="vsl adopt") as connection:
        async with _naming_holders(connection), connection.transaction():
            await _prepare(connection, choices)
            on_step("Locking the original tables")
            _require_fit((await read_structure(connection)).obstacles)
            if not await fetch_value(connection, TryAdoptionLock()):
                raise MigrationBusy(
                    "another migration or installation is at work in this database",
                    hint="Try again when it has ended.",
                )
            await adoption.lock_tables(connection)
            there = await read_structure(connection)
            found = await _assessed(connection, there, on_step)
            require_ready(found, choices)
            await _move(connection, there, found, on_step)
        on_step("Counting rows for the planner")
        await execute(connection, AnalyzeContract())
        return found


def require_ready(found: Assessment, choices: Choices) -> None:
    """Raise ``NotAllowed`` when something is in the way or is to be decided first."""
    _require_fit(found.obstacles)
    if found.undecided and not choices.leave:
        raise NotAllowed(
            "not all of it can be adopted:\n" + "\n".join(f"- {line}" for line in found.undecided),
            hint="Put these right, or accept it with --leave-behind; nothing was changed.",
        )


def _require_fit(obstacles: Sequence[str]) -> None:
    if obstacles:
        raise NotAllowed(
            "this database cannot be adopted as it is:\n"
            + "\n".join(f"- {obstacle}" for obstacle in obstacles),
            hint="Put these right and try again; nothing was changed.",
        )


async def _prepare(connection: Connection, choices: Choices) -> None:
    try:
        await execute(
            connection,
            PrepareAdoption(
                time_zone=choices.time_zone, user_id=choices.user_id, model_id=choices.model_id
            ),
        )
    except DatabaseError as error:
        if error.sqlstate != _BAD_VALUE:
            raise
        accepted = "a name that PostgreSQL knows, such as UTC or Europe/Berlin"
        raise InvalidInput([Problem("--time-zone", "is not known", accepted)]) from None


@asynccontextmanager
async def _naming_holders(connection: Connection) -> AsyncIterator[None]:
    """Say who uses the tables when they were not to be had."""
    try:
        yield
    except DatabaseError as error:
        if error.sqlstate != adoption.IN_USE:
            raise
        raise await adoption.in_use(connection, error) from error


async def _assessed(
    connection: Connection, there: Structure, on_step: Callable[[str], None]
) -> Assessment:
    if not there.obstacles:
        await adoption.make_views(connection, there.tables, there.extras)
    return await assess(connection, there, on_step=on_step)


async def _move(
    connection: Connection,
    there: Structure,
    found: Assessment,
    on_step: Callable[[str], None],
) -> None:
    providers = await adoption.list_providers(connection)
    on_step("Installing the schema")
    await adoption.take_away(connection, there.dependents)
    await adoption.move_originals(connection)
    await adoption.install_tables(connection)
    rows = {table.name: table.rows - table.refused for table in found.tables}
    for table in adoption.TABLES:
        on_step(f"Copying {rows.get(table, 0)} rows of {table}")
        await adoption.copy_table(connection, table)
    on_step("Comparing the copies")
    await adoption.check_copies(connection)
    await adoption.drop_views(connection)
    await adoption.make_again(connection, there.dependents)
    await adoption.install_rest(connection)
    await adoption.record_versions(connection, migrations(), there.versions)
    detail = {
        "rows": rows,
        "left": {table.name: table.refused for table in found.tables if table.refused},
        "mended": {f"{m.table}.{m.column} {m.wrong}": m.rows for m in found.mends},
        # The registry says `external` now.
        "providers": {row.model_id: row.original_provider for row in providers},
    }
    await fetch_value(connection, RecordAct(act="adopt", subject=found.database, detail=detail))
