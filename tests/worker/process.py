"""A worker in a process of its own, for tests that kill or stop it.

``python -m tests.worker.process '{"url": …}'``; the fields of ``Orders`` say what it does. On its
output it writes one line for each step that it is told to tell: the step and the job. The step
that it is to be held at is the last: it blocks there for ever. SIGUSR1 lets predictions end that
hang.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from tests.worker import media

from vsl.cli.worker import stop_on_signals
from vsl.db.pool import Database
from vsl.domain.provider import PredictionRequest, Provider
from vsl.logs import configure
from vsl.providers.cog import CogProvider
from vsl.storage.folder import FolderStore
from vsl.testing import FakeProvider, Hang, Succeed
from vsl.testing.remote import FakeRemoteProvider, Make
from vsl.worker.collect import Tools
from vsl.worker.spool import Spool
from vsl.worker.steps import Step
from vsl.worker.worker import Timing, Worker


@dataclass(frozen=True, slots=True)
class Orders:
    """What the process does.

    hold: the step that it is held at, when it is reached for the ``count``-th time. tell: steps
    that it only tells of. outputs: how many images each prediction makes. hangs: whether
    predictions run until SIGUSR1. provider: ``fake``, ``cog`` or ``remote``; of the last,
    predictions is its folder and looks how many reads find a prediction at work. It can also be
    held at ``made``: a prediction was made and its answer is on the way.
    """

    url: str
    store: str
    spool: str
    hold: Step | Literal["made"] | None = None
    count: int = 1
    tell: list[Step] = field(default_factory=list)
    outputs: int = 1
    hangs: bool = False
    provider: str = "fake"
    predictions: str = ""
    looks: int = 0
    lane: str = "fake"
    concurrency: int = 4
    grace: float = 10.0


class Told:
    """Writes steps down, and blocks at one."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.seen = 0

    async def reached(self, step: Step | Literal["made"], job: UUID) -> None:
        self.seen += step == self.orders.hold
        held = step == self.orders.hold and self.seen == self.orders.count
        if held or step in self.orders.tell:
            sys.stdout.write(f"{step} {job}\n")
            sys.stdout.flush()
        if held:
            await asyncio.Event().wait()


def make_remote(orders: Orders, told: Told) -> FakeRemoteProvider:
    async def on_made(request: PredictionRequest) -> None:
        await told.reached("made", request.prediction_id)

    made = Make(tuple(media.image(n) for n in range(orders.outputs)), looks=orders.looks)
    return FakeRemoteProvider(Path(orders.predictions), otherwise=made, on_made=on_made)


def make_provider(orders: Orders, told: Told) -> Provider | FakeRemoteProvider:
    if orders.provider == "remote":
        return make_remote(orders, told)
    if orders.provider == "cog":
        return CogProvider()
    made = Succeed(tuple(media.image(number) for number in range(orders.outputs)))
    if not orders.hangs:
        return FakeProvider(otherwise=made)
    hang = Hang(then=made)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hang.released.set)
    return FakeProvider(otherwise=hang)


async def main(orders: Orders) -> None:
    hurry = asyncio.Event()
    stop = stop_on_signals(hurry)
    told = Told(orders)
    provider = make_provider(orders, told)
    with Spool.open(Path(orders.spool)) as spool:
        async with Database(orders.url, application="vsl worker") as database:
            await Worker(
                database=database,
                tools=Tools(FolderStore(Path(orders.store)), spool, told),
                providers={provider.name: provider},
                lanes=[orders.lane],
                concurrency=orders.concurrency,
                listen_url=orders.url,
                timing=Timing(rescue=0.1, janitor=3600, grace=orders.grace),
            ).run(stop, hurry)
    await provider.close()


if __name__ == "__main__":
    configure(format="json", level="debug")
    asyncio.run(main(Orders(**json.loads(sys.argv[1]))))
