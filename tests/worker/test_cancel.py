"""Cancelling a job at every point of its life."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from tests.worker import media
from tests.worker.kit import ON_18, Hold, Lab

from vsl.domain.provider import PredictionRequest
from vsl.errors import ProviderError
from vsl.testing import Fail, FakeProvider, Hang, Succeed


def released(lab: Lab, job: UUID) -> None:
    """The job is cancelled and its money was given back."""
    row = lab.job(job)
    assert (row["status"], row["actual_cost"]) == ("cancelled", Decimal(0))
    assert row["cancel_requested_at"] is not None
    assert lab.ledger(job) == ["hold", "release"]
    assert lab.outputs(job) == []


async def test_before_a_worker_comes(lab: Lab) -> None:
    job = lab.submit()
    assert lab.cancel(job) == "cancelled"
    provider = FakeProvider(otherwise=Succeed((media.image(),)))
    async with lab.worker(provider):
        other = lab.submit()
        await lab.ended(other)
    assert len(provider.requests) == 1
    released(lab, job)


async def test_between_claim_and_attempt(lab: Lab) -> None:
    provider, hold = FakeProvider(), Hold("claimed")
    async with lab.worker(provider, steps=hold):
        job = lab.submit()
        await hold.held.wait()
        assert lab.cancel(job) == "cancelled"
        hold.go.set()
    assert provider.requests == []
    assert "claim lost; nothing was changed" in "".join(lab.lines.text)
    released(lab, job)


async def test_after_the_intent_and_before_the_request(lab: Lab) -> None:
    provider, hold = FakeProvider(), Hold("begun")
    async with lab.worker(provider, steps=hold) as running:
        job = lab.submit()
        await hold.held.wait()
        assert lab.cancel(job) == "requested"
        (held,) = running.worker._running.values()
        await held.execution.cancel.wait()
        hold.go.set()
        await lab.ended(job, as_="cancelled")
    assert provider.requests == []
    released(lab, job)


async def test_in_the_middle_of_a_prediction(lab: Lab) -> None:
    hang = Hang()
    provider = FakeProvider(hang)
    async with lab.worker(provider):
        job = lab.submit()
        await hang.started.wait()
        assert lab.cancel(job) == "requested"
        await lab.ended(job, as_="cancelled")
    assert provider.cancelled == provider.requests
    released(lab, job)


class Deaf(FakeProvider):
    """Refuses the first wishes to cancel."""

    async def cancel(self, request: PredictionRequest) -> None:
        if len(self.cancelled) < 2:
            self.cancelled.append(request)
            raise ProviderError(f"cannot cancel {request.input['prompt']}")
        await super().cancel(request)


@ON_18
async def test_a_provider_that_refuses_at_first_is_asked_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsl.worker.execute.CANCEL_EVERY", 0.01)
    hang = Hang()
    provider = Deaf(hang)
    async with lab.worker(provider):
        job = lab.submit()
        await hang.started.wait()
        lab.cancel(job)
        await lab.ended(job, as_="cancelled")
    assert len(provider.cancelled) == 3
    released(lab, job)


async def test_success_wins_when_it_comes_first(lab: Lab) -> None:
    provider, hold = FakeProvider(Succeed((media.image(),))), Hold("predicted")
    async with lab.worker(provider, steps=hold):
        job = lab.submit()
        await hold.held.wait()
        assert lab.cancel(job) == "requested"
        hold.go.set()
        await lab.ended(job)
    lab.check_completed_once(job)


@pytest.mark.parametrize("step", ["spooled", "stored"])
async def test_while_collecting_the_media_that_was_made_is_kept(lab: Lab, step: str) -> None:
    hold = Hold(step)  # type: ignore[arg-type]
    async with lab.worker(FakeProvider(Succeed((media.image(),))), steps=hold) as running:
        job = lab.submit()
        await hold.held.wait()
        assert lab.cancel(job) == "requested"
        (held,) = running.worker._running.values()
        await held.execution.cancel.wait()
        hold.go.set()
        await lab.ended(job)
    lab.check_completed_once(job)


async def test_a_failure_after_the_wish_ends_as_cancelled(lab: Lab) -> None:
    hold = Hold("predicted")
    provider = FakeProvider(Fail("busy", retryable=True))
    async with lab.worker(provider, steps=hold):
        job = lab.submit()
        await hold.held.wait()
        lab.cancel(job)
        hold.go.set()
        await lab.ended(job, as_="cancelled")
    assert len(provider.requests) == 1
    released(lab, job)


async def test_while_it_waits_for_another_attempt(lab: Lab) -> None:
    provider = FakeProvider(Fail("busy", retryable=True))
    async with lab.worker(provider):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        assert lab.cancel(job) == "cancelled"
    assert len(provider.requests) == 1
    released(lab, job)


async def test_a_lost_job_that_is_cancelled_is_not_sent_again(lab: Lab) -> None:
    first, second, hold = FakeProvider(Succeed((media.image(),))), FakeProvider(), Hold("begun")
    async with lab.slow_worker(first, hold):
        job = lab.submit()
        await hold.held.wait()
        lab.cancel(job)
        lab.lose(job)
        async with lab.worker(second):
            await lab.ended(job, as_="cancelled")
        hold.go.set()
    assert second.requests == []
    # It may run at the provider: that is asked to stop it.
    assert [str(r.prediction_id) for r in second.cancelled] == [str(lab.attempts(job)[0]["id"])]
    released(lab, job)


async def test_a_person_elsewhere_stops_the_prediction(lab: Lab) -> None:
    hang = Hang()
    provider = FakeProvider(hang)
    async with lab.worker(provider):
        job = lab.submit()
        await hang.started.wait()
        await provider.cancel(provider.requests[0])
        await lab.ended(job, as_="failed")
    row = lab.job(job)
    assert (row["error_code"], row["retry_count"]) == ("prediction_canceled", 0)
    assert lab.ledger(job) == ["hold", "release"]
