"""A worker, or a bare listener, in a process of its own: see ``pickup``.

``python -m benchmarks.pickup_worker worker URL FOLDER`` or ``listener URL``. Says "ready", runs
until its input ends, and then says when it heard of what: pairs of a number and nanoseconds of the
system's monotonic clock.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from pathlib import Path

from PIL import Image

from benchmarks.children import say
from benchmarks.place import text
from vsl.db.pool import Database, connect
from vsl.domain.provider import Prediction, PredictionRequest
from vsl.storage.location import open_store
from vsl.testing import FakeProvider, Succeed
from vsl.worker.collect import Tools
from vsl.worker.spool import Spool
from vsl.worker.steps import NoSteps
from vsl.worker.worker import Worker

CONCURRENCY = 4  # as `vsl worker` has it

#: The event loop alone does not keep a task alive.
_tasks: set[asyncio.Task[None]] = set()


class TimedProvider(FakeProvider):
    """Notes when it is first called for a job; the job's prompt is its number."""

    def __init__(self) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (64, 48), "teal").save(picture, "PNG")
        super().__init__(otherwise=Succeed((picture.getvalue(),), mime="image/png"))
        self.heard: list[tuple[int, int]] = []

    async def predict(self, request: PredictionRequest) -> Prediction:
        self.heard.append((int(request.input["prompt"]), time.monotonic_ns()))
        return await super().predict(request)


async def work(url: str, folder: Path) -> None:
    """A worker as `vsl worker` assembles it, but for the provider."""
    provider = TimedProvider()
    stop = await _input_ends()
    with Spool.open(folder / "spool") as spool:
        async with Database(url, size=2 + CONCURRENCY // 4, application="vsl worker") as database:
            worker = Worker(
                database=database,
                tools=Tools(store=open_store(str(folder / "media")), spool=spool, steps=NoSteps()),
                providers={"fake": provider},
                lanes=["bench"],
                concurrency=CONCURRENCY,
                listen_url=url,
            )
            say("ready")
            await worker.run(stop)
    say(provider.heard)


async def hear(url: str) -> None:
    """Only LISTEN."""
    heard = []
    stop = await _input_ends()
    async with connect(url, application="vsl listen floor") as connection:
        await connection.execute(text("pickup_listen"))
        say("ready")
        while not stop.is_set():
            async for message in connection.notifies(timeout=0.5):
                heard.append((int(message.payload), time.monotonic_ns()))
    say(heard)


async def _input_ends() -> asyncio.Event:
    """An event that is set when the benchmark closes our input, or is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    ended = asyncio.Event()

    async def watch() -> None:
        await reader.read()
        ended.set()

    _tasks.add(asyncio.create_task(watch()))
    return ended


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        asyncio.run(work(sys.argv[2], Path(sys.argv[3])))
    else:
        asyncio.run(hear(sys.argv[2]))
