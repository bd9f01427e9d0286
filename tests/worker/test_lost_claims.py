"""A worker that lost its claim changes nothing, in the database and in the store."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from tests.worker import media
from tests.worker.kit import ALL_STEPS, Hold, Lab

from vsl.domain.keys import key_epoch
from vsl.testing import Fail, FakeProvider, Hang, Succeed
from vsl.worker.steps import Step

OUTPUTS = (media.image(1), media.image(2))


def everything(lab: Lab, job: UUID) -> list[object]:
    """All that a worker could change of a job."""
    return [
        lab.job(job),
        lab.attempts(job),
        lab.outputs(job),
        lab.usage(job),
        lab.ledger(job),
        lab.rows("SELECT * FROM vsl.dispatch"),
    ]


@pytest.mark.parametrize("step", [step for step in ALL_STEPS if step != "finished"])
async def test_held_at_a_step_while_another_worker_ends_the_job(lab: Lab, step: Step) -> None:
    hold = Hold(step)
    loser, winner = FakeProvider(Succeed(OUTPUTS)), FakeProvider(Succeed(OUTPUTS))
    async with lab.slow_worker(loser, hold):
        job = lab.submit()
        await hold.held.wait()
        lab.lose(job)
        async with lab.worker(winner):
            await lab.ended(job)
        before = everything(lab, job)
        mine = {row["s3_key"] for row in lab.outputs(job)}
        hold.go.set()
    assert "claim lost; nothing was changed" in "".join(lab.lines.text)
    assert everything(lab, job) == before
    lab.check_completed_once(job, outputs=2)
    theirs = await lab.objects() - mine
    # What the loser had stored when it was held, or stored afterwards, lies beside the winner's.
    assert len(theirs) == (2 if step in ("recorded", "spooled", "stored") else 0)
    assert theirs <= {row["storage_key"] for row in lab.rows("SELECT * FROM vsl.doomed_objects")}
    await lab.clean()
    await lab.check_only_rows()
    assert await lab.objects() == mine


async def test_the_loser_fails_where_the_winner_succeeded(lab: Lab) -> None:
    hold = Hold("predicted")
    async with lab.slow_worker(FakeProvider(Fail("mine broke")), hold):
        job = lab.submit()
        await hold.held.wait()
        lab.lose(job)
        async with lab.worker(FakeProvider(Succeed(OUTPUTS))):
            await lab.ended(job)
        before = everything(lab, job)
        hold.go.set()
    assert everything(lab, job) == before
    assert lab.job(job)["error_message"] is None


async def test_the_loser_is_done_first(lab: Lab) -> None:
    """The winner's claim is newer, but the loser's finish would come before the winner's."""
    slow_hold, fast_hold = Hold("stored"), Hold("stored")
    async with lab.slow_worker(FakeProvider(Succeed(OUTPUTS)), slow_hold) as slow:
        job = lab.submit()
        await slow_hold.held.wait()
        lab.lose(job)
        async with lab.slow_worker(FakeProvider(Succeed(OUTPUTS)), fast_hold):
            await fast_hold.held.wait()
            slow_hold.go.set()
            slow.stop.set()
            await slow.task
            assert lab.job(job)["status"] == "processing"
            assert lab.outputs(job) == []
            fast_hold.go.set()
            await lab.ended(job)
    lab.check_completed_once(job, outputs=2)
    epochs = [row["epoch"] for row in lab.attempts(job)]
    assert {key_epoch(row["s3_key"]) for row in lab.outputs(job)} == set(epochs)
    await lab.clean()
    await lab.check_only_rows()


async def test_a_heartbeat_calls_off_what_was_lost(lab: Lab) -> None:
    hang = Hang()
    async with lab.worker(FakeProvider(hang), concurrency=1) as slow:
        job = lab.submit()
        await hang.started.wait()
        slow.worker.lanes = ["nothing-more"]
        lab.lose(job)
        (running,) = slow.worker._running.values()
        lab.rows("NOTIFY vsl_cancel")  # what makes it look at once
        await asyncio.wait([running.task], timeout=10)
        assert running.task.cancelled()
        assert slow.worker._running == {}
        async with lab.worker(FakeProvider(Succeed(OUTPUTS))):
            await lab.ended(job)
    lab.check_completed_once(job, outputs=2)


async def test_a_heartbeat_keeps_claims(lab: Lab) -> None:
    hang = Hang(then=Succeed((media.image(),)))
    async with lab.worker(FakeProvider(hang)) as running:
        job = lab.submit()
        await hang.started.wait()
        await lab.until("lease_until > now() + interval '1 s' FROM vsl.dispatch")
        lab.rows("UPDATE vsl.dispatch SET lease_until = now() + interval '2 s'")
        running.worker._beat.set()
        await lab.until("lease_until > now() + interval '20 s' FROM vsl.dispatch")
        hang.released.set()
        await lab.ended(job)
    lab.check_completed_once(job)


async def test_a_job_whose_claim_came_back_to_its_own_worker(lab: Lab) -> None:
    """After a long outage a worker can rescue, and claim, what it is still driving."""
    hold = Hold("recorded")
    provider = FakeProvider(otherwise=Succeed(OUTPUTS))
    async with lab.worker(provider, steps=hold, listen=False):
        job = lab.submit()
        await hold.held.wait()
        lab.expire()
        await lab.ended(job)
        hold.go.set()
    lab.check_completed_once(job, outputs=2)
    assert len(lab.attempts(job)) == 1
    await lab.clean()
    await lab.check_only_rows()


async def test_an_attempt_that_may_have_been_sent_is_not_sent_again(lab: Lab) -> None:
    """Unless the provider says that it does no harm."""
    hold, second = Hold("begun"), FakeProvider(safe_to_repeat=False)
    async with lab.slow_worker(FakeProvider(), hold):
        job = lab.submit()
        await hold.held.wait()
        lab.lose(job)
        async with lab.worker(second):
            await lab.ended(job, as_="failed")
        hold.go.set()
    assert second.requests == []
    assert lab.job(job)["error_code"] == "outcome_unknown"
