"""How a claim ends, whichever way its job was driven: what came of it, what a failure means, and
what is left in the store.
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
from vsl.domain.provider import Prediction, Provider, RemoteProvider
from vsl.errors import (
    DatabaseError,
    ObjectExists,
    OutputInvalid,
    ProviderError,
    SchemaVersionError,
    VslError,
)
from vsl.jobs.inputs import check_input
from vsl.worker.collect import Tools, collect
from vsl.worker.records import AttemptFailedError, Execution, about, doom, finish

log = logging.getLogger(__name__)

AnyProvider = Provider | RemoteProvider


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What executing a job needs."""

    database: Database
    providers: Mapping[str, AnyProvider]
    tools: Tools


def require_input(job: ClaimedJob) -> None:
    """Raise ``AttemptFailedError`` when the job's input is not what its model takes."""
    problems = check_input(job.prompt, job.parameters, job.supported_parameters)
    if problems:
        words = "; ".join(str(problem) for problem in problems)
        raise AttemptFailedError("invalid_input", words, retryable=False)


async def require_success(job: ClaimedJob, prediction: Prediction) -> None:
    """Raise ``OutputInvalid`` or ``AttemptFailedError`` when a prediction came to nothing."""
    if prediction.status == "succeeded":
        if not prediction.outputs:
            raise OutputInvalid("the model made no file")
        return
    said = prediction.error or f"the provider ended with {prediction.raw_status}"
    raise AttemptFailedError(
        "prediction_" + prediction.status,
        await without_input(job, said),
        retryable=prediction.retryable,
        processing_time=prediction.processing_time,
    )


async def collect_all(
    execution: Execution, around: Surroundings, provider: AnyProvider, prediction: Prediction
) -> list[dict[str, Any]]:
    """Bring all outputs into the store, in order; their rows."""
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


async def end(
    execution: Execution,
    around: Surroundings,
    outcome: str,
    prediction: Prediction | None,
    rows: list[dict[str, Any]] | None = None,
) -> str:
    """End the job, ``completed`` or ``cancelled``; what it ended as. Raises as ``finish`` does."""
    await sweep(execution, around)
    return await finish(execution, around.database, outcome, prediction, rows or [])


async def as_failure(job: ClaimedJob, error: Exception) -> AttemptFailedError:
    """What an error means for the attempt. Raises it when the database is what fails."""
    if isinstance(error, AttemptFailedError):
        return error
    if isinstance(error, DatabaseError):
        if error.retryable or isinstance(error, SchemaVersionError):
            raise error
        words = f"the database refused what was to be recorded (SQLSTATE {error.sqlstate})"
        return AttemptFailedError(error.code, words, retryable=False)
    if isinstance(error, ProviderError):
        words = await without_input(job, error.message)
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


async def without_input(job: ClaimedJob, text: str) -> str:
    """A provider's words without the job's input; long ones take long, so in a thread."""
    words = hidden_words({"prompt": job.prompt, "parameters": job.parameters})
    return await asyncio.to_thread(hide, text, words)


async def sweep(execution: Execution, around: Surroundings) -> None:
    """Hand to removal what earlier claims left under the job's prefix.

    A worker that was killed could not tell. Keys carry the number of their claim, so what a later
    claim is storing at this moment is never touched.
    """
    job, store = execution.job, around.tools.store
    if execution.swept or not _may_have_leftovers(job):
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


def _may_have_leftovers(job: ClaimedJob) -> bool:
    # A job that waited for its provider has had claims that stored nothing.
    waited = job.attempts == 1 and job.phase in ("wait", "unknown")
    return bool(job.rescues or job.run > 1 or (job.attempts and not waited))


async def doom_own(execution: Execution, around: Surroundings) -> None:
    """Hand to removal what this claim stored."""
    if not execution.keys:
        return
    try:
        await doom(around.database, execution.keys, around.tools.store.bucket)
        execution.keys.clear()
    except VslError as error:
        log.warning("could not doom objects (%s)", error.code, extra=about(execution.job))


async def clear_away(execution: Execution, around: Surroundings) -> None:
    """What could not be handed to removal before the job's end."""
    await doom_own(execution, around)
    if execution.ending:
        await sweep(execution, around)
