"""An INSERT into jobs is a submission: what it fills in, holds and wakes, and what it drives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal

import psycopg
import pytest
from tests.conftest import Connect
from tests.schema.kit import Row, Session
from tests.support.waiting import wait_until


def test_the_least_that_one_can_type(session: Session) -> None:
    session.run(
        "INSERT INTO jobs (user_id, model_id, prompt, parameters)"
        " VALUES ('ada', 'painter', 'a heron', '{\"seed\": 1}')"
    )
    job = session.one("SELECT * FROM jobs")
    assert job["id"].version == 7
    assert job["job_id"] == f"job_{job['id'].hex}"
    filled = {
        "media_type": "image",
        "status": "pending",
        "replicate_id": None,
        "parameters": {"seed": 1},
        "completed_at": None,
        "estimated_time": 7,
        "estimated_cost": Decimal("0.25"),
        "actual_cost": None,
        "retry_count": 0,
        "metadata": {},
        "driven": True,
    }
    assert {name: job[name] for name in filled} == filled
    assert job["created_at"] == job["updated_at"]
    dispatch = session.one("SELECT * FROM vsl.dispatch")
    expected = {
        "job_id": job["id"],
        "lane": "cog",
        "phase": "submit",
        "epoch": 0,
        "worker": None,
        "attempt_id": None,
        "attempts": 0,
        "max_attempts": 3,
        "run": 1,
        "cancel_requested": False,
        "held": Decimal("0.25"),
    }
    assert {name: dispatch[name] for name in expected} == expected
    entry = session.one("SELECT * FROM vsl.ledger_entries")
    expected = {
        "job_id": job["id"],
        "run": 1,
        "closes": False,
        "kind": "hold",
        "held": Decimal("0.25"),
        "charged": 0,
        "public_job_id": job["job_id"],
        "user_id": "ada",
        "model_id": "painter",
    }
    assert {name: entry[name] for name in expected} == expected
    assert session.count("usage_tracking") == 0


def test_nulls_are_filled_in_like_what_is_left_out(session: Session) -> None:
    nulls = (
        "id", "job_id", "media_type", "status", "parameters", "metadata", "created_at",
        "updated_at", "retry_count", "estimated_time", "estimated_cost", "driven",
    )  # fmt: skip
    job = session.add_job(**dict.fromkeys(nulls))
    assert [name for name in nulls if job[name] is None] == []
    assert job["driven"] is True
    done = session.add_job("outside", **dict.fromkeys(nulls[:2]), status="completed")
    assert done["completed_at"] == done["created_at"]


def test_what_is_given_is_kept(session: Session) -> None:
    given: Row = {
        "job_id": "mine-1",
        "media_type": "image",
        "estimated_time": 99,
        "metadata": {"for": "a test"},
        "parameters": {"a": [1, 2]},
    }
    job = session.add_job(**given)
    assert {name: job[name] for name in given} == given


def test_the_price_is_the_registrys(session: Session) -> None:
    assert session.add_job(estimated_cost="0.01")["estimated_cost"] == Decimal("0.25")
    assert session.value("SELECT sum(held) FROM vsl.dispatch") == Decimal("0.25")
    free = session.add_job("singer")
    assert (free["driven"], free["estimated_cost"]) == (True, 0)


def test_the_models_lane_and_attempts(session: Session) -> None:
    session.run("UPDATE model_configurations SET lane = 'slow', max_attempts = 9")
    session.add_job()
    row = session.one("SELECT lane, max_attempts FROM vsl.dispatch")
    assert row == {"lane": "slow", "max_attempts": 9}


@pytest.mark.parametrize("status", ["pending", "processing", "completed", "failed", "cancelled"])
def test_driven_exactly_when_vsl_can_run_it(status: str, session: Session) -> None:
    """External model or not, a provider's id or not, in each status."""
    for model, replicate_id in itertools.product(("painter", "outside"), (None, "r-1")):
        job = session.add_job(model, status=status, replicate_id=replicate_id)
        driven = model == "painter" and replicate_id is None and status == "pending"
        assert job["driven"] is driven
        assert (job["completed_at"] is not None) is (status == "completed")
        live = session.value("SELECT count(*) FROM vsl.dispatch WHERE job_id = %s", job["id"])
        held = session.value("SELECT count(*) FROM vsl.ledger_entries WHERE job_id = %s", job["id"])
        assert (live, held) == ((1, 1) if driven else (0, 0))


def test_nobody_says_themselves_whether_it_is_driven(session: Session) -> None:
    assert session.add_job(driven=False)["driven"] is True
    assert session.add_job("outside", driven=True)["driven"] is False
    assert session.count("vsl.dispatch") == 1


def test_tracked_jobs_need_no_price_and_no_active_model(session: Session) -> None:
    for model in ("unpriced", "off", "outside"):
        job = session.add_job(model, status="processing", estimated_cost="0.125")
        assert (job["driven"], job["estimated_cost"]) == (False, Decimal("0.125"))


