"""The functions for predictions that a provider remembers: release, defer, resolve and others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.engine.kit import LANE, PRICE, Engine, result

from vsl.db.statements import BegunAttempt
from vsl.db.statements_remote import DeferJob, FreePredictions, ReleaseJobs, ResolveJob
from vsl.domain.jobs import ClaimedJob


@pytest.fixture(autouse=True)
def _remote(engine: Engine) -> None:
    engine.add_model(
        "flux",
        lane=LANE,
        provider="replicate",
        replicate_owner="acme",
        replicate_model="flux",
        replicate_version="v1",
    )


def started(engine: Engine) -> tuple[ClaimedJob, BegunAttempt]:
    engine.submit("flux")
    job = engine.claim_one()
    return job, engine.begin_one(job)


def waiting(engine: Engine, prediction: str = "p-1") -> ClaimedJob:
    """A job whose prediction is at work and which nobody holds."""
    job, begun = started(engine)
    answered(engine, begun, prediction)
    assert release(engine, job) == [job.id]
    return job


def unknown(engine: Engine) -> ClaimedJob:
    job, _ = started(engine)
    assert defer(engine, job, code="answer_lost") == "deferred"
    return job


def answered(engine: Engine, begun: BegunAttempt, prediction: str, **more: Any) -> bool:
    assert begun.attempt_id is not None
    nothing = {"output": None, "metrics": None, "processing_time": None}
    said = {"provider_status": "starting", **nothing, **more}
    return engine.record(begun.attempt_id, provider_id=prediction, remembered=True, **said)


def release(engine: Engine, *jobs: ClaimedJob, seconds: float = 60) -> list[UUID]:
    return engine.rows(
        ReleaseJobs(
            jobs=[job.id for job in jobs],
            epochs=[job.epoch for job in jobs],
            seconds=[seconds] * len(jobs),
        )
    )


def defer(engine: Engine, job: ClaimedJob, **changed: Any) -> str:
    given: dict[str, Any] = {"seconds": 60, "code": "trouble", "message": "words", **changed}
    return engine.one(DeferJob(job=job.id, epoch=job.epoch, **given))


def resolve(engine: Engine, job: ClaimedJob, decision: str, prediction: str | None = None) -> str:
    return engine.one(ResolveJob(job_id=job.job_id, decision=decision, provider_id=prediction))


def row_of(engine: Engine, job: ClaimedJob) -> dict[str, Any]:
    row = engine.dispatch(job.id)
    assert row is not None
    return row


def left(engine: Engine, job: ClaimedJob) -> float:
    query = "SELECT extract(epoch FROM due_at - now())::float AS s FROM vsl.dispatch"
    return float(engine.all(query + " WHERE job_id = %s", job.id)[0]["s"])


# The claim.


def test_a_claim_tells_what_is_known(engine: Engine) -> None:
    job, begun = started(engine)
    assert job.configuration == {"owner": "acme", "name": "flux", "version": "v1"}
    nothing = (job.attempt_number, job.attempt_started_at, job.provider_id, job.output, job.edited)
    assert nothing == (None, None, None, None, False)
    answered(engine, begun, "p-9", provider_status="processing")
    answered(
        engine,
        begun,
        "p-9",
        provider_status="succeeded",
        output={"output": 1, "files": ["https://a/b"]},
        collectable=True,
        kept_seconds=3600.0,
    )
    engine.hand_back(job)
    again = engine.claim_one()
    assert (again.phase, again.attempt_number, again.provider_id) == ("collect", 1, "p-9")
    assert (again.provider_status, again.output) == (
        "succeeded",
        {"output": 1, "files": ["https://a/b"]},
    )
    assert again.attempt_seconds is not None
    assert 0 <= again.attempt_seconds < 60
    assert again.output_seconds_left is not None
    assert 3500 < again.output_seconds_left <= 3600
    assert engine.broken_rules() == []


def test_a_model_of_another_kind_keeps_its_configuration(engine: Engine) -> None:
    engine.connection.execute(
        'UPDATE model_configurations SET configuration = \'{"url": "http://a"}\''
        " WHERE model_id = 'painter'"
    )
    engine.submit()
    assert engine.claim_one().configuration == {"url": "http://a"}


@pytest.mark.parametrize(
    ("change", "edited"),
    [
        ("UPDATE jobs SET prompt = 'another'", True),
        ("UPDATE model_configurations SET supported_parameters = '{\"a\": 1}'", True),
        ("SELECT vsl.cancel_job(job_id) FROM jobs", False),
        ("SELECT 1", False),
    ],
)
def test_a_claim_tells_that_what_was_sent_is_not_known(
    engine: Engine, change: str, edited: bool
) -> None:
    job = unknown(engine)
    engine.connection.execute(change.encode())
    engine.make_due(job.id)
    assert engine.claim_one().edited == edited


# Waiting.


def test_the_answer_moves_a_job_to_wait(engine: Engine) -> None:
    job, begun = started(engine)
    assert answered(engine, begun, "p-1")
    assert row_of(engine, job)["phase"] == "wait"
    assert engine.job(job.id)["replicate_id"] == "p-1"
    assert release(engine, job, seconds=30) == [job.id]
    row = row_of(engine, job)
    assert (row["phase"], row["worker"], row["lease_until"]) == ("wait", None, None)
    assert (row["attempts"], row["rescues"]) == (1, 0)
    assert 29 < left(engine, job) <= 30
    assert engine.claim() == []
    assert engine.broken_rules() == []


def test_late_words_do_not_take_a_job_back(engine: Engine) -> None:
    job, begun = started(engine)
    answered(engine, begun, "p-1", provider_status="succeeded", collectable=True)
    answered(engine, begun, "p-1", provider_status="processing")
    assert row_of(engine, job)["phase"] == "collect"


def test_a_release_of_an_unanswered_attempt_makes_it_unknown(engine: Engine) -> None:
    job, _ = started(engine)
    release(engine, job)
    assert row_of(engine, job)["phase"] == "unknown"


def test_a_claim_that_is_over_lets_go_of_nothing(engine: Engine) -> None:
    job, _ = started(engine)
    engine.hand_back(job)
    newer = engine.claim_one(worker="w2")
    before = engine.dispatch(job.id)
    assert release(engine, job) == []
    assert defer(engine, job) == "stale"
    assert engine.dispatch(job.id) == before
    assert release(engine, newer) == [job.id]
    assert release(engine, newer) == []
    assert defer(engine, newer) == "stale"


def test_a_wish_to_cancel_is_not_left_waiting(engine: Engine) -> None:
    job = waiting(engine)
    assert engine.cancel(job.job_id) == "requested"
    assert left(engine, job) <= 0
    again = engine.claim_one()
    assert again.cancel_requested
    release(engine, again, seconds=600)
    assert left(engine, job) <= 2


def test_one_prediction_has_one_attempt(engine: Engine) -> None:
    waiting(engine, "p-1")
    job, begun = started(engine)
    with pytest.raises(psycopg.Error) as caught:
        answered(engine, begun, "p-1")
    assert caught.value.sqlstate == "VS002"
    assert engine.attempts(job.id)[0]["provider_id"] is None
    answered(engine, begun, "p-2")
    with pytest.raises(psycopg.Error) as caught:
        answered(engine, begun, "p-3")
    assert caught.value.sqlstate == "VS002"
    assert begun.attempt_id is not None
    ids = FreePredictions(attempt=begun.attempt_id, provider_ids=["p-1", "p-2", "p-4", "p-4"])
    assert sorted(engine.rows(ids)) == ["p-2", "p-4"]


def test_a_prediction_stays_its_attempts_when_the_job_goes(engine: Engine) -> None:
    job, begun = started(engine)
    answered(engine, begun, "p-1")
    engine.fail(job, begun, retryable=False)
    engine.connection.execute("DELETE FROM jobs")
    other, again = started(engine)
    with pytest.raises(psycopg.Error):
        answered(engine, again, "p-1")
    assert engine.attempts(other.id)[0]["provider_id"] is None


# Held up.


def test_what_holds_a_job_up_stands_in_it(engine: Engine) -> None:
    job, begun = started(engine)
    before = engine.job(job.id)
    assert defer(engine, job, code="answer_lost", message="words\x00") == "deferred"
    row = engine.job(job.id)
    assert (row["status"], row["error_code"], row["error_message"]) == (
        "processing",
        "answer_lost",
        "words\ufffd",
    )
    assert row["updated_at"] == before["updated_at"]
    assert row_of(engine, job)["phase"] == "unknown"
    assert answered(engine, begun, "p-1")
    assert engine.job(job.id)["error_code"] is None
    assert row_of(engine, job)["phase"] == "wait"
    assert engine.broken_rules() == []


def test_a_withdrawn_attempt_never_was(engine: Engine) -> None:
    job, _ = started(engine)
    assert defer(engine, job, code="throttled", withdraw=True, seconds=5) == "deferred"
    row = row_of(engine, job)
    assert (row["attempt_id"], row["attempts"], row["phase"]) == (None, 0, "submit")
    assert 4 < left(engine, job) <= 5
    assert engine.attempts(job.id) == []
    engine.make_due(job.id)
    again = engine.claim_one()
    begun = engine.begin_one(again)
    assert (begun.result, begun.number) == ("begun", 1)
    assert engine.finish_one(again, begun) == "finished"
    assert engine.broken_rules() == []


def test_an_answered_attempt_cannot_be_withdrawn(engine: Engine) -> None:
    job, begun = started(engine)
    answered(engine, begun, "p-1")
    with pytest.raises(psycopg.Error) as caught:
        defer(engine, job, withdraw=True)
    assert caught.value.sqlstate == "VS002"
    assert len(engine.attempts(job.id)) == 1


def test_a_withdrawn_attempt_of_a_cancelled_job_ends_it(engine: Engine) -> None:
    job, _ = started(engine)
    assert engine.cancel(job.job_id) == "requested"
    assert defer(engine, job, withdraw=True) == "cancelled"
    assert engine.status(job.id) == "cancelled"
    assert [kind for _, kind, _, _ in engine.ledger(job.id)] == ["hold", "release"]
    assert engine.broken_rules() == []


# Money that is gone.


def test_a_failure_that_was_paid_for_is_charged(engine: Engine) -> None:
    job, begun = started(engine)
    answered(engine, begun, "p-1")
    spent = {"outcome": "failed", "spent": True, "error_code": "output_expired"}
    assert engine.finish_one(job, begun, **spent) == "finished"
    assert engine.job(job.id)["actual_cost"] == PRICE
    assert engine.attempts(job.id)[0]["cost"] == PRICE
    assert engine.ledger(job.id)[1:] == [(1, "settle", -PRICE, PRICE)]
    assert engine.usage(job.id)[0]["actual_cost"] == PRICE
    assert engine.broken_rules() == []


# A person decides.


def test_a_person_adopts(engine: Engine) -> None:
    job = unknown(engine)
    assert resolve(engine, job, "adopt", "p-7") == "wait"
    row = row_of(engine, job)
    assert (row["phase"], row["worker"]) == ("wait", None)
    assert left(engine, job) <= 0
    assert engine.job(job.id)["error_code"] is None
    assert engine.claim_one().provider_id == "p-7"
    (act,) = engine.all("SELECT actor, act, subject, detail FROM vsl.audit_entries")
    assert (act["act"], act["subject"]) == ("resolve job", job.job_id)
    assert act["detail"].items() >= {"decision": "adopt", "prediction": "p-7"}.items()
    assert engine.broken_rules() == []


def test_a_person_says_that_none_was_made(engine: Engine) -> None:
    job = unknown(engine)
    assert resolve(engine, job, "absent") == "retried"
    (attempt,) = engine.attempts(job.id)
    assert (attempt["outcome"], attempt["error_code"], attempt["cost"]) == (
        "failed",
        "absent",
        Decimal(0),
    )
    assert row_of(engine, job)["phase"] == "backoff"
    assert engine.broken_rules() == []


def test_a_person_gives_up(engine: Engine) -> None:
    job = unknown(engine)
    assert resolve(engine, job, "give-up") == "failed"
    assert engine.job(job.id)["error_code"] == "outcome_unknown"
    assert [kind for _, kind, _, _ in engine.ledger(job.id)] == ["hold", "settle"]
    assert engine.broken_rules() == []


def test_a_worker_that_is_looking_loses_its_claim(engine: Engine) -> None:
    job = unknown(engine)
    engine.make_due(job.id)
    looking = engine.claim_one()
    assert resolve(engine, job, "adopt", "p-1") == "wait"
    assert release(engine, looking) == []
    assert engine.extend(looking) == []


@pytest.mark.parametrize(
    ("decision", "prediction", "words"),
    [
        ("adopt", None, "a job is resolved by"),
        ("adopt", "", "a job is resolved by"),
        ("absent", "p-1", "a job is resolved by"),
        ("hope", None, "a job is resolved by"),
        ("adopt", "p-1", "belongs to another attempt"),
    ],
)
def test_what_cannot_be_decided(
    engine: Engine, decision: str, prediction: str | None, words: str
) -> None:
    waiting(engine, "p-1")
    job = unknown(engine)
    before = engine.dispatch(job.id)
    with pytest.raises(psycopg.Error, match=words) as caught:
        resolve(engine, job, decision, prediction)
    assert caught.value.sqlstate == "VS002"
    assert engine.dispatch(job.id) == before
    assert engine.all("SELECT * FROM vsl.audit_entries") == []


def test_only_an_unknown_job_is_resolved(engine: Engine) -> None:
    job = waiting(engine)
    with pytest.raises(psycopg.Error, match="is in phase wait and needs no decision"):
        resolve(engine, job, "absent")
    ended, begun = started(engine)
    engine.finish_one(ended, begun)
    with pytest.raises(psycopg.Error, match="is completed and needs no decision"):
        resolve(engine, ended, "give-up")
    with pytest.raises(psycopg.Error) as caught:
        engine.one(ResolveJob(job_id=str(uuid4()), decision="absent"))
    assert caught.value.sqlstate == "VS004"


# Lost workers.


def test_a_paid_prediction_is_not_given_up_with_its_workers(engine: Engine) -> None:
    job, begun = started(engine)
    answered(engine, begun, "p-1")
    engine.connection.execute("UPDATE vsl.dispatch SET rescues = 6")
    engine.expire(job.id)
    assert [(r.id, r.result) for r in engine.rescue()] == [(job.id, "freed")]
    assert 1.5 < left(engine, job) < 5
    assert row_of(engine, job)["rescues"] == 7
    assert engine.broken_rules() == []


def test_until_nothing_can_be_fetched_any_more(engine: Engine) -> None:
    job, begun = started(engine)
    answered(engine, begun, "p-1", collectable=True, kept_seconds=0.0)
    engine.connection.execute("UPDATE vsl.dispatch SET rescues = 5")
    engine.expire(job.id)
    assert [(r.id, r.result) for r in engine.rescue()] == [(job.id, "failed")]
    assert engine.job(job.id)["error_code"] == "output_expired"
    assert engine.job(job.id)["actual_cost"] == PRICE
    assert engine.broken_rules() == []


def test_a_finished_job_needs_nothing_of_this(engine: Engine) -> None:
    job = waiting(engine)
    engine.make_due(job.id)
    again = engine.claim_one()
    assert again.attempt_id is not None
    begun = BegunAttempt(job.id, "resumed", again.attempt_id, again.attempt_number)
    (answer,) = engine.finish(result(again, begun))
    assert answer.result == "finished"
    (repeated,) = engine.finish(result(again, begun))
    assert repeated.result == "repeated"
