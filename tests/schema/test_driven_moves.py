"""cancel_job and retry_job on a driven job in each of its states, with its money."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from tests.schema.kit import Row, Session

PRICE = Decimal("0.25")


def bring(session: Session, state: str) -> Row:
    """A driven job in a state; the claim and the attempt under way go with it."""
    job = session.add_job(job_id="mine", prompt="a heron")
    found: Row = {"job": job}
    if state == "pending":
        return found
    found["claimed"] = session.claim()
    if state == "claimed":
        return found
    found["begun"] = session.begin(found["claimed"])
    if state == "backoff":
        fail(session, found, retryable=True)
    elif state in ("completed", "failed"):
        session.finish(found["claimed"], found["begun"], state)
    elif state == "cancelled":
        assert session.value("SELECT vsl.cancel_job('mine')") == "requested"
        session.finish(found["claimed"], found["begun"], state)
    return found


def fail(session: Session, found: Row, *, retryable: bool) -> str:
    return str(
        session.value(
            "SELECT vsl.fail_job(%s, %s, %s, 'code', 'it broke', %s)",
            found["claimed"]["id"],
            found["claimed"]["epoch"],
            found["begun"]["attempt_id"],
            retryable,
        )
    )


def money(session: Session) -> tuple[Decimal | int, Decimal | int]:
    """What is held and what was charged."""
    row = session.one("SELECT sum(held) AS held, sum(charged) AS charged FROM vsl.ledger_entries")
    return row["held"], row["charged"]


@pytest.mark.parametrize("state", ["pending", "claimed", "backoff"])
def test_cancelling_what_nothing_was_sent_for(
    state: str, session: Session, as_role: Callable[[str], Session]
) -> None:
    job = bring(session, state)["job"]
    assert money(session) == (PRICE, 0)
    app = as_role("vsl_app")
    for _ in range(2):
        assert app.value("SELECT vsl.cancel_job('mine')") == "cancelled"
    after = session.job(job)
    assert (after["status"], after["completed_at"], after["actual_cost"]) == ("cancelled", None, 0)
    assert after["cancel_requested_at"] is not None
    assert session.count("vsl.dispatch") == 0
    assert money(session) == (0, 0)
    usage = session.one("SELECT * FROM usage_tracking")
    assert (usage["actual_cost"], usage["estimated_cost"], usage["run"]) == (0, PRICE, 1)


def test_cancelling_what_runs(session: Session, as_role: Callable[[str], Session]) -> None:
    found = bring(session, "processing")
    app = as_role("vsl_app")
    for _ in range(2):
        assert app.value("SELECT vsl.cancel_job('mine')") == "requested"
    job = session.job(found["job"])
    assert (job["status"], job["cancel_requested_at"] is not None) == ("processing", True)
    assert session.value("SELECT cancel_requested FROM vsl.dispatch") is True
    assert money(session) == (PRICE, 0)
    # A failure that would have been tried again ends as what was asked for.
    assert fail(session, found, retryable=True) == "cancelled"
    assert session.job(found["job"])["status"] == "cancelled"
    assert money(session) == (0, 0)


def test_what_was_done_before_the_wish_arrived_is_done(session: Session) -> None:
    found = bring(session, "processing")
    session.value("SELECT vsl.cancel_job('mine')")
    assert session.finish(found["claimed"], found["begun"])["outcome"] == "completed"
    assert session.job(found["job"])["status"] == "completed"
    assert money(session) == (0, PRICE)


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_cancelling_what_has_ended(state: str, session: Session) -> None:
    job = session.job(bring(session, state)["job"])
    error = session.refused("SELECT vsl.cancel_job('mine')")
    assert (error.sqlstate, error.diag.message_primary) == (
        "VS002",
        f"job mine is {state} and can no longer be cancelled",
    )
    assert session.job(job) == job


@pytest.mark.parametrize("state", ["pending", "claimed", "processing", "backoff", "completed"])
def test_retrying_what_may_not_be(state: str, session: Session) -> None:
    job = session.job(bring(session, state)["job"])
    status = {"claimed": "pending", "backoff": "processing"}.get(state, state)
    error = session.refused("SELECT vsl.retry_job('mine')")
    assert (error.sqlstate, error.diag.message_primary) == (
        "VS002",
        f"job mine is {status}; only failed and cancelled jobs can be retried",
    )
    hint = "Submit a new job" if state == "completed" else "It is tried again by itself"
    assert (error.diag.message_hint or "").startswith(hint)
    assert session.job(job) == job


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_retrying(state: str, session: Session, as_role: Callable[[str], Session]) -> None:
    job = bring(session, state)["job"]
    change = "UPDATE model_configurations SET pricing_per_unit = 0.4, lane = 'next'"
    session.run(change + " WHERE model_id = 'painter'")
    as_role("vsl_app").run("SELECT vsl.retry_job('mine')")
    after = session.job(job)
    expected = {
        "status": "pending",
        "driven": True,
        "retry_count": 1,
        "error_code": None,
        "error_message": None,
        "cancel_requested_at": None,
        "completed_at": None,
        "estimated_cost": Decimal("0.4"),
        "actual_cost": 0,
    }
    assert {name: after[name] for name in expected} == expected
    row = session.one("SELECT run, held, lane, attempts, phase FROM vsl.dispatch")
    assert row == {
        "run": 2,
        "held": Decimal("0.4"),
        "lane": "next",
        "attempts": 0,
        "phase": "submit",
    }
    assert money(session) == (Decimal("0.4"), 0)
    done = session.run_job(lane="next")
    assert (done["status"], done["actual_cost"], done["retry_count"]) == (
        "completed",
        Decimal("0.4"),
        1,
    )
    assert money(session) == (0, Decimal("0.4"))
    runs = session.all("SELECT run, actual_cost FROM usage_tracking ORDER BY run")
    assert runs == [
        {"run": 1, "actual_cost": 0},
        {"run": 2, "actual_cost": Decimal("0.4")},
    ]


def test_retrying_what_no_longer_can_be_run(session: Session) -> None:
    bring(session, "failed")
    for change, sqlstate, name in (
        ("is_active = false", "23514", "jobs_model_active"),
        ("is_active = true, pricing_per_unit = NULL", "23514", "jobs_model_priced"),
        ("provider = 'external'", "VS002", None),
    ):
        session.run(f"UPDATE model_configurations SET {change} WHERE model_id = 'painter'")  # noqa: S608
        error = session.refused("SELECT vsl.retry_job('mine')")
        assert (error.sqlstate, error.diag.constraint_name) == (sqlstate, name)
    assert session.value("SELECT status FROM jobs") == "failed"
    assert session.count("vsl.dispatch") == 0
    assert money(session) == (0, 0)
