"""Query plans of the functions beside 100,000 queued jobs, whatever the statistics say.

Every statement inside the functions is seen (``plans``), in each of several calls of one session,
so custom plans and generic ones. None may scan or hash a large table, and none may touch more rows
than its batch explains.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connect
from tests.engine.crowd import add_finished, add_queued, analyze, stop_autovacuum
from tests.engine.kit import LANE, Engine, by_id, result, run
from tests.engine.plans import Plan, Watcher
from tests.support.servers import TestServer

from vsl.db.statements import JobStatus
from vsl.db.statements_remote import DeferJob, FreePredictions, ReleaseJobs, ResolveJob

MANY = 100_000
#: More than five: from the sixth on the server may take a generic plan.
CALLS = 8


@pytest.fixture(scope="module")
def crowded(server: TestServer, template_sql: Path) -> Iterator[str]:
    """The name of a database with many queued jobs and no statistics, to be cloned."""
    name = server.create_database(server.template(template_sql))
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        stop_autovacuum(connection)
        Engine(connection).add_model("painter", lane=LANE)
        add_queued(connection, MANY)
    yield name
    server.drop_database(name)


@pytest.fixture
def crowd(server: TestServer, crowded: str, connect: Connect) -> Iterator[Engine]:
    """The engine on a clone of the crowded database."""
    name = server.create_database(crowded)
    connection = connect(server.url(name))
    yield Engine(connection)
    connection.close()
    server.drop_database(name)


def problems(plans: list[Plan], batch: int) -> set[str]:
    """What is wrong with plans of calls with a batch of this size."""
    assert len(plans) > 1, "auto_explain says nothing of nested statements"
    return {problem for plan in plans for problem in plan.problems(4 * batch + 4)}


def drive(engine: Engine, batch: int) -> dict[str, set[str]]:
    """Claim, begin, follow, finish and ask, several times in one session; what was wrong."""
    watcher = Watcher(engine.connection)
    found: dict[str, set[str]] = {}

    def note(what: str, plans: list[Plan]) -> None:
        found.setdefault(what, set()).update(problems(plans, batch))

    for number in range(CALLS):
        with watcher.watching() as plans:
            claims = engine.claim(batch)
        note("claim", plans)
        assert len(claims) == batch
        with watcher.watching() as plans:
            begun = by_id(engine.begin(*claims))
        note("begin", plans)
        with watcher.watching() as plans:
            assert len(engine.extend(*claims)) == batch
        note("extend", plans)
        with watcher.watching() as plans:
            attempt = begun[claims[0].id].attempt_id
            engine.record(attempt, provider_id=str(attempt), remembered=True)
            engine.rows(FreePredictions(attempt=attempt, provider_ids=[str(attempt), "another"]))
            released = engine.rows(
                ReleaseJobs(
                    jobs=[claim.id for claim in claims],
                    epochs=[claim.epoch for claim in claims],
                    seconds=[-3600.0] * batch,
                )
            )
        note("release", plans)
        assert len(released) == batch
        with watcher.watching() as plans:
            claims = engine.claim(batch)
        note("claim what waited", plans)
        assert {claim.phase for claim in claims} <= {"wait", "unknown"}
        begun = by_id(engine.begin(*claims))
        with watcher.watching() as plans:
            engine.record(begun[claims[0].id].attempt_id, provider_id=None)
            engine.fail(claims[0], begun[claims[0].id], retryable=number % 2 == 0)
        note("record and fail", plans)
        with watcher.watching() as plans:
            answers = engine.finish(*(result(c, begun[c.id]) for c in claims))
        note("finish", plans)
        assert {answer.result for answer in answers[1:]} <= {"finished", "repeated"}
        with watcher.watching() as plans:
            run(engine.connection, JobStatus(job_id=claims[0].job_id))
            engine.connection.execute("SELECT vsl.next_due(%s)", [[LANE]])
        note("status and next due", plans)
        (claim,) = engine.claim(1)
        engine.begin(claim)
        with watcher.watching() as plans:
            deferred = DeferJob(
                job=claim.id, epoch=claim.epoch, seconds=-3600.0, code="lost", message="lost"
            )
            engine.one(deferred)
            decided = ResolveJob(job_id=claim.job_id, decision="give-up", provider_id=None)
            engine.one(decided)
        note("defer and resolve", plans)
        (claim,) = engine.claim(1)
        with watcher.watching() as plans:
            engine.cancel(claim.job_id)
            engine.retry(claim.job_id)
        note("cancel and retry", plans)
    return {what: wrong for what, wrong in found.items() if wrong}


@pytest.mark.parametrize("batch", [1, 50])
def test_with_fresh_statistics(crowd: Engine, batch: int) -> None:
    analyze(crowd.connection)
    assert drive(crowd, batch) == {}


@pytest.mark.parametrize("batch", [1, 50])
def test_with_no_statistics(crowd: Engine, batch: int) -> None:
    assert drive(crowd, batch) == {}


@pytest.mark.parametrize("batch", [1, 50])
def test_with_statistics_of_the_empty_tables(own_engine: Engine, batch: int) -> None:
    stop_autovacuum(own_engine.connection)
    analyze(own_engine.connection)
    add_queued(own_engine.connection, MANY)
    assert drive(own_engine, batch) == {}


@pytest.mark.parametrize("batch", [1, 50])
def test_with_statistics_of_a_crowd_that_is_gone(crowd: Engine, batch: int) -> None:
    analyze(crowd.connection)
    with crowd.connection.transaction():
        crowd.connection.execute("SET LOCAL session_replication_role = replica")
        crowd.connection.execute("TRUNCATE jobs, media_outputs, usage_tracking, vsl.attempts")
        crowd.connection.execute("TRUNCATE vsl.dispatch, vsl.ledger_entries")
    add_queued(crowd.connection, 1000)
    assert drive(crowd, batch) == {}


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("few", [0, 3 * CALLS, 500])
def test_with_plans_that_a_session_made_when_the_tables_were_small(
    own_engine: Engine, batch: int, few: int
) -> None:
    """A worker that was started first: its plans are kept when the crowd comes."""
    stop_autovacuum(own_engine.connection)
    add_queued(own_engine.connection, few)
    analyze(own_engine.connection)
    add_queued(own_engine.connection, 3 * CALLS, start=1000)
    drive(own_engine, 1)
    add_queued(own_engine.connection, MANY // 5, start=MANY)
    assert drive(own_engine, batch) == {}


@pytest.mark.parametrize("batch", [1, 50])
def test_with_a_long_history(own_engine: Engine, batch: int) -> None:
    """Few jobs wait beside many that are finished."""
    stop_autovacuum(own_engine.connection)
    add_finished(own_engine.connection, 20_000)
    add_queued(own_engine.connection, CALLS * (batch + 2))
    analyze(own_engine.connection)
    assert drive(own_engine, batch) == {}


def test_a_bad_plan_would_be_found(crowd: Engine) -> None:
    watcher = Watcher(crowd.connection)
    with watcher.watching() as plans:
        crowd.connection.execute(
            "SELECT count(*) FROM vsl.dispatch d JOIN jobs j ON j.id = d.job_id"
        )
    (plan,) = plans
    found = " ".join(plan.problems(100))
    assert "sequential scan of dispatch" in found
    assert "hash over" in found
    assert "touched 100000 rows" in found
