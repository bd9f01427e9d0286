"""``vsl generate``: submit one job, follow it, show its files."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from vsl.cli import completion
from vsl.cli.assembly import connected, provider_names
from vsl.cli.follow import follow, print_end, show_end
from vsl.cli.output import JsonOption, err, money, print_json, say
from vsl.cli.stopping import Stopped, run
from vsl.config import Config, load, login_name
from vsl.db.statement import Connection, execute
from vsl.db.statements import NotifyWork
from vsl.domain.jobs import Output, SubmittedJob
from vsl.domain.store import Store
from vsl.errors import InvalidInput, Problem, StoreError
from vsl.jobs.submit import MAX_PROMPT, prepare, submit


def generate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model of the registry; see `vsl models list`.",
            autocompletion=completion.models,
        ),
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="The model's parameters; see `vsl models show MODEL`.",
            autocompletion=completion.parameters,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What to make; `-` reads it from standard input."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose job it is.", show_default="your login name"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the files, or only submit.")
    ] = True,
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Copy the files to this folder."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an image, a video or a sound, and show its files, facts and cost."""
    config = load()
    pairs = parameters or []
    _check_request(pairs, to, wait=wait)
    text = _from_stdin() if prompt == "-" else prompt
    owner = user if user is not None else login_name()

    async def work() -> SubmittedJob:
        async with connected(config) as connection:
            return await submit_and_wake(
                connection,
                model_id=model,
                user_id=owner,
                prompt=text,
                pairs=pairs,
                providers=provider_names(config),
            )

    job = run(work())
    if not wait:
        if as_json:
            print_json(job)
        else:
            say(f"submitted {job.job_id}; see `vsl jobs watch {job.job_id}`.", whole=True)
        return
    if not as_json:
        say(f"submitted {job.job_id}, {money(job.estimated_cost)} held", to=err)
    raise typer.Exit(wait_for(config, job.job_id, to, as_json=as_json))


def wait_for(config: Config, job_id: str, to: Path | None = None, *, as_json: bool) -> int:
    """Follow a job to its end and show it, with copies of its files if wanted; the exit status.

    Raises ``Stopped`` when interrupted: the job goes on. Raises ``StoreError`` when a file cannot
    be copied, after the job was shown.
    """
    try:
        job, outputs = run(follow(config, job_id, quiet=as_json))
    except Stopped as stopped:
        stopped.message = f"interrupted; {job_id} goes on"
        stopped.hint = f"`vsl jobs watch {job_id}` or `vsl jobs cancel {job_id}`"
        raise
    copies: list[Path] = []
    failure: StoreError | None = None
    if to is not None:
        try:
            copies = run(copy_outputs(config, outputs, to, stem=job_id))
        except StoreError as error:
            failure = error
    if as_json:
        status = print_end(job, outputs, None if to is None else copies)
    else:
        status = show_end(job, outputs, copies)
    if failure is not None:
        raise failure
    return status


async def submit_and_wake(
    connection: Connection,
    *,
    model_id: str,
    user_id: str,
    prompt: str | None,
    pairs: list[str],
    providers: frozenset[str],
) -> SubmittedJob:
    """Check and insert a job, then wake the workers of its lane."""
    found, submission = await prepare(
        connection,
        model_id=model_id,
        user_id=user_id,
        prompt=prompt,
        pairs=pairs,
        providers=providers,
    )
    job = await submit(connection, submission)
    await execute(connection, NotifyWork(lane=found.lane))
    return job


def require_writable(folder: Path) -> None:
    """Make a folder for copies now, so that nothing is made, and paid for, in vain.

    Raises ``InvalidInput`` when files cannot be written there.
    """
    reason = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            reason = "may not be written to"
    except FileExistsError:
        reason = "is not a folder"
    except OSError as error:
        reason = f"cannot be made ({error.strerror})"
    if reason is not None:
        raise InvalidInput([Problem(f"--out {folder}", reason, "a folder that you may write to")])


async def copy_outputs(
    config: Config, outputs: list[Output], folder: Path, *, stem: str
) -> list[Path]:
    """Copy stored files out of the store, as ``stem.png`` or ``stem-0.png``; the paths.

    Raises ``StoreError``.
    """
    from vsl.storage.location import open_store

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


def _check_request(pairs: list[str], to: Path | None, *, wait: bool) -> None:
    problems = []
    # Not repeated: what stands here without a name is most often a prompt.
    odd = [number for number, pair in enumerate(pairs, 1) if not pair.partition("=")[1]]
    problems += [Problem(f"argument {n} after the model", "is not name=value") for n in odd]
    if to is not None and not wait:
        problems.append(Problem("--out", "needs --wait: there are no files yet"))
    if problems:
        hint = "The text to work from is given with --prompt 'a lighthouse at dawn'."
        raise InvalidInput(problems, hint=hint if odd else None)
    if to is not None:
        require_writable(to)


def _from_stdin() -> str:
    if sys.stdin.isatty():
        say("Type the prompt; end it with Ctrl-D on a line of its own.", to=err)
    # Four bytes are the most that a character takes, and a little more shows that it is too long.
    raw = sys.stdin.buffer.read(4 * (MAX_PROMPT + 2))
    if len(raw) > 4 * (MAX_PROMPT + 1):
        reason = f"has more than {MAX_PROMPT:,} characters"
        raise InvalidInput([Problem("prompt", reason, f"at most {MAX_PROMPT:,}")])
    try:
        return raw.decode().rstrip("\n")
    except UnicodeDecodeError:
        raise InvalidInput([Problem("prompt", "is not UTF-8 text")]) from None
