"""One claim of a job whose prediction runs at a provider that remembers it.

check → begin → create → record, and the worker lets go; later claims read the prediction once each,
and the one that finds it ended goes on with record → collect → finish. A prediction costs money, so
after the intent to send one nothing here leads to another, except the provider's own word that
none was made or that it failed, or a complete list of its predictions without this one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TypeGuard

from vsl.db.pool import Database
from vsl.db.statement import fetch
from vsl.db.statements import BegunAttempt
from vsl.db.statements_remote import FreePredictions
from vsl.domain.jobs import ClaimedJob
from vsl.domain.provider import Prediction, PredictionRequest, RemoteProvider, Sweep
from vsl.errors import (
    AnswerLost,
    DatabaseError,
    NotAllowed,
    OutputInvalid,
    ProviderError,
    StoreError,
    Throttled,
)
from vsl.jobs.inputs import build_input
from vsl.worker.ends import (
    AnyProvider,
    Surroundings,
    as_failure,
    collect_all,
    doom_own,
    end,
    require_input,
    require_success,
    sweep,
    without_input,
)
from vsl.worker.records import (
    AttemptFailedError,
    ClaimLostError,
    Execution,
    about,
    begin,
    defer,
    finish,
    record,
    recorded_outputs,
    release,
)

log = logging.getLogger(__name__)

#: Seconds between two looks at a prediction: half of its attempt's age, within these. The first
#: look comes sooner for a model that is said to be quicker.
SOONEST, FIRST, LONGEST = 0.5, 2.0, 30.0
#: The same between two searches for a prediction whose answer was lost: each reads pages of a list.
SEARCH_FIRST, SEARCH_LONGEST = 2.0, 120.0
#: Seconds until a prediction that cannot be read is asked for again.
UNREADABLE = 300.0
#: Seconds until a job that waits for a person is looked at again: a year.
FOR_A_PERSON = 365 * 86400.0
#: Seconds past its time after which the provider is asked to stop a prediction. It has the deadline
#: itself (Cancel-After) and reckons it from the prediction's creation, a little after ours.
MARGIN = 30.0
#: Seconds for which Replicate keeps the files of a prediction made through its API once it has
#: ended (its documentation, "Data retention"); counted here from the first look that finds it so.
KEPT = 3600.0
#: Seconds between two tries to store outputs.
COLLECT_AGAIN = 10.0


class LetGoError(Exception):
    """The job has to wait. code and message: what holds it up, when it is more than the model.

    seconds: until it is due. withdraw: nothing was made, so the attempt is taken back.
    unknown: a person may have to resolve the attempt.
    """

    def __init__(
        self,
        seconds: float,
        code: str | None = None,
        message: str = "",
        *,
        withdraw: bool = False,
        unknown: bool = False,
    ) -> None:
        super().__init__(code or "waiting")
        self.seconds = seconds
        self.code = code
        self.message = message
        self.withdraw = withdraw
        self.unknown = unknown


def is_remote(provider: AnyProvider) -> TypeGuard[RemoteProvider]:
    """Whether a provider makes predictions that are read later."""
    return hasattr(provider, "create")


def is_spent(prediction: Prediction) -> bool:
    """Whether an ended prediction is charged in full although its job does not complete.

    For now: one that succeeded is. What others cost (running time of a canceled one; nothing for an
    aborted one) is for the provider's rules of outcomes, which this gives way to.
    """
    return prediction.raw_status == "succeeded" or prediction.status == "succeeded"


def pause_of(age: float, first: float, longest: float) -> float:
    """Seconds until the next look at something so many seconds old, spread by 20 % either way."""
    spread = random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    return min(max(age / 2, first), longest) * spread


def first_pause(job: ClaimedJob) -> float:
    """The shortest pause between two looks: less for a model that is done sooner."""
    if job.estimated_time is None:
        return FIRST
    return min(max(job.estimated_time / 2, SOONEST), FIRST)


async def let_go(execution: Execution, database: Database, wait: LetGoError) -> str:
    """Let go of a job that has to wait: ``waiting``, ``deferred``, or ``cancelled``.

    Raises ``ClaimLostError``.
    """
    execution.swept = True  # Nothing has ended: what there is to sweep waits for that.
    if wait.code is None:
        await release(execution, database, wait.seconds)
        return "waiting"
    failure = AttemptFailedError(wait.code, wait.message, retryable=True)
    return await defer(
        execution,
        database,
        wait.seconds,
        failure,
        withdraw=wait.withdraw,
        unknown=wait.unknown,
    )


async def drive_remote(execution: Execution, around: Surroundings, provider: RemoteProvider) -> str:
    """Take a job as far as one claim goes; what became of it.

    Raises ``AttemptFailedError`` for ends that are known, ``ClaimLostError``, and ``DatabaseError``
    when the database does not answer.
    """
    job, steps = execution.job, around.tools.steps
    if job.attempt_id is None:
        require_input(job)
        begun = await begin(execution, around.database)
        await steps.reached("begun", job.id)
        if execution.cancel.is_set():
            return await end(execution, around, "cancelled", None)
    else:
        begun = BegunAttempt(job.id, "resumed", job.attempt_id, job.attempt_number)
        execution.attempt = begun
    request = PredictionRequest(
        prediction_id=begun.attempt_id or job.id,
        model_id=job.model_id,
        configuration=job.configuration,
        input=build_input(job.prompt, job.parameters, job.supported_parameters, job=job.id),
        timeout=job.timeout_seconds,
    )
    try:
        try:
            return await _go_on(execution, around, provider, request)
        except (LetGoError, AttemptFailedError, ClaimLostError):
            raise
        except Exception as error:
            # Not a failure of the attempt: its prediction may run, and is paid for.
            failure = await as_failure(job, error)
            wait = pause_of(job.attempt_seconds or 0, FIRST, LONGEST)
            raise LetGoError(wait, failure.code, failure.message) from error
    except LetGoError as wait_:
        outcome = await let_go(execution, around.database, wait_)
        await steps.reached("waiting", job.id)
        return outcome


async def _go_on(
    execution: Execution,
    around: Surroundings,
    provider: RemoteProvider,
    request: PredictionRequest,
) -> str:
    job, steps = execution.job, around.tools.steps
    if job.phase == "collect" and (files := recorded_outputs(job)):
        said = job.provider_status or "succeeded"
        recorded = Prediction("succeeded", said, provider_id=job.provider_id, outputs=files)
        return await _collect(execution, around, provider, recorded)
    if job.provider_id is not None:
        prediction = await _read(execution, provider, request, job.provider_id)
    elif job.attempt_id is not None:
        prediction = await _find(execution, around, provider, request)
    else:
        prediction = await _create(job, provider, request)
    await steps.reached("predicted", job.id)
    await _record(execution, around, prediction)
    await steps.reached("recorded", job.id)
    if prediction.status == "processing":
        # A wish to stop is passed on by the next claim, which comes at once.
        age = job.attempt_seconds or 0.0
        stopping = execution.cancel.is_set() and job.provider_id is None
        raise LetGoError(0.0 if stopping else pause_of(age, first_pause(job), LONGEST))
    if prediction.status == "canceled":
        return await _end_canceled(execution, around, prediction)
    if prediction.status == "failed" and prediction.raw_status == "succeeded":
        # So the provider ended it, and its reader found nothing left to fetch.
        words = await without_input(job, prediction.error or "its outputs are gone")
        return await _fail_spent(execution, around, prediction, "output_expired", words)
    if prediction.status == "failed":
        await require_success(job, prediction)
    return await _collect(execution, around, provider, prediction)


async def _create(
    job: ClaimedJob, provider: RemoteProvider, request: PredictionRequest
) -> Prediction:
    try:
        prediction = await provider.create(request)
    except Throttled as error:
        words = f"the provider takes no more for now: {await without_input(job, error.message)}"
        wait = max(error.retry_after, 1.0) * random.uniform(1.0, 1.3)  # noqa: S311 - jitter
        raise LetGoError(wait, "throttled", words, withdraw=True) from error
    except AnswerLost as error:
        raise _lost(0.0) from error
    except ProviderError as error:
        # None was made.
        raise await as_failure(job, error) from error
    except Exception as error:
        # Nobody foresaw it, so nobody knows whether the request had left.
        await as_failure(job, error)
        raise _lost(0.0) from error
    if prediction.provider_id is None:
        raise _lost(0.0)
    return prediction


def _lost(age: float) -> LetGoError:
    words = (
        "the provider's answer was lost; whether it made the prediction is being found out, "
        "and nothing is sent until then"
    )
    return LetGoError(pause_of(age, SEARCH_FIRST, SEARCH_LONGEST), "answer_lost", words)


async def _find(
    execution: Execution,
    around: Surroundings,
    provider: RemoteProvider,
    request: PredictionRequest,
) -> Prediction:
    """The prediction whose answer was lost, found in the provider's list."""
    job = execution.job
    age = job.attempt_seconds or 0.0
    if job.attempt_started_at is None or job.attempt_id is None:
        raise ClaimLostError
    try:
        found = await provider.find(request, since=job.attempt_started_at)
    except Throttled as error:
        lost = _lost(age)
        lost.seconds = max(lost.seconds, error.retry_after)
        raise lost from error
    except ProviderError as error:
        raise _lost(age) from error
    by_id = {p.provider_id: p for p in found.matches if p.provider_id is not None}
    free: list[str] = []
    if by_id:
        async with around.database.connection() as connection:
            ids = FreePredictions(attempt=job.attempt_id, provider_ids=sorted(by_id))
            free = await fetch(connection, ids)
    if len(free) == 1:
        return by_id[free[0]]
    raise _not_found(job, found, free)


