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
from vsl.domain.jobs import ClaimedJob
from vsl.domain.provider import Prediction
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


async def record(execution: Execution, database: Database, prediction: Prediction) -> None:
    """Record what the provider said. Raises ``ClaimLostError`` when the attempt has ended."""
    begun = execution.attempt
    if begun is None or begun.attempt_id is None:
        raise ClaimLostError
    urls = [source.url for source in prediction.outputs]
    provider_id = prediction.provider_id
    statement = RecordPrediction(
        attempt=begun.attempt_id,
        provider_id=None if provider_id is None else clean_text(provider_id),
        provider_status=clean_text(prediction.raw_status),
        output={"output": clean_json(prediction.output)},
        metrics=clean_json(dict(prediction.metrics)),
        processing_time=clean_seconds(prediction.processing_time),
        # A data URL's bytes are in the answer alone; only addresses can be fetched later.
        collectable=bool(urls) and not any(url.startswith("data:") for url in urls),
    )
    if not await _written(execution, database, lambda c: fetch_value(c, statement)):
        raise ClaimLostError


async def finish(
    execution: Execution,
    database: Database,
    outcome: str,
    prediction: Prediction | None,
    rows: Sequence[dict[str, Any]] = (),
) -> str:
    """End the job, ``completed`` or ``cancelled``; what it ended as.

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
