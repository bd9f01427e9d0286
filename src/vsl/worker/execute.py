"""One job, from its claim to its end: a straight line.

check → begin → predict → record → collect → finish. A prediction at a provider that remembers them
is followed over several claims (``remote``). Every step ends in one committed function call
or in a named failure; no provider is called while a transaction is open. Objects that were stored
in vain are handed to removal, whatever happened.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from vsl.domain.jobs import ClaimedJob
from vsl.domain.provider import Prediction, PredictionRequest, Provider
from vsl.errors import ProviderError
from vsl.jobs.inputs import build_input
from vsl.storage.store import to_the_end
from vsl.worker.ends import (
    Surroundings,
    as_failure,
    clear_away,
    collect_all,
    doom_own,
    end,
    require_input,
    require_success,
    sweep,
)
from vsl.worker.records import (
    AttemptFailedError,
    ClaimLostError,
    Execution,
    about,
    begin,
    fail,
    record,
)
from vsl.worker.remote import LetGoError, drive_remote, is_remote, let_go
from vsl.worker.tasks import call_off

log = logging.getLogger(__name__)

#: Seconds between two requests to cancel a prediction that has not ended.
CANCEL_EVERY = 1.0
#: Seconds until another worker may take a job that this one has no provider for.
NOT_HERE = 30.0


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
            failure = await as_failure(job, error)
        # Before the end is written: a worker that is killed in between comes here once more.
        await sweep(execution, around)
        await doom_own(execution, around)
        return await fail(execution, around.database, failure)
    finally:
        # Also when this task is called off, perhaps for the second time.
        await to_the_end(clear_away(execution, around))


async def _drive(execution: Execution, around: Surroundings) -> str:
    job = execution.job
    provider = around.providers.get(job.provider)
    if provider is None:
        if job.attempt_id is not None:
            # A prediction may run there: somebody else's worker follows it.
            words = f"the worker that took the job has no provider {job.provider}"
            missing = LetGoError(NOT_HERE, "provider_not_configured", words)
            return await let_go(execution, around.database, missing)
        raise AttemptFailedError(
            "provider_not_configured",
            f"the worker that took the job has no provider {job.provider}",
            retryable=True,
        )
    if is_remote(provider):
        return await drive_remote(execution, around, provider)
    return await _drive_held(execution, around, cast(Provider, provider))


async def _drive_held(execution: Execution, around: Surroundings, provider: Provider) -> str:
    """Drive a job whose prediction is one request, held open until it ends."""
    job, steps = execution.job, around.tools.steps
    require_input(job)
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
        return await end(execution, around, "cancelled", None)
    if sent_before and not provider.safe_to_repeat:
        raise AttemptFailedError(
            "outcome_unknown",
            "its worker was lost, and whether the provider got the request is not known",
            retryable=False,
        )
    prediction, rows = await _work(execution, around, provider, request)
    if prediction.status == "canceled":
        return await end(execution, around, "cancelled", prediction)
    outcome = await end(execution, around, "completed", prediction, rows)
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
            await require_success(job, prediction)
            return prediction, await collect_all(execution, around, provider, prediction)
    except TimeoutError:
        if not limit.expired():
            raise
        if prediction is None:
            await _cancel(job, provider, request)
        words = f"the attempt took longer than the model's {request.timeout:g} seconds"
        raise AttemptFailedError("timeout", words, retryable=True) from None


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