def _not_found(job: ClaimedJob, found: Sweep, free: list[str]) -> Exception:
    """What it means that a list does not have exactly one prediction of an attempt."""
    person = f"decide with `vsl jobs resolve {job.job_id}`"
    if free:
        words = (
            f"the provider's answer was lost, and {len(free)} predictions there can be this job's"
            f" ({', '.join(sorted(free)[:10])}); {person}"
        )
        return LetGoError(FOR_A_PERSON, "ambiguous", words, unknown=True)
    if not found.complete:
        return _lost(job.attempt_seconds or 0.0)
    if job.edited:
        words = (
            "the provider's answer was lost, and the job was changed since, so that its"
            f" prediction cannot be told; {person}"
        )
        return LetGoError(FOR_A_PERSON, "ambiguous", words, unknown=True)
    words = "the provider's answer was lost, and its list shows that no prediction was made"
    return AttemptFailedError("absent", words, retryable=True)


async def _read(
    execution: Execution, provider: RemoteProvider, request: PredictionRequest, provider_id: str
) -> Prediction:
    """The prediction as it is now, asked to stop first when it should."""
    job = execution.job
    age = job.attempt_seconds or 0.0
    if execution.cancel.is_set() or age > job.timeout_seconds + MARGIN:
        try:
            await provider.stop(provider_id, request)
        except ProviderError:
            log.warning("the provider could not be asked to stop", extra=about(job))
    try:
        return await provider.read(provider_id, request)
    except Throttled as error:
        wait = max(error.retry_after, 1.0) * random.uniform(1.0, 1.3)  # noqa: S311 - jitter
        raise LetGoError(wait) from error
    except ProviderError as error:
        if error.retryable:
            raise LetGoError(pause_of(age, FIRST, LONGEST)) from error
        words = f"its prediction cannot be read: {await without_input(job, error.message)}"
        raise LetGoError(UNREADABLE, error.code, words, unknown=True) from error


