"""Following a job to its end, and showing what it made."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from vsl.cli.output import (
    err,
    money,
    out,
    place,
    print_json,
    seconds,
    size,
    status_text,
    table,
)
from vsl.db.statement import Connection, fetch, fetch_one
from vsl.db.statements import GetJob, ListOutputs
from vsl.domain.jobs import FINAL_STATUSES, JobDetail, Output
from vsl.errors import NotFound

#: Seconds between two looks at a job.
LOOK_EVERY = 0.2


async def follow(
    connection: Connection, job_id: str, *, quiet: bool
) -> tuple[JobDetail, list[Output]]:
    """Wait until a job has ended; the job and its files.

    On a terminal a line shows how far it is, by the model's usual time. Raises ``NotFound``.
    """
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
    shown = progress if err.is_terminal and not quiet else nullcontext()
    with shown:
        task = progress.add_task("pending", total=None)
        begun = time.monotonic()
        while True:
            job = await fetch_one(connection, GetJob(job_id=job_id))
            if job is None:
                raise NotFound(f"there is no job {job_id!r}", hint="See `vsl jobs list`.")
            if job.status in FINAL_STATUSES:
                return job, await fetch(connection, ListOutputs(job_id=job_id))
            usual = job.estimated_time
            passed = time.monotonic() - begun
            progress.update(
                task,
                description=f"{job.model_id}: {job.status}",
                total=usual,
                completed=min(passed, usual * 0.95) if usual else None,
            )
            await asyncio.sleep(LOOK_EVERY)


def show_end(job: JobDetail, outputs: list[Output], *, as_json: bool) -> int:
    """Print how a job ended; the exit status."""
    if as_json:
        print_json({"job": job, "outputs": outputs})
    else:
        out.print(
            job.job_id,
            status_text(job.status),
            f"in {seconds(job.actual_processing_time)}, cost {money(job.actual_cost)}",
        )
        if outputs:
            out.print(output_table(outputs))
        if job.error_message:
            err.print(f"[bold red]error:[/] {job.error_message} ({job.error_code})")
    return 0 if job.status == "completed" else 1


def output_table(outputs: list[Output]) -> Table:
    """Stored files with their facts."""
    made = table("file", "type", "size", "length", "pixels", "frames/s", right=("size", "length"))
    for output in outputs:
        pixels = f"{output.width}×{output.height}" if output.width else "–"
        made.add_row(
            place(output.s3_url),
            output.file_type or output.media_type,
            size(output.file_size),
            seconds(output.duration),
            pixels,
            f"{float(output.fps):g}" if output.fps else "–",
        )
    made.title, made.title_justify = "\nFiles", "left"
    return made
