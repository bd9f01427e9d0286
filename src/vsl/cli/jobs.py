"""``vsl jobs``: look at jobs, follow them, cancel, retry and resolve them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from vsl.cli import completion
from vsl.cli.asking import YesOption, agreed
from vsl.cli.assembly import connected
from vsl.cli.follow import no_job, show_outputs
from vsl.cli.generate import wait_for
from vsl.cli.output import (
    JsonOption,
    Listing,
    moment,
    money,
    print_json,
    say,
    seconds,
    short_moment,
    show_facts,
    status_text,
)
from vsl.cli.stopping import run
from vsl.config import load
from vsl.db.statement import execute, fetch, fetch_one, fetch_value
from vsl.db.statements import (
    CancelJob,
    GetJob,
    ListAttempts,
    ListJobs,
    ListOutputs,
    RetryJob,
)
from vsl.db.statements_remote import ResolveJob
from vsl.domain.jobs import JOB_STATUSES, Attempt, JobDetail, JobSummary, Output
from vsl.errors import InvalidInput, Problem

JobId = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The job's identifier, such as job_0192….",
        autocompletion=completion.jobs,
    ),
]

#: Characters of a prompt that people are shown; --json has all.
PROMPT_SHOWN = 1000


def list_(
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Only this user's.")] = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help=f"Only in this status: {', '.join(JOB_STATUSES)}.",
            autocompletion=completion.statuses,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Only of this model.", autocompletion=completion.models),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="COUNT", help="At most so many.")
    ] = 20,
    as_json: JsonOption = False,
) -> None:
    """The newest jobs."""
    if status is not None and status not in JOB_STATUSES:
        accepted = "one of " + ", ".join(JOB_STATUSES)
        raise InvalidInput([Problem("--status", "is not known", accepted)])

    async def work() -> list[JobSummary]:
        async with connected() as connection:
            wanted = ListJobs(user_id=user, status=status, model_id=model, count=limit)
            return await fetch(connection, wanted)

    found = run(work())
    if as_json:
        print_json(found)
    elif found:
        _list(found)
    elif user or status or model:
        say("No such jobs.")
    else:
        say("No jobs. Make one: vsl generate vsl-image --prompt 'a lighthouse at dawn'")


def show(job_id: JobId, as_json: JsonOption = False) -> None:
    """Everything about one job: its attempts, its files, its money."""

    async def work() -> tuple[JobDetail, list[Attempt], list[Output]]:
        async with connected() as connection:
            job = await fetch_one(connection, GetJob(job_id=job_id))
            if job is None:
                raise no_job(job_id)
            attempts = await fetch(connection, ListAttempts(job_id=job_id))
            return job, attempts, await fetch(connection, ListOutputs(job_id=job_id))

    job, attempts, outputs = run(work())
    if as_json:
        print_json({"job": job, "attempts": attempts, "outputs": outputs})
        return
    show_facts(_detail(job))
    if attempts:
        _attempts(attempts)
    if outputs:
        show_outputs(outputs)


def watch(job_id: JobId, as_json: JsonOption = False) -> None:
    """Follow a job to its end. The status is 1 when it does not complete."""
    raise typer.Exit(wait_for(load(), job_id, as_json=as_json))


def cancel(job_id: JobId, as_json: JsonOption = False) -> None:
    """Cancel a job. One that is running is asked to stop; its outcome is known soon after."""

    async def work() -> str:
        async with connected() as connection:
            return await fetch_value(connection, CancelJob(job_id=job_id))

    answer = run(work())
    if as_json:
        print_json({"job_id": job_id, "cancel": answer})
    elif answer == "requested":
        say(f"{job_id} is running and was asked to stop; see `vsl jobs watch {job_id}`.")
    else:
        say(f"{job_id} is cancelled.")


def retry(job_id: JobId, as_json: JsonOption = False) -> None:
    """Run a failed or cancelled job again."""

    async def work() -> None:
        async with connected() as connection:
            await execute(connection, RetryJob(job_id=job_id))

    run(work())
    if as_json:
        print_json({"job_id": job_id, "status": "pending"})
    else:
        say(f"{job_id} will run again; see `vsl jobs watch {job_id}`.")


def resolve(
    job_id: JobId,
    adopt: Annotated[
        str | None,
        typer.Option(metavar="PREDICTION", help="This prediction of the provider is the job's."),
    ] = None,
    absent: Annotated[
        bool, typer.Option("--absent", help="None was made: another may be sent and paid for.")
    ] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Do not find out: it fails, and counts as paid for.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Decide about a job whose provider's answer was lost and cannot be found out."""
    if [adopt is not None, absent, give_up].count(True) != 1:
        accepted = "one of --adopt PREDICTION, --absent, --give-up"
        raise InvalidInput([Problem("the decision", "is not one", accepted)])
    decision = "adopt" if adopt is not None else "absent" if absent else "give-up"
    if not agreed(_question(job_id, decision, adopt), yes=yes):
        raise typer.Exit(1)

    async def work() -> str:
        async with connected() as connection:
            decided = ResolveJob(job_id=job_id, decision=decision, provider_id=adopt)
            return await fetch_value(connection, decided)

    answer = run(work())
    if as_json:
        print_json({"job_id": job_id, "decision": decision, "result": answer})
    else:
        say(f"{job_id} {_RESOLVED.get(answer, f'is {answer}.')}")


