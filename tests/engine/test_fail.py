"""vsl.fail_job: another attempt, or the end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.engine.kit import PRICE, Engine


def pause(engine: Engine) -> float:
    """Seconds until the only job falls due."""
    (row,) = engine.all("SELECT extract(epoch FROM due_at - now()) AS pause FROM vsl.dispatch")
    return float(row["pause"])


def test_a_failure_that_may_pass_waits_for_another_attempt(engine: Engine) -> None:
    claim, begun = engine.started()
    assert engine.fail(claim, begun, processing_time=0.75) == "retried"
    assert 1.5 <= pause(engine) <= 2.4
    row = engine.dispatch(claim.id)
    assert row is not None
    assert (row["phase"], row["worker"], row["lease_until"]) == ("backoff", None, None)
    assert (row["attempt_id"], row["attempts"], row["held"]) == (None, 1, PRICE)
    job = engine.job(claim.id)
    assert (job["status"], job["retry_count"]) == ("processing", 1)
    assert (job["error_code"], job["error_message"]) == ("provider_error", "the model broke")
    (attempt,) = engine.attempts(claim.id)
    assert (attempt["outcome"], attempt["cost"]) == ("failed", 0)
    assert attempt["processing_time"] == Decimal("0.750")
    assert engine.usage(claim.id) == []
    assert engine.ledger(claim.id) == [(1, "hold", PRICE, 0)]
    assert engine.claim(9) == []
    assert engine.broken_rules() == []


def test_attempts_are_exhausted(engine: Engine) -> None:
    engine.submit()
    answers, pauses = [], []
    for _ in range(3):
        claim = engine.claim_one()
        answers.append(engine.fail(claim, engine.begin_one(claim)))
        if engine.dispatch(claim.id):
            pauses.append(pause(engine))
            engine.make_due(claim.id)
    assert answers == ["retried", "retried", "failed"]
    assert 1.5 <= pauses[0] <= 2.4
    assert 3.1 <= pauses[1] <= 4.8
    job = engine.job(claim.id)
    assert (job["status"], job["retry_count"], job["actual_cost"]) == ("failed", 2, 0)
    assert [a["number"] for a in engine.attempts(claim.id)] == [1, 2, 3]
    assert engine.usage(claim.id)[0]["api_calls_count"] == 3
    assert engine.ledger(claim.id) == [(1, "hold", PRICE, 0), (1, "release", -PRICE, 0)]
    assert engine.broken_rules() == []


def test_pauses_double_up_to_ten_minutes_within_a_fifth(engine: Engine) -> None:
    rows = engine.all(
        "SELECT n, min(s) AS least, max(s) AS most FROM generate_series(1, 100) AS n,"
        " LATERAL (SELECT vsl.backoff_seconds(n) AS s FROM generate_series(1, 40 + n * 0)) b"
        " GROUP BY n ORDER BY n"
    )
    for row in rows:
        middle = min(600, 2.0 ** row["n"])
        assert middle * 0.8 <= row["least"] < middle < row["most"] <= middle * 1.2


def test_one_that_will_not_pass_ends_the_job(engine: Engine) -> None:
    claim, begun = engine.started()
    assert engine.fail(claim, begun, retryable=False) == "failed"
    assert engine.status(claim.id) == "failed"
    assert engine.dispatch(claim.id) is None
    assert engine.attempts(claim.id)[0]["error_code"] == "provider_error"


def test_a_job_that_was_asked_to_stop_is_not_tried_again(engine: Engine) -> None:
    claim, begun = engine.started()
    assert engine.cancel(claim.job_id) == "requested"
    assert engine.fail(claim, begun) == "cancelled"
    assert engine.status(claim.id) == "cancelled"
    assert engine.ledger(claim.id)[-1] == (1, "release", -PRICE, 0)
    assert engine.broken_rules() == []


def test_a_refusal_before_any_attempt_ends_the_job(engine: Engine) -> None:
    engine.submit()
    claim = engine.claim_one()
    assert engine.fail(claim, None, code="invalid_input") == "failed"
    job = engine.job(claim.id)
    assert (job["status"], job["error_code"]) == ("failed", "invalid_input")
    assert engine.attempts(claim.id) == []
    assert engine.usage(claim.id)[0]["api_calls_count"] == 0
    assert engine.fail(claim, None, code="invalid_input") == "stale"
    assert engine.broken_rules() == []


@pytest.mark.parametrize("retryable", [True, False])
def test_the_same_failure_twice_counts_once(engine: Engine, retryable: bool) -> None:
    claim, begun = engine.started()
    engine.fail(claim, begun, retryable=retryable)
    before = engine.job(claim.id), engine.dispatch(claim.id), engine.attempts(claim.id)
    assert engine.fail(claim, begun, retryable=retryable) == "repeated"
    assert engine.fail(claim, begun, retryable=not retryable) == "repeated"
    assert before == (engine.job(claim.id), engine.dispatch(claim.id), engine.attempts(claim.id))


def test_a_failure_after_the_end_repeats_the_end(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun)
    assert engine.fail(claim, begun) == "repeated"
    assert engine.status(claim.id) == "completed"


def test_a_lost_claim_fails_nothing(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.hand_back(claim)
    later = engine.claim_one(worker="w2")
    again = engine.begin_one(later)
    before = engine.job(claim.id), engine.dispatch(claim.id), engine.attempts(claim.id)
    assert engine.fail(claim, begun) == "stale"
    assert engine.fail(claim, None) == "stale"
    assert engine.fail(later, None) == "stale"
    assert before == (engine.job(claim.id), engine.dispatch(claim.id), engine.attempts(claim.id))
    assert engine.fail(later, again) == "retried"


@pytest.mark.parametrize("retryable", [True, False])
def test_a_claim_that_ends_an_attempt_it_never_took_up_is_the_one_that_ended_it(
    engine: Engine, retryable: bool
) -> None:
    old, begun = engine.started()
    engine.hand_back(old)
    new = engine.claim_one(worker="w2")
    answer = engine.fail(new, begun, retryable=retryable)
    assert answer == ("retried" if retryable else "failed")
    assert engine.fail(new, begun, retryable=retryable) == "repeated"
    assert engine.fail(old, begun, retryable=retryable) == "stale"


@pytest.mark.parametrize("time", [-1.0, float("nan"), float("inf"), 1e12])
@pytest.mark.parametrize("retryable", [True, False])
def test_a_failure_is_recorded_whatever_the_time_it_took(
    engine: Engine, time: float, retryable: bool
) -> None:
    claim, begun = engine.started()
    answer = engine.fail(claim, begun, processing_time=time, retryable=retryable)
    assert answer == ("retried" if retryable else "failed")
    assert engine.attempts(claim.id)[0]["processing_time"] is None


def test_the_models_own_number_of_attempts_counts(engine: Engine) -> None:
    engine.add_model("once", lane="paint", max_attempts=1)
    claim, begun = engine.started(model_id="once")
    assert engine.fail(claim, begun) == "failed"


def test_a_long_message_is_kept_to_its_beginning(engine: Engine) -> None:
    claim, begun = engine.started()
    long: dict[str, Any] = {"message": "é" * 3000}
    engine.fail(claim, begun, **long)
    assert engine.job(claim.id)["error_message"] == "é" * 2000
