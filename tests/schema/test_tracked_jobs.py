"""Tracked jobs: every move of their status, forward and backward, by hand and by function."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from tests.schema.kit import Row, Session

STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
FINAL = ("completed", "failed", "cancelled")


def allowed(start: str, end: str) -> bool:
    return start == end or (start not in FINAL and end != "pending")


@pytest.mark.parametrize("start", STATUSES)
def test_moves_by_hand(start: str, session: Session, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    for end in STATUSES:
        job = app.add_job("outside", status=start)
        if allowed(start, end):
            moved = app.set(job, status=end)
            assert moved["status"] == end
            assert (moved["completed_at"] is not None) is (end == "completed")
            continue
        with pytest.raises(psycopg.Error) as refused:
            # A person who means it takes the time away as well.
            app.set(job, status=end, completed_at=None if end != "completed" else "2026-01-01")
        assert refused.value.sqlstate == "VS002", (start, end)
        message = refused.value.diag.message_primary or ""
        hint = refused.value.diag.message_hint or ""
        if start in FINAL:
            assert message == f"job {job['job_id']} is {start}, which is final"
            # A completed job is not run again, so no call that would be refused is offered.
            retry = f"SELECT vsl.retry_job('{job['job_id']}')"
            assert (retry in hint) is (start != "completed")
            assert hint
        else:
            assert message == f"job {job['job_id']} is {start} and cannot go back to pending"
        assert session.job(job) == job
    assert session.count("vsl.ledger_entries") == 0


def test_completed_exactly_when_completed_at(session: Session) -> None:
    def refused(job: Row, **columns: object) -> str | None:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            session.set(job, **columns)
        return caught.value.diag.constraint_name

    job = session.add_job("outside")
    rule = "jobs_completed_has_completed_at"
    assert refused(job, completed_at="2026-01-01") == rule
    assert refused(job, status="failed", completed_at="2026-01-01") == rule
    assert refused(job, status="processing", completed_at="2026-01-01") == rule
    done = session.set(job, status="completed", completed_at="2026-01-01")
    assert done["completed_at"] == session.value("SELECT '2026-01-01'::timestamptz")
    assert refused(job, completed_at=None) == rule
    assert session.set(job, completed_at="2026-01-02")["status"] == "completed"


def test_everything_else_is_theirs_to_keep(session: Session) -> None:
    job = session.add_job("outside", status="processing")
    changed = session.set(
        job,
        replicate_id="r-1",
        actual_cost="0.5",
        estimated_cost="0.4",
        actual_processing_time="1.25",
        retry_count=2,
        job_id="renamed",
        user_id="bob",
        error_code="e",
        cancel_requested_at="2026-01-01",
    )
    assert (changed["replicate_id"], changed["job_id"], changed["driven"]) == (
        "r-1",
        "renamed",
        False,
    )
    assert changed["updated_at"] > job["updated_at"]
    for columns in ({"driven": True}, {"id": "00000000-0000-7000-8000-000000000000"}):
        with pytest.raises(psycopg.Error) as refused:
            session.set(job, **columns)
        assert refused.value.sqlstate == "VS001"


@pytest.mark.parametrize("status", STATUSES)
def test_cancelling(status: str, session: Session) -> None:
    job = session.add_job("outside", status=status)
    if status in ("completed", "failed"):
        error = session.refused("SELECT vsl.cancel_job(%s)", job["job_id"])
        assert error.sqlstate == "VS002"
        assert f"is {status} and can no longer be cancelled" in str(error)
        assert session.job(job) == job
        return
    for _ in range(2):
        assert session.value("SELECT vsl.cancel_job(%s)", job["job_id"]) == "cancelled"
    after = session.job(job)
    assert (after["status"], after["completed_at"]) == ("cancelled", None)


@pytest.mark.parametrize("status", STATUSES)
def test_retrying(status: str, session: Session) -> None:
    job = session.add_job(
        "outside", status=status, replicate_id="r-1", error_code="e", error_message="m"
    )
    if status not in ("failed", "cancelled"):
        error = session.refused("SELECT vsl.retry_job(%s)", job["job_id"])
        assert error.sqlstate == "VS002"
        assert f"is {status}; only failed and cancelled jobs can be retried" in str(error)
        assert session.job(job) == job
        return
    session.run("SELECT vsl.retry_job(%s)", job["job_id"])
    after = session.job(job)
    expected = {
        "status": "pending",
        "retry_count": 1,
        "error_code": None,
        "error_message": None,
        "replicate_id": "r-1",
        "driven": False,
        "cancel_requested_at": None,
    }
    assert {name: after[name] for name in expected} == expected
    assert session.count("vsl.dispatch") == 0
    assert session.set(job, status="completed")["completed_at"] is not None


def test_an_unknown_job(session: Session) -> None:
    for function in ("cancel_job", "retry_job"):
        error = session.refused(f"SELECT vsl.{function}('nope')")
        assert (error.sqlstate, error.diag.message_primary) == ("VS004", "there is no job 'nope'")
        assert session.refused(f"SELECT vsl.{function}(NULL)").sqlstate == "VS004"
