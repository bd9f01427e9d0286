"""Writing down what was done to a database, and waiting for what was done to take effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from vsl.db.faults import translated
from vsl.db.statement import Connection, Json, execute, fetch, fetch_value
from vsl.db.statements_looks import Act, LimitAct, ListActs, RecordAct
from vsl.errors import DatabaseError, VslError
from vsl.ops.looks import looking

#: Seconds between two looks at whether something has come true.
LOOK_AGAIN = 0.1


async def record_act(connection: Connection, act: str, subject: str, detail: Json) -> str | None:
    """Write an act down; why that cannot be done, or None. Raises ``DatabaseError`` only when the
    database is no longer reached.
    """
    try:
        async with translated(), connection.transaction():
            await execute(connection, LimitAct())
            await fetch_value(connection, RecordAct(act=act, subject=subject, detail=detail))
    except VslError as error:
        if isinstance(error, DatabaseError) and error.sqlstate is None:
            raise
        return error.message
    return None


async def list_acts(connection: Connection, count: int) -> list[Act]:
    """The newest acts that were written down. Raises ``DatabaseError``."""
    async with looking(connection):
        return await fetch(connection, ListActs(count=count))


def not_recorded(reason: str) -> str:
    """What is said when an act could not be written down."""
    return f"This act is not in the audit: {reason}."


async def wait_for(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Ask until the answer is yes, for so many seconds at most; the last answer."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not await condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(LOOK_AGAIN)
    return True
