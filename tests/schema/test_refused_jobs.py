"""Each input that jobs and the registry refuse, with its SQLSTATE, its constraint and its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.schema.kit import Row, Session, constraint

CHECK, FOREIGN, UNIQUE, KEPT = "23514", "23503", "23505", "VS001"
LONG = "x" * 256

# Each rule by the constraint that errors name, or by what has none: SQLSTATE and words.
RULES: dict[str, tuple[str, str]] = {
    "jobs_model_id_known": (FOREIGN, "is not in the registry"),
    "jobs_model_active": (CHECK, "model 'off' is switched off"),
    "jobs_model_priced": (CHECK, "has no price"),
    "jobs_media_type_of_model": (CHECK, "media_type is video, but model 'painter' makes image"),
    "jobs_media_type_known": (CHECK, "media_type must be video, image or audio"),
    "jobs_user_id_form": (CHECK, "user_id must be 1 to 255 characters without control characters"),
    "jobs_job_id_form": (CHECK, "job_id must be 1 to 255 characters without control characters"),
    "jobs_job_id_key": (UNIQUE, "duplicate key"),
    "jobs_prompt_length": (CHECK, "characters; at most 100000 are accepted"),
    "jobs_parameters_object": (CHECK, "parameters must be a JSON object"),
    "jobs_metadata_object": (CHECK, "metadata must be a JSON object"),
    "jobs_status_known": (
        CHECK,
        "status must be pending, processing, completed, failed or cancelled",
    ),
    "jobs_completed_has_completed_at": (
        CHECK,
        "completed_at must be set exactly when status is completed",
    ),
    "jobs_estimated_time_not_negative": (CHECK, "estimated_time must not be negative"),
    "jobs_retry_count_not_negative": (CHECK, "retry_count must not be negative"),
    "jobs_estimated_cost_not_negative": (CHECK, "estimated_cost must be a number and not negative"),
    "jobs_actual_cost_not_negative": (CHECK, "actual_cost must be a number and not negative"),
    "jobs_processing_time_not_negative": (
        CHECK,
        "actual_processing_time must be a number and not negative",
    ),
    "kept": (KEPT, "of a new job are kept by VSL"),
}
# What an INSERT is given, and the rule that it breaks.
INSERTS: dict[str, tuple[Row, str]] = {
    "unknown model": ({"model_id": "nope"}, "jobs_model_id_known"),
    "no model": ({"model_id": None}, "jobs_model_id_known"),
    "model of another case": ({"model_id": "Painter"}, "jobs_model_id_known"),
    "long model": ({"model_id": LONG * 9}, "jobs_model_id_known"),
    "model switched off": ({"model_id": "off"}, "jobs_model_active"),
    "no price": ({"model_id": "unpriced"}, "jobs_model_priced"),
    "price of nothing": ({"model_id": "nothing"}, "jobs_model_priced"),
    "other media": ({"media_type": "video"}, "jobs_media_type_of_model"),
    "unknown media": ({"media_type": "text"}, "jobs_media_type_known"),
    "empty media": ({"media_type": ""}, "jobs_media_type_known"),
    "no user": ({"user_id": None}, "jobs_user_id_form"),
    "empty user": ({"user_id": ""}, "jobs_user_id_form"),
    "long user": ({"user_id": LONG}, "jobs_user_id_form"),
    "user with a line": ({"user_id": "a\nb"}, "jobs_user_id_form"),
    "user with a tab": ({"user_id": "a\tb"}, "jobs_user_id_form"),
    "user with a bell": ({"user_id": "a\x07"}, "jobs_user_id_form"),
    "empty job_id": ({"job_id": ""}, "jobs_job_id_form"),
    "long job_id": ({"job_id": LONG}, "jobs_job_id_form"),
    "job_id with a line": ({"job_id": "a\r\nb"}, "jobs_job_id_form"),
    "taken job_id": ({"job_id": "taken"}, "jobs_job_id_key"),
    "long prompt": ({"prompt": "x" * 100_001}, "jobs_prompt_length"),
    "prompt of 1 MB": ({"prompt": "\u00e9" * 1_000_000}, "jobs_prompt_length"),
    "parameters a list": ({"parameters": [1]}, "jobs_parameters_object"),
    "parameters a string": ({"parameters": '"x"'}, "jobs_parameters_object"),
    "parameters null": ({"parameters": "null"}, "jobs_parameters_object"),
    "metadata a number": ({"metadata": "7"}, "jobs_metadata_object"),
    "unknown status": ({"status": "done"}, "jobs_status_known"),
    "status of another case": ({"status": "Pending"}, "jobs_status_known"),
    "pending and completed": ({"completed_at": "2026-01-01"}, "jobs_completed_has_completed_at"),
    "failed and completed": (
        {"status": "failed", "completed_at": "2026-01-01"},
        "jobs_completed_has_completed_at",
    ),
    "negative estimate": ({"estimated_time": -1}, "jobs_estimated_time_not_negative"),
    "negative retries": ({"status": "failed", "retry_count": -1}, "jobs_retry_count_not_negative"),
    "negative price": (
        {"status": "failed", "estimated_cost": -1},
        "jobs_estimated_cost_not_negative",
    ),
    "negative cost": (
        {"status": "failed", "actual_cost": "-0.01"},
        "jobs_actual_cost_not_negative",
    ),
    "negative seconds": (
        {"status": "failed", "actual_processing_time": -1},
        "jobs_processing_time_not_negative",
    ),
    "no number for a price": (
        {"status": "failed", "estimated_cost": "NaN"},
        "jobs_estimated_cost_not_negative",
    ),
    "no number for a cost": (
        {"status": "failed", "actual_cost": "NaN"},
        "jobs_actual_cost_not_negative",
    ),
    "no number of seconds": (
        {"status": "failed", "actual_processing_time": "NaN"},
        "jobs_processing_time_not_negative",
    ),
    "driven with retries": ({"retry_count": 1}, "kept"),
    "driven with a cost": ({"actual_cost": 0}, "kept"),
    "driven with seconds": ({"actual_processing_time": 1}, "kept"),
    "driven and cancelled": ({"cancel_requested_at": "2026-01-01"}, "kept"),
}
# Rules of driven jobs, and cases whose words depend on what the row was before.
INSERTS_ONLY = ("kept", "jobs_model_active", "jobs_model_priced")
NO_FAULT_OF_UPDATES = ("pending and completed", "other media")


def test_refused_inserts(session: Session, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    session.add_job("outside", job_id="taken")
    for case, (columns, rule) in INSERTS.items():
        with pytest.raises(psycopg.Error) as refused:
            app.add_job(**columns)
        error = refused.value
        sqlstate, words = RULES[rule]
        assert (error.sqlstate, constraint(error) or "kept") == (sqlstate, rule), case
        assert words in (error.diag.message_primary or ""), case
        if rule != "kept":
            assert (error.diag.schema_name, error.diag.table_name) == ("public", "jobs"), case
    assert session.count("jobs") == 1
    assert session.count("vsl.dispatch") == 0
    assert session.count("vsl.ledger_entries") == 0


def test_what_is_just_good_enough(session: Session) -> None:
    good: tuple[Row, ...] = (
        {"user_id": "x" * 255},
        {"user_id": "../etc/passwd"},
        {"user_id": "Zo\u00eb \U0001f3a8 #1"},
        {"job_id": "y" * 255},
        {"prompt": "\u00e9" * 100_000},
        {"prompt": ""},
        {"parameters": {}},
        {"estimated_time": 0},
    )
    for columns in good:
        assert session.add_job(**columns)["driven"], columns


def test_hints_say_what_to_do(session: Session) -> None:
    insert = "INSERT INTO jobs (user_id, model_id) VALUES ('ada', %s)"
    hints = {m: session.refused(insert, m).diag.message_hint for m in ("nope", "off", "unpriced")}
    assert hints == {
        "nope": "See SELECT model_id FROM model_configurations, or add a row there.",
        "off": "Set is_active in model_configurations, or choose another model.",
        "unpriced": "Set pricing_per_unit in model_configurations, or is_free if it costs nothing.",
    }


def test_the_same_rules_for_updates_of_tracked_jobs(session: Session) -> None:
    job = session.add_job("outside", job_id="mine", status="processing")
    session.add_job("outside", job_id="taken")
    for case, (columns, rule) in INSERTS.items():
        if rule in INSERTS_ONLY or case in NO_FAULT_OF_UPDATES:
            continue
        with pytest.raises(psycopg.Error) as refused:
            session.set(job, **columns)
        assert (refused.value.sqlstate, constraint(refused.value)) == (RULES[rule][0], rule), case
    for columns in (
        {"job_id": None},
        {"status": None},
        {"parameters": None},
        {"metadata": None},
        {"created_at": None},
        {"retry_count": None},
        {"media_type": None},
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            session.set(job, **columns)
    assert session.job(job) == job


def test_a_tracked_job_may_change_to_a_model_of_its_media_type(session: Session) -> None:
    job = session.add_job("outside", status="processing")
    assert session.set(job, model_id="painter")["driven"] is False
    for columns in ({"model_id": "singer"}, {"media_type": "audio"}):
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            session.set(job, **columns)
        assert constraint(refused.value) == "jobs_media_type_of_model"
    session.set(job, model_id="singer", media_type="audio")
    session.add_output(session.job(job), duration=1)
    with pytest.raises(psycopg.Error) as stays:
        session.set(job, model_id="outside", media_type="image")
    assert stays.value.sqlstate == KEPT
    assert "has outputs, so its media_type stays audio" in str(stays.value)


# Without the prefix that all of them have.
MODELS_REFUSED: dict[str, tuple[Row, str, str]] = {
    "taken": ({"model_id": "painter"}, UNIQUE, "model_id_key"),
    "empty": ({"model_id": ""}, CHECK, "model_id_form"),
    "long": ({"model_id": LONG}, CHECK, "model_id_form"),
    "with a line": ({"model_id": "a\nb"}, CHECK, "model_id_form"),
    "media": ({"media_type": "text"}, CHECK, "media_type_known"),
    "provider": ({"provider": "Some One"}, CHECK, "provider_form"),
    "lane": ({"lane": ""}, CHECK, "lane_form"),
    "negative price": ({"pricing_per_unit": "-0.01"}, CHECK, "price_not_negative"),
    "no number": ({"pricing_per_unit": "NaN"}, CHECK, "price_not_negative"),
    "free with a price": ({"is_free": True, "pricing_per_unit": 1}, CHECK, "free_or_priced"),
    "configuration": ({"configuration": [1]}, CHECK, "configuration_object"),
    "schema": ({"supported_parameters": [1]}, CHECK, "supported_parameters_object"),
    "no time": ({"estimated_time_seconds": 0}, CHECK, "time_positive"),
    "no attempts": ({"max_attempts": 0}, CHECK, "max_attempts_range"),
    "many attempts": ({"max_attempts": 101}, CHECK, "max_attempts_range"),
    "no patience": ({"timeout_seconds": 0}, CHECK, "timeout_positive"),
}


def test_refused_models(session: Session) -> None:
    count = session.count("model_configurations")
    for case, (columns, sqlstate, name) in MODELS_REFUSED.items():
        row: dict[str, Any] = {"model_id": "new", "media_type": "image", **columns}
        with pytest.raises(psycopg.Error) as refused:
            session.insert("model_configurations", row)
        found = (refused.value.sqlstate, constraint(refused.value))
        assert found == (sqlstate, f"model_configurations_{name}"), case
    assert session.count("model_configurations") == count


def test_refused_usage(session: Session) -> None:
    for columns, name in (
        ({"estimated_cost": -1}, "usage_tracking_estimated_cost_not_negative"),
        ({"actual_cost": "NaN"}, "usage_tracking_actual_cost_not_negative"),
        ({"processing_time_seconds": -1}, "usage_tracking_time_not_negative"),
        ({"api_calls_count": -1}, "usage_tracking_calls_not_negative"),
        ({"billing_period": "2026-13"}, "usage_tracking_billing_period_form"),
        ({"billing_period": "2026"}, "usage_tracking_billing_period_form"),
    ):
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            session.insert("usage_tracking", {"user_id": "ada", **columns})
        assert constraint(refused.value) == name
    row = session.insert("usage_tracking", {"user_id": "ada"})
    assert row["billing_period"] == session.value(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')"
    )
    assert (row["api_calls_count"], row["job_id"], row["run"]) == (1, None, None)
