"""``vsl up``: everything that VSL needs, on this machine, until interrupted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from vsl.cli.output import JsonOption, err, print_json, say
from vsl.cli.stopping import cancelled_by, run
from vsl.cli.worker import stop_on_signals
from vsl.config import Config, load
from vsl.logs import configure

if TYPE_CHECKING:
    from vsl.cli.stack import Stack


def up(
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, metavar="COUNT", help="Jobs to drive at a time.")
    ] = 4,
    as_json: JsonOption = False,
) -> None:
    """Run the database, the models that come with VSL and a worker, until Ctrl-C."""
    config = load()
    configure(format=config.log_format, level=config.log_level)

    async def work() -> None:
        hurry = asyncio.Event()
        stop = stop_on_signals(hurry)
        async with AsyncExitStack() as exits:
            stack = await _started(exits, config, concurrency, stop, hurry, quiet=as_json)
            _announce(config, stack, as_json=as_json)
            await stop.wait()
            if not as_json:
                say("Stopping. Jobs get a moment to end; Ctrl-C again does not wait.", to=err)
        if not as_json and config.database_url is None and not stack.started_database:
            say("PostgreSQL ran before and goes on; `vsl db stop` stops it.", to=err)

    run(work())


async def _started(
    exits: AsyncExitStack,
    config: Config,
    concurrency: int,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    *,
    quiet: bool,
) -> Stack:
    """Start everything. Raises ``Stopped`` when told to stop before it is up."""

    from vsl.cli.stack import running_stack

    def tell(step: str) -> None:
        if not quiet:
            say(f"{step} …", to=err)

    running = running_stack(config, concurrency=concurrency, hurry=hurry, tell=tell)
    async with cancelled_by(stop):
        return await exits.enter_async_context(running)


def _announce(config: Config, stack: Stack, *, as_json: bool) -> None:
    kind = "yours" if config.database_url else f"embedded, in {config.home}"
    if as_json:
        urls = {server.model.model_id: server.url for server in stack.servers}
        print_json({"database": kind, "storage": config.storage, "models": urls})
        return
    say("VSL is up.", style="bold green")
    say(f"  database     {kind}")
    say(f"  files        {config.storage}")
    for server in stack.servers:
        say(f"  {server.model.model_id:<12} {server.url}")
    say("Try    vsl generate vsl-image --prompt 'a lighthouse at dawn'")
    say("       vsl jobs list")
    say("       vsl db psql")
    say("Stop with Ctrl-C.")
