"""Jobs whose predictions run at a provider that remembers them, in every turn they can take."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.support.waiting import wait_until_async
from tests.worker import media
from tests.worker.kit import CANARY, Hold, Lab
from tests.worker.remote import (
    HERE,
    IMAGE,
    TWO,
    add_models,
    age,
    check_once,
    dispatch,
    in_phase,
    make_due,
    provider,
    without_pauses,
)

from vsl.errors import ProviderError, StoreError, Throttled
from vsl.testing.remote import LoseRequest, Make, Refuse


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    add_models(lab)
    without_pauses(monkeypatch)


def job_of(lab: Lab, **fields: Any) -> UUID:
    return lab.submit("flux", **fields)


def released(lab: Lab, job: UUID, status: str) -> None:
    row = lab.job(job)
    assert (row["status"], row["actual_cost"]) == (status, Decimal(0))
    assert lab.ledger(job) == ["hold", "release"]


def charged(lab: Lab, job: UUID, code: str) -> None:
    """The job failed, and its money was spent all the same."""
    row = lab.job(job)
    assert (row["status"], row["error_code"]) == ("failed", code)
    assert row["actual_cost"] == Decimal("0.25")
    assert "its cost is charged" in row["error_message"]
    assert lab.ledger(job) == ["hold", "settle"]
    assert lab.outputs(job) == []


# The straight way.


async def test_a_prediction_that_takes_a_while(lab: Lab) -> None:
    made = provider(lab, Make(TWO.files, looks=3))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job)
    check_once(lab, made, job, outputs=2)
    assert len(made.reads) == 4
    (request,) = made.created
    assert dict(request.configuration) == {"tier": "fast", "owner": "acme", "name": "flux"}
    assert request.timeout == 600


async def test_an_answer_that_is_the_end(lab: Lab) -> None:
    made = provider(lab)
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job)
    check_once(lab, made, job)
    assert made.reads == []


async def test_waiting_jobs_occupy_no_worker(lab: Lab) -> None:
    made = provider(lab, otherwise=Make(IMAGE.files, looks=None))
    async with lab.worker(made, concurrency=1, **HERE) as running:
        jobs = [job_of(lab) for _ in range(4)]
        for job in jobs:
            await lab.until("count(*) = 1 FROM vsl.attempts WHERE job_id = %s", job)
        assert len(running.worker._running) <= 1
    rows = lab.rows("SELECT phase, rescues, attempts FROM vsl.dispatch")
    assert [tuple(row.values()) for row in rows] == [("wait", 0, 1)] * 4
    assert len(made.made) == 4


@pytest.mark.parametrize(
    ("seconds", "least", "most"), [(0, 0.3, 0.6), (20, 7.9, 13), (500, 23.9, 36)]
)
async def test_the_pause_grows_with_the_age(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, seconds: float, least: float, most: float
) -> None:
    """The model is said to take a second, so the first look comes before the usual two."""
    monkeypatch.undo()
    made, hold = provider(lab, Make(IMAGE.files, looks=None)), Hold("waiting")
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "wait")
    age(lab, job, seconds)
    lab.rows("UPDATE vsl.dispatch SET due_at = now()")
    async with lab.worker(made, steps=hold, **HERE):
        await hold.held.wait()
        query = "SELECT extract(epoch FROM due_at - now())::float AS left FROM vsl.dispatch"
        assert least < lab.row(query)["left"] <= most
        hold.go.set()


# Lost answers.


async def test_an_answer_lost_after_the_prediction_was_made(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, looks=1, lost=True))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job)
    check_once(lab, made, job)
    assert len(made.created) == 1


async def test_an_answer_lost_before_waits_for_a_complete_list(lab: Lab) -> None:
    made = provider(lab, LoseRequest(), unsettled=3)
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.until("error_code = 'answer_lost' FROM jobs WHERE id = %s", job)
        await lab.until("phase = 'backoff' FROM vsl.dispatch WHERE job_id = %s", job)
        assert made.searches == 4
        assert len(made.created) == 1
        make_due(lab)
        await lab.ended(job)
    lab.check_completed_once(job)
    assert len(made.made) == 1
    first, second = lab.attempts(job)
    assert (first["error_code"], first["cost"], second["cost"]) == (
        "absent",
        Decimal(0),
        Decimal("0.25"),
    )


async def test_an_error_that_nobody_foresaw_is_a_lost_answer(lab: Lab) -> None:
    async def surprise(_: object) -> None:
        raise RuntimeError(CANARY)

    made = provider(lab, on_made=surprise)
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job)
    check_once(lab, made, job)


async def test_two_matches_wait_for_a_person(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, lost=True, copies=2))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.until("error_code = 'ambiguous' FROM jobs WHERE id = %s", job)
        await in_phase(lab, job, "unknown")
        words = lab.job(job)["error_message"]
        assert all(prediction in words for prediction in made.made)
        assert f"vsl jobs resolve {lab.job(job)['job_id']}" in words
        left = "due_at > now() + interval '300 days' AS far FROM vsl.dispatch"
        assert lab.row(f"SELECT {left}")["far"]
        lab.rows(
            "SELECT vsl.resolve_job(job_id, 'adopt', %s) FROM jobs WHERE id = %s",
            made.made[1],
            job,
        )
        await lab.ended(job)
    lab.check_completed_once(job)
    assert lab.attempts(job)[0]["provider_id"] == made.made[1]
    assert len(made.created) == 1
    (act,) = lab.rows("SELECT act, subject, detail FROM vsl.audit_entries")
    assert (act["act"], act["subject"]) == ("resolve job", lab.job(job)["job_id"])
    assert act["detail"]["decision"] == "adopt"


async def test_two_jobs_with_the_same_input_share_no_prediction(lab: Lab) -> None:
    """Both answers are lost, and one prediction was made: only one job has it."""
    made = provider(lab, Make(IMAGE.files, looks=1, lost=True), LoseRequest())
    async with lab.worker(made, concurrency=2, **HERE):
        jobs = [job_of(lab) for _ in range(2)]
        await lab.until("count(*) >= 1 FROM jobs WHERE status = 'completed'")
        await lab.until(
            "count(*) = 1 FROM vsl.attempts WHERE outcome = 'failed' AND error_code = 'absent'"
        )
        make_due(lab)
        await lab.ended(*jobs)
    for job in jobs:
        lab.check_completed_once(job)
    assert len(made.made) == 2
    assert len({lab.attempts(job)[-1]["provider_id"] for job in jobs}) == 2


async def test_a_prediction_that_another_job_adopted_is_not_shared(lab: Lab) -> None:
    """One job's prediction is found by another, whose answer was lost, before it is recorded."""
    made, hold = provider(lab, LoseRequest(), unsettled=99), Hold("predicted")
    async with lab.worker(made, **HERE):
        lost = job_of(lab)
        await in_phase(lab, lost, "unknown")
    async with lab.worker(made, steps=hold, **HERE):
        lab.rows("UPDATE vsl.dispatch SET due_at = now() + interval '1 hour'")
        slow = job_of(lab)
        await hold.held.wait()
        async with lab.worker(made, **HERE):
            lab.rows("UPDATE vsl.dispatch SET due_at = now() WHERE job_id = %s", lost)
            lab.rows("NOTIFY vsl_work, 'replicate'")
            await lab.ended(lost)
        hold.go.set()
        await lab.until("phase = 'backoff' FROM vsl.dispatch WHERE job_id = %s", slow)
        make_due(lab)
        await lab.ended(slow)
    assert lab.attempts(slow)[0]["error_code"] == "prediction_taken"
    assert len(made.made) == 2
    for job in (lost, slow):
        lab.check_completed_once(job)


