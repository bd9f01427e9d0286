"""How soon an idle worker takes a job up: from the start of the submission to the provider's call.

A real worker runs in a process of its own. Jobs come one every 20 ms, submitted as the command line
does it: one transaction, and NOTIFY after its commit. Each job is run to its end (a small image is
measured, stored and recorded) while the next ones come.

The floor is one plain row and a NOTIFY after its commit, until a process that does nothing else has
heard it. Both come in turn, in runs of a few.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median, quantiles

from benchmarks.children import Child, child
from benchmarks.place import Place, text
from benchmarks.result import Mark, Result, quartiles
from vsl.db.pool import connect
from vsl.db.statement import Connection, execute, fetch_one
from vsl.db.statements import NotifyWork, SubmitJob

MODEL = "bench-pickup"
GAP = 0.020  # seconds
IDLE = 2.0  # seconds before the first job
MEDIAN = Mark("figure", "at most", 6.0)
P99 = Mark("figure", "at most", 40.0)


async def measure(place: Place) -> list[Result]:
    """Milliseconds: median, 95th and 99th percentile."""
    jobs, turn = place.size((300, 50), (10, 5))
    async with place.database("pickup") as url, connect(url) as connection:
        await connection.execute(
            text("add_model"), {"model": MODEL, "media_type": "image", "provider": "fake"}
        )
        await connection.execute(text("pickup_floor_table"))
        folder = place.scratch / "pickup"
        folder.mkdir()
        module = "benchmarks.pickup_worker"
        with (
            child(module, "worker", url, str(folder)) as worker,
            child(module, "listener", url) as listener,
        ):
            for process in (worker, listener):
                await asyncio.to_thread(process.hear)
            await _until_listening(connection)
            await asyncio.sleep(place.size(IDLE, 0.5))
            sent, floor_sent = await _send(connection, jobs, turn)
            await asyncio.sleep(place.size(IDLE, 0.5))
            waits, lost = await _waits(worker, sent)
            floors, _ = await _waits(listener, floor_sent)
    return _results(waits, floors, lost)


async def _send(
    connection: Connection, jobs: int, turn: int
) -> tuple[dict[int, int], dict[int, int]]:
    """When each job, and each row of the floor, began to be sent."""
    sent: dict[int, int] = {}
    floor_sent: dict[int, int] = {}
    due = time.monotonic()
    for number in range(2 * jobs):
        due += GAP
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if number // turn % 2:
            floor_sent[number] = time.monotonic_ns()
            await connection.execute(text("pickup_floor"), {"n": number})
            await connection.execute(text("pickup_notify"), {"n": number})
        else:
            sent[number] = time.monotonic_ns()
            await _submit(connection, number)
    return sent, floor_sent


async def _submit(connection: Connection, number: int) -> None:
    statement = SubmitJob(model_id=MODEL, user_id="bench", prompt=str(number), parameters={})
    assert await fetch_one(connection, statement) is not None
    await execute(connection, NotifyWork(lane="bench"))


async def _waits(process: Child, sent: dict[int, int]) -> tuple[list[float], int]:
    """Milliseconds from sending to hearing, and how much was never heard."""
    await asyncio.to_thread(process.end_input)
    heard: dict[int, int] = {}
    for number, when in await asyncio.to_thread(process.hear):
        heard.setdefault(number, when)
    waits = [(heard[n] - when) / 1e6 for n, when in sent.items() if n in heard]
    return waits, len(sent) - len(waits)


def _results(waits: list[float], floors: list[float], lost: int) -> list[Result]:
    cuts, floor_cuts = (quantiles(values, n=100, method="inclusive") for values in (waits, floors))
    figures = (
        ("median", median(waits), median(floors), MEDIAN),
        ("95th percentile", cuts[94], floor_cuts[94], None),
        ("99th percentile", cuts[98], floor_cuts[98], P99),
    )
    notes = {"jobs": len(waits), "never_picked_up": lost, "longest_ms": max(waits)}
    return [
        Result(
            name=f"idle pick-up, {name}",
            figure=figure,
            unit="ms",
            spread=quartiles(waits) if name == "median" else None,
            floor=floor,
            floor_spread=quartiles(floors) if name == "median" else None,
            ratio=figure / floor,
            wanted=wanted,
            notes=notes,
        )
        for name, figure, floor, wanted in figures
    ]


async def _until_listening(connection: Connection, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        row = await (await connection.execute(text("pickup_listening"))).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(0.05)
    raise RuntimeError("the worker does not listen")
