"""vsl.begin_attempts and vsl.record_prediction: the intent to submit, and the provider's word."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from tests.engine.kit import Engine, by_id, result

from vsl.db.statements import BeginAttempts


def test_beginning_opens_the_first_attempt_and_moves_the_status(engine: Engine) -> None:
    job = engine.submit()
    claim = engine.claim_one()
    begun = engine.begin_one(claim)
    assert (begun.id, begun.result, begun.number) == (job.id, "begun", 1)
    (attempt,) = engine.attempts(job.id)
    assert (attempt["id"], attempt["epoch"], attempt["run"]) == (begun.attempt_id, claim.epoch, 1)
    assert (attempt["provider"], attempt["model_id"]) == ("cog", "painter")
    assert (attempt["outcome"], attempt["ended_at"]) == (None, None)
    row = engine.dispatch(job.id)
    assert row is not None
    assert (row["attempt_id"], row["attempts"], row["phase"]) == (begun.attempt_id, 1, "submit")
    assert engine.status(job.id) == "processing"
    assert engine.broken_rules() == []


def test_a_batch_answers_for_each_pair(engine: Engine) -> None:
    engine.submit_many(3)
    new, open_one, lost = engine.claim(3)
    begun = engine.begin_one(open_one)
    engine.hand_back(open_one, lost)
    again, taken = sorted(engine.claim(2, worker="w2"), key=lambda job: job.id != open_one.id)
    answers = by_id(engine.begin(lost, new, again))
    assert {job: answer.result for job, answer in answers.items()} == {
        lost.id: "stale",
        new.id: "begun",
        again.id: "resumed",
    }
    assert (answers[lost.id].attempt_id, answers[lost.id].number) == (None, None)
    assert (answers[again.id].attempt_id, answers[again.id].number) == (begun.attempt_id, 1)
    assert engine.attempts(taken.id) == []
    assert engine.broken_rules() == []


def test_a_resumed_attempt_moves_to_the_new_claim(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.hand_back(claim)
    later = engine.claim_one(worker="w2")
    assert (later.attempt_id, later.attempts) == (begun.attempt_id, 1)
    resumed = engine.begin_one(later)
    assert (resumed.result, resumed.attempt_id) == ("resumed", begun.attempt_id)
    (attempt,) = engine.attempts(claim.id)
    assert attempt["epoch"] == later.epoch
    assert engine.begin_one(claim).result == "stale"


def test_beginning_again_under_the_same_claim_keeps_the_attempt(engine: Engine) -> None:
    claim, begun = engine.started()
    again = engine.begin_one(claim)
    assert (again.result, again.attempt_id) == ("resumed", begun.attempt_id)
    assert len(engine.attempts(claim.id)) == 1


def test_a_stale_pair_beside_the_current_one_is_told_apart(engine: Engine) -> None:
    engine.submit()
    old = engine.claim_one()
    engine.hand_back(old)
    new = engine.claim_one()
    begun, stale = sorted(engine.begin(old, new), key=lambda answer: answer.result)
    assert (stale.result, stale.attempt_id) == ("stale", None)
    assert begun.result == "begun"
    assert len(engine.attempts(new.id)) == 1


@pytest.mark.parametrize("how", ["handed back", "freed", "failed and waiting"])
def test_a_claim_that_is_over_begins_nothing_even_before_the_next_one(
    engine: Engine, how: str
) -> None:
    engine.submit()
    claim = engine.claim_one()
    if how == "handed back":
        engine.hand_back(claim)
    elif how == "freed":
        engine.expire(claim.id)
        engine.rescue()
    else:
        engine.fail(claim, engine.begin_one(claim))
    begun = engine.begin_one(claim)
    assert (begun.result, begun.attempt_id, begun.number) == ("stale", None, None)
    assert all(attempt["outcome"] == "failed" for attempt in engine.attempts(claim.id))


def test_an_open_attempt_is_not_shown_to_a_claim_that_is_over(engine: Engine) -> None:
    claim, _ = engine.started()
    engine.expire(claim.id)
    engine.rescue()
    begun = engine.begin_one(claim)
    assert (begun.result, begun.attempt_id) == ("stale", None)


def test_ended_and_unknown_jobs_are_stale(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun)
    assert engine.begin_one(claim).result == "stale"
    (answer,) = engine.rows(BeginAttempts(jobs=[uuid4()], epochs=[1]))
    assert answer.result == "stale"


def test_numbers_count_over_retries_and_runs(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.fail(claim, begun)
    engine.make_due(claim.id)
    claim = engine.claim_one()
    assert (claim.phase, claim.attempts) == ("backoff", 1)
    begun = engine.begin_one(claim)
    assert begun.number == 2
    row = engine.dispatch(claim.id)
    assert row is not None
    assert row["phase"] == "submit"
    engine.fail(claim, begun, retryable=False)
    engine.retry(claim.job_id)
    claim = engine.claim_one()
    assert (claim.run, claim.attempts) == (2, 0)
    begun = engine.begin_one(claim)
    assert begun.number == 3
    found = [(a["number"], a["run"], a["outcome"]) for a in engine.attempts(claim.id)]
    assert found == [(1, 1, "failed"), (2, 1, "failed"), (3, 2, None)]


def test_the_providers_word_is_recorded(engine: Engine) -> None:
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    assert engine.record(begun.attempt_id, provider_status="starting", output=None, metrics=None)
    assert engine.record(begun.attempt_id, provider_id=None, processing_time=2.25)
    (attempt,) = engine.attempts(claim.id)
    assert (attempt["provider_id"], attempt["provider_status"]) == ("p-1", "succeeded")
    assert attempt["output"] == {"output": ["http://127.0.0.1/1.png"]}
    assert attempt["metrics"] == {"predict_time": 1.5}
    assert attempt["processing_time"] == Decimal("2.250")
    assert engine.job(claim.id)["replicate_id"] is None
    row = engine.dispatch(claim.id)
    assert row is not None
    assert row["phase"] == "submit"


def test_what_is_known_is_not_unlearned(engine: Engine) -> None:
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    engine.record(begun.attempt_id)
    nothing = dict.fromkeys(("provider_id", "output", "metrics", "processing_time"))
    engine.record(begun.attempt_id, provider_status="processing", **nothing)
    (attempt,) = engine.attempts(claim.id)
    assert (attempt["provider_id"], attempt["provider_status"]) == ("p-1", "processing")
    assert attempt["output"] is not None
    assert attempt["metrics"] is not None
    assert attempt["processing_time"] == Decimal("1.500")


def test_outputs_that_can_be_fetched_later_move_the_job_to_collect(engine: Engine) -> None:
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    engine.record(begun.attempt_id, collectable=True)
    row = engine.dispatch(claim.id)
    assert row is not None
    assert row["phase"] == "collect"
    engine.hand_back(claim)
    later = engine.claim_one()
    assert later.phase == "collect"
    assert engine.begin_one(later).result == "resumed"
    assert engine.claim(9) == []


def test_replicates_identifier_reaches_the_job(engine: Engine) -> None:
    engine.add_model("hosted", provider="replicate", lane="hosted")
    job = engine.submit("hosted")
    claim = engine.claim_one(lanes=["hosted"])
    begun = engine.begin_one(claim)
    assert begun.attempt_id is not None
    engine.record(begun.attempt_id, provider_id="ufawqhfynnddngldkgtslldrkq")
    assert engine.job(job.id)["replicate_id"] == "ufawqhfynnddngldkgtslldrkq"


def test_the_word_is_guarded_by_the_attempt_not_by_the_claim(engine: Engine) -> None:
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    engine.expire(claim.id)
    engine.rescue()
    assert engine.record(begun.attempt_id, provider_id="late")
    assert engine.attempts(claim.id)[0]["provider_id"] == "late"


def test_an_attempt_that_has_ended_hears_nothing_more(engine: Engine) -> None:
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    engine.fail(claim, begun)
    before = engine.attempts(claim.id)
    assert not engine.record(begun.attempt_id, provider_id="late", collectable=True)
    assert not engine.record(uuid4())
    assert engine.attempts(claim.id) == before
    engine.make_due(claim.id)
    second = engine.claim_one()
    again = engine.begin_one(second)
    assert not engine.record(begun.attempt_id)
    assert by_id(engine.finish(result(second, again)))[claim.id].result == "finished"
    assert again.attempt_id is not None
    assert not engine.record(again.attempt_id)


def test_what_cannot_be_stored_does_not_keep_a_job_from_ending(engine: Engine) -> None:
    """A provider may answer anything; JSON can bring what PostgreSQL has no place for."""
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    said = {"output": ["a\x00b", "\udcff", {"k\x00": float("nan")}, 1.5, None, True]}
    assert engine.record(
        begun.attempt_id,
        provider_id="p\x00",
        provider_status="\ud800",
        output=said,
        metrics={"predict_time": float("inf")},
        processing_time=float("nan"),
    )
    (attempt,) = engine.attempts(claim.id)
    assert attempt["output"] == {
        "output": ["a\ufffdb", "\ufffd", {"k\ufffd": None}, 1.5, None, True]
    }
    assert (attempt["provider_id"], attempt["provider_status"]) == ("p\ufffd", "\ufffd")
    assert (attempt["metrics"], attempt["processing_time"]) == ({"predict_time": None}, None)
    assert engine.fail(claim, begun, message="bad\x00 \udcff") == "retried"
    assert engine.job(claim.id)["error_message"] == "bad\ufffd \ufffd"
    engine.make_due(claim.id)
    again = engine.claim_one()
    wrong = {"outcome": "failed", "error_message": "\x00", "processing_time": float("nan")}
    assert engine.finish_one(again, engine.begin_one(again), **wrong) == "finished"
    assert engine.job(claim.id)["error_message"] == "\ufffd"
