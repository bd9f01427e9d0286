"""vsl.cancel_job and vsl.retry_job: what people ask of a job."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from tests.engine.kit import PRICE, Engine

VS_MOVE_REFUSED, VS_NO_SUCH_JOB = "VS002", "VS004"


def refused(call: Any, *arguments: Any) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        call(*arguments)
    return caught.value


def test_before_any_claim_a_cancel_ends_the_job(engine: Engine) -> None:
    job = engine.submit()
    assert engine.cancel(job.job_id) == "cancelled"
    row = engine.job(job.id)
    assert (row["status"], row["actual_cost"], row["completed_at"]) == ("cancelled", 0, None)
    assert row["cancel_requested_at"] is not None
    assert engine.dispatch(job.id) is None
    assert engine.ledger(job.id) == [(1, "hold", PRICE, 0), (1, "release", -PRICE, 0)]
    assert engine.usage(job.id)[0]["api_calls_count"] == 0
    assert engine.broken_rules() == []


def test_between_claim_and_begin_a_cancel_ends_the_job(engine: Engine) -> None:
    job = engine.submit()
    claim = engine.claim_one()
    assert engine.cancel(job.job_id) == "cancelled"
    assert engine.begin_one(claim).result == "stale"
    assert engine.extend(claim) == []
    assert engine.finish_one(claim, None, outcome="failed") == "stale"
    assert engine.status(job.id) == "cancelled"
    assert engine.broken_rules() == []


def test_during_an_attempt_a_cancel_is_a_request(engine: Engine) -> None:
    claim, begun = engine.started()
    assert engine.cancel(claim.job_id) == "requested"
    first = engine.job(claim.id)
    assert (first["status"], first["cancel_requested_at"] is not None) == ("processing", True)
    assert [kept.cancel_requested for kept in engine.extend(claim)] == [True]
    assert engine.cancel(claim.job_id) == "requested"
    assert engine.job(claim.id)["cancel_requested_at"] == first["cancel_requested_at"]
    assert engine.broken_rules() == []
    assert engine.finish_one(claim, begun, outcome="cancelled") == "finished"
    assert engine.status(claim.id) == "cancelled"


def test_a_job_that_is_completed_all_the_same_is_paid(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.cancel(claim.job_id)
    assert engine.finish_one(claim, begun) == "finished"
    assert engine.status(claim.id) == "completed"
    assert engine.job(claim.id)["actual_cost"] == PRICE


def test_the_request_reaches_the_next_claim(engine: Engine) -> None:
    claim, _ = engine.started()
    engine.cancel(claim.job_id)
    engine.expire(claim.id)
    engine.rescue()
    assert engine.claim_one(worker="w2").cancel_requested is True


def test_between_two_attempts_a_cancel_ends_the_job(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.fail(claim, begun)
    assert engine.cancel(claim.job_id) == "cancelled"
    assert engine.status(claim.id) == "cancelled"
    assert engine.attempts(claim.id)[0]["outcome"] == "failed"
    assert engine.usage(claim.id)[0]["api_calls_count"] == 1
    assert engine.broken_rules() == []


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_final_status_is_not_cancelled(engine: Engine, outcome: str) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun, outcome=outcome)
    error = refused(engine.cancel, claim.job_id)
    assert error.sqlstate == VS_MOVE_REFUSED
    assert outcome in str(error.diag.message_primary)
    assert engine.job(claim.id)["cancel_requested_at"] is None


def test_a_cancelled_job_stays_as_it_is(engine: Engine) -> None:
    job = engine.submit()
    engine.cancel(job.job_id)
    before = engine.job(job.id)
    assert engine.cancel(job.job_id) == "cancelled"
    assert engine.job(job.id) == before


def test_a_tracked_job_is_cancelled_at_once(engine: Engine) -> None:
    engine.add_model("theirs", provider="external")
    job = engine.submit("theirs")
    assert engine.cancel(job.job_id) == "cancelled"
    assert engine.cancel(job.job_id) == "cancelled"
    assert engine.status(job.id) == "cancelled"
    assert engine.ledger(job.id) == []


@pytest.mark.parametrize("call", ["cancel", "retry"])
def test_an_unknown_job_is_said_to_be_unknown(engine: Engine, call: str) -> None:
    error = refused(getattr(engine, call), "job_of_nobody")
    assert error.sqlstate == VS_NO_SUCH_JOB
    assert error.diag.message_primary == "there is no job 'job_of_nobody'"


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_retry_is_a_new_run_at_todays_price(engine: Engine, outcome: str) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun, outcome=outcome, error_code="x", error_message="y")
    engine.connection.execute(
        "UPDATE model_configurations SET pricing_per_unit = 0.4, max_attempts = 5, lane = 'new'"
        " WHERE model_id = 'painter'"
    )
    engine.retry(claim.job_id)
    job = engine.job(claim.id)
    assert (job["status"], job["retry_count"], job["estimated_cost"]) == (
        "pending",
        1,
        Decimal("0.4"),
    )
    assert (job["error_code"], job["error_message"], job["cancel_requested_at"]) == (None,) * 3
    row = engine.dispatch(claim.id)
    assert row is not None
    assert (row["run"], row["held"], row["lane"]) == (2, Decimal("0.4"), "new")
    assert (row["attempts"], row["max_attempts"], row["rescues"]) == (0, 5, 0)
    assert engine.broken_rules() == []
    again = engine.claim_one(lanes=["new"])
    assert again.run == 2
    engine.finish_one(again, engine.begin_one(again))
    assert engine.ledger(claim.id) == [
        (1, "hold", PRICE, 0),
        (1, "release", -PRICE, 0),
        (2, "hold", Decimal("0.4"), 0),
        (2, "settle", Decimal("-0.4"), Decimal("0.4")),
    ]
    assert [(u["run"], u["actual_cost"]) for u in engine.usage(claim.id)] == [
        (1, 0),
        (2, Decimal("0.4")),
    ]
    assert engine.job(claim.id)["actual_cost"] == Decimal("0.4")
    assert engine.broken_rules() == []


def test_the_first_runs_worker_is_stale_in_the_second(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun, outcome="failed")
    engine.retry(claim.job_id)
    assert engine.finish_one(claim, begun) == "repeated"
    assert engine.begin_one(claim).result == "stale"
    assert engine.hand_back(claim) == []
    assert engine.status(claim.id) == "pending"
    assert engine.broken_rules() == []


@pytest.mark.parametrize("status", ["pending", "processing", "completed"])
def test_only_failed_and_cancelled_jobs_are_retried(engine: Engine, status: str) -> None:
    job = engine.submit()
    if status != "pending":
        claim = engine.claim_one()
        begun = engine.begin_one(claim)
        if status == "completed":
            engine.finish_one(claim, begun)
    error = refused(engine.retry, job.job_id)
    assert error.sqlstate == VS_MOVE_REFUSED
    assert status in str(error.diag.message_primary)
    assert engine.status(job.id) == status


@pytest.mark.parametrize(
    ("change", "constraint"),
    [("is_active = false", "jobs_model_active"), ("pricing_per_unit = NULL", "jobs_model_priced")],
)
def test_a_retry_asks_the_registry_as_a_submission_does(
    engine: Engine, change: str, constraint: str
) -> None:
    job = engine.submit()
    engine.cancel(job.job_id)
    engine.connection.execute(f"UPDATE model_configurations SET {change}".encode())  # noqa: S608
    error = refused(engine.retry, job.job_id)
    assert error.diag.constraint_name == constraint
    assert (engine.status(job.id), engine.dispatch(job.id)) == ("cancelled", None)


def test_a_model_that_is_gone_is_not_retried(engine: Engine) -> None:
    job = engine.submit()
    engine.cancel(job.job_id)
    engine.connection.execute("DELETE FROM model_configurations WHERE model_id = 'painter'")
    assert refused(engine.retry, job.job_id).sqlstate == VS_MOVE_REFUSED


def test_a_tracked_job_is_retried_without_money(engine: Engine) -> None:
    engine.add_model("theirs", provider="external")
    job = engine.submit("theirs")
    engine.cancel(job.job_id)
    engine.retry(job.job_id)
    assert (engine.status(job.id), engine.dispatch(job.id)) == ("pending", None)
    assert engine.ledger(job.id) == []


def test_a_cancelled_second_run_can_be_retried_too(engine: Engine) -> None:
    job = engine.submit()
    for _ in range(3):
        engine.cancel(job.job_id)
        engine.retry(job.job_id)
    row = engine.dispatch(job.id)
    assert row is not None
    assert row["run"] == 4
    assert engine.job(job.id)["retry_count"] == 3
    assert len(engine.usage(job.id)) == 3
    assert engine.broken_rules() == []
