"""``vsl generate``: submit one job, follow it, show its files."""

from __future__ import annotations

import asyncio
import getpass
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from vsl.cli.assembly import connected, provider_names, run
from vsl.cli.follow import follow, show_end
from vsl.cli.output import JsonOption, err, money, out, print_json
from vsl.config import Config, load
from vsl.db.statement import Connection, execute
from vsl.db.statements import NotifyWork
from vsl.domain.jobs import JobDetail, Output, SubmittedJob
from vsl.domain.store import Store
from vsl.errors import InvalidInput, Problem, StoreError
from vsl.jobs.submit import prepare, submit
from vsl.storage.location import open_store


def generate(
    model: Annotated[str, typer.Argument(help="A model of the registry; see `vsl models list`.")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="The model's parameters.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What to make; `-` reads it from standard input.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose job it is.", show_default="your login name")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the files, or only submit.")
    ] = True,
    to: Annotated[
        Path | None, typer.Option("--out", file_okay=False, help="Copy the files to this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an image, a video or a sound, and show its files, facts and cost."""
    config = load()
    if prompt == "-":
        prompt = sys.stdin.read().rstrip("\n")
    if to is not None and not wait:
        raise InvalidInput([Problem("--out", "needs --wait: there are no files yet")])

    async def work() -> tuple[SubmittedJob, tuple[JobDetail, list[Output]] | None]:
        async with connected(config) as connection:
            job = await submit_and_wake(
                connection,
                config,
                model_id=model,
                user_id=user if user is not None else getpass.getuser(),
                prompt=prompt,
                pairs=parameters or [],
            )
            if not wait:
                return job, None
            if not as_json:
                err.print(f"submitted {job.job_id}, {money(job.estimated_cost)} held")
            ended = await follow(connection, job.job_id, quiet=as_json)
            if to is not None:
                await copy_outputs(config, ended[1], to, stem=job.job_id)
            return job, ended

    job, ended = run(work())
    if ended is not None:
        raise typer.Exit(show_end(*ended, as_json=as_json))
    if as_json:
        print_json(job)
    else:
        out.print(f"submitted {job.job_id}; see `vsl jobs watch {job.job_id}`.")


async def submit_and_wake(
    connection: Connection,
    config: Config,
    *,
    model_id: str,
    user_id: str,
    prompt: str | None,
    pairs: list[str],
) -> SubmittedJob:
    """Check and insert a job, then wake the workers of its lane."""
    found, submission = await prepare(
        connection,
        model_id=model_id,
        user_id=user_id,
        prompt=prompt,
        pairs=pairs,
        providers=provider_names(config),
    )
    job = await submit(connection, submission)
    await execute(connection, NotifyWork(lane=found.lane))
    return job


async def copy_outputs(
    config: Config, outputs: list[Output], folder: Path, *, stem: str
) -> list[Path]:
    """Copy stored files out of the store, as ``stem.png`` or ``stem-0.png``; the paths.

    Raises ``StoreError``.
    """
    store = open_store(config.storage)
    stored = [output for output in outputs if output.s3_key is not None]
    copied = []
    for output in stored:
        number = f"-{output.ordinal}" if len(stored) > 1 else ""
        target = folder / f"{stem}{number}{PurePosixPath(str(output.s3_key)).suffix}"
        await _copy(store, str(output.s3_key), target)
        copied.append(target)
    return copied


async def _copy(store: Store, key: str, target: Path) -> None:
    """Write beside the target first, so that no half file bears its name."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        with partial.open("wb") as file:
            async for chunk in store.open(key):
                await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(partial.replace, target)
    except OSError as error:
        raise StoreError(
            f"cannot write {target}: {error.strerror}", hint="Choose another --out folder."
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
