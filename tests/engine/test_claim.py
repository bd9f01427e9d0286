"""vsl.claim_jobs: who gets which job, under what lease and number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.engine.kit import LANE, Engine


def spread(engine: Engine, jobs: list[UUID]) -> None:
    """Let the jobs fall due in their order, one second after another, the last one now."""
    engine.connection.execute(
        "UPDATE vsl.dispatch d SET due_at = now() - make_interval(secs => %s - o.place)"
        " FROM unnest(%s::uuid[]) WITH ORDINALITY AS o (id, place) WHERE d.job_id = o.id",
        [len(jobs), jobs],
    )


def test_the_longest_due_of_a_lane_comes_first(engine: Engine) -> None:
    jobs = engine.submit_many(6)
    order = [jobs[n] for n in (3, 0, 5, 1, 4, 2)]
    spread(engine, order)
    assert [job.id for job in engine.claim(4)] == order[:4]
    assert [job.id for job in engine.claim(4)] == order[4:]
    assert engine.claim(4) == []


def test_lanes_are_asked_in_the_order_given_up_to_the_limit(engine: Engine) -> None:
    engine.add_model("fast", lane="fast")
    slow, fast = engine.submit_many(3), engine.submit_many(3, "fast")
    spread(engine, slow + fast)
    claimed = engine.claim(4, lanes=["fast", LANE])
    assert {job.id for job in claimed} == {*fast, slow[0]}
    assert [job.id for job in engine.claim(9, lanes=[LANE])] == slow[1:]


def test_other_lanes_are_left_alone(engine: Engine) -> None:
    (job,) = engine.submit_many(1)
    assert engine.claim(9, lanes=["cog", "replicate"]) == []
    assert engine.claim(9, lanes=[]) == []
    assert engine.claim(0) == []
    assert [found.id for found in engine.claim(9, lanes=[LANE])] == [job]


def test_a_model_without_a_lane_is_in_its_providers(engine: Engine) -> None:
    engine.add_model("plain")
    job = engine.submit("plain")
    assert [found.id for found in engine.claim(lanes=["cog"])] == [job.id]


def test_a_claim_holds_what_a_worker_needs(engine: Engine) -> None:
    engine.add_model("full", lane="full", configuration='{"url": "http://127.0.0.1:1"}')
    job = engine.submit("full", user_id="bob", prompt="a fox", parameters={"steps": 4})
    claim = engine.claim_one(lanes=["full"])
    assert (claim.id, claim.job_id, claim.user_id) == (job.id, job.job_id, "bob")
    assert (claim.prompt, claim.parameters, claim.media_type) == ("a fox", {"steps": 4}, "image")
    assert (claim.phase, claim.run, claim.attempts, claim.rescues) == ("submit", 1, 0, 0)
    assert (claim.attempt_id, claim.cancel_requested) == (None, False)
    assert claim.configuration == {"url": "http://127.0.0.1:1"}
    assert (claim.provider, claim.model_id, claim.timeout_seconds) == ("cog", "full", 900)


def test_the_lease_is_counted_by_the_servers_clock(engine: Engine) -> None:
    engine.submit()
    claim = engine.claim_one(worker="w7", lease=90.5)
    (row,) = engine.all(
        "SELECT worker, epoch, extract(epoch FROM lease_until - now()) AS left FROM vsl.dispatch"
    )
    assert (row["worker"], row["epoch"]) == ("w7", claim.epoch)
    assert 89 < row["left"] <= 90.5


def test_claiming_writes_nothing_on_jobs(engine: Engine) -> None:
    job = engine.submit()
    before = engine.all("SELECT xmin, * FROM jobs WHERE id = %s", job.id)
    engine.claim_one()
    assert engine.all("SELECT xmin, * FROM jobs WHERE id = %s", job.id) == before
    assert engine.status(job.id) == "pending"


def test_what_is_held_or_not_due_is_passed_over(engine: Engine) -> None:
    held, later, free = engine.submit_many(3)
    spread(engine, [held, later, free])
    engine.claim_one()
    engine.connection.execute(
        "UPDATE vsl.dispatch SET due_at = now() + interval '1 hour' WHERE job_id = %s", [later]
    )
    assert [job.id for job in engine.claim(9, worker="w2")] == [free]


def test_an_expired_lease_alone_frees_nothing(engine: Engine) -> None:
    job = engine.submit()
    engine.claim_one()
    engine.expire(job.id)
    assert engine.claim(9, worker="w2") == []


def test_rows_that_another_session_locks_are_skipped(
    engine: Engine, another: Callable[[], Engine]
) -> None:
    jobs = engine.submit_many(4)
    spread(engine, jobs)
    other = another()
    with other.connection.transaction():
        other.connection.execute(
            "SELECT FROM vsl.dispatch WHERE job_id = ANY (%s) FOR UPDATE", [[jobs[0], jobs[2]]]
        )
        assert [job.id for job in engine.claim(2)] == [jobs[1], jobs[3]]
    assert [job.id for job in engine.claim(9)] == [jobs[0], jobs[2]]


def test_numbers_of_claims_rise_and_are_never_used_twice(engine: Engine) -> None:
    jobs = engine.submit_many(5)
    seen: list[int] = []
    for _ in range(3):
        claims = engine.claim(9)
        assert {claim.id for claim in claims} == set(jobs)
        epochs = sorted(claim.epoch for claim in claims)
        assert len(set(epochs)) == len(epochs)
        assert not seen or epochs[0] > max(seen)
        seen += epochs
        engine.hand_back(*claims)


def test_the_same_lane_twice_gives_no_job_twice(engine: Engine) -> None:
    jobs = engine.submit_many(3)
    claims = engine.claim(9, lanes=[LANE, LANE])
    assert sorted(claim.id for claim in claims) == sorted(jobs)
    assert len({claim.epoch for claim in claims}) == 3


def test_next_due_is_the_first_free_job_of_the_lanes(engine: Engine) -> None:
    def due(*lanes: str) -> Any:
        (row,) = engine.all("SELECT vsl.next_due(%s) - now() AS pause", list(lanes))
        return None if row["pause"] is None else row["pause"].total_seconds()

    assert due(LANE) is None
    first, second = engine.submit_many(2)
    engine.connection.execute(
        "UPDATE vsl.dispatch SET due_at = now() + CASE job_id WHEN %s"
        " THEN interval '10 seconds' ELSE interval '1 minute' END",
        [first],
    )
    assert 9 < due(LANE) <= 10
    assert due("cog") is None
    assert 9 < due("cog", LANE) <= 10
    engine.make_due(first)
    engine.claim_one()
    assert 50 < due(LANE) <= 60
    assert second not in {job.id for job in engine.claim()}