def test_the_function_submits_like_an_insert(
    session: Session, as_role: Callable[[str], Session]
) -> None:
    app = as_role("vsl_app")
    row = app.one(
        "SELECT * FROM vsl.submit_job('painter', 'ada', p_prompt => 'a heron', p_job_id => 'mine',"
        " p_parameters => '{\"a\": 1}', p_metadata => '{\"b\": 2}')"
    )
    job = session.one("SELECT * FROM jobs")
    assert row == {n: job[n] for n in (
        "id", "job_id", "media_type", "estimated_cost", "estimated_time",
    )}  # fmt: skip
    assert (job["job_id"], job["prompt"], job["parameters"], job["metadata"], job["driven"]) == (
        "mine",
        "a heron",
        {"a": 1},
        {"b": 2},
        True,
    )
    assert app.one("SELECT * FROM vsl.submit_job('singer', 'ada')")["estimated_cost"] == 0


def test_a_conflict_leaves_no_orphan(session: Session) -> None:
    first = session.add_job(job_id="same")
    statement = (
        "INSERT INTO jobs (job_id, user_id, model_id) VALUES ('same', 'bob', 'painter'),"
        " ('other', 'bob', 'painter') ON CONFLICT DO NOTHING"
    )
    assert session.run(statement) == 1
    session.run(
        "INSERT INTO jobs (id, user_id, model_id) VALUES (%s, 'bob', 'painter')"
        " ON CONFLICT (id) DO NOTHING",
        first["id"],
    )
    assert session.count("jobs") == 2
    for table in ("vsl.dispatch", "vsl.ledger_entries"):
        orphans = f"SELECT job_id FROM {table} WHERE job_id NOT IN (SELECT id FROM jobs)"  # noqa: S608
        assert session.all(orphans) == []
        assert session.count(table) == 2


def test_an_upsert_obeys_the_rules_of_an_update(session: Session) -> None:
    session.add_job(job_id="same", prompt="a heron")
    upsert = (
        "INSERT INTO jobs (job_id, user_id, model_id, prompt) VALUES ('same', 'ada', 'painter',"
        " 'an owl') ON CONFLICT (job_id) DO UPDATE SET "
    )
    session.run(upsert + "prompt = excluded.prompt")
    assert session.value("SELECT prompt FROM jobs") == "an owl"
    assert session.count("vsl.dispatch") == 1
    assert session.refused(upsert + "status = 'failed'").sqlstate == "VS001"


def test_an_aborted_insert_leaves_nothing(session: Session) -> None:
    with session.connection.transaction(force_rollback=True):
        session.add_job()
    for table in ("jobs", "vsl.dispatch", "vsl.ledger_entries"):
        assert session.count(table) == 0


def test_many_rows_by_copy(session: Session, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    with (
        app.connection.cursor() as cursor,
        cursor.copy("COPY jobs (user_id, model_id, prompt, status) FROM STDIN") as copy,
    ):
        for number in range(1000):
            copy.write_row((f"u{number % 7}", "painter", "a heron", "pending"))
        for number in range(500):
            copy.write_row((f"u{number % 7}", "outside", None, "completed"))
    assert session.value("SELECT count(*) FROM jobs WHERE driven") == 1000
    assert session.count("vsl.dispatch") == 1000
    assert session.value("SELECT sum(held) FROM vsl.ledger_entries") == 250
    assert session.value("SELECT count(DISTINCT job_id) FROM jobs") == 1500
    done = "SELECT count(*) FROM jobs WHERE status = 'completed' AND completed_at IS NOT NULL"
    assert session.value(done) == 500


def test_a_bad_row_of_a_copy_refuses_all(session: Session) -> None:
    def copy_rows() -> None:
        with (
            session.connection.cursor() as cursor,
            cursor.copy("COPY jobs (user_id, model_id) FROM STDIN") as copy,
        ):
            copy.write_row(("ada", "painter"))
            copy.write_row(("ada", "nobody knows"))

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        copy_rows()
    assert session.count("vsl.dispatch") == 0


def test_waking(session: Session, database: str, connect: Connect) -> None:
    listener = connect(database)
    listener.execute("LISTEN vsl_work")

    def heard() -> list[str]:
        # The mark comes after whatever was sent before it.
        session.run("SELECT pg_notify('vsl_work', 'mark')")
        got: list[str] = []

        def marked() -> bool:
            got.extend(n.payload for n in listener.notifies(timeout=0.05))
            return "mark" in got

        wait_until(marked, what="the mark is heard")
        return [payload for payload in got if payload != "mark"]

    session.run(
        "INSERT INTO jobs (user_id, model_id) SELECT 'ada', m FROM unnest(ARRAY"
        "['painter', 'painter', 'filmer', 'singer', 'outside']) m"
    )
    assert sorted(heard()) == ["cog", "replicate"]
    # What VSL's own client does: it wakes the workers itself, after its commit.
    session.run("SELECT vsl.submit_job('painter', 'ada', p_notify => false)")
    with session.connection.transaction():
        session.run("SET LOCAL vsl.notify = 'off'")
        session.add_job()
    assert heard() == []
    session.run("SELECT vsl.submit_job('painter', 'ada')")
    assert heard() == ["cog"]


def test_it_works_in_any_search_path(session: Session) -> None:
    session.run("SET search_path = ''")
    session.run("INSERT INTO public.jobs (user_id, model_id) VALUES ('ada', 'painter')")
    row = session.one("SELECT * FROM vsl.submit_job('painter', 'ada')")
    session.run("UPDATE public.jobs SET metadata = '{}' WHERE id = %s", row["id"])
    session.value("SELECT vsl.cancel_job(%s)", row["job_id"])
    statuses = "SELECT string_agg(status, ' ' ORDER BY created_at) FROM public.jobs"
    assert session.value(statuses) == "pending cancelled"