async def test_a_job_that_was_changed_since_is_not_sent_again(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, lost=True), unsettled=0)
    hold = Hold("waiting")
    async with lab.worker(made, steps=hold, **HERE):
        job = job_of(lab)
        await hold.held.wait()
        lab.rows("UPDATE jobs SET prompt = 'something else' WHERE id = %s", job)
        hold.go.set()
        await lab.until("error_code = 'ambiguous' FROM jobs WHERE id = %s", job)
    assert len(made.created) == 1
    assert dispatch(lab, job)["phase"] == "unknown"
    lab.rows("SELECT vsl.resolve_job(job_id, 'give-up') FROM jobs WHERE id = %s", job)
    assert lab.job(job)["error_code"] == "outcome_unknown"
    assert lab.ledger(job) == ["hold", "settle"]


# Throttled and refused.


async def test_throttled_jobs_wait_without_using_up_attempts(lab: Lab) -> None:
    throttled = Refuse(Throttled("slow down", retry_after=30))
    made = provider(lab, *[throttled] * 5)
    async with lab.worker(made, **HERE):
        job, epoch = job_of(lab), 0
        for number in range(1, 6):
            # Each claim has an epoch of its own: this is the one after the last look here.
            await lab.until(
                "epoch > %s AND worker IS NULL AND due_at > now() + interval '25 seconds'"
                " FROM vsl.dispatch WHERE job_id = %s",
                epoch,
                job,
            )
            epoch = dispatch(lab, job)["epoch"]
            assert len(made.created) == number
            assert (dispatch(lab, job)["attempts"], lab.attempts(job)) == (0, [])
            assert lab.job(job)["error_code"] == "throttled"
            make_due(lab)
        await lab.ended(job)
    check_once(lab, made, job)


