"""``vsl jobs``: look at jobs, follow them, cancel and retry them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from vsl.cli.assembly import connected, run
from vsl.cli.follow import follow, output_table, show_end
from vsl.cli.output import (
    JsonOption,
    moment,
    money,
    out,
    print_json,
    seconds,
    status_text,
    table,
)
from vsl.db.statement import execute, fetch, fetch_one, fetch_value
from vsl.db.statements import (
    CancelJob,
    GetJob,
    ListAttempts,
    ListJobs,
    ListOutputs,
    RetryJob,
)
from vsl.domain.jobs import JOB_STATUSES, Attempt, JobDetail, JobSummary, Output
from vsl.errors import InvalidInput, NotFound, Problem

app = typer.Typer(no_args_is_help=True, help="Look at jobs, follow them, cancel and retry them.")

JobId = Annotated[str, typer.Argument(help="The job's identifier, such as job_0192….")]


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    status: Annotated[
        str | None, typer.Option(help=f"Only in this status: {', '.join(JOB_STATUSES)}.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """The newest jobs."""
    if status is not None and status not in JOB_STATUSES:
        raise InvalidInput([Problem("status", "is not known", "one of " + ", ".join(JOB_STATUSES))])

    async def work() -> list[JobSummary]:
        async with connected() as connection:
            wanted = ListJobs(user_id=user, status=status, model_id=model, count=limit)
            return await fetch(connection, wanted)

    found = run(work())
    if as_json:
        print_json(found)
    elif not found:
        out.print("No jobs. Make one: vsl generate vsl-image --prompt 'a lighthouse at dawn'")
    else:
        out.print(_list(found))


@app.command()
def show(job_id: JobId, as_json: JsonOption = False) -> None:
    """Everything about one job: its attempts, its files, its money."""

    async def work() -> tuple[JobDetail, list[Attempt], list[Output]]:
        async with connected() as connection:
            job = await fetch_one(connection, GetJob(job_id=job_id))
            if job is None:
                raise NotFound(f"there is no job {job_id!r}", hint="See `vsl jobs list`.")
            attempts = await fetch(connection, ListAttempts(job_id=job_id))
            return job, attempts, await fetch(connection, ListOutputs(job_id=job_id))

    job, attempts, outputs = run(work())
    if as_json:
        print_json({"job": job, "attempts": attempts, "outputs": outputs})
        return
    out.print(_detail(job))
    if attempts:
        out.print(_attempts(attempts))
    if outputs:
        out.print(output_table(outputs))


@app.command()
def watch(job_id: JobId, as_json: JsonOption = False) -> None:
    """Follow a job to its end. The status is 1 when it does not complete."""

    async def work() -> tuple[JobDetail, list[Output]]:
        async with connected() as connection:
            return await follow(connection, job_id, quiet=as_json)

    job, outputs = run(work())
    raise typer.Exit(show_end(job, outputs, as_json=as_json))


@app.command()
def cancel(job_id: JobId, as_json: JsonOption = False) -> None:
    """Cancel a job. One that is running is asked to stop; its outcome is known soon after."""

    async def work() -> str:
        async with connected() as connection:
            return await fetch_value(connection, CancelJob(job_id=job_id))

    answer = run(work())
    if as_json:
        print_json({"job_id": job_id, "cancel": answer})
    elif answer == "requested":
        out.print(f"{job_id} is running and was asked to stop; see `vsl jobs watch {job_id}`.")
    else:
        out.print(f"{job_id} is cancelled.")


@app.command()
def retry(job_id: JobId, as_json: JsonOption = False) -> None:
    """Run a failed or cancelled job again."""

    async def work() -> None:
        async with connected() as connection:
            await execute(connection, RetryJob(job_id=job_id))

    run(work())
    if as_json:
        print_json({"job_id": job_id, "status": "pending"})
    else:
        out.print(f"{job_id} will run again; see `vsl jobs watch {job_id}`.")


def _list(found: list[JobSummary]) -> Table:
    right = ("files", "time", "cost")
    made = table("job", "status", "model", "user", "created", *right, right=right)
    for job in found:
        cost = job.actual_cost if job.actual_cost is not None else job.estimated_cost
        made.add_row(
            job.job_id,
            status_text(job.status),
            job.model_id,
            job.user_id,
            moment(job.created_at),
            str(job.outputs),
            seconds(job.actual_processing_time),
            money(cost),
        )
    return made


def _detail(job: JobDetail) -> Table:
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    rows: dict[str, str | Text] = {
        "job": job.job_id,
        "status": status_text(job.status),
        "model": job.model_id,
        "user": job.user_id,
        "run by": "VSL" if job.driven else "others (tracked)",
        "created": moment(job.created_at),
        "completed": moment(job.completed_at),
        "prompt": job.prompt or "–",
        "parameters": ", ".join(f"{k}={v}" for k, v in job.parameters.items()) or "–",
        "held": money(job.estimated_cost),
        "cost": money(job.actual_cost),
        "model ran": seconds(job.actual_processing_time),
        "retries": str(job.retry_count),
    }
    if job.cancel_requested_at:
        rows["cancel"] = f"asked for at {moment(job.cancel_requested_at)}"
    if job.error_message:
        rows["error"] = f"{job.error_message} ({job.error_code})"
    for name, value in rows.items():
        made.add_row(name, value)
    return made


def _attempts(attempts: list[Attempt]) -> Table:
    made = table("attempt", "provider", "started", "outcome", "said", "model ran", "cost", "error")
    for attempt in attempts:
        made.add_row(
            f"{attempt.number} (run {attempt.run})",
            attempt.provider,
            moment(attempt.started_at),
            attempt.outcome or "under way",
            attempt.provider_status or "–",
            seconds(attempt.processing_time),
            money(attempt.cost),
            attempt.error_message or "",
        )
    made.title, made.title_justify = "\nAttempts", "left"
    return made
