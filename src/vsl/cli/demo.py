"""``vsl demo``: a spoken sentence, an image and a video, through the whole system."""

from __future__ import annotations

import asyncio
import getpass
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from vsl.cli.assembly import connected, run
from vsl.cli.follow import follow
from vsl.cli.generate import copy_outputs, submit_and_wake
from vsl.cli.output import JsonOption, err, money, out, print_json, seconds, size, table
from vsl.cli.stack import running_stack
from vsl.config import Config, load
from vsl.domain.jobs import JobDetail, Output
from vsl.errors import NotAllowed
from vsl.logs import configure

#: What the demonstration asks for: model, prompt, parameters.
WANTED: tuple[tuple[str, str, list[str]], ...] = (
    ("vsl-speech", "Every job, every file and every cent, in one database that you own.", []),
    ("vsl-image", "a lighthouse over a turquoise sea at dawn", []),
    ("vsl-video", "slow waves of light over dark water", ["seconds=3"]),
)


def demo(
    to: Annotated[
        Path, typer.Option("--out", file_okay=False, help="Folder for copies of the three files.")
    ] = Path("demo-output"),
    as_json: JsonOption = False,
) -> None:
    """Make a sound, an image and a video. Starts what is needed, unless `vsl up` is running."""
    config = load()
    configure(format=config.log_format, level="warning")
    ended = run(_work(config, to, quiet=as_json))
    if as_json:
        print_json([{"job": job, "outputs": outputs, "files": f} for job, outputs, f in ended])
    else:
        _show(ended)
    raise typer.Exit(0 if all(job.status == "completed" for job, _, _ in ended) else 1)


async def _work(
    config: Config, to: Path, *, quiet: bool
) -> list[tuple[JobDetail, list[Output], list[Path]]]:
    async with AsyncExitStack() as stack:
        if not quiet:
            err.print("starting PostgreSQL, three model servers and a worker …")
        try:
            await stack.enter_async_context(
                running_stack(config, concurrency=3, log_level="warning")
            )
        except NotAllowed:
            if not quiet:
                err.print("… they are running already")
        return await asyncio.gather(*(_one(config, to, *wanted, quiet=quiet) for wanted in WANTED))


async def _one(
    config: Config, to: Path, model: str, prompt: str, pairs: list[str], *, quiet: bool
) -> tuple[JobDetail, list[Output], list[Path]]:
    async with connected(config) as connection:
        job = await submit_and_wake(
            connection,
            config,
            model_id=model,
            user_id=getpass.getuser(),
            prompt=prompt,
            pairs=pairs,
        )
        if not quiet:
            err.print(f"{model:<11} {job.job_id}: a row; waiting for its file")
        ended, outputs = await follow(connection, job.job_id, quiet=True)
        return ended, outputs, await copy_outputs(config, outputs, to, stem=model)


def _show(ended: list[tuple[JobDetail, list[Output], list[Path]]]) -> None:
    made = table("model", "status", "file", "size", "length", "pixels", "took", "cost")
    for job, outputs, files in ended:
        if not outputs:
            made.add_row(job.model_id, f"{job.status}: {job.error_message}", *["–"] * 6)
        for output, file in zip(outputs, files, strict=True):
            made.add_row(
                job.model_id,
                job.status,
                str(file),
                size(output.file_size),
                seconds(output.duration),
                f"{output.width}×{output.height}" if output.width else "–",
                seconds(job.actual_processing_time),
                money(job.actual_cost),
            )
    out.print(made)
    if all(job.status == "completed" for job, _, _ in ended):
        out.print("\nOpen the files. Then: [bold]vsl up[/], vsl jobs list, vsl db psql")