def _question(job_id: str, decision: str, prediction: str | None) -> str:
    if decision == "adopt":
        return f"{job_id} takes prediction {prediction} for its own. Go on?"
    if decision == "absent":
        return f"Another prediction for {job_id} may be sent, and paid for. Go on?"
    return f"{job_id} fails, and what was held for it is charged. Go on?"


_RESOLVED = {
    "wait": "has its prediction and follows it.",
    "retried": "will be sent again.",
}


def _list(found: list[JobSummary]) -> None:
    right = ("files", "took", "cost")
    made = Listing(
        ("job", "status", "model", "user", "created", *right),
        right,
        # A terminal of 80 columns shows the rest.
        spare=("took", "files", "user", "cost"),
    )
    for job in found:
        cost = job.actual_cost if job.actual_cost is not None else job.estimated_cost
        made.add(
            job.job_id,
            status_text(job.status),
            job.model_id,
            job.user_id,
            short_moment(job.created_at),
            str(job.outputs),
            seconds(job.actual_processing_time),
            money(cost),
        )
    made.show()


def _detail(job: JobDetail) -> dict[str, str | Text]:
    rows: dict[str, str | Text] = {
        "job": job.job_id,
        "status": status_text(job.status),
        "model": job.model_id,
        "user": job.user_id,
        "run by": "VSL" if job.driven else "others (tracked)",
        "created": moment(job.created_at),
        "completed": moment(job.completed_at),
        "prompt": _shortened(job.prompt or "–"),
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
    return rows


def _shortened(prompt: str) -> str:
    left = len(prompt) - PROMPT_SHOWN
    return prompt if left <= 0 else f"{prompt[:PROMPT_SHOWN]} … (and {left:,} characters more)"


def _attempts(attempts: list[Attempt]) -> None:
    columns = ("attempt", "provider", "started", "outcome", "said", "model ran", "cost", "error")
    made = Listing(columns, ("model ran", "cost"), spare=("said", "provider"), title="Attempts")
    for attempt in attempts:
        made.add(
            f"{attempt.number} (run {attempt.run})",
            attempt.provider,
            moment(attempt.started_at),
            attempt.outcome or "under way",
            attempt.provider_status or "–",
            seconds(attempt.processing_time),
            money(attempt.cost),
            attempt.error_message or "",
        )
    made.show()


#: The verbs of ``vsl jobs``.
VERBS: Mapping[str, Callable[..., Any]] = {
    "list": list_,
    "show": show,
    "watch": watch,
    "cancel": cancel,
    "retry": retry,
    "resolve": resolve,
}
