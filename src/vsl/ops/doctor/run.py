"""Asks the checks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from vsl.db.health import HealthSession
from vsl.ops.doctor.check import Check, Result, judge


async def examine(session: HealthSession, checks: Sequence[Check]) -> list[Result]:
    """Ask the checks, one after the other, in their order.

    Raises ``DatabaseError`` when the database is no longer reached.
    """
    return [await examine_one(session, check) for check in checks]


async def examine_one(session: HealthSession, check: Check) -> Result:
    """Ask one check. Raises as ``examine`` does."""
    began = time.monotonic()
    rows = await session.ask(check.name)
    return judge(check, rows, time.monotonic() - began)
