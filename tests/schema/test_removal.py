"""What stays and what goes when jobs, outputs, models and money are removed."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from tests.schema.kit import Row, Session, output_of


def counts(session: Session, job: Row) -> dict[str, int]:
    tables = ("vsl.dispatch", "vsl.attempts", "media_outputs", "vsl.ledger_entries")
    query = "SELECT count(*) FROM {} WHERE job_id = %s"
    return {table: session.value(query.format(table), job["id"]) for table in tables}


def doomed(session: Session) -> list[Row]:
    return session.all(
        "SELECT storage_key, bucket, reason FROM vsl.doomed_objects ORDER BY storage_key"
    )


def test_a_live_job_is_not_deleted(session: Session, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    job = app.add_job(job_id="mine")
    for _ in range(2):
        error = app.refused("DELETE FROM jobs WHERE job_id = 'mine'")
        assert (error.sqlstate, error.diag.message_primary, error.diag.message_hint) == (
            "VS003",
            "job mine has not ended and cannot be deleted",
            "Cancel it first: SELECT vsl.cancel_job('mine').",
        )
        if session.value("SELECT worker FROM vsl.dispatch") is None:
            session.start()
    assert counts(session, job)["vsl.dispatch"] == 1
    # One live job holds a whole DELETE back.
    app.add_job("outside", status="failed")
    assert app.refused("DELETE FROM jobs").sqlstate == "VS003"
    assert session.count("jobs") == 2


def test_a_cancelled_job_can_be_deleted(session: Session) -> None:
    job = session.add_job(job_id="mine")
    session.value("SELECT vsl.cancel_job('mine')")
    assert session.run("DELETE FROM jobs") == 1
    assert counts(session, job) == {
        "vsl.dispatch": 0,
        "vsl.attempts": 0,
        "media_outputs": 0,
        "vsl.ledger_entries": 2,
    }


def test_an_ended_job(session: Session, as_role: Callable[[str], Session]) -> None:
    job = session.add_job(job_id="mine", user_id="ada")
    outputs = [
        output_of("image", s3_key="a", s3_bucket="here"),
        output_of("image", s3_key="b", s3_bucket=None, ordinal=1),
    ]
    session.run_job(outputs=outputs)
    assert counts(session, job)["vsl.attempts"] == 1
    usage = session.one("SELECT * FROM usage_tracking")
    assert usage["job_id"] == job["id"]

    assert as_role("vsl_app").run("DELETE FROM jobs WHERE job_id = 'mine'") == 1

    assert counts(session, job) == {
        "vsl.dispatch": 0,
        "vsl.attempts": 0,
        "media_outputs": 0,
        "vsl.ledger_entries": 2,
    }
    assert session.one("SELECT * FROM usage_tracking") == usage | {"job_id": None}
    assert (usage["public_job_id"], usage["user_id"], usage["run"]) == ("mine", "ada", 1)
    reason = "its output was deleted"
    assert doomed(session) == [
        {"storage_key": "a", "bucket": "here", "reason": reason},
        {"storage_key": "b", "bucket": None, "reason": reason},
    ]


def test_a_tracked_job_in_any_status(session: Session) -> None:
    for status in ("pending", "processing", "completed", "failed", "cancelled"):
        job = session.add_job("outside", status=status)
        session.add_output(job, s3_key=status)
        session.insert("usage_tracking", {"job_id": job["id"], "user_id": "ada"})
        session.run("DELETE FROM jobs WHERE id = %s", job["id"])
    assert [row["storage_key"] for row in doomed(session)] == sorted(
        ("pending", "processing", "completed", "failed", "cancelled")
    )
    usage = session.all("SELECT job_id FROM usage_tracking")
    assert usage == [{"job_id": None}] * 5


def test_outputs_alone(session: Session, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    job = app.add_job("outside", status="completed")
    for key in ("a", "b", None):
        app.add_output(job, s3_key=key)
    assert app.run("DELETE FROM media_outputs") == 3
    assert [row["storage_key"] for row in doomed(session)] == ["a", "b"]
    with app.connection.transaction(force_rollback=True):
        app.add_output(job, s3_key="c")
        app.run("DELETE FROM media_outputs")
    assert len(doomed(session)) == 2


def test_truncating(session: Session) -> None:
    job = session.add_job()
    error = session.refused("TRUNCATE jobs CASCADE")
    assert (error.sqlstate, str(error.diag.message_primary)) == (
        "VS003",
        "jobs cannot be truncated while driven jobs are live",
    )
    session.run_job()
    for statement in ("TRUNCATE media_outputs", "TRUNCATE jobs CASCADE"):
        error = session.refused(statement)
        assert error.sqlstate == "VS003"
        assert "their objects would stay in the store unseen" in str(error)
        assert error.diag.message_hint == "Use DELETE."
    session.run("DELETE FROM media_outputs")
    session.run("TRUNCATE jobs CASCADE")
    assert session.count("jobs") == 0
    assert counts(session, job)["vsl.ledger_entries"] == 2


def test_the_application_may_not_truncate(as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    for table in ("jobs", "media_outputs", "usage_tracking", "model_configurations"):
        assert app.refused(f"TRUNCATE {table} CASCADE").sqlstate == "42501"


def test_models_that_live_jobs_need(session: Session) -> None:
    session.add_job()
    for statement in (
        "DELETE FROM model_configurations WHERE model_id = 'painter'",
        "UPDATE model_configurations SET model_id = 'artist' WHERE model_id = 'painter'",
    ):
        error = session.refused(statement)
        assert (error.sqlstate, error.diag.message_primary) == (
            "VS003",
            "model 'painter' has live jobs and cannot be removed or renamed",
        )
    assert session.refused("TRUNCATE model_configurations").sqlstate == "VS003"
    assert session.run("DELETE FROM model_configurations WHERE model_id = 'singer'") == 1
    assert session.run("UPDATE model_configurations SET is_active = false") > 5

    # What was accepted is run, also when its model is switched off meanwhile.
    assert session.run_job()["status"] == "completed"
    assert session.run("DELETE FROM model_configurations WHERE model_id = 'painter'") == 1
    assert session.value("SELECT model_id FROM jobs") == "painter"
    error = session.refused("SELECT vsl.retry_job(job_id) FROM jobs")
    assert error.sqlstate == "VS002"
    session.run("TRUNCATE model_configurations")


def test_a_model_remembers_when_it_changed(session: Session) -> None:
    before = session.one("SELECT * FROM model_configurations WHERE model_id = 'painter'")
    changed = "UPDATE model_configurations SET pricing_per_unit = 9, updated_at = '2020-01-01'"
    session.run(changed + " WHERE model_id = 'painter'")
    after = session.one("SELECT * FROM model_configurations WHERE model_id = 'painter'")
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


@pytest.mark.parametrize("role", ["superuser", "vsl_owner", "vsl_migrator"])
def test_the_ledger_is_only_added_to(
    role: str, session: Session, as_role: Callable[[str], Session]
) -> None:
    session.add_job()
    session.run_job()
    writer = session if role == "superuser" else as_role(role)
    before = session.all("SELECT * FROM vsl.ledger_entries ORDER BY closes")
    for statement in (
        "UPDATE vsl.ledger_entries SET charged = 0",
        "DELETE FROM vsl.ledger_entries",
        "DELETE FROM vsl.ledger_entries WHERE false",
        "TRUNCATE vsl.ledger_entries",
    ):
        error = writer.refused(statement)
        assert error.sqlstate == "VS001"
        assert "ledger entries are only added, never changed or removed" in str(error)
        assert error.diag.message_hint == "Correct a mistake with a further entry."
    assert session.all("SELECT * FROM vsl.ledger_entries ORDER BY closes") == before
    # A run is opened once and closed once.
    again = "INSERT INTO vsl.ledger_entries SELECT * FROM vsl.ledger_entries"
    assert isinstance(writer.refused(again), psycopg.errors.UniqueViolation)
    for kind, closes, charged in (
        ("hold", True, 0),
        ("hold", False, 1),
        ("settle", False, 1),
        ("release", True, 1),
        ("gift", True, 0),
    ):
        error = writer.refused(
            "INSERT INTO vsl.ledger_entries VALUES (%s, 2, %s, %s, 0, %s, 'x', 'ada', 'painter')",
            before[0]["job_id"],
            closes,
            kind,
            charged,
        )
        assert error.diag.constraint_name == "ledger_entries_kind_known", kind
