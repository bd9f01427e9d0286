"""Following a job to its end, and showing what it made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from vsl.cli.assembly import connected
from vsl.cli.output import (
    Listing,
    complain,
    err,
    money,
    place,
    print_json,
    say,
    seconds,
    size,
    status_text,
)
from vsl.config import Config
from vsl.db.statement import Connection, fetch, fetch_one
from vsl.db.statements import GetJob, ListOutputs
from vsl.domain.jobs import FINAL_STATUSES, JobDetail, Output
from vsl.errors import DatabaseError, NotFound

#: Seconds between two looks at a job.
LOOK_EVERY = 0.2
#: Seconds without a database after which following gives up.
PATIENCE = 60.0
#: Seconds that a job may lie about before the reader is told why that may be.
LONELY = 10.0

Shown = Callable[[JobDetail], None]


async def follow(config: Config, job_id: str, *, quiet: bool) -> tuple[JobDetail, list[Output]]:
    """Wait until a job has ended; the job and its files.

    On a terminal a line shows how far it is, by the model's usual time; elsewhere each change of
    its status is a line. A database that goes away is waited for. Raises ``NotFound``, and
    ``DatabaseError`` when the database stays away.
    """
    with _silent() if quiet else _bar() if err.is_terminal else _lines() as shown:
        last_seen = time.monotonic()
        while True:
            try:
                async with connected(config) as connection:
                    while True:
                        job = await _look(connection, job_id)
                        shown(job)
                        last_seen = time.monotonic()
                        if job.status in FINAL_STATUSES:
                            return job, await fetch(connection, ListOutputs(job_id=job_id))
                        await asyncio.sleep(LOOK_EVERY)
            except DatabaseError as error:
                if not error.retryable or time.monotonic() - last_seen > PATIENCE:
                    raise
            await asyncio.sleep(1.0)


async def _look(connection: Connection, job_id: str) -> JobDetail:
    job = await fetch_one(connection, GetJob(job_id=job_id))
    if job is None:
        raise no_job(job_id)
    return job


def no_job(job_id: str) -> NotFound:
    """The error for an identifier that no job has."""
    shown = job_id if len(job_id) <= 60 else job_id[:60] + "…"
    return NotFound(f"there is no job {shown!r}", hint="See `vsl jobs list`.")


@contextmanager
def _silent() -> Iterator[Shown]:
    yield lambda _: None


@contextmanager
def _lines() -> Iterator[Shown]:
    last: list[str] = []
    lonely = _Lonely()

    def show(job: JobDetail) -> None:
        if job.status not in (*last, *FINAL_STATUSES):
            last[:] = [job.status]
            say(f"{job.job_id} is {job.status}", to=err)
        lonely.look(job)

    yield show


@contextmanager
def _bar() -> Iterator[Shown]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24))
    progress = Progress(*columns, TimeElapsedColumn(), console=err, transient=True)
    with progress:
        task = progress.add_task("…", total=None)
        running_since: list[float] = []
        lonely = _Lonely()

        def show(job: JobDetail) -> None:
            if job.status == "processing" and not running_since:
                running_since.append(time.monotonic())
            passed = time.monotonic() - running_since[0] if running_since else 0.0
            usual = job.estimated_time
            # The usual time is a guess: past it, nobody knows how far the model is.
            known = usual is not None and running_since and passed < usual
            progress.update(
                task,
                description=f"{job.model_id}: {job.status}",
                total=usual if known else None,
                completed=passed,
            )
            lonely.look(job)

        yield show


class _Lonely:
    """Says once that a job waits for a worker longer than is usual."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._said = False

    def look(self, job: JobDetail) -> None:
        if job.status != "pending" or self._said or time.monotonic() - self._since < LONELY:
            return
        self._said = True
        say("No worker has taken the job yet. Does `vsl up` or `vsl worker` run?", to=err)


def show_end(job: JobDetail, outputs: list[Output], copies: Sequence[Path] = ()) -> int:
    """Print how a job ended; the exit status."""
    line = status_text(job.status)
    if job.actual_processing_time:
        line = line + Text(f" in {seconds(job.actual_processing_time)}")
    if job.actual_cost is not None:
        line = line + Text(f", cost {money(job.actual_cost)}")
    say(job.job_id, line)
    if outputs:
        show_outputs(outputs)
    if copies:
        say()
        for copy in copies:
            say("copied to", str(copy), whole=True)
    if job.error_message:
        complain([f"{job.error_message} ({job.error_code})"], None, None)
    return 0 if job.status == "completed" else 1


def print_end(job: JobDetail, outputs: list[Output], copies: Sequence[Path] | None = None) -> int:
    """The same as JSON. copies: None when none were asked for."""
    document = {"job": job, "outputs": outputs}
    print_json(document if copies is None else {**document, "copies": copies})
    return 0 if job.status == "completed" else 1


def show_outputs(outputs: list[Output]) -> None:
    """Print stored files with their facts.

    Where a row with the path does not fit the terminal, the paths follow, each whole on a line.
    """
    facts = ("type", "size", "length", "pixels", "frames/s")
    right = ("no.", "size", "length", "frames/s")
    # One file needs no number to find its path by.
    numbered = ("no.",) if len(outputs) > 1 else ()
    beside = Listing(("file", *facts), right, title="Files")
    below = Listing((*numbered, *facts), right, title="Files")
    paths = []
    for number, output in enumerate(outputs, 1):
        path, label = place(output.s3_url), [str(number)] if numbered else []
        beside.add(path, *_facts(output))
        below.add(*label, *_facts(output))
        paths.append("  ".join([*label, path]))
    if beside.fits():
        beside.show()
        return
    below.show()
    say()
    for path in paths:
        say(path, whole=True)


def _facts(output: Output) -> tuple[str, ...]:
    return (
        output.file_type or output.media_type,
        size(output.file_size),
        seconds(output.duration),
        f"{output.width}×{output.height}" if output.width else "–",
        f"{float(output.fps):g}" if output.fps else "–",
    )
