"""One job, from its claim to its end: a straight line.

check → begin → predict → record → collect → finish. Every step ends in one committed function call
or in a named failure; no provider is called while a transaction is open. Objects that were stored
in vain are handed to removal, whatever happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vsl.db.pool import Database
from vsl.db.statement import fetch, fetch_value
from vsl.db.statements import (
    BeginAttempts,
    BegunAttempt,
    DoomObjects,
    FailJob,
    FinishJobs,
    RecordPrediction,
)
from vsl.domain.jobs import ClaimedJob
from vsl.domain.keys import job_prefix, key_epoch
from vsl.domain.provider import Prediction, PredictionRequest, Provider
from vsl.errors import DatabaseError, OutputInvalid, ProviderError, VslError
from vsl.jobs.inputs import build_input, check_input
from vsl.worker.collect import Tools, collect

log = logging.getLogger(__name__)

#: The write-back is the only step that is tried again when the database does not answer: pauses
#: between its tries, in seconds. Together they are shorter than a lease.
FINISH_PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)

#: Seconds between two requests to cancel a prediction that has not ended.
CANCEL_EVERY = 1.0


class ClaimLostError(Exception):
    """Another claim has the job, or it has ended: nothing more may be changed."""


@dataclass(slots=True)
class Execution:
    """A job under way. cancel: set when a person has asked for the job to stop."""

    job: ClaimedJob
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    attempt: BegunAttempt | None = None
    keys: list[str] = field(default_factory=list)


async def execute(
    execution: Execution, *, database: Database, providers: Mapping[str, Provider], tools: Tools
) -> str:
    """Drive a claimed job to its end; what became of it, such as ``completed`` or ``retried``.

    Raises ``ClaimLostError``, and ``DatabaseError`` when the end could not be written: the lease
    then runs out and the job is rescued.
    """
    job = execution.job
    try:
        await tools.steps.reached("claimed", job.id)
        outcome = await _drive(execution, database, providers, tools)
    except (ClaimLostError, DatabaseError):
        raise
    except VslError as error:
        outcome = await _end_badly(
            execution, database, error.code, error.message, retryable=error.retryable
        )
    except Exception as error:
        # The type alone: a message of unknown origin may hold the job's data.
        kind = type(error).__name__
        outcome = await _end_badly(execution, database, "internal_error", kind, retryable=True)
    finally:
        # Refused for objects that a row refers to, so it is right after a success as well.
        await _doom(execution, database, tools)
    return outcome


async def _drive(
    execution: Execution, database: Database, providers: Mapping[str, Provider], tools: Tools
) -> str:
    job = execution.job
    provider = providers.get(job.provider)
    if provider is None:
        raise ProviderError(f"this worker has no provider {job.provider}", retryable=True)
    problems = check_input(job.prompt, job.parameters, job.supported_parameters)
    if problems:
        words = "; ".join(str(problem) for problem in problems)
        return await _end_badly(execution, database, "invalid_input", words, retryable=False)

    begun = await _begin(execution, database)
    await tools.steps.reached("begun", job.id)
    request = _request(job, begun)
    if execution.cancel.is_set() and provider.safe_to_repeat:
        await provider.cancel(request)
        return await _finish(execution, database, "cancelled", None, [])
    prediction = await _predict(execution, provider, request)
    await tools.steps.reached("predicted", job.id)
    await _record(database, begun, prediction)
    await tools.steps.reached("recorded", job.id)

    if prediction.status == "canceled" and execution.cancel.is_set():
        return await _finish(execution, database, "cancelled", prediction, [])
    if prediction.status != "succeeded":
        words = prediction.error or f"the provider ended with {prediction.raw_status}"
        return await _end_badly(
            execution,
            database,
            "prediction_" + prediction.status,
            words,
            retryable=prediction.retryable,
            processing_time=prediction.processing_time,
        )
    if not prediction.outputs:
        raise OutputInvalid("the model made no file")
    rows = [
        await collect(
            job,
            begun.number or 1,
            ordinal,
            source,
            provider=provider,
            tools=tools,
            on_key=execution.keys.append,
        )
        for ordinal, source in enumerate(prediction.outputs)
    ]
    outcome = await _finish(execution, database, "completed", prediction, rows)
    await tools.steps.reached("finished", job.id)
    return outcome


async def _begin(execution: Execution, database: Database) -> BegunAttempt:
    job = execution.job
    async with database.connection() as connection:
        answers = await fetch(connection, BeginAttempts(jobs=[job.id], epochs=[job.epoch]))
    begun = answers[0]
    if begun.attempt_id is None:
        raise ClaimLostError
    execution.attempt = begun
    return begun


def _request(job: ClaimedJob, begun: BegunAttempt) -> PredictionRequest:
    if begun.attempt_id is None:
        raise ClaimLostError
    return PredictionRequest(
        prediction_id=begun.attempt_id,
        model_id=job.model_id,
        configuration=job.configuration,
        input=build_input(job.prompt, job.parameters, job.supported_parameters, job=job.id),
        timeout=job.timeout_seconds,
    )


async def _predict(
    execution: Execution, provider: Provider, request: PredictionRequest
) -> Prediction:
    """Follow the prediction to its end, passing on a wish to cancel when one comes."""
    predicting = asyncio.create_task(provider.predict(request))
    cancelling = asyncio.create_task(_pass_on_cancel(execution, provider, request))
    try:
        async with asyncio.timeout(request.timeout):
            return await predicting
    except TimeoutError:
        await provider.cancel(request)
        raise ProviderError(f"the model took longer than {request.timeout:g} s") from None
    finally:
        predicting.cancel()
        cancelling.cancel()
        await asyncio.gather(predicting, cancelling, return_exceptions=True)


async def _pass_on_cancel(
    execution: Execution, provider: Provider, request: PredictionRequest
) -> None:
    """Ask the provider to stop, until the prediction ends: it may not know it yet at first."""
    await execution.cancel.wait()
    while True:
        try:
            await provider.cancel(request)
        except ProviderError as error:
            log.warning("could not pass on a cancel (%s)", error.message)
        await asyncio.sleep(CANCEL_EVERY)


async def _record(database: Database, begun: BegunAttempt, prediction: Prediction) -> None:
    if begun.attempt_id is None:
        raise ClaimLostError
    urls = [source.url for source in prediction.outputs]
    async with database.connection() as connection:
        live = await fetch_value(
            connection,
            RecordPrediction(
                attempt=begun.attempt_id,
                provider_id=prediction.provider_id,
                provider_status=prediction.raw_status,
                output={"output": prediction.output},
                metrics=dict(prediction.metrics),
                processing_time=prediction.processing_time,
                # A data URL's bytes are in the answer alone; only addresses can be fetched later.
                collectable=bool(urls) and not any(url.startswith("data:") for url in urls),
            ),
        )
    if not live:
        raise ClaimLostError


async def _finish(
    execution: Execution,
    database: Database,
    outcome: str,
    prediction: Prediction | None,
    rows: list[dict[str, Any]],
) -> str:
    job, begun = execution.job, execution.attempt
    result = {
        "job_id": str(job.id),
        "attempt_id": str(begun.attempt_id) if begun else None,
        "epoch": job.epoch,
        "outcome": outcome,
        "processing_time": prediction.processing_time if prediction else None,
        "outputs": rows,
    }
    for pause in (*FINISH_PAUSES, None):
        try:
            async with database.connection() as connection:
                answers = await fetch(connection, FinishJobs(results=[result]))
            break
        except DatabaseError as error:
            if pause is None or not error.retryable:
                raise
            log.warning("the database does not answer; trying again", extra=about(job))
            await asyncio.sleep(pause)
    answer = answers[0]
    if answer.result == "stale":
        raise ClaimLostError
    if answer.result == "rejected":
        raise OutputInvalid(answer.reason or "the database refused the outputs")
    return answer.outcome or outcome


async def _end_badly(
    execution: Execution,
    database: Database,
    code: str,
    message: str,
    *,
    retryable: bool,
    processing_time: float | None = None,
) -> str:
    job = execution.job
    attempt = execution.attempt.attempt_id if execution.attempt else job.attempt_id
    async with database.connection() as connection:
        outcome = await fetch_value(
            connection,
            FailJob(
                job=job.id,
                epoch=job.epoch,
                attempt=attempt,
                code=code,
                message=message,
                retryable=retryable,
                processing_time=processing_time,
            ),
        )
    if outcome == "stale":
        raise ClaimLostError
    log.warning("an attempt failed", extra={**about(job), "code": code, "outcome": outcome})
    return outcome


async def _doom(execution: Execution, database: Database, tools: Tools) -> None:
    """Hand stored objects that no row refers to to removal.

    After an earlier claim of the job, that includes what earlier claims left under the job's
    prefix: a worker that was killed could not tell. Keys carry the number of their claim, so what a
    later claim is storing at this moment is never touched.
    """
    job = execution.job
    keys = list(execution.keys)
    try:
        if job.rescues or job.attempts or job.run > 1:
            prefix = job_prefix(
                media_type=job.media_type,  # type: ignore[arg-type]  # checked by the database
                user_id=job.user_id,
                created_at=job.created_at,
                job_id=job.job_id,
            )
            keys += [key async for key in tools.store.list(prefix) if key_epoch(key) < job.epoch]
        if keys:
            async with database.connection() as connection:
                statement = DoomObjects(
                    keys=keys, bucket=tools.store.bucket, reason="stored in vain"
                )
                await fetch_value(connection, statement)
    except VslError as error:
        log.warning("could not doom objects (%s)", error.code, extra=about(job))


def about(job: ClaimedJob) -> dict[str, object]:
    """What a log line says of a job: never its prompt or parameters."""
    return {"job": job.job_id, "model": job.model_id, "epoch": job.epoch}
