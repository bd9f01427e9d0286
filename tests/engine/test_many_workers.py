"""Twenty workers at once on real connections: each job is claimed once, and the money balances."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from tests.conftest import Connect
from tests.engine.kit import PRICE, Engine, by_id, result

WORKERS, JOBS = 20, 2000


def together(work: Callable[[int], list[UUID]]) -> list[list[UUID]]:
    """Run the work of all workers at once; they start on one signal."""
    start = threading.Barrier(WORKERS)

    def one(number: int) -> list[UUID]:
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(max_workers=WORKERS) as threads:
        return [future.result(120) for future in [threads.submit(one, n) for n in range(WORKERS)]]


def test_each_job_is_claimed_exactly_once(engine: Engine, database: str, connect: Connect) -> None:
    jobs = engine.submit_many(JOBS)
    sessions = [Engine(connect(database)) for _ in range(WORKERS)]

    def work(number: int) -> list[UUID]:
        found: list[UUID] = []
        # One by one and in batches, so that both meet.
        while claims := sessions[number].claim(1 + number % 5, worker=f"w{number}"):
            found += [claim.id for claim in claims]
        return found

    found = together(work)
    counts = Counter(job for jobs_of_one in found for job in jobs_of_one)
    assert set(counts) == set(jobs)
    assert set(counts.values()) == {1}
    rows = engine.all("SELECT job_id, worker, epoch FROM vsl.dispatch")
    assert {row["job_id"]: row["worker"] for row in rows} == {
        job: f"w{number}" for number, jobs_of_one in enumerate(found) for job in jobs_of_one
    }
    assert len({row["epoch"] for row in rows}) == JOBS


def test_twenty_workers_end_all_jobs_once(engine: Engine, database: str, connect: Connect) -> None:
    jobs = engine.submit_many(JOBS)
    sessions = [Engine(connect(database)) for _ in range(WORKERS)]

    def work(number: int) -> list[UUID]:
        session, ended = sessions[number], []
        while claims := session.claim(10, worker=f"w{number}"):
            begun = by_id(session.begin(*claims))
            # Every tenth one fails for good, so that both ends of the money are seen.
            answers = session.finish(
                *(
                    result(
                        claim,
                        begun[claim.id],
                        outcome="failed" if claim.epoch % 10 == 0 else "completed",
                    )
                    for claim in claims
                )
            )
            assert {answer.result for answer in answers} == {"finished"}
            ended += [answer.id for answer in answers]
        return ended

    counts = Counter(job for jobs_of_one in together(work) for job in jobs_of_one)
    assert set(counts) == set(jobs)
    assert set(counts.values()) == {1}
    statuses = {
        row["status"]: row["n"]
        for row in engine.all("SELECT status, count(*) AS n FROM jobs GROUP BY status")
    }
    assert set(statuses) == {"completed", "failed"}
    (sums,) = engine.all(
        "SELECT sum(held) AS held, sum(charged) AS charged, count(*) AS n FROM vsl.ledger_entries"
    )
    assert (sums["held"], sums["charged"]) == (0, statuses["completed"] * PRICE)
    assert sums["n"] == 2 * JOBS
    (usage,) = engine.all("SELECT sum(actual_cost) AS cost, count(*) AS n FROM usage_tracking")
    assert (usage["cost"], usage["n"]) == (sums["charged"], JOBS)
    (outputs,) = engine.all("SELECT count(*) AS n FROM media_outputs")
    assert outputs["n"] == statuses["completed"]
    assert engine.all("SELECT 1 FROM vsl.dispatch") == []
    assert engine.broken_rules() == []