async def _record(execution: Execution, around: Surroundings, prediction: Prediction) -> None:
    """Record what is new. Raises ``AttemptFailedError`` when another attempt has the prediction."""
    job = execution.job
    same = prediction.status == "processing" and prediction.raw_status == job.provider_status
    if same and job.provider_id is not None and job.phase == "wait":
        return
    kept = KEPT if prediction.status == "succeeded" else None
    try:
        await record(execution, around.database, prediction, remembered=True, kept_seconds=kept)
    except NotAllowed as error:
        # A job with the same input, whose own answer was lost, was given it: this one has none.
        if job.attempt_id is not None:
            raise _lost(job.attempt_seconds or 0.0) from error
        words = "another job with the same input was given its prediction"
        raise AttemptFailedError("prediction_taken", words, retryable=True) from error


async def _end_canceled(execution: Execution, around: Surroundings, prediction: Prediction) -> str:
    """A prediction that was stopped: as a person wished, by its deadline, or by somebody else."""
    job = execution.job
    if execution.cancel.is_set():
        return await end(execution, around, "cancelled", prediction)
    age = job.attempt_seconds or 0.0
    never_ran = prediction.raw_status == "aborted"
    if never_ran or age >= job.timeout_seconds:
        words = f"it did not end within the model's {job.timeout_seconds} seconds"
        if never_ran:
            words = (
                f"the provider did not start it within the model's {job.timeout_seconds} seconds"
            )
        # What ran has cost: it is not bought again without being asked for.
        raise AttemptFailedError(
            "timeout",
            words,
            retryable=never_ran,
            processing_time=prediction.processing_time,
        )
    raise AttemptFailedError(
        "prediction_canceled",
        f"the prediction was stopped at the provider ({prediction.raw_status})",
        retryable=False,
        processing_time=prediction.processing_time,
    )


