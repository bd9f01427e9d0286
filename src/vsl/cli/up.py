"""``vsl up``: everything that VSL needs, on this machine, until interrupted."""

from __future__ import annotations

from typing import Annotated

import typer

from vsl.cli.assembly import run
from vsl.cli.output import err, out
from vsl.cli.stack import running_stack
from vsl.cli.worker import stop_on_signals
from vsl.config import load
from vsl.logs import configure


def up(
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Jobs to drive at a time.")] = 4,
) -> None:
    """Run the database, the models that come with VSL and a worker, until Ctrl-C."""
    config = load()
    configure(format=config.log_format, level=config.log_level)

    async def work() -> None:
        stop = stop_on_signals()
        with err.status("starting the database, the models and a worker"):
            stack = running_stack(config, concurrency=concurrency)
            started = await stack.__aenter__()
        try:
            kind = "yours" if config.database_url else f"embedded, in {config.home}"
            out.print(f"[bold green]VSL is up.[/] Database: {kind}. Files: {config.storage}")
            for server in started.servers:
                out.print(f"  {server.model.model_id:<12} {server.url}")
            out.print("Try:  vsl generate vsl-image --prompt 'a lighthouse at dawn'")
            out.print("      vsl jobs list      vsl db psql      Stop with Ctrl-C.")
            await stop.wait()
            err.print("stopping")
        finally:
            await stack.__aexit__(None, None, None)

    run(work())