async def test_a_throttled_look_is_one_more_wait(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, looks=2))
    made.broken = Throttled("slow down", retry_after=30)
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.until(
            "due_at > now() + interval '25 seconds' FROM vsl.dispatch WHERE job_id = %s", job
        )
        made.broken = None
        make_due(lab)
        await lab.ended(job)
    check_once(lab, made, job)


async def test_what_the_provider_refuses_fails(lab: Lab) -> None:
    made = provider(lab, Refuse(ProviderError(f"no such version for {CANARY}")))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job, as_="failed")
    assert made.made == []
    released(lab, job, "failed")


async def test_a_failure_of_the_model(lab: Lab) -> None:
    made = provider(lab, Make(looks=1, ends="failed", error=f"cannot draw {CANARY}"))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_code"] == "prediction_failed"
    released(lab, job, "failed")


async def test_a_failure_that_may_pass_is_sent_again_once_it_is_known(lab: Lab) -> None:
    made = provider(lab, Make(looks=1, ends="failed", retryable=True))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.until("phase = 'backoff' FROM vsl.dispatch WHERE job_id = %s", job)
        make_due(lab)
        await lab.ended(job)
    assert len(made.made) == 2
    lab.check_completed_once(job)


async def test_a_prediction_that_cannot_be_read_is_not_forgotten(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, looks=1))
    made.broken = ProviderError("the token is not valid")
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "unknown")
        assert "cannot be read" in lab.job(job)["error_message"]
        made.broken = None
        make_due(lab)
        await lab.ended(job)
    check_once(lab, made, job)


async def test_a_worker_without_the_provider_leaves_a_prediction_alone(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, looks=None))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "wait")
    lab.rows("UPDATE vsl.dispatch SET due_at = now()")
    async with lab.worker(**HERE):
        await lab.until("error_code = 'provider_not_configured' FROM jobs WHERE id = %s", job)
    assert dispatch(lab, job)["phase"] == "wait"
    assert lab.attempts(job)[0]["outcome"] is None


# Cancelling, and the deadline.


async def test_cancelled_before_the_request(lab: Lab) -> None:
    made, hold = provider(lab), Hold("begun")
    async with lab.worker(made, steps=hold, **HERE) as running:
        job = job_of(lab)
        await hold.held.wait()
        lab.cancel(job)
        (held,) = running.worker._running.values()
        await held.execution.cancel.wait()
        hold.go.set()
        await lab.ended(job, as_="cancelled")
    assert made.created == []
    released(lab, job, "cancelled")


