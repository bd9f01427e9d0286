"""``vsl bench seed``: a made-up history, the same for the same seed, that breaks no rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect
from tests.schema.kit import Session

from vsl.errors import NotAllowed
from vsl.ops import seed as module
from vsl.ops.seed import History, seed

SMALL = History(jobs=2_000, users=50, seed=7)
# All that does not depend on the clock.
FACTS = """
    SELECT job_id, media_type, model_id, status, prompt, parameters, user_id, estimated_cost,
        actual_processing_time, actual_cost, error_code, driven,
        (SELECT count(*) FROM media_outputs o WHERE o.job_id = j.id) AS outputs,
        (SELECT sum(actual_cost) FROM usage_tracking u WHERE u.job_id = j.id) AS used
    FROM jobs j ORDER BY job_id
"""


def ignore(_: int) -> None:
    """What is told matters to one test only."""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several transactions even for a small history."""
    monkeypatch.setattr(module, "CHUNK", 300)


@pytest.mark.usefixtures("small_chunks")
async def test_the_rows_belong_together(database: str, connect: Connect) -> None:
    told: list[int] = []
    assert await seed(database, SMALL, among_others=False, told=told.append) == 2_000
    assert told[0] == 300
    assert told[-1] == 2_000
    found = Session(connect(database))
    jobs = found.all(FACTS)
    assert len(jobs) == 2_000
    assert sum(job["user_id"] == "bench-user-heavy" for job in jobs) == 100
    assert {job["status"] for job in jobs} == {"completed", "failed", "cancelled", "processing"}
    assert {job["media_type"] for job in jobs} == {"image", "video", "audio"}
    for job in jobs:
        done = job["status"] == "completed"
        assert job["outputs"] == done
        assert job["used"] == job["actual_cost"]
        assert (job["actual_cost"] is not None) == done
    assert found.count("vsl.dispatch") == 0
    assert found.value("SELECT bool_or(driven) FROM jobs") is False
    assert found.value("SELECT max(created_at) <= now() FROM jobs") is True


async def test_the_same_seed_makes_the_same_jobs(database: str, connect: Connect) -> None:
    found = Session(connect(database))
    await seed(database, SMALL, among_others=False, told=ignore)
    first = found.all(FACTS)
    found.run("DELETE FROM jobs")
    await seed(database, SMALL, among_others=False, told=ignore)
    assert found.all(FACTS) == first
    found.run("DELETE FROM jobs")
    await seed(database, History(jobs=2_000, users=50, seed=8), among_others=False, told=ignore)
    assert [job["prompt"] for job in found.all(FACTS)] != [job["prompt"] for job in first]


@pytest.mark.usefixtures("small_chunks")
async def test_an_interrupted_run_goes_on_where_it_ended(database: str, connect: Connect) -> None:
    def stop(done: int) -> None:
        if done >= 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await seed(database, SMALL, among_others=False, told=stop)
    found = Session(connect(database))
    assert found.count("jobs") == 900
    assert await seed(database, SMALL, among_others=False, told=ignore) == 1_100
    assert found.count("jobs") == 2_000
    assert await seed(database, SMALL, among_others=False, told=ignore) == 0


async def test_jobs_of_others_are_not_mixed_in_silence(session: Session, database: str) -> None:
    session.add_job("outside", status="completed")
    with pytest.raises(NotAllowed, match="not made up"):
        await seed(database, SMALL, among_others=False, told=ignore)
    assert session.count("jobs") == 1
    assert await seed(database, SMALL, among_others=True, told=ignore) == 2_000


async def test_the_triggers_are_on_again(session: Session, database: str) -> None:
    await seed(database, SMALL, among_others=False, told=ignore)
    query = "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal"
    assert session.value(query) == 0
    assert session.add_job(prompt="a heron")["driven"] is True


def test_by_the_command(database: str, vsl: Vsl) -> None:
    made = vsl.json("bench", "seed", "--jobs=500", "--seed=3", DATABASE_URL=database)
    assert {name: made[name] for name in ("made", "jobs", "seed")} == {
        "made": 500,
        "jobs": 500,
        "seed": 3,
    }
    done = vsl("bench", "seed", "--jobs=500", "--seed=3", DATABASE_URL=database)
    assert done.out == "All 500 jobs of seed 3 are there already.\n"


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_login_that_may_not_is_told(
    database: str, vsl: Vsl, role_url: Callable[[str, str], str]
) -> None:
    done = vsl("bench", "seed", "--jobs=10", DATABASE_URL=role_url(database, "vsl_app"))
    assert done.status == 1
    assert "permission denied" in done.err or "must be owner" in done.err


def test_bad_numbers_are_named(vsl: Vsl) -> None:
    done = vsl("bench", "seed", "--jobs=0")
    assert done.status == 2
    assert "--jobs" in done.err
