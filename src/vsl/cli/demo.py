"""``vsl demo``: a spoken sentence, an image and a video, through the whole system."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from vsl.cli.assembly import connected, provider_names
from vsl.cli.follow import follow
from vsl.cli.generate import copy_outputs, require_writable, submit_and_wake
from vsl.cli.lock import AlreadyRunning
from vsl.cli.output import (
    JsonOption,
    Listing,
    complain,
    err,
    money,
    print_json,
    say,
    seconds,
    size,
    status_text,
)
from vsl.cli.stopping import run
from vsl.config import Config, load, login_name
from vsl.domain.jobs import JobDetail, Output
from vsl.errors import DatabaseError, NotAllowed
from vsl.jobs.submit import check_model, find_model
from vsl.logs import configure

#: What the demonstration asks for: model, prompt, parameters.
WANTED: tuple[tuple[str, str, list[str]], ...] = (
    ("vsl-speech", "Every job, every file and every cent, in one database that you own.", []),
    ("vsl-image", "a lighthouse over a turquoise sea at dawn", []),
    ("vsl-video", "slow waves of light over dark water", ["seconds=3"]),
)

#: Seconds that a `vsl up` which is just starting gets.
PATIENCE = 90.0

Ended = tuple[JobDetail, list[Output], list[Path]]


def demo(
    to: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Folder for copies of the three files."),
    ] = Path("demo-output"),
    as_json: JsonOption = False,
) -> None:
    """Make a sound, an image and a video. Starts what is needed, unless `vsl up` is running."""
    config = load()
    configure(format=config.log_format, level="warning")
    require_writable(to)
    ended = run(_work(config, to, quiet=as_json))
    if as_json:
        print_json([{"job": job, "outputs": outputs, "copies": f} for job, outputs, f in ended])
    else:
        _show(ended)
    raise typer.Exit(0 if all(job.status == "completed" for job, _, _ in ended) else 1)


async def _work(config: Config, to: Path, *, quiet: bool) -> list[Ended]:
    from vsl.cli.stack import running_stack

    def tell(step: str) -> None:
        if not quiet:
            say(f"{step} …", to=err)

    async with AsyncExitStack() as stack:
        running = running_stack(config, concurrency=3, log_level="warning", tell=tell)
        try:
            await stack.enter_async_context(running)
        except AlreadyRunning:
            tell("using the VSL that runs already")
            await _until_up(config)
        ended = await asyncio.gather(*(_one(config, to, *wanted, quiet=quiet) for wanted in WANTED))
        tell("stopping")
        return ended


async def _until_up(config: Config) -> None:
    """Wait for the other process, which may still be starting. Raises what stands in the way."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with connected(config) as connection:
                for model_id, _, _ in WANTED:
                    check_model(await find_model(connection, model_id), provider_names(config))
                return
        except (DatabaseError, NotAllowed):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)


async def _one(
    config: Config, to: Path, model: str, prompt: str, pairs: list[str], *, quiet: bool
) -> Ended:
    async with connected(config) as connection:
        job = await submit_and_wake(
            connection,
            model_id=model,
            user_id=login_name(),
            prompt=prompt,
            pairs=pairs,
            providers=provider_names(config),
        )
    if not quiet:
        say(f"{model:<11} {job.job_id} is a row; waiting for its file", to=err)
    ended, outputs = await follow(config, job.job_id, quiet=True)
    return ended, outputs, await copy_outputs(config, outputs, to, stem=model)


def _show(ended: list[Ended]) -> None:
    right = ("size", "length", "took", "cost")
    columns = ("file", "status", "size", "length", "pixels", "took", "cost")
    made = Listing(columns, right, spare=("took", "status"))
    for job, outputs, files in ended:
        for output, file in zip(outputs, files, strict=True):
            made.add(
                str(file),
                status_text(job.status),
                size(output.file_size),
                seconds(output.duration),
                f"{output.width}×{output.height}" if output.width else "–",
                seconds(job.actual_processing_time),
                money(job.actual_cost),
            )
    if made.rows:
        say()
        made.show()
    for job, _, _ in ended:
        if job.status != "completed":
            complain([f"{job.model_id} {job.status}: {job.error_message}"], None, None)
    if all(job.status == "completed" for job, _, _ in ended):
        say("\nOpen the files. Then: vsl up, vsl jobs list, vsl db psql")
