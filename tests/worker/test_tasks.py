"""Tasks that are called off end, also those that overhear it at first."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from vsl.worker.tasks import call_off


async def test_every_kind_of_task_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsl.worker.tasks.AGAIN", 0.01)
    overheard = []

    async def forgetful() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        overheard.append(True)
        await asyncio.Event().wait()

    async def broken() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    async def quick() -> int:
        return 1

    kinds = (forgetful(), broken(), quick(), asyncio.Event().wait())
    tasks = [asyncio.ensure_future(kind) for kind in kinds]
    await asyncio.sleep(0)
    await call_off(*tasks)
    assert overheard == [True]
    assert [task.cancelled() for task in tasks] == [True, False, False, True]
    assert tasks[2].result() == 1
