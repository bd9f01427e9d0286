"""One job, from its claim to its end: a straight line.

check → begin → predict → record → collect → finish. Every step ends in one committed function call
or in a named failure; no provider is called while a transaction is open. Objects that were stored
in vain are handed to removal, whatever happened.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsl.db.pool import Database
from vsl.domain.hiding import hidden_words, hide
from vsl.domain.jobs import ClaimedJob
from vsl.domain.keys import job_prefix, key_epoch
from vsl.domain.provider import Prediction, PredictionRequest, Provider
from vsl.errors import (
    DatabaseError,
    ObjectExists,
    OutputInvalid,
    ProviderError,
    SchemaVersionError,
    VslError,
)
from vsl.jobs.inputs import build_input, check_input
from vsl.storage.store import to_the_end
from vsl.worker.collect import Tools, collect
from vsl.worker.records import (
    AttemptFailedError,
    ClaimLostError,
    Execution,
    about,
    begin,
    doom,
    fail,
    finish,
    record,
)
from vsl.worker.tasks import call_off

log = logging.getLogger(__name__)

#: Seconds between two requests to cancel a prediction that has not ended.
CANCEL_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executing a job needs."""

    database: Database
    providers: Mapping[str, Provider]
    tools: Tools


async def execute(execution: Execution, around: Surroundings) -> str:
    """Drive a claimed job to its end; what became of it, such as ``completed`` or ``retried``.

    Raises ``ClaimLostError``, and ``DatabaseError`` when the end could not be written: the lease
    then runs out and the job is rescued.
    """
    job = execution.job
    try:
        await around.tools.steps.reached("claimed", job.id)
        try:
            return await _drive(execution, around)
        except ClaimLostError:
            raise
        except Exception as error:
            failure = await _failure(job, error)
        # Before the end is written: a worker that is killed in between comes here once more.
        await _sweep(execution, around)
        await _doom_own(execution, around)
        return await fail(execution, around.database, failure)
    finally:
        # Also when this task is called off, perhaps for the second time.
        await to_the_end(_clear_away(execution, around))


async def _drive(execution: Execution, around: Surroundings) -> str:
    job, steps = execution.job, around.tools.steps
    provider = around.providers.get(job.provider)
    if provider is None:
        raise AttemptFailedError(
            "provider_not_configured",
            f"the worker that took the job has no provider {job.provider}",
            retryable=True,
        )
    problems = check_input(job.prompt, job.parameters, job.supported_parameters)
    if problems:
        words = "; ".join(str(problem) for problem in problems)
        raise AttemptFailedError("invalid_input", words, retryable=False)

    begun = await begin(execution, around.database)
    await steps.reached("begun", job.id)
    request = PredictionRequest(
        prediction_id=begun.attempt_id or job.id,
        model_id=job.model_id,
        configuration=job.configuration,
        input=build_input(job.prompt, job.parameters, job.supported_parameters, job=job.id),
        timeout=job.timeout_seconds,
    )
    sent_before = begun.result == "resumed"
    if execution.cancel.is_set() and (provider.safe_to_repeat or not sent_before):
        if sent_before:
            await _cancel(job, provider, request)
        return await _end(execution, around, "cancelled", None)
    if sent_before and not provider.safe_to_repeat:
        raise AttemptFailedError(
            "outcome_unknown",
            "its worker was lost, and whether the provider got the request is not known",
            retryable=False,
        )
    prediction, rows = await _work(execution, around, provider, request)
    if prediction.status == "canceled":
        return await _end(execution, around, "cancelled", prediction)
    outcome = await _end(execution, around, "completed", prediction, rows)
    await steps.reached("finished", job.id)
    return outcome


async def _work(
    execution: Execution, around: Surroundings, provider: Provider, request: PredictionRequest
) -> tuple[Prediction, list[dict[str, Any]]]:
    """Predict, record and collect, within the model's time; the outputs' rows.

    The prediction that is answered has succeeded, or was canceled as a person wished.
    """
    job, steps = execution.job, around.tools.steps
    prediction: Prediction | None = None
    limit = asyncio.timeout(request.timeout)
    try:
        async with limit:
            prediction = await _predict(execution, provider, request)
            await steps.reached("predicted", job.id)
            await record(execution, around.database, prediction)
            await steps.reached("recorded", job.id)
            if prediction.status == "canceled" and execution.cancel.is_set():
                return prediction, []
            await _require_success(job, prediction)
            return prediction, await _collect(execution, around, provider, prediction)
    except TimeoutError:
        if not limit.expired():
            raise
        if prediction is None:
            await _cancel(job, provider, request)
        words = f"the attempt took longer than the model's {request.timeout:g} seconds"
        raise AttemptFailedError("timeout", words, retryable=True) from None


