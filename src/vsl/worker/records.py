"""What a worker writes of a job under way: each record is one committed function call.

All of them may be sent again: the database knows a repeated one by the job's claim and attempt.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vsl.db.pool import Database
from vsl.db.statement import Connection, fetch, fetch_value
from vsl.db.statements import (
    BeginAttempts,
    BegunAttempt,
    DoomObjects,
    FailJob,
    FinishJobs,
    RecordPrediction,
)
from vsl.db.statements_remote import DeferJob, ReleaseJobs
from vsl.domain.jobs import ClaimedJob
from vsl.domain.provider import OutputSource, Prediction
from vsl.errors import DatabaseError, OutputInvalid
from vsl.worker.clean import clean_json, clean_seconds, clean_text

log = logging.getLogger(__name__)

T = TypeVar("T")

#: What is known of a job's end is written again while the database does not answer: pauses between
#: the tries, in seconds. After that the lease runs out, and another claim does the work again.
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)


class ClaimLostError(Exception):
    """Another claim has the job, or it has ended: nothing more may be changed."""


class AttemptFailedError(Exception):
    """An attempt came to nothing. message: fit for a row, without the job's input."""

    def __init__(
        self, code: str, message: str, *, retryable: bool, processing_time: float | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.processing_time = processing_time


@dataclass(slots=True)
class Execution:
    """A job under way.

    cancel: set when a person has asked for the job to stop. ending: whether its end is being
    written, which is not to be broken off for a lost claim. keys: objects stored, or being stored,
    that no row refers to yet. swept: whether what earlier claims stored was handed to removal.
    """

    job: ClaimedJob
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    attempt: BegunAttempt | None = None
    ending: bool = False
    keys: list[str] = field(default_factory=list)
    swept: bool = False


def about(job: ClaimedJob) -> dict[str, object]:
    """What a log line says of a job: never its prompt or parameters."""
    return {"job": job.job_id, "model": job.model_id, "epoch": job.epoch}


async def begin(execution: Execution, database: Database) -> BegunAttempt:
    """Commit the intent to submit. Raises ``ClaimLostError``."""
    job = execution.job
    # Sent once: an answer that was lost would look like the attempt of a lost worker.
    async with database.connection() as connection:
        answers = await fetch(connection, BeginAttempts(jobs=[job.id], epochs=[job.epoch]))
    begun = answers[0]
    if begun.attempt_id is None:
        raise ClaimLostError
    execution.attempt = begun
    return begun


async def record(
    execution: Execution,
    database: Database,
    prediction: Prediction,
    *,
    remembered: bool = False,
    kept_seconds: float | None = None,
) -> None:
    """Record what the provider said. Raises ``ClaimLostError`` when the attempt has ended.

    remembered: the provider can be asked for the prediction later; the job then waits for it, and
    ``NotAllowed`` is raised when another attempt has it. kept_seconds: how long its files stay.
    """
    begun = execution.attempt
    if begun is None or begun.attempt_id is None:
        raise ClaimLostError
    urls = [source.url for source in prediction.outputs]
    provider_id = prediction.provider_id
    statement = RecordPrediction(
        attempt=begun.attempt_id,
        provider_id=None if provider_id is None else clean_text(provider_id),
        provider_status=clean_text(prediction.raw_status),
        output=_output(prediction, urls, remembered=remembered),
        metrics=clean_json(dict(prediction.metrics)),
        processing_time=clean_seconds(prediction.processing_time),
        # A data URL's bytes are in the answer alone; only addresses can be fetched later.
        collectable=bool(urls) and not any(url.startswith("data:") for url in urls),
        remembered=remembered,
        kept_seconds=kept_seconds,
    )
    if not await _written(execution, database, lambda c: fetch_value(c, statement)):
        raise ClaimLostError


def _output(prediction: Prediction, urls: list[str], *, remembered: bool) -> dict[str, Any] | None:
    """What a row keeps of an output; of a remembered one, also where its files are."""
    if not remembered:
        return {"output": clean_json(prediction.output)}
    if prediction.status != "succeeded":
        return None
    files = [url for url in urls if not url.startswith("data:")]
    return {"output": clean_json(prediction.output), "files": clean_json(files)}


def recorded_outputs(job: ClaimedJob) -> tuple[OutputSource, ...]:
    """Where the files of a job's recorded prediction are."""
    return tuple(OutputSource(url) for url in (job.output or {}).get("files", ()))


async def finish(
    execution: Execution,
    database: Database,
    outcome: str,
    prediction: Prediction | None,
    rows: Sequence[dict[str, Any]] = (),
    *,
    failure: AttemptFailedError | None = None,
    spent: bool = False,
) -> str:
    """End the job, ``completed``, ``cancelled`` or, with its failure, ``failed``; what it ended as.

    spent: the money went although the job did not complete, so the hold is charged.
    Raises ``ClaimLostError``, or ``OutputInvalid`` when the database refuses the outputs.
    """
    job, begun = execution.job, execution.attempt
    result = {
        "job_id": str(job.id),
        "attempt_id": str(begun.attempt_id) if begun else None,
        "epoch": job.epoch,
        "outcome": outcome,
        "processing_time": clean_seconds(prediction.processing_time) if prediction else None,
        "outputs": list(rows),
        "error_code": failure.code if failure else None,
        "error_message": clean_text(failure.message) if failure else None,
        "spent": spent,
    }
    execution.ending = True
    statement = FinishJobs(results=[result])
    answer = (await _written(execution, database, lambda c: fetch(c, statement)))[0]
    if answer.result == "stale":
        raise ClaimLostError
    if answer.result == "rejected":
        raise OutputInvalid(answer.reason or "the database refused the outputs")
    if answer.outcome == "completed":
        execution.keys.clear()
    return answer.outcome or outcome


async def fail(execution: Execution, database: Database, failure: AttemptFailedError) -> str:
    """End the attempt: ``retried``, or the job's end. Raises ``ClaimLostError``."""
    job = execution.job
    execution.ending = True
    statement = FailJob(
        job=job.id,
        epoch=job.epoch,
        attempt=execution.attempt.attempt_id if execution.attempt else job.attempt_id,
        code=failure.code,
        message=clean_text(failure.message),
        retryable=failure.retryable,
        processing_time=clean_seconds(failure.processing_time),
    )
    outcome = await _written(execution, database, lambda c: fetch_value(c, statement))
    if outcome == "stale":
        raise ClaimLostError
    extra = {**about(job), "code": failure.code, "outcome": outcome}
    log.warning("an attempt failed", extra=extra)
    return outcome


async def release(execution: Execution, database: Database, seconds: float) -> None:
    """Let go of a job that has to wait so many seconds. Raises ``ClaimLostError``."""
    job = execution.job
    execution.ending = True
    statement = ReleaseJobs(jobs=[job.id], epochs=[job.epoch], seconds=[seconds])
    async with database.connection() as connection:
        if not await fetch(connection, statement):
            raise ClaimLostError


async def defer(
    execution: Execution,
    database: Database,
    seconds: float,
    failure: AttemptFailedError,
    *,
    withdraw: bool,
    unknown: bool,
) -> str:
    """Let go of a job that something holds up, and say what. Raises ``ClaimLostError``.

    withdraw, unknown: see ``DeferJob``.
    """
    job = execution.job
    execution.ending = True
    statement = DeferJob(
        job=job.id,
        epoch=job.epoch,
        seconds=seconds,
        code=failure.code,
        message=clean_text(failure.message),
        withdraw=withdraw,
        unknown=unknown,
    )
    # Sent once: a repetition after a lost answer would find the claim gone.
    async with database.connection() as connection:
        answer = await fetch_value(connection, statement)
    if answer == "stale":
        raise ClaimLostError
    log.warning("a job is held up", extra={**about(job), "code": failure.code})
    return answer


async def doom(database: Database, keys: Sequence[str], bucket: str) -> None:
    """Hand objects to removal; the database leaves those alone that a row refers to."""
    async with database.connection() as connection:
        statement = DoomObjects(keys=keys, bucket=bucket, reason="stored in vain")
        await fetch_value(connection, statement)


async def _written(
    execution: Execution, database: Database, write: Callable[[Connection], Awaitable[T]]
) -> T:
    """Write, and again while the database does not answer."""
    for pause in PAUSES:
        try:
            async with database.connection() as connection:
                return await write(connection)
        except DatabaseError as error:
            if not error.retryable:
                raise
            log.warning("the database does not answer; trying again", extra=about(execution.job))
            await asyncio.sleep(pause)
    async with database.connection() as connection:
        return await write(connection)
