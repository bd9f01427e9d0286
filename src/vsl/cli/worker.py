"""``vsl worker``: drive jobs until told to stop."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

# The parts that only a worker needs are imported where it is made: they are large, and every
# command, the completion at each press of Tab included, would load them.
from vsl.cli.assembly import addresses, make_providers
from vsl.cli.stopping import run
from vsl.config import Config, load
from vsl.db.pool import Database, connections_for
from vsl.errors import InvalidInput, Problem
from vsl.logs import configure

if TYPE_CHECKING:
    from vsl.worker.steps import Steps
    from vsl.worker.worker import Timing

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
    from vsl.worker.worker import Timing

    config = load()
    configure(format=config.log_format, level=log_level or config.log_level)
    chosen = _lanes(lanes)

    async def work() -> None:
        # Whoever stops a whole group of processes and `vsl up` each send a signal of their own:
        # only to a worker that stands alone does a second one mean impatience.
        hurry = asyncio.Event()
        stop = stop_on_signals(None if until_stdin_closes else hurry)
        if until_stdin_closes:
            await _stop_at_end_of_stdin(stop)
        await run_worker(
            config,
            stop,
            hurry=hurry,
            lanes=chosen,
            concurrency=concurrency,
            timing=Timing(grace=grace),
            on_ready=_say_ready if until_stdin_closes else lambda: None,
        )

    run(work())


async def run_worker(
    config: Config,
    stop: asyncio.Event,
    *,
    hurry: asyncio.Event | None = None,
    lanes: list[str] | None = None,
    concurrency: int = 4,
    timing: Timing | None = None,
    steps: Steps | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Assemble a worker and run it until ``stop``. Raises as ``Worker.run`` does.

    on_ready: called once the database, the store and the spool are open.
    """
    from vsl.storage.location import open_store
    from vsl.worker.collect import Tools
    from vsl.worker.spool import Spool
    from vsl.worker.steps import NoSteps
    from vsl.worker.worker import Timing, Worker, new_name

    name = new_name()
    where = addresses(config)
    providers = make_providers(config)
    store = open_store(config.storage)
    try:
        with Spool.open(config.home / "spool") as spool:
            async with Database(
                where.url,
                pooled=where.pooled,
                size=connections_for(concurrency),
                # So that whoever looks at the server's sessions sees which worker each is.
                application=f"vsl worker {name}",
            ) as database:
                on_ready()
                await Worker(
                    database=database,
                    tools=Tools(store=store, spool=spool, steps=steps or NoSteps()),
                    providers=providers,
                    lanes=lanes or sorted(providers),
                    concurrency=concurrency,
                    listen_url=where.direct_url,
                    timing=timing or Timing(),
                    name=name,
                ).run(stop, hurry)
    finally:
        for provider in providers.values():
            await provider.close()


def stop_on_signals(hurry: asyncio.Event | None = None) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. hurry: set by any further one."""
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set() and hurry is not None:
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told)
    return stop


def _say_ready() -> None:
    """`vsl up` reads this line."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


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