async def test_cancelled_while_it_waits(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, however long the pause."""
    monkeypatch.undo()
    made = provider(lab, Make(IMAGE.files, looks=None))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "wait")
        lab.rows("UPDATE vsl.dispatch SET due_at = now() + interval '1 hour'")
        assert lab.cancel(job) == "requested"
        await lab.ended(job, as_="cancelled")
    assert made.stopped == made.made
    released(lab, job, "cancelled")
    assert lab.attempts(job)[0]["provider_status"] == "aborted"


async def test_success_wins_against_a_late_wish(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, looks=1))
    hold = Hold("waiting")
    async with lab.worker(made, steps=hold, **HERE):
        job = job_of(lab)
        await hold.held.wait()
        provider(lab)._save({**made._load(made.made[0]), "status": "succeeded", "looks": 0})
        lab.cancel(job)
        hold.go.set()
        await lab.ended(job)
    check_once(lab, made, job)


async def test_cancelled_while_the_answer_is_lost(lab: Lab) -> None:
    """The wish is kept until it is known what there is to stop."""
    made = provider(lab, Make(IMAGE.files, looks=None, lost=True))
    made.broken = ProviderError("the list does not answer", retryable=True)
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "unknown")
        assert lab.cancel(job) == "requested"
        assert lab.job(job)["status"] == "processing"
        made.broken = None
        make_due(lab)
        await lab.ended(job, as_="cancelled")
    assert made.stopped == made.made
    assert len(made.made) == 1
    released(lab, job, "cancelled")


async def test_cancelled_and_never_made(lab: Lab) -> None:
    made = provider(lab, LoseRequest(), unsettled=10_000)
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "unknown")
        lab.cancel(job)
        made.unsettled = 0
        make_due(lab)
        await lab.ended(job, as_="cancelled")
    assert made.made == []
    released(lab, job, "cancelled")


async def test_a_throttled_job_that_is_cancelled_ends(lab: Lab) -> None:
    made, hold = provider(lab, Refuse(Throttled("wait", retry_after=30))), Hold("begun")
    async with lab.worker(made, steps=hold, listen=False, **HERE):
        job = job_of(lab)
        await hold.held.wait()
        assert lab.cancel(job) == "requested"
        hold.go.set()
        await lab.ended(job, as_="cancelled")
    released(lab, job, "cancelled")
    assert made.made == []


@pytest.mark.parametrize(("started", "retried"), [(False, True), (True, False)])
async def test_past_its_time_it_is_stopped_and_read(lab: Lab, started: bool, retried: bool) -> None:
    made = provider(lab, Make(IMAGE.files, looks=None))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await in_phase(lab, job, "wait")
        assert made.stopped == []
        if started:
            made._save({**made._load(made.made[0]), "status": "processing"})
        age(lab, job, 631)
        await lab.until("outcome IS NOT NULL FROM vsl.attempts WHERE job_id = %s", job)
        if retried:
            make_due(lab)
            await lab.ended(job)
        else:
            await lab.ended(job, as_="failed")
    (attempt, *_) = lab.attempts(job)
    assert (attempt["outcome"], attempt["error_code"]) == ("failed", "timeout")
    assert len(made.made) == 1 + retried
    assert made.stopped[:1] == made.made[:1]


async def test_a_person_elsewhere_stops_it(lab: Lab) -> None:
    made = provider(lab, Make(IMAGE.files, looks=1, ends="canceled"))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_code"] == "prediction_canceled"
    assert len(made.made) == 1


# Custody.


class Down:
    """A store that refuses to take anything while it is down."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.down = True
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def has_refused(self, count: int) -> None:
        async def ask() -> bool:
            return self.refused >= count

        await wait_until_async(ask, what="refusals")

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, content_type: str) -> Any:
        if self.down:
            self.refused += 1
            raise StoreError("the store cannot be reached")
        return await self._store.put(key, chunks, content_type=content_type)