async def _require_success(job: ClaimedJob, prediction: Prediction) -> None:
    if prediction.status == "succeeded":
        if not prediction.outputs:
            raise OutputInvalid("the model made no file")
        return
    said = prediction.error or f"the provider ended with {prediction.raw_status}"
    raise AttemptFailedError(
        "prediction_" + prediction.status,
        await _without_input(job, said),
        retryable=prediction.retryable,
        processing_time=prediction.processing_time,
    )


async def _collect(
    execution: Execution, around: Surroundings, provider: Provider, prediction: Prediction
) -> list[dict[str, Any]]:
    number = (execution.attempt and execution.attempt.number) or 1
    return [
        await collect(
            execution.job,
            number,
            ordinal,
            source,
            provider=provider,
            tools=around.tools,
            keys=execution.keys,
        )
        for ordinal, source in enumerate(prediction.outputs)
    ]


async def _predict(
    execution: Execution, provider: Provider, request: PredictionRequest
) -> Prediction:
    """Follow the prediction to its end, passing on a wish to cancel when one comes."""
    predicting = asyncio.create_task(provider.predict(request))
    cancelling = asyncio.create_task(_pass_on_cancel(execution, provider, request))
    try:
        return await predicting
    finally:
        await call_off(predicting, cancelling)


async def _pass_on_cancel(
    execution: Execution, provider: Provider, request: PredictionRequest
) -> None:
    """Ask the provider to stop, until the prediction ends: it may not know it yet at first."""
    await execution.cancel.wait()
    while True:
        await _cancel(execution.job, provider, request)
        await asyncio.sleep(CANCEL_EVERY)


async def _cancel(job: ClaimedJob, provider: Provider, request: PredictionRequest) -> None:
    """Ask the provider to stop; a refusal changes nothing, so it is only noted."""
    try:
        await provider.cancel(request)
    except ProviderError:
        log.warning("the provider could not be asked to stop", extra=about(job))


async def _end(
    execution: Execution,
    around: Surroundings,
    outcome: str,
    prediction: Prediction | None,
    rows: list[dict[str, Any]] | None = None,
) -> str:
    await _sweep(execution, around)
    return await finish(execution, around.database, outcome, prediction, rows or [])


async def _failure(job: ClaimedJob, error: Exception) -> AttemptFailedError:
    """What an error means for the attempt. Raises it when the database is what fails."""
    if isinstance(error, AttemptFailedError):
        return error
    if isinstance(error, DatabaseError):
        if error.retryable or isinstance(error, SchemaVersionError):
            raise error
        words = f"the database refused what was to be recorded (SQLSTATE {error.sqlstate})"
        return AttemptFailedError(error.code, words, retryable=False)
    if isinstance(error, ProviderError):
        words = await _without_input(job, error.message)
        return AttemptFailedError(error.code, words, retryable=error.retryable)
    if isinstance(error, VslError):
        # The next attempt stores under another key.
        retryable = error.retryable or isinstance(error, ObjectExists)
        return AttemptFailedError(error.code, error.message, retryable=retryable)
    # The type and the place alone: a message of unknown origin may hold the job's data.
    kind = type(error).__name__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    log.error("an error that nobody foresaw: %s at %s", kind, place, extra=about(job))
    return AttemptFailedError("internal_error", kind, retryable=True)


async def _without_input(job: ClaimedJob, text: str) -> str:
    """A provider's words without the job's input; long ones take long, so in a thread."""
    words = hidden_words({"prompt": job.prompt, "parameters": job.parameters})
    return await asyncio.to_thread(hide, text, words)


async def _sweep(execution: Execution, around: Surroundings) -> None:
    """Hand to removal what earlier claims left under the job's prefix.

    A worker that was killed could not tell. Keys carry the number of their claim, so what a later
    claim is storing at this moment is never touched.
    """
    job, store = execution.job, around.tools.store
    if execution.swept or not (job.rescues or job.attempts or job.run > 1):
        return
    try:
        prefix = job_prefix(
            media_type=job.media_type,  # type: ignore[arg-type]  # checked by the database
            user_id=job.user_id,
            created_at=job.created_at,
            job_id=job.job_id,
        )
        keys = [key async for key in store.list(prefix) if key_epoch(key) < job.epoch]
        if keys:
            await doom(around.database, keys, store.bucket)
        execution.swept = True
    except VslError as error:
        log.warning("could not look for leftovers (%s)", error.code, extra=about(job))


async def _doom_own(execution: Execution, around: Surroundings) -> None:
    """Hand to removal what this claim stored."""
    if not execution.keys:
        return
    try:
        await doom(around.database, execution.keys, around.tools.store.bucket)
        execution.keys.clear()
    except VslError as error:
        log.warning("could not doom objects (%s)", error.code, extra=about(execution.job))


async def _clear_away(execution: Execution, around: Surroundings) -> None:
    """What could not be handed to removal before the job's end."""
    await _doom_own(execution, around)
    if execution.ending:
        await _sweep(execution, around)
