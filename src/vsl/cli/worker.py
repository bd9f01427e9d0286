"""``vsl worker``: drive jobs until told to stop."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from typing import Annotated

import typer

from vsl.cli.assembly import addresses, make_providers, run
from vsl.config import Config, load
from vsl.db.pool import Database
from vsl.errors import InvalidInput, Problem
from vsl.logs import configure
from vsl.storage.location import open_store
from vsl.worker.collect import Tools
from vsl.worker.spool import Spool
from vsl.worker.steps import NoSteps, Steps
from vsl.worker.worker import Timing, Worker

_LANE = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def worker(
    lanes: Annotated[
        str | None,
        typer.Option(
            help="Comma list of lanes to take jobs from.", show_default="all configured providers"
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Jobs to drive at a time.")] = 4,
    grace: Annotated[
        float,
        typer.Option(min=0, help="Seconds to let jobs end after SIGTERM; the rest is handed back."),
    ] = 30.0,
    log_level: Annotated[
        str | None, typer.Option(hidden=True, help="Instead of VSL_LOG_LEVEL.")
    ] = None,
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Take jobs from the database and drive each to its end."""
    config = load()
    configure(format=config.log_format, level=log_level or config.log_level)
    chosen = _lanes(lanes)

    async def work() -> None:
        stop = stop_on_signals()
        if until_stdin_closes:
            await _stop_at_end_of_stdin(stop)
        await run_worker(
            config, stop, lanes=chosen, concurrency=concurrency, timing=Timing(grace=grace)
        )

    run(work())


async def run_worker(
    config: Config,
    stop: asyncio.Event,
    *,
    lanes: list[str] | None = None,
    concurrency: int = 4,
    timing: Timing | None = None,
    steps: Steps | None = None,
) -> None:
    """Assemble a worker and run it until ``stop``. Raises as ``Worker.run`` does."""
    where = addresses(config)
    providers = make_providers(config)
    store = open_store(config.storage)
    # One connection for each few jobs is enough: their calls are short.
    size = 2 + concurrency // 4
    try:
        with Spool.open(config.home / "spool") as spool:
            async with Database(
                where.url, pooled=where.pooled, size=size, application="vsl worker"
            ) as database:
                await Worker(
                    database=database,
                    tools=Tools(store=store, spool=spool, steps=steps or NoSteps()),
                    providers=providers,
                    lanes=lanes or sorted(providers),
                    concurrency=concurrency,
                    listen_url=where.direct_url,
                    timing=timing or Timing(),
                ).run(stop)
    finally:
        for provider in providers.values():
            await provider.close()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _stop_at_end_of_stdin(stop: asyncio.Event) -> None:
    """`vsl up` holds the other end of the pipe: when it dies, however, the worker stops."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )

    async def watch() -> None:
        await reader.read()
        stop.set()

    task = asyncio.create_task(watch())
    _watching.add(task)
    task.add_done_callback(_watching.discard)


_watching: set[asyncio.Task[None]] = set()


def _lanes(text: str | None) -> list[str] | None:
    if text is None:
        return None
    lanes = [lane.strip() for lane in text.split(",") if lane.strip()]
    bad = [lane for lane in lanes if not _LANE.fullmatch(lane)]
    if bad or not lanes:
        accepted = "a comma list of lower-case words, such as cog,replicate"
        raise InvalidInput([Problem("--lanes", "is not a list of lanes", accepted)])
    return lanes
