"""The contract of schema public: names, order, keys, indexes and what the views answer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.schema.kit import Session, output_of

# The columns known from VSL installations, then those that VSL adds.
COLUMNS = {
    "jobs": (
        "id job_id media_type model_id status replicate_id parameters prompt user_id created_at "
        "updated_at completed_at estimated_time estimated_cost actual_processing_time "
        "error_message retry_count metadata",
        "actual_cost error_code cancel_requested_at driven",
    ),
    "media_outputs": (
        "id job_id media_type s3_key s3_url s3_bucket file_type file_size duration width height "
        "fps bitrate thumbnail_url preview_url waveform_url metadata created_at",
        "ordinal sha256 codec attempt_id",
    ),
    "model_configurations": (
        "id model_id media_type provider replicate_version replicate_owner replicate_model "
        "is_active is_beta configuration supported_parameters pricing_per_unit "
        "estimated_time_seconds description tags created_at updated_at",
        "is_free lane max_attempts timeout_seconds",
    ),
    "usage_tracking": (
        "id job_id user_id estimated_cost actual_cost processing_time_seconds api_calls_count "
        "created_at billing_period",
        "public_job_id run",
    ),
    "schema_migrations": (
        "version description applied_at",
        "origin sha256 meaning applied_text mode state statements_done duration_ms applied_by "
        "program_version error",
    ),
    "user_preferences": ("user_id notification_enabled preferred_models created_at", ""),
    "v_recent_jobs_with_outputs": (
        "id job_id media_type model_id status user_id created_at completed_at "
        "actual_processing_time estimated_cost s3_url thumbnail_url file_size duration width "
        "height",
        "",
    ),
    "v_user_statistics": (
        "user_id total_jobs completed_jobs failed_jobs processing_jobs total_processing_time "
        "avg_processing_time total_estimated_cost last_job_created",
        "completion_rate total_actual_cost",
    ),
}
KEYS = {
    ("jobs", "p"): ["id"],
    ("jobs", "u"): ["job_id"],
    ("media_outputs", "p"): ["id"],
    ("model_configurations", "p"): ["id"],
    ("model_configurations", "u"): ["model_id"],
    ("usage_tracking", "p"): ["id"],
    ("schema_migrations", "p"): ["version"],
    ("user_preferences", "p"): ["user_id"],
}
INDEXED = {
    "jobs": ["created_at", "id", "job_id", "replicate_id", "status", "user_id"],
    "media_outputs": ["id", "job_id", "s3_key"],
    "model_configurations": ["id", "model_id"],
    "usage_tracking": ["id", "job_id", "user_id"],
}


def test_relations_and_their_columns(session: Session) -> None:
    rows = session.all(
        "SELECT table_name, string_agg(column_name, ' ' ORDER BY ordinal_position) AS columns"
        " FROM information_schema.columns WHERE table_schema = 'public' GROUP BY table_name"
    )
    expected = {name: " ".join(parts).strip() for name, parts in COLUMNS.items()}
    assert {row["table_name"]: row["columns"] for row in rows} == expected


def test_keys(session: Session) -> None:
    rows = session.all(
        "SELECT conrelid::regclass::text AS relation, contype::text, array_agg(attname::text) AS"
        " columns FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY"
        " (conkey) WHERE contype IN ('p', 'u') AND connamespace = 'public'::regnamespace"
        " GROUP BY pg_constraint.oid"
    )
    assert {(row["relation"], row["contype"]): row["columns"] for row in rows} == KEYS


def test_foreign_keys(session: Session) -> None:
    rows = session.all(
        "SELECT conrelid::regclass::text AS relation, pg_get_constraintdef(oid) AS definition"
        " FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    assert {row["relation"]: row["definition"] for row in rows} == {
        "media_outputs": "FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE CASCADE",
        "usage_tracking": "FOREIGN KEY (job_id) REFERENCES jobs(id) ON DELETE SET NULL",
    }


def test_each_index_begins_with_a_column_that_is_asked_for(session: Session) -> None:
    rows = session.all(
        "SELECT indrelid::regclass::text AS relation, attname FROM pg_index"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
        " WHERE indrelid::regclass::text = ANY (%s)",
        list(INDEXED),
    )
    found = {
        name: sorted({row["attname"] for row in rows if row["relation"] == name})
        for name in INDEXED
    }
    assert found == INDEXED
    # One index for each: nothing is written twice for nothing.
    assert len(rows) == sum(map(len, INDEXED.values()))


def test_types_that_clients_rely_on(session: Session) -> None:
    rows = session.all(
        "SELECT table_name || '.' || column_name AS name, data_type FROM"
        " information_schema.columns WHERE table_schema = 'public'"
    )
    types = {row["name"]: row["data_type"] for row in rows}
    for table in ("jobs", "media_outputs", "model_configurations", "usage_tracking"):
        assert types[f"{table}.id"] == "uuid"
        assert types[f"{table}.created_at"] == "timestamp with time zone"
    for name in ("jobs.parameters", "jobs.metadata", "model_configurations.configuration"):
        assert types[name] == "jsonb"
    money = [name for name in types if name.endswith(("_cost", "pricing_per_unit"))]
    assert len(money) == 8
    assert {types[name] for name in money} == {"numeric"}


def test_jobs_with_outputs(session: Session) -> None:
    for ordinal, created in enumerate(("2026-01-01", "2026-01-02", "2026-01-03")):
        session.add_job(
            "outside", job_id=f"j{ordinal}", created_at=created, status="completed",
            actual_processing_time=ordinal, estimated_cost="0.5",
        )  # fmt: skip
    first, second = (session.one("SELECT * FROM jobs WHERE job_id = %s", j) for j in ("j0", "j1"))
    session.add_output(first, s3_url="a", thumbnail_url="t", file_size=7, width=3, height=4)
    session.add_output(second, s3_url="b")
    session.add_output(second, s3_url="c")
    rows = session.all("SELECT * FROM v_recent_jobs_with_outputs")
    assert [row["job_id"] for row in rows] == ["j2", "j1", "j1", "j0"]
    assert {row["s3_url"] for row in rows[1:3]} == {"b", "c"}
    assert rows[0]["s3_url"] is None
    last = rows[3]
    assert last["id"] == first["id"]
    assert [last[n] for n in ("thumbnail_url", "file_size", "duration", "width", "height")] == [
        "t",
        7,
        None,
        3,
        4,
    ]
    assert (last["actual_processing_time"], last["estimated_cost"]) == (0, Decimal("0.5"))


def test_statistics_of_users(session: Session) -> None:
    def add(user: str, status: str, **columns: object) -> None:
        session.add_job("outside", user_id=user, status=status, **columns)

    add("ada", "completed", actual_processing_time=2, estimated_cost=1, created_at="2026-01-01")
    add("ada", "completed", actual_processing_time=4, actual_cost=2, created_at="2026-03-01")
    add("ada", "failed", estimated_cost="0.5", created_at="2026-02-01")
    add("bob", "processing", created_at="2026-02-01")
    add("bob", "cancelled", created_at="2026-01-15")
    add("bob", "pending", created_at="2026-01-15")
    rows = {row["user_id"]: row for row in session.all("SELECT * FROM v_user_statistics")}
    assert rows.keys() == {"ada", "bob"}
    created = session.value("SELECT '2026-03-01'::timestamptz")
    assert list(rows["ada"].values()) == [
        "ada", 3, 2, 1, 0, 6, 3, Decimal("1.5"), created, Decimal("66.67"), 2,
    ]  # fmt: skip
    created = session.value("SELECT '2026-02-01'::timestamptz")
    assert list(rows["bob"].values()) == [
        "bob", 3, 0, 0, 1, None, None, None, created, 0, None,
    ]  # fmt: skip
    assert session.all("SELECT * FROM v_user_statistics WHERE user_id = 'nobody'") == []


def test_statistics_of_driven_jobs(session: Session) -> None:
    session.add_job(prompt="a heron")
    session.run_job()
    session.add_job(prompt="a heron")
    session.run_job("failed", error_code="x")
    row = session.one("SELECT * FROM v_user_statistics")
    assert (row["completion_rate"], row["total_estimated_cost"], row["total_actual_cost"]) == (
        50,
        Decimal("0.5"),
        Decimal("0.25"),
    )
    assert row["total_processing_time"] == 5


def test_identifiers_sort_by_time(session: Session) -> None:
    ids = [session.value("SELECT vsl.uuid7()") for _ in range(3)]
    assert [i.version for i in ids] == [7, 7, 7]
    assert {str(i)[19] for i in ids} <= set("89ab")
    apart = session.all(
        "SELECT vsl.uuid7() AS id, pg_sleep(0.002)::text FROM generate_series(1, 20)"
    )
    assert [row["id"] for row in apart] == sorted(row["id"] for row in apart)
    stamp = "SELECT extract(epoch FROM clock_timestamp()) * 1000"
    before, value, after = session.value(stamp), session.value("SELECT vsl.uuid7()"), None
    after = session.value(stamp)
    assert int(before) - 1 <= value.int >> 80 <= int(after) + 1
    many = session.value("SELECT count(DISTINCT vsl.uuid7()) FROM generate_series(1, 10000)")
    assert many == 10000


@pytest.mark.parametrize("media_type", ["image", "audio", "video"])
def test_a_views_row_of_each_media_type(media_type: str, session: Session) -> None:
    model = {"image": "painter", "audio": "singer", "video": "filmer"}[media_type]
    session.add_job(model, prompt="a heron")
    session.run_job(lane="replicate" if media_type == "video" else "cog")
    row = session.one("SELECT * FROM v_recent_jobs_with_outputs")
    expected = output_of(media_type)
    for name in ("file_size", "duration", "width", "height"):
        assert row[name] == expected.get(name)
