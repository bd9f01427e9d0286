"""Two sessions at the same moment: who waits, who wins, and that nobody waits for ever.

One session does its work and keeps its transaction open; the other is started in a thread and seen
to wait in the server; then the first one commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.engine.kit import PRICE, Engine, by_id, result
from tests.support.waiting import wait_until


class Sessions:
    """Two sessions besides the one that looks on."""

    def __init__(self, watcher: Engine, first: Engine, second: Engine) -> None:
        self.watcher, self.first, self.second = watcher, first, second
        self._thread = ThreadPoolExecutor(max_workers=1)
        for session in (first, second):
            # A test that goes wrong says so, and does not hang.
            session.connection.execute("SET statement_timeout = '20s'")

    def start(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        """Let the second session do something in a thread."""
        return self._thread.submit(call, *arguments, **named)

    def waits(self, future: Future[Any]) -> bool:
        """Wait until the second session waits for the first; False when it went through."""
        query = "SELECT %s = ANY (pg_blocking_pids(%s)) AS blocked"
        first, second = (s.connection.info.backend_pid for s in (self.first, self.second))

        def seen() -> bool:
            blocked = self.watcher.all(query, first, second)[0]["blocked"]
            return future.done() or bool(blocked)

        wait_until(seen, what="the second session neither waits nor ends")
        return not future.done()

    def close(self) -> None:
        self._thread.shutdown()


@pytest.fixture
def sessions(engine: Engine, another: Callable[[], Engine]) -> Iterator[Sessions]:
    sessions = Sessions(engine, another(), another())
    yield sessions
    sessions.close()


@contextmanager
def held_open(sessions: Sessions) -> Iterator[Engine]:
    """The first session in a transaction that commits at the end of the block."""
    with sessions.first.connection.transaction():
        yield sessions.first


def test_finish_batches_in_opposite_order_do_not_deadlock(
    engine: Engine, sessions: Sessions
) -> None:
    engine.submit_many(20)
    claims = engine.claim(20)
    begun = by_id(engine.begin(*claims))
    results = [result(claim, begun[claim.id]) for claim in claims]
    with held_open(sessions) as first:
        # The first has the low half; the second wants all of it, from the far end.
        low = sorted(results, key=lambda r: r["job_id"])[:10]
        assert {answer.result for answer in first.finish(*low)} == {"finished"}
        future = sessions.start(sessions.second.finish, *reversed(results))
        assert sessions.waits(future)
    answers = future.result(20)
    found = {str(answer.id): answer.result for answer in answers}
    done = {r["job_id"] for r in low}
    assert all(found[job] == ("repeated" if job in done else "finished") for job in found)
    assert len(found) == 20
    assert engine.broken_rules() == []


def test_many_batches_in_opposite_orders_all_end(
    engine: Engine, another: Callable[[], Engine]
) -> None:
    engine.submit_many(400)
    claims = engine.claim(400)
    begun = by_id(engine.begin(*claims))
    results = [result(claim, begun[claim.id]) for claim in claims]
    first, second = another(), another()
    with ThreadPoolExecutor(max_workers=2) as threads:
        for start in range(0, 400, 40):
            batch = results[start : start + 40]
            one = threads.submit(first.finish, *batch)
            two = threads.submit(second.finish, *reversed(batch))
            both = [*one.result(20), *two.result(20)]
            assert sorted(a.result for a in both) == ["finished"] * 40 + ["repeated"] * 40
    assert engine.broken_rules() == []


def test_a_cancel_that_meets_a_finish_waits_and_comes_too_late(
    engine: Engine, sessions: Sessions
) -> None:
    claim, begun = engine.started()
    with held_open(sessions) as first:
        first.finish_one(claim, begun)
        future = sessions.start(sessions.second.cancel, claim.job_id)
        assert sessions.waits(future)
    with pytest.raises(psycopg.Error) as caught:
        future.result(20)
    assert caught.value.sqlstate == "VS002"
    assert engine.status(claim.id) == "completed"
    assert engine.broken_rules() == []


def test_a_finish_that_meets_a_cancel_waits_and_counts(engine: Engine, sessions: Sessions) -> None:
    claim, begun = engine.started()
    with held_open(sessions) as first:
        assert first.cancel(claim.job_id) == "requested"
        future = sessions.start(sessions.second.finish_one, claim, begun)
        assert sessions.waits(future)
    assert future.result(20) == "finished"
    assert engine.status(claim.id) == "completed"
    assert engine.broken_rules() == []


def test_a_begin_that_meets_a_cancel_is_stale(engine: Engine, sessions: Sessions) -> None:
    engine.submit()
    claim = engine.claim_one()
    with held_open(sessions) as first:
        assert first.cancel(claim.job_id) == "cancelled"
        future = sessions.start(sessions.second.begin_one, claim)
        assert sessions.waits(future)
    assert future.result(20).result == "stale"
    assert engine.attempts(claim.id) == []
    assert engine.broken_rules() == []


def test_a_cancel_that_meets_a_begin_becomes_a_request(engine: Engine, sessions: Sessions) -> None:
    engine.submit()
    claim = engine.claim_one()
    with held_open(sessions) as first:
        first.begin_one(claim)
        future = sessions.start(sessions.second.cancel, claim.job_id)
        assert sessions.waits(future)
    assert future.result(20) == "requested"
    assert engine.broken_rules() == []


def test_two_cancels_release_the_money_once(engine: Engine, sessions: Sessions) -> None:
    job = engine.submit()
    with held_open(sessions) as first:
        assert first.cancel(job.job_id) == "cancelled"
        future = sessions.start(sessions.second.cancel, job.job_id)
        assert sessions.waits(future)
    assert future.result(20) == "cancelled"
    assert engine.ledger(job.id) == [(1, "hold", PRICE, 0), (1, "release", -PRICE, 0)]
    assert engine.broken_rules() == []


def test_a_cancel_that_meets_a_retry_never_loses_the_hold(
    engine: Engine, sessions: Sessions
) -> None:
    job = engine.submit()
    engine.cancel(job.job_id)
    with held_open(sessions) as first:
        first.retry(job.job_id)
        future = sessions.start(sessions.second.cancel, job.job_id)
        sessions.waits(future)
    assert future.result(20) == "cancelled"
    assert engine.broken_rules() == []


def test_a_cancel_that_waited_for_an_end_and_its_retry_cancels_the_new_run(
    engine: Engine, sessions: Sessions
) -> None:
    claim, begun = engine.started()
    with held_open(sessions) as first:
        first.finish_one(claim, begun, outcome="failed")
        future = sessions.start(sessions.second.cancel, claim.job_id)
        assert sessions.waits(future)
        first.retry(claim.job_id)
    assert future.result(20) == "cancelled"
    assert engine.status(claim.id) == "cancelled"
    assert [entry[:2] for entry in engine.ledger(claim.id)][2:] == [(2, "hold"), (2, "release")]
    assert engine.broken_rules() == []


def test_two_retries_make_one_run(engine: Engine, sessions: Sessions) -> None:
    job = engine.submit()
    engine.cancel(job.job_id)
    with held_open(sessions) as first:
        first.retry(job.job_id)
        future = sessions.start(sessions.second.retry, job.job_id)
        assert sessions.waits(future)
    with pytest.raises(psycopg.Error) as caught:
        future.result(20)
    assert caught.value.sqlstate == "VS002"
    assert [entry[:2] for entry in engine.ledger(job.id)][2:] == [(2, "hold")]
    assert engine.broken_rules() == []


def test_a_retry_that_meets_a_finish_waits_for_it(engine: Engine, sessions: Sessions) -> None:
    claim, begun = engine.started()
    with held_open(sessions) as first:
        first.finish_one(claim, begun, outcome="failed")
        future = sessions.start(sessions.second.retry, claim.job_id)
        assert sessions.waits(future)
    future.result(20)
    row = engine.dispatch(claim.id)
    assert row is not None
    assert row["run"] == 2
    assert engine.broken_rules() == []


def test_a_rescue_passes_by_a_job_that_is_being_finished(
    engine: Engine, sessions: Sessions
) -> None:
    claim, begun = engine.started()
    engine.expire(claim.id)
    with held_open(sessions) as first:
        first.finish_one(claim, begun)
        assert sessions.start(sessions.second.rescue).result(20) == []
    assert engine.status(claim.id) == "completed"


@pytest.mark.parametrize("rescues", [0, 5])
def test_a_finish_that_meets_a_rescue_waits(
    engine: Engine, sessions: Sessions, rescues: int
) -> None:
    claim, begun = engine.started()
    engine.expire(claim.id)
    engine.connection.execute("UPDATE vsl.dispatch SET rescues = %s", [rescues])
    with held_open(sessions) as first:
        (rescued,) = first.rescue()
        future = sessions.start(sessions.second.finish, result(claim, begun))
        assert sessions.waits(future)
    (answer,) = future.result(20)
    if rescued.result == "freed":
        assert (answer.result, engine.status(claim.id)) == ("finished", "completed")
    else:
        assert (answer.result, answer.outcome) == ("repeated", "failed")
        assert engine.outputs(claim.id) == []
    assert engine.broken_rules() == []


def test_a_finish_that_meets_the_next_claim_is_stale(engine: Engine, sessions: Sessions) -> None:
    claim, begun = engine.started()
    engine.hand_back(claim)
    with held_open(sessions) as first:
        later = first.claim_one(worker="w2")
        future = sessions.start(sessions.second.finish, result(claim, begun))
        assert sessions.waits(future)
    assert [answer.result for answer in future.result(20)] == ["stale"]
    again = engine.begin_one(later)
    assert engine.finish_one(later, again) == "finished"
    assert engine.broken_rules() == []


def test_a_heartbeat_that_meets_a_finish_learns_of_the_end(
    engine: Engine, sessions: Sessions
) -> None:
    engine.submit_many(3)
    claims = engine.claim(3)
    begun = by_id(engine.begin(*claims))
    ended = sorted(claims, key=lambda claim: claim.id)[1]
    with held_open(sessions) as first:
        first.finish_one(ended, begun[ended.id])
        future = sessions.start(sessions.second.extend, *reversed(claims))
        assert sessions.waits(future)
    kept = {answer.id for answer in future.result(20)}
    assert kept == {claim.id for claim in claims} - {ended.id}


def test_a_finish_that_meets_a_heartbeat_goes_on(engine: Engine, sessions: Sessions) -> None:
    engine.submit_many(3)
    claims = engine.claim(3)
    begun = by_id(engine.begin(*claims))
    with held_open(sessions) as first:
        assert len(first.extend(*claims)) == 3
        results = [result(claim, begun[claim.id]) for claim in reversed(claims)]
        future = sessions.start(sessions.second.finish, *results)
        assert sessions.waits(future)
    assert {answer.result for answer in future.result(20)} == {"finished"}
    assert engine.broken_rules() == []


def test_a_heartbeat_that_meets_a_rescue_is_lost(engine: Engine, sessions: Sessions) -> None:
    claim, _ = engine.started()
    engine.expire(claim.id)
    with held_open(sessions) as first:
        assert len(first.rescue()) == 1
        future = sessions.start(sessions.second.extend, claim)
        assert sessions.waits(future)
    assert future.result(20) == []


def test_a_rescue_passes_by_a_lease_that_is_being_extended(
    engine: Engine, sessions: Sessions
) -> None:
    claim, _ = engine.started()
    engine.expire(claim.id)
    with held_open(sessions) as first:
        assert len(first.extend(claim)) == 1
        assert sessions.start(sessions.second.rescue).result(20) == []
    assert engine.rescue() == []


def test_a_prediction_recorded_during_a_finish_is_not_written(
    engine: Engine, sessions: Sessions
) -> None:
    claim, begun = engine.started()
    assert begun.attempt_id is not None
    with held_open(sessions) as first:
        first.finish_one(claim, begun)
        future = sessions.start(sessions.second.record, begun.attempt_id, provider_id="late")
        assert sessions.waits(future)
    assert future.result(20) is False
    assert engine.attempts(claim.id)[0]["provider_id"] is None


def test_a_rollback_leaves_the_job_as_it_was(engine: Engine, sessions: Sessions) -> None:
    claim, begun = engine.started()
    before = engine.job(claim.id), engine.dispatch(claim.id), engine.ledger(claim.id)
    with sessions.first.connection.transaction(force_rollback=True):
        sessions.first.finish_one(claim, begun)
        future = sessions.start(sessions.second.extend, claim)
        assert sessions.waits(future)
    assert len(future.result(20)) == 1
    after = engine.job(claim.id), engine.ledger(claim.id)
    assert after == (before[0], before[2])
    assert engine.broken_rules() == []
