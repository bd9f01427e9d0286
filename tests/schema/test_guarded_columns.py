"""What a person may not change by hand on a driven job, whoever they are and whatever they set."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from tests.schema.kit import Row, Session

CANCEL = "Call SELECT vsl.cancel_job('mine')."
RETRY = "Call SELECT vsl.retry_job('mine')."
FINISH = "Workers end jobs through vsl.finish_jobs."
AGAIN = "Submit a new job with vsl.submit_job."
# A change, the column that is named, and the function to call instead.
GUARDED: list[tuple[Row, str, str]] = [
    ({"status": "processing"}, "status", FINISH),
    ({"status": "completed"}, "status", FINISH),
    ({"status": "failed", "error_message": "x"}, "status", FINISH),
    ({"status": "cancelled"}, "status", CANCEL),
    ({"status": "nonsense"}, "status", FINISH),
    ({"replicate_id": "r-1"}, "replicate_id", "Workers record it through vsl.record_prediction."),
    ({"completed_at": "2026-01-01"}, "completed_at", FINISH),
    ({"estimated_cost": 0}, "estimated_cost", AGAIN),
    ({"estimated_cost": None}, "estimated_cost", AGAIN),
    ({"actual_cost": 0}, "actual_cost", FINISH),
    ({"actual_processing_time": 1}, "actual_processing_time", FINISH),
    ({"cancel_requested_at": "2026-01-01"}, "cancel_requested_at", CANCEL),
    ({"job_id": "other"}, "job_id", AGAIN),
    ({"user_id": "bob"}, "user_id", AGAIN),
    ({"model_id": "outside"}, "model_id", AGAIN),
    ({"media_type": "video"}, "media_type", AGAIN),
    ({"driven": False}, "driven", AGAIN),
    ({"id": "00000000-0000-7000-8000-000000000000"}, "id", AGAIN),
]  # fmt: skip


def refuse_all(writer: Session, job: Row) -> None:
    """Each guarded change is refused, and nothing of the row changes."""
    before = writer.job(job)
    for columns, field, hint in GUARDED:
        with pytest.raises(psycopg.Error) as refused:
            writer.set(job, **columns)
        diagnosis = refused.value.diag
        assert refused.value.sqlstate == "VS001", columns
        assert diagnosis.message_primary == (
            f"{field} of job mine is kept by VSL and cannot be changed by hand"
        )
        assert diagnosis.message_hint == hint, columns
    assert writer.job(job) == before


@pytest.mark.parametrize("role", ["superuser", "vsl_app", "vsl_owner"])
def test_a_live_driven_job(role: str, session: Session, as_role: Callable[[str], Session]) -> None:
    job = session.add_job(job_id="mine", prompt="a heron")
    writer = session if role == "superuser" else as_role(role)
    refuse_all(writer, job)


def test_by_a_plain_owner(plain: Session) -> None:
    # Its functions run as the same role as it does, so the role alone tells nothing.
    job = plain.add_job(job_id="mine", prompt="a heron")
    refuse_all(plain, job)
    with plain.connection.transaction():
        claimed, begun = plain.start()
        with pytest.raises(psycopg.Error, match="kept by VSL"), plain.connection.transaction():
            plain.set(job, status="failed")
        plain.value("SELECT vsl.cancel_job('mine')")
        with pytest.raises(psycopg.Error, match="kept by VSL"), plain.connection.transaction():
            plain.set(job, replicate_id="r-1")
    assert plain.finish(claimed, begun)["result"] == "finished"


def test_ended_driven_jobs(session: Session) -> None:
    session.add_job(job_id="mine")
    job = session.run_job()
    for columns, hint in (
        ({"status": "failed", "completed_at": None}, FINISH),
        ({"status": "pending", "completed_at": None}, RETRY),
        ({"completed_at": "2026-01-01"}, FINISH),
        ({"actual_cost": 0}, FINISH),
    ):
        with pytest.raises(psycopg.Error) as refused:
            session.set(job, **columns)
        assert (refused.value.sqlstate, refused.value.diag.message_hint) == ("VS001", hint)


def test_the_application_cannot_pass_for_a_function(
    session: Session, as_role: Callable[[str], Session]
) -> None:
    job = session.add_job(job_id="mine")
    app = as_role("vsl_app")
    app.run("SELECT set_config('vsl.writer', 'function', false)")
    app.run("SET search_path = pg_catalog, vsl, pg_temp")
    assert app.value("SELECT current_setting('search_path')") == "pg_catalog, vsl, pg_temp"
    assert app.value("SELECT vsl.by_function()") is False
    error = app.refused("UPDATE public.jobs SET status = 'failed' WHERE id = %s", job["id"])
    assert error.sqlstate == "VS001"
    output = "INSERT INTO public.media_outputs (job_id, s3_key) VALUES (%s, 'k')"
    assert app.refused(output, job["id"]).sqlstate == "VS001"


def test_the_application_cannot_bend_the_rules_with_objects_of_its_own(
    session: Session, as_role: Callable[[str], Session]
) -> None:
    """Operators, functions and tables of its own before VSL's in the search path."""
    job = session.add_job(job_id="mine")
    app = as_role("vsl_app")
    app.run("CREATE TEMPORARY TABLE jobs (id uuid, job_id text, media_type text, driven boolean)")
    app.run("INSERT INTO pg_temp.jobs VALUES (%s, 'mine', 'video', false)", job["id"])
    app.run("CREATE TEMPORARY TABLE model_configurations (model_id text, media_type text)")
    app.run("SET search_path = pg_temp, public, pg_catalog")
    assert (
        app.refused(
            "INSERT INTO public.media_outputs (job_id, s3_key) VALUES (%s, 'k')", job["id"]
        ).sqlstate
        == "VS001"
    )
    assert app.refused("UPDATE public.jobs SET status = 'failed'").sqlstate == "VS001"
    assert (
        app.refused("INSERT INTO public.jobs (user_id, model_id) VALUES ('ada', 'nope')").sqlstate
        == "23503"
    )


def test_what_a_person_may_change(session: Session, as_role: Callable[[str], Session]) -> None:
    job = session.add_job(job_id="mine", prompt="a heron")
    app = as_role("vsl_app")
    changed = app.set(
        job,
        metadata={"seen": True},
        prompt="an owl",
        parameters={"a": 1},
        estimated_time=5,
        error_message="looked into",
        error_code="seen",
        updated_at="2020-01-01",
    )
    assert (changed["metadata"], changed["prompt"]) == ({"seen": True}, "an owl")
    # The timestamp is VSL's to set.
    assert changed["updated_at"] > job["updated_at"]
    # What stays the same is no change.
    same = {name: changed[name] for name in ("status", "replicate_id", "estimated_cost")}
    assert app.set(job, **same)["status"] == "pending"


def test_many_rows_at_once(session: Session) -> None:
    for _ in range(3):
        session.add_job()
        session.add_job("outside")
    assert session.refused("UPDATE jobs SET status = 'failed'").sqlstate == "VS001"
    assert session.run("UPDATE jobs SET status = 'failed' WHERE NOT driven") == 3
    assert session.value("SELECT count(*) FROM jobs WHERE status = 'pending'") == 3
