"""vsl.finish_jobs: the one way to finish."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.engine.kit import PRICE, SHA256, Engine, by_id, output, result


def everything(engine: Engine, job: UUID) -> tuple[Any, ...]:
    """All rows about a job, to see that nothing changed."""
    return (
        engine.job(job),
        engine.dispatch(job),
        engine.attempts(job),
        engine.outputs(job),
        engine.usage(job),
        engine.ledger(job),
    )


def test_a_completed_job_has_everything_at_once(engine: Engine) -> None:
    claim, begun = engine.started()
    outputs = [output(0), output(1, s3_key="images/second.png", width=640)]
    (answer,) = engine.finish(result(claim, begun, outputs=outputs))
    assert (answer.id, answer.result, answer.outcome) == (claim.id, "finished", "completed")
    job = engine.job(claim.id)
    assert (job["status"], job["actual_cost"]) == ("completed", PRICE)
    assert job["actual_processing_time"] == Decimal("1.500")
    assert job["completed_at"] is not None
    assert engine.dispatch(claim.id) is None
    (attempt,) = engine.attempts(claim.id)
    assert (attempt["outcome"], attempt["cost"]) == ("completed", PRICE)
    assert attempt["ended_at"] is not None
    first, second = engine.outputs(claim.id)
    assert (first["attempt_id"], first["ordinal"], first["sha256"]) == (begun.attempt_id, 0, SHA256)
    assert (second["s3_key"], second["width"]) == ("images/second.png", 640)
    assert (first["metadata"], first["codec"]) == ({"mode": "RGB"}, "png")
    (usage,) = engine.usage(claim.id)
    assert (usage["run"], usage["estimated_cost"], usage["actual_cost"]) == (1, PRICE, PRICE)
    assert (usage["api_calls_count"], usage["public_job_id"]) == (1, claim.job_id)
    assert engine.ledger(claim.id) == [(1, "hold", PRICE, 0), (1, "settle", -PRICE, PRICE)]
    assert engine.broken_rules() == []


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_what_is_not_completed_gives_the_money_back(engine: Engine, outcome: str) -> None:
    claim, begun = engine.started()
    words = {"error_code": "prediction_failed", "error_message": "out of memory"}
    answer = engine.finish_one(
        claim, begun, outcome=outcome, outputs=[output()], processing_time=None, **words
    )
    assert answer == "finished"
    job = engine.job(claim.id)
    assert (job["status"], job["actual_cost"], job["completed_at"]) == (outcome, 0, None)
    assert (job["error_code"], job["error_message"]) == ("prediction_failed", "out of memory")
    assert engine.outputs(claim.id) == []
    assert engine.ledger(claim.id) == [(1, "hold", PRICE, 0), (1, "release", -PRICE, 0)]
    (usage,) = engine.usage(claim.id)
    assert (usage["actual_cost"], usage["processing_time_seconds"]) == (0, None)
    assert engine.broken_rules() == []


def test_a_free_job_settles_at_nothing(engine: Engine) -> None:
    engine.add_model("gift", lane="paint", is_free=True, pricing_per_unit=None)
    claim, begun = engine.started(model_id="gift")
    engine.finish_one(claim, begun)
    assert engine.ledger(claim.id) == [(1, "hold", 0, 0), (1, "settle", 0, 0)]
    assert engine.job(claim.id)["actual_cost"] == 0


def test_an_error_of_an_earlier_attempt_goes_when_the_job_is_completed(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.fail(claim, begun)
    assert engine.job(claim.id)["error_code"] == "provider_error"
    engine.make_due(claim.id)
    claim = engine.claim_one()
    engine.finish_one(claim, engine.begin_one(claim))
    job = engine.job(claim.id)
    assert (job["error_code"], job["error_message"], job["retry_count"]) == (None, None, 1)
    assert engine.usage(claim.id)[0]["api_calls_count"] == 2


def test_a_mixed_batch_answers_for_each(engine: Engine) -> None:
    engine.submit_many(5)
    claims = engine.claim(5)
    begun = by_id(engine.begin(*claims))
    good, done, lost, broken, failed = claims
    engine.finish(result(done, begun[done.id]))
    engine.hand_back(lost)
    again = engine.claim_one(worker="w2")
    engine.begin(again)
    untouched = (
        everything(engine, done.id),
        everything(engine, lost.id),
        everything(engine, broken.id),
    )
    answers = by_id(
        engine.finish(
            result(good, begun[good.id]),
            result(done, begun[done.id], outcome="failed"),
            result(lost, begun[lost.id]),
            result(broken, begun[broken.id], outputs=[output(width=0)]),
            result(failed, begun[failed.id], outcome="failed", error_code="x"),
        )
    )
    assert {job: (answer.result, answer.outcome) for job, answer in answers.items()} == {
        good.id: ("finished", "completed"),
        done.id: ("repeated", "completed"),
        lost.id: ("stale", None),
        broken.id: ("rejected", None),
        failed.id: ("finished", "failed"),
    }
    assert answers[broken.id].reason == "width and height must be positive"
    assert answers[good.id].reason is None
    assert untouched == (
        everything(engine, done.id),
        everything(engine, lost.id),
        everything(engine, broken.id),
    )
    assert engine.status(good.id) == "completed"
    assert engine.status(failed.id) == "failed"
    assert engine.broken_rules() == []
    assert engine.finish_one(broken, begun[broken.id]) == "finished"


def test_a_second_finish_repeats_the_first_ones_outcome(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun)
    before = everything(engine, claim.id)
    for outcome in ("completed", "failed", "cancelled"):
        (answer,) = engine.finish(result(claim, begun, outcome=outcome))
        assert (answer.result, answer.outcome) == ("repeated", "completed")
    assert everything(engine, claim.id) == before


@pytest.mark.parametrize("wrong", ["epoch", "attempt", "no attempt", "unknown job"])
def test_a_stale_finish_changes_nothing(engine: Engine, wrong: str) -> None:
    claim, begun = engine.started()
    changed: dict[str, dict[str, Any]] = {
        "epoch": {"epoch": claim.epoch - 1},
        "attempt": {"attempt_id": str(uuid4())},
        "no attempt": {"attempt_id": None},
        "unknown job": {"job_id": str(uuid4())},
    }
    before = everything(engine, claim.id)
    (answer,) = engine.finish(result(claim, begun, **changed[wrong]))
    assert (answer.result, answer.outcome) == ("stale", None)
    assert everything(engine, claim.id) == before


def test_a_job_named_twice_counts_once_the_first_time(engine: Engine) -> None:
    engine.submit_many(2)
    one, two = engine.claim(2)
    begun = by_id(engine.begin(one, two))
    answers = engine.finish(
        result(two, begun[two.id], outcome="failed"),
        result(one, begun[one.id]),
        result(one, begun[one.id], outcome="failed"),
        result(two, begun[two.id]),
    )
    assert {answer.id: answer.outcome for answer in answers} == {
        one.id: "completed",
        two.id: "failed",
    }
    assert len(answers) == 2
    assert engine.broken_rules() == []


def test_a_job_named_twice_beside_a_bad_row_is_repeated(engine: Engine) -> None:
    engine.submit_many(2)
    one, bad = engine.claim(2)
    begun = by_id(engine.begin(one, bad))
    answers = engine.finish(
        result(one, begun[one.id]),
        result(bad, begun[bad.id], outputs=[output(sha256="no")]),
        result(one, begun[one.id], outcome="failed"),
    )
    found = [(answer.id, answer.result, answer.outcome) for answer in answers]
    assert found == [
        (one.id, "finished", "completed"),
        (bad.id, "rejected", None),
        (one.id, "repeated", "completed"),
    ]
    assert engine.broken_rules() == []


BAD: dict[str, dict[str, Any]] = {
    "no key": {"outputs": [output(s3_key=None)]},
    "another media type": {"outputs": [output(media_type="video", duration=1)]},
    "an image that lasts": {"outputs": [output(duration=2)]},
    "two at one place": {"outputs": [output(0), output(0, s3_key="b")]},
    "a place below zero": {"outputs": [output(-1)]},
    "no digest": {"outputs": [output(sha256="xyz")]},
    "an empty file": {"outputs": [output(file_size=0)]},
    "a width that is no number": {"outputs": [output(width="wide")]},
    "a width beyond integers": {"outputs": [output(width=2**40)]},
    "outputs that are no array": {"outputs": {"ordinal": 0}},
    "outputs that are text": {"outputs": "none"},
    "a time below zero": {"processing_time": -1},
    "a time beyond all": {"processing_time": 1e15},
    "an outcome of its own": {"outcome": "splendid"},
    "an outcome that is no end": {"outcome": "pending"},
    "no outcome": {"outcome": None},
    "an attempt that is no UUID": {"attempt_id": "first"},
    "an epoch that is no number": {"epoch": "new"},
}


@pytest.mark.parametrize("server", [18], indirect=True)
@pytest.mark.parametrize("what", BAD)
def test_a_bad_result_fails_alone(engine: Engine, what: str) -> None:
    engine.submit_many(3)
    claims = engine.claim(3)
    begun = by_id(engine.begin(*claims))
    bad = claims[1]
    before = everything(engine, bad.id)
    results = [result(claim, begun[claim.id]) for claim in claims]
    results[1] |= BAD[what]
    answers = by_id(engine.finish(*results))
    assert [answers[claim.id].result for claim in claims] == ["finished", "rejected", "finished"]
    assert answers[bad.id].reason
    assert "heron" not in answers[bad.id].reason
    assert everything(engine, bad.id) == before
    assert engine.broken_rules() == []


@pytest.mark.parametrize("identifier", ["not-a-uuid", 17, None, ["x"]])
def test_a_result_without_a_usable_identifier_fails_alone(engine: Engine, identifier: Any) -> None:
    claim, begun = engine.started()
    nameless = {**result(claim, begun), "job_id": identifier}
    answers = engine.finish(nameless, result(claim, begun))
    found = {answer.id: answer.result for answer in answers}
    assert found.pop(claim.id) == "finished"
    assert list(found.values()) in (["rejected"], ["stale"])


def test_a_batch_that_is_no_array_is_refused_whole(engine: Engine) -> None:
    claim, _ = engine.started()
    before = everything(engine, claim.id)
    with pytest.raises(psycopg.DataError):
        engine.connection.execute("SELECT * FROM vsl.finish_jobs('{}')")
    assert engine.finish() == []
    assert everything(engine, claim.id) == before


def test_nothing_is_completed_without_an_attempt(engine: Engine) -> None:
    engine.submit()
    claim = engine.claim_one()
    for outcome in ("completed", "pending", "processing"):
        (answer,) = engine.finish(result(claim, None, outcome=outcome, outputs=[]))
        assert answer.result == "rejected"
    assert engine.status(claim.id) == "pending"
    assert engine.finish_one(claim, None, outcome="failed") == "finished"
    assert engine.ledger(claim.id) == [(1, "hold", PRICE, 0), (1, "release", -PRICE, 0)]


def test_a_long_error_is_kept_to_its_beginning(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun, outcome="failed", error_message="x" * 5000)
    assert engine.job(claim.id)["error_message"] == "x" * 2000
    assert engine.attempts(claim.id)[0]["error_message"] == "x" * 2000


def test_a_large_batch_ends_whole(engine: Engine) -> None:
    engine.submit_many(300)
    claims = engine.claim(300)
    begun = by_id(engine.begin(*claims))
    answers = engine.finish(*(result(claim, begun[claim.id]) for claim in claims))
    assert [answer.result for answer in answers] == ["finished"] * 300
    assert engine.all("SELECT count(*) AS n FROM media_outputs")[0]["n"] == 300
    assert engine.broken_rules() == []
