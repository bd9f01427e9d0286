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
from uuid import UUID

from tests.worker import media

from vsl.cli.worker import stop_on_signals
from vsl.db.pool import Database
from vsl.domain.provider import Provider
from vsl.logs import configure
from vsl.providers.cog import CogProvider
from vsl.storage.folder import FolderStore
from vsl.testing import FakeProvider, Hang, Succeed
from vsl.worker.collect import Tools
from vsl.worker.spool import Spool
from vsl.worker.steps import Step
from vsl.worker.worker import Timing, Worker


@dataclass(frozen=True, slots=True)
class Orders:
    """What the process does.

    hold: the step that it is held at, when it is reached for the ``count``-th time. tell: steps
    that it only tells of. outputs: how many images each prediction makes. hangs: whether
    predictions run until SIGUSR1. provider: ``fake`` or ``cog``.
    """

    url: str
    store: str
    spool: str
    hold: Step | None = None
    count: int = 1
    tell: list[Step] = field(default_factory=list)
    outputs: int = 1
    hangs: bool = False
    provider: str = "fake"
    lane: str = "fake"
    concurrency: int = 4
    grace: float = 10.0


class Told:
    """Writes steps down, and blocks at one."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.seen = 0

    async def reached(self, step: Step, job: UUID) -> None:
        self.seen += step == self.orders.hold
        held = step == self.orders.hold and self.seen == self.orders.count
        if held or step in self.orders.tell:
            sys.stdout.write(f"{step} {job}\n")
            sys.stdout.flush()
        if held:
            await asyncio.Event().wait()


def make_provider(orders: Orders) -> Provider:
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
    provider = make_provider(orders)
    with Spool.open(Path(orders.spool)) as spool:
        async with Database(orders.url, application="vsl worker") as database:
            await Worker(
                database=database,
                tools=Tools(FolderStore(Path(orders.store)), spool, Told(orders)),
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
