"""vsl.extend_leases, vsl.hand_back_jobs and vsl.rescue_jobs: who holds a job, and for how long."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.kit import PRICE, Engine


def test_a_heartbeat_extends_and_tells(engine: Engine) -> None:
    engine.submit_many(3)
    mine, asked, lost = engine.claim(3, lease=5)
    engine.begin(asked)
    engine.cancel(asked.job_id)
    engine.expire(lost.id)
    engine.rescue()
    engine.claim_one(worker="w2", lease=5)
    kept = {answer.id: answer for answer in engine.extend(mine, asked, lost, lease=300)}
    assert {job: answer.cancel_requested for job, answer in kept.items()} == {
        mine.id: False,
        asked.id: True,
    }
    assert kept[mine.id].epoch == mine.epoch
    rows = engine.all(
        "SELECT job_id, extract(epoch FROM lease_until - now()) AS left FROM vsl.dispatch"
    )
    left = {row["job_id"]: row["left"] for row in rows}
    assert 290 < left[mine.id] <= 300
    assert left[lost.id] <= 5


def test_a_lease_past_due_can_be_extended_until_somebody_frees_it(engine: Engine) -> None:
    claim, _ = engine.started()
    engine.expire(claim.id)
    assert [kept.id for kept in engine.extend(claim)] == [claim.id]
    assert engine.rescue() == []
    engine.expire(claim.id)
    engine.rescue()
    assert engine.extend(claim) == []


def test_a_heartbeat_touches_no_index(engine: Engine) -> None:
    """Leases are on the hot path: extending one must stay a heap-only update."""
    claim, _ = engine.started()
    query = "SELECT pg_stat_get_xact_tuples_hot_updated('vsl.dispatch'::regclass) AS hot"
    with engine.connection.transaction():
        before = engine.all(query)[0]["hot"]
        engine.extend(claim)
        assert engine.all(query)[0]["hot"] == before + 1


def test_what_is_handed_back_is_due_at_once(engine: Engine) -> None:
    engine.submit_many(2)
    one, two = engine.claim(2)
    begun = engine.begin_one(two)
    assert set(engine.hand_back(one, two)) == {one.id, two.id}
    assert engine.hand_back(one, two) == []
    again = {job.id: job for job in engine.claim(9, worker="w2")}
    assert (again[one.id].attempt_id, again[two.id].attempt_id) == (None, begun.attempt_id)
    assert again[two.id].rescues == 0
    assert engine.hand_back(one, two) == []
    assert engine.broken_rules() == []


def test_only_what_is_past_due_is_freed(engine: Engine) -> None:
    engine.submit_many(3)
    fresh, late, begun = engine.claim(3)
    engine.begin(begun)
    engine.expire(late.id, begun.id)
    answers = {answer.id: (answer.lost_worker, answer.result) for answer in engine.rescue()}
    assert answers == {late.id: ("w1", "freed"), begun.id: ("w1", "freed")}
    assert engine.rescue() == []
    again = {job.id: job for job in engine.claim(9, worker="w2")}
    assert set(again) == {late.id, begun.id}
    assert (again[late.id].rescues, again[begun.id].rescues) == (0, 1)
    assert fresh.id not in again


def test_rescue_goes_up_to_its_limit(engine: Engine) -> None:
    jobs = engine.submit_many(5)
    engine.claim(5)
    engine.expire(*jobs)
    assert [len(engine.rescue(3)) for _ in range(3)] == [3, 2, 0]


def test_rescue_skips_what_another_session_works_on(
    engine: Engine, another: Callable[[], Engine]
) -> None:
    jobs = engine.submit_many(2)
    engine.claim(2)
    engine.expire(*jobs)
    other = another()
    with other.connection.transaction():
        other.connection.execute("SELECT FROM vsl.dispatch WHERE job_id = %s FOR UPDATE", [jobs[0]])
        assert [answer.id for answer in engine.rescue()] == [jobs[1]]
    assert [answer.id for answer in engine.rescue()] == [jobs[0]]


def test_a_job_that_loses_a_sixth_worker_in_the_middle_ends(engine: Engine) -> None:
    engine.submit()
    results = []
    for number in range(6):
        claim = engine.claim_one(worker=f"w{number}")
        assert claim.rescues == number
        engine.begin(claim)
        engine.expire(claim.id)
        results += [(answer.lost_worker, answer.result) for answer in engine.rescue()]
    assert results == [*((f"w{n}", "freed") for n in range(5)), ("w5", "failed")]
    job = engine.job(claim.id)
    assert (job["status"], job["error_code"]) == ("failed", "worker_lost")
    assert job["error_message"] == "its worker was lost 6 times while it ran"
    assert engine.ledger(claim.id)[-1] == (1, "release", -PRICE, 0)
    assert len(engine.attempts(claim.id)) == 1
    assert engine.broken_rules() == []


def test_one_that_was_asked_to_stop_ends_as_cancelled(engine: Engine) -> None:
    claim, _ = engine.started()
    engine.cancel(claim.job_id)
    engine.connection.execute("UPDATE vsl.dispatch SET rescues = 5")
    engine.expire(claim.id)
    assert [answer.result for answer in engine.rescue()] == ["cancelled"]
    assert engine.status(claim.id) == "cancelled"


def test_losing_workers_before_any_attempt_does_not_count(engine: Engine) -> None:
    job = engine.submit()
    for _ in range(8):
        engine.claim_one()
        engine.expire(job.id)
        assert [answer.result for answer in engine.rescue()] == ["freed"]
    assert engine.claim_one().rescues == 0


def test_work_that_was_done_counts_until_another_claim(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.expire(claim.id)
    engine.rescue()
    assert engine.finish_one(claim, begun) == "finished"
    assert engine.status(claim.id) == "completed"
    assert engine.claim(9) == []
    assert engine.broken_rules() == []


def test_after_another_claim_the_old_worker_is_stale(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.expire(claim.id)
    engine.rescue()
    later = engine.claim_one(worker="w2")
    assert engine.finish_one(claim, begun) == "stale"
    again = engine.begin_one(later)
    assert engine.finish_one(claim, begun) == "stale"
    assert engine.fail(claim, begun) == "stale"
    assert engine.hand_back(claim) == []
    assert engine.status(claim.id) == "processing"
    assert engine.finish_one(later, again) == "finished"
    assert engine.finish_one(claim, begun) == "stale"
    assert engine.broken_rules() == []