async def _collect(
    execution: Execution,
    around: Surroundings,
    provider: RemoteProvider,
    prediction: Prediction,
) -> str:
    """Store the outputs and end the job. While they cannot be stored the job waits in its phase."""
    job = execution.job
    try:
        await require_success(job, prediction)
        async with asyncio.timeout(job.timeout_seconds):
            rows = await collect_all(execution, around, provider, prediction)
        outcome = await end(execution, around, "completed", prediction, rows)
    except (ClaimLostError, DatabaseError, AttemptFailedError):
        raise
    except OutputInvalid as error:
        return await _fail_spent(execution, around, prediction, error.code, error.message)
    except Exception as error:
        return await _uncollected(execution, around, prediction, error)
    await around.tools.steps.reached("finished", job.id)
    return outcome


async def _uncollected(
    execution: Execution, around: Surroundings, prediction: Prediction, error: Exception
) -> str:
    """Outputs could not be stored: tried again while the provider keeps them."""
    job = execution.job
    failure = await as_failure(job, error)
    left = KEPT if job.output_seconds_left is None else job.output_seconds_left
    gone = isinstance(error, ProviderError) and not error.retryable
    if gone or left <= 0:
        words = f"its outputs can no longer be fetched: {failure.message}"
        return await _fail_spent(execution, around, prediction, "output_expired", words)
    what = "stored" if isinstance(error, StoreError) else "fetched"
    words = (
        f"its outputs could not be {what} yet: {failure.message}; this is tried again for up to"
        f" {max(round(left / 60), 1)} minutes, until the provider removes them"
    )
    again = min(pause_of(0, COLLECT_AGAIN, COLLECT_AGAIN), max(left / 2, 1.0))
    raise LetGoError(again, failure.code, words)


async def _fail_spent(
    execution: Execution, around: Surroundings, prediction: Prediction, code: str, message: str
) -> str:
    """End a job that came to nothing although its prediction was made and is charged."""
    spent = is_spent(prediction)
    words = f"{message}; the prediction was made, so its cost is charged" if spent else message
    failure = AttemptFailedError(code, words, retryable=False)
    await sweep(execution, around)
    await doom_own(execution, around)
    outcome = await finish(
        execution, around.database, "failed", prediction, failure=failure, spent=spent
    )
    log.warning("an attempt failed", extra={**about(execution.job), "code": code})
    return outcome
