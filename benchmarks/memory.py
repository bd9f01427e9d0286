"""How much memory a worker takes while it stores a large output.

``vsl worker`` runs in a process of its own, with a folder as its store. The model server's one
output is a WAV of 1 GiB, made while it is read. What counts is the peak of the worker's resident
memory; the floor is the peak of the same process before its first job.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from psycopg.types.json import Jsonb

from benchmarks.big_output_server import big_output_server
from benchmarks.children import child, peak_memory
from benchmarks.place import Place, text
from benchmarks.result import Mark, Result
from vsl.db.pool import connect
from vsl.db.statement import Connection, execute, fetch, fetch_one, fetch_value
from vsl.db.statements import GetJob, JobStatus, ListOutputs, NotifyWork, SubmitJob
from vsl.domain.jobs import FINAL_STATUSES

MODEL = "bench-memory"
WANTED = Mark("figure", "at most", 200.0)
MEGABYTE = 1_000_000
PATIENCE = 900.0  # seconds


async def measure(place: Place) -> list[Result]:
    """Megabytes."""
    size = place.size(1024**3, 4 * 1024**2)
    folder = place.scratch / "memory"
    async with place.database("memory") as url, connect(url) as connection:
        with big_output_server(size) as server:
            await connection.execute(
                text("add_model"), {"model": MODEL, "media_type": "audio", "provider": "cog"}
            )
            configuration = {"model": MODEL, "configuration": Jsonb({"url": server})}
            await connection.execute(text("set_configuration"), configuration)
            environment = {
                "DATABASE_URL": url,
                "VSL_DIRECT_DATABASE_URL": url,
                "VSL_HOME": str(folder),
                "VSL_STORAGE": str(folder / "media"),
                "VSL_LOG_LEVEL": "warning",
            }
            arguments = ("worker", "--lanes=bench", "--concurrency=1")
            with child("vsl", *arguments, environment=environment) as worker:
                return [await _measure(connection, worker.process.pid, folder, size)]


async def _measure(connection: Connection, pid: int, folder: Path, size: int) -> Result:
    await _until_idle(folder)
    idle = peak_memory(pid)
    begun = time.perf_counter()
    statement = SubmitJob(model_id=MODEL, user_id="bench", prompt="noise", parameters={})
    job = await fetch_one(connection, statement)
    assert job is not None
    await execute(connection, NotifyWork(lane="bench"))
    status = await _until_ended(connection, job.job_id)
    peak = peak_memory(pid)
    seconds = time.perf_counter() - begun
    detail = await fetch_one(connection, GetJob(job_id=job.job_id))
    assert detail is not None
    assert status == "completed", f"the job {status}: {detail.error_message}"
    outputs = await fetch(connection, ListOutputs(job_id=job.job_id))
    assert [output.file_size for output in outputs] == [size]
    return Result(
        name=f"worker's memory while storing {size / MEGABYTE:,.0f} MB",
        figure=peak / MEGABYTE,
        unit="MB",
        floor=idle / MEGABYTE,
        ratio=peak / idle,
        wanted=WANTED,
        notes={"seconds": round(seconds, 1), "mb_per_second": round(size / MEGABYTE / seconds, 1)},
    )


async def _until_idle(folder: Path) -> None:
    """Until the worker has opened its spool, and has had a moment for the rest."""
    deadline = time.monotonic() + 60
    while not await asyncio.to_thread(_has_spool, folder):
        if time.monotonic() > deadline:
            raise RuntimeError("the worker does not start")
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.0)


def _has_spool(folder: Path) -> bool:
    return any(folder.glob("spool/*/lock"))


async def _until_ended(connection: Connection, job_id: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = await fetch_value(connection, JobStatus(job_id=job_id))
        if status in FINAL_STATUSES:
            return str(status)
        await asyncio.sleep(0.2)
    raise RuntimeError("the job does not end")