async def test_the_store_being_down_costs_time_only(lab: Lab) -> None:
    made, store = provider(lab, Make(TWO.files, looks=1)), Down(lab.store)
    async with lab.worker(made, store=store, **HERE):  # type: ignore[arg-type]
        job = job_of(lab)
        await store.has_refused(3)
        row = lab.job(job)
        assert (row["status"], row["error_code"]) == ("processing", "store_error")
        assert "for up to 60 minutes" in row["error_message"]
        assert dispatch(lab, job)["phase"] == "collect"
        assert dispatch(lab, job)["attempts"] == 1
        store.down = False
        await lab.ended(job)
    check_once(lab, made, job, outputs=2)
    # It was read until it had ended; what was recorded then was enough.
    assert len(made.reads) == 2


async def test_when_the_outputs_have_expired_the_money_is_gone(lab: Lab) -> None:
    made, store = provider(lab), Down(lab.store)
    async with lab.worker(made, store=store, **HERE):  # type: ignore[arg-type]
        job = job_of(lab)
        await store.has_refused(2)
        lab.rows("UPDATE vsl.attempts SET outputs_expire_at = now()")
        await lab.ended(job, as_="failed")
    charged(lab, job, "output_expired")


async def test_outputs_that_are_gone_are_charged(lab: Lab) -> None:
    made, hold = provider(lab), Hold("recorded")
    async with lab.worker(made, steps=hold, **HERE):
        job = job_of(lab)
        await hold.held.wait()
        assert dispatch(lab, job)["phase"] == "collect"
        made.gone = True
        hold.go.set()
        await lab.ended(job, as_="failed")
    charged(lab, job, "output_expired")
    assert len(made.made) == 1


async def test_a_file_that_is_not_what_it_should_be_was_paid_for(lab: Lab) -> None:
    made = provider(lab, Make((media.sound(),)))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job, as_="failed")
    charged(lab, job, "output_invalid")


async def test_no_file_at_all_was_paid_for(lab: Lab) -> None:
    made = provider(lab, Make(()))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job, as_="failed")
    charged(lab, job, "output_invalid")


# What it costs the database.


#: Every function that a worker calls for a job.
CALLED = re.compile(
    r"vsl\.(begin_attempts|record_prediction|release_jobs|defer_job|finish_jobs|fail_job"
    r"|free_predictions|doom_objects|hand_back_jobs)\("
)
#: The client's own two: the INSERT, and the notification after it.
SUBMISSION = 2


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of a worker in this process, as they are sent."""
    called: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def counting(cursor: Any, query: Any, *more: Any, **options: Any) -> Any:
        called.extend(CALLED.findall(query.decode() if isinstance(query, bytes) else str(query)))
        return await execute(cursor, query, *more, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counting)
    return called


@pytest.mark.parametrize(
    ("looks", "calls"),
    [
        (0, ["begin_attempts", "record_prediction", "finish_jobs"]),
        (
            1,
            [
                *("begin_attempts", "record_prediction", "release_jobs"),
                *("record_prediction", "release_jobs"),
                *("record_prediction", "finish_jobs"),
            ],
        ),
    ],
)
async def test_a_job_takes_few_statements(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, looks: int, calls: list[str]
) -> None:
    """At most twelve: also when a look finds it at work, and says that it began."""
    called = count_calls(monkeypatch)
    made = provider(lab, Make(IMAGE.files, looks=looks))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job)
    assert called == calls
    # Each request and each look is one claim.
    claims = len(made.created) + len(made.reads)
    assert SUBMISSION + claims + len(called) == {0: 6, 1: 12}[looks]
    check_once(lab, made, job)


async def test_a_look_that_finds_nothing_new_writes_nothing_down(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = count_calls(monkeypatch)
    made = provider(lab, Make(IMAGE.files, looks=4))
    async with lab.worker(made, **HERE):
        job = job_of(lab)
        await lab.ended(job)
    assert (called.count("record_prediction"), called.count("release_jobs")) == (3, 5)
