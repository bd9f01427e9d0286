"""Rows that are not as VSL has them: what is mended, what is refused, what the owner decides."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.adopt.conftest import Original
from tests.schema.kit import Row, Session

from vsl.db.files import database_dir
from vsl.errors import InvalidInput, NotAllowed
from vsl.ops.adopt.rules import mended, refused
from vsl.ops.adopt.survey import Assessment

CREATED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
UPDATED = datetime(2024, 5, 6, 8, 0, 0, tzinfo=UTC)
#: Every constraint of the original but its keys, so that rows can be what they like.
LOOSE = """
ALTER TABLE jobs DROP CONSTRAINT jobs_media_type_check, ALTER media_type DROP NOT NULL,
    ALTER status DROP NOT NULL, ALTER model_id DROP NOT NULL, ALTER job_id DROP NOT NULL,
    DROP CONSTRAINT jobs_job_id_key;
ALTER TABLE media_outputs DROP CONSTRAINT media_outputs_job_id_fkey,
    ALTER media_type DROP NOT NULL, ALTER job_id DROP NOT NULL;
ALTER TABLE model_configurations ALTER media_type DROP NOT NULL, ALTER model_id DROP NOT NULL,
    DROP CONSTRAINT model_configurations_model_id_key;
ALTER TABLE usage_tracking DROP CONSTRAINT usage_tracking_job_id_fkey,
    ALTER user_id DROP NOT NULL, ALTER billing_period TYPE text;
DROP TRIGGER update_jobs_updated_at ON jobs;
DROP VIEW v_recent_jobs_with_outputs, v_user_statistics
"""


@pytest.fixture
def loose(original: Original) -> Original:
    """An original without constraints, with one model of each media type."""
    original.session.run(LOOSE)
    for media_type in ("image", "audio", "video"):
        model(original.session, model_id=media_type, media_type=media_type)
    return original


def model(session: Session, **columns: Any) -> Row:
    return session.insert(
        "model_configurations", {"model_id": "m", "media_type": "image", **columns}
    )


def job(session: Session, **columns: Any) -> Row:
    whole = {
        "job_id": f"j-{uuid4()}",
        "media_type": "image",
        "model_id": "image",
        "status": "pending",
        "user_id": "ada",
        "created_at": CREATED,
        "updated_at": UPDATED,
    }
    return session.insert("jobs", {**whole, **columns})


def output(session: Session, job_id: UUID | None, **columns: Any) -> Row:
    return session.insert("media_outputs", {"job_id": job_id, "media_type": "image", **columns})


def named(found: Assessment) -> set[str]:
    """The columns with a mend, and those with a refusal behind a bang."""
    return {f"{m.table}.{m.column}" for m in found.mends} | {
        f"!{m.table}.{m.column}" for m in found.refusals
    }


#: Columns of a job; what they become; what of the original is kept in its metadata.
JOBS: dict[str, tuple[Row, Row, Row | None]] = {
    "no job_id": ({"job_id": ""}, {}, {"job_id": ""}),
    "spelling of media": (
        {"media_type": "IMAGE "},
        {"media_type": "image"},
        {"media_type": "IMAGE "},
    ),
    "plural": ({"media_type": "images"}, {"media_type": "image"}, {"media_type": "images"}),
    "MIME": ({"media_type": "image/png"}, {"media_type": "image"}, {"media_type": "image/png"}),
    "no media type": ({"media_type": None}, {"media_type": "image"}, None),
    "odd media type": (
        {"media_type": "picture"},
        {"media_type": "image"},
        {"media_type": "picture"},
    ),
    "status of Replicate": (
        {"status": "succeeded"},
        {"status": "completed", "completed_at": UPDATED},
        {"status": "succeeded"},
    ),
    "other spelling": ({"status": "Canceled"}, {"status": "cancelled"}, {"status": "Canceled"}),
    "completed without a time": ({"status": "completed"}, {"completed_at": UPDATED}, None),
    "completed without two times": (
        {"status": "completed", "updated_at": None},
        {"completed_at": CREATED, "updated_at": CREATED},
        None,
    ),
    "failed with a time": (
        {"status": "failed", "completed_at": UPDATED},
        {"completed_at": None},
        {"completed_at": "2024-05-06T08:00:00+00:00"},
    ),
    "no creation": ({"created_at": None}, {"created_at": UPDATED}, None),
    "no parameters": ({"parameters": None}, {"parameters": {}}, None),
    "a list of parameters": ({"parameters": [1, 2]}, {"parameters": {}}, {"parameters": [1, 2]}),
    "negative cost": ({"estimated_cost": -1}, {"estimated_cost": None}, {"estimated_cost": -1}),
    "no number": (
        {"estimated_cost": Decimal("NaN")},
        {"estimated_cost": None},
        {"estimated_cost": "NaN"},
    ),
    "negative time": ({"estimated_time": -5}, {"estimated_time": None}, {"estimated_time": -5}),
    "negative processing": (
        {"actual_processing_time": -1},
        {"actual_processing_time": None},
        {"actual_processing_time": -1},
    ),
    "no retries": ({"retry_count": None}, {"retry_count": 0}, None),
    "negative retries": ({"retry_count": -2}, {"retry_count": 0}, {"retry_count": -2}),
}


def test_jobs_are_mended_and_their_originals_kept(loose: Original) -> None:
    session = loose.session
    session.run("SET TimeZone = 'UTC'")
    made = {name: job(session, **columns) for name, (columns, _, _) in JOBS.items()}
    bare = job(session, metadata=None)
    listed = job(session, metadata=[1])
    taken = job(session, metadata={"vsl_original": 1, "a": 2})
    sound = job(session, metadata={"a": 1})
    found = loose.adopt(time_zone="UTC")
    assert found.refusals == ()
    for name, (_, expected, kept) in JOBS.items():
        now = session.one("SELECT * FROM jobs WHERE id = %s", made[name]["id"])
        before = {k: v for k, v in made[name].items() if k != "metadata" and v is not None}
        expected = {**before, **expected}
        if name == "no job_id":
            expected["job_id"] = "job_" + made[name]["id"].hex
        assert {k: now[k] for k in expected} == expected, name
        assert now["metadata"] == ({} if kept is None else {"vsl_original": kept}), name
    metadata = {row["id"]: row["metadata"] for row in session.all("SELECT id, metadata FROM jobs")}
    assert metadata[bare["id"]] == {}
    assert metadata[listed["id"]] == {"vsl_original": {"metadata": [1]}}
    assert metadata[taken["id"]] == {
        "a": 2,
        "vsl_original": {"metadata": {"vsl_original": 1, "a": 2}},
    }
    assert metadata[sound["id"]] == {"a": 1}


def test_floats_in_money_are_rounded_and_kept(loose: Original) -> None:
    session = loose.session
    session.run(
        "ALTER TABLE jobs ALTER estimated_cost TYPE double precision,"
        " ALTER actual_processing_time TYPE real, ADD actual_cost double precision"
    )
    exact = job(session, estimated_cost=0.1, actual_processing_time=1.5, actual_cost=0.25)
    odd = job(session, estimated_cost=0.1 + 0.2, actual_processing_time=1.23456)
    found = loose.adopt()
    assert named(found) == {"jobs.estimated_cost", "jobs.actual_processing_time"}
    one = session.one("SELECT * FROM jobs WHERE id = %s", exact["id"])
    assert (one["estimated_cost"], one["actual_processing_time"]) == (
        Decimal("0.1"),
        Decimal("1.5"),
    )
    assert (one["actual_cost"], one["metadata"]) == (Decimal("0.25"), {})
    one = session.one("SELECT * FROM jobs WHERE id = %s", odd["id"])
    assert (one["estimated_cost"], one["actual_processing_time"]) == (
        Decimal("0.3"),
        Decimal("1.235"),
    )
    assert one["metadata"]["vsl_original"] == {
        "estimated_cost": 0.30000000000000004,
        "actual_processing_time": 1.23456,
    }


OUTPUTS: dict[str, tuple[str, Row, Row, Row | None]] = {
    "no size": ("image", {"file_size": 0}, {"file_size": None}, {"file_size": 0}),
    "negative size": ("image", {"file_size": -5}, {"file_size": None}, {"file_size": -5}),
    "a lasting image": ("image", {"duration": 3}, {"duration": None}, {"duration": 3}),
    "frames and bits": (
        "image",
        {"fps": 24, "bitrate": 9},
        {"fps": None, "bitrate": None},
        {"fps": 24, "bitrate": 9},
    ),
    "no width": (
        "image",
        {"width": 0, "height": -1},
        {"width": None, "height": None},
        {"width": 0, "height": -1},
    ),
    "seen audio": (
        "audio",
        {"width": 5, "height": 6, "fps": 7, "duration": 1},
        {"width": None, "height": None, "fps": None, "duration": Decimal(1)},
        {"width": 5, "height": 6, "fps": 7},
    ),
    "a video without length": (
        "video",
        {"duration": 0, "fps": 0, "bitrate": 0},
        {"duration": None, "fps": None, "bitrate": None},
        {"duration": 0, "fps": 0, "bitrate": 0},
    ),
    "its job's media": ("audio", {"media_type": None}, {"media_type": "audio"}, None),
    "spelling": (
        "audio",
        {"media_type": "AUDIO"},
        {"media_type": "audio"},
        {"media_type": "AUDIO"},
    ),
    "no time": ("image", {"created_at": None}, {"created_at": CREATED}, None),
    "a list": ("image", {"metadata": [1]}, {}, {"metadata": [1]}),
}


def test_outputs_are_mended_and_their_originals_kept(loose: Original) -> None:
    session = loose.session
    made = {}
    for name, (media_type, columns, _, _) in OUTPUTS.items():
        its_job = job(session, media_type=media_type, model_id=media_type)
        made[name] = output(session, its_job["id"], **{"media_type": media_type, **columns})
    found = loose.adopt()
    assert found.refusals == ()
    for name, (_, _, expected, kept) in OUTPUTS.items():
        now = session.one("SELECT * FROM media_outputs WHERE id = %s", made[name]["id"])
        assert {k: now[k] for k in expected} == expected, name
        assert now["metadata"] == ({} if kept is None else {"vsl_original": kept}), name


def test_usage_is_mended(loose: Original) -> None:
    session = loose.session
    its_job = job(session, job_id="known", user_id="bob")
    gone = uuid4()
    session.run("ALTER TABLE usage_tracking ALTER actual_cost TYPE double precision")
    cases: dict[str, tuple[Row, Row]] = {
        "whole": (
            {
                "job_id": its_job["id"],
                "user_id": "u",
                "created_at": CREATED,
                "actual_cost": 0.5,
                "billing_period": "2024-05",
                "api_calls_count": 2,
            },
            {
                "job_id": its_job["id"],
                "user_id": "u",
                "public_job_id": "known",
                "billing_period": "2024-05",
                "actual_cost": Decimal("0.5"),
                "api_calls_count": 2,
            },
        ),
        "its job is gone": (
            {"job_id": gone, "user_id": "u", "created_at": CREATED, "billing_period": "2024-05"},
            {"job_id": None, "public_job_id": str(gone)},
        ),
        "its job's user": (
            {"job_id": its_job["id"], "created_at": CREATED},
            {"user_id": "bob", "billing_period": "2024-05"},
        ),
        "its job's time": (
            {"job_id": its_job["id"], "user_id": "u", "created_at": None},
            {"created_at": CREATED},
        ),
        "a day": (
            {
                "job_id": its_job["id"],
                "user_id": "u",
                "created_at": CREATED,
                "billing_period": "2024-04-01",
            },
            {"billing_period": "2024-04"},
        ),
        "no count": (
            {
                "job_id": its_job["id"],
                "user_id": "u",
                "created_at": CREATED,
                "api_calls_count": None,
            },
            {"api_calls_count": 1},
        ),
        "a float": (
            {
                "job_id": its_job["id"],
                "user_id": "u",
                "created_at": CREATED,
                "actual_cost": 0.1 + 0.2,
            },
            {"actual_cost": Decimal("0.3")},
        ),
    }
    made = {name: session.insert("usage_tracking", columns) for name, (columns, _) in cases.items()}
    loose.adopt()
    for name, (_, expected) in cases.items():
        now = session.one("SELECT * FROM usage_tracking WHERE id = %s", made[name]["id"])
        assert {k: now[k] for k in expected} == expected, name


def test_models_are_mended_and_their_originals_kept(loose: Original) -> None:
    session = loose.session
    model(
        session,
        model_id="odd",
        media_type="Videos",
        provider=None,
        is_active=None,
        is_beta=None,
        configuration=[1],
        supported_parameters=["prompt"],
        pricing_per_unit=-1,
        estimated_time_seconds=0,
        tags=None,
        created_at=CREATED,
        updated_at=None,
    )
    model(session, model_id="vague", media_type="3d")
    job(session, model_id="vague", media_type="audio")
    job(session, model_id="unlisted", media_type="video")
    job(session, model_id="unlisted", media_type="Video")
    # VSL's own, run by somebody else here.
    job(session, model_id="vsl-image", media_type="image")
    loose.adopt()
    odd = session.one("SELECT * FROM model_configurations WHERE model_id = 'odd'")
    assert (odd["media_type"], odd["provider"], odd["is_active"], odd["is_beta"]) == (
        "video",
        "external",
        True,
        False,
    )
    assert (odd["pricing_per_unit"], odd["estimated_time_seconds"], odd["tags"]) == (None, None, [])
    assert (odd["created_at"], odd["updated_at"], odd["supported_parameters"]) == (
        CREATED,
        CREATED,
        {},
    )
    assert odd["configuration"] == {
        "vsl_original": {
            "media_type": "Videos",
            "configuration": [1],
            "supported_parameters": ["prompt"],
            "pricing_per_unit": -1,
            "estimated_time_seconds": 0,
        }
    }
    others = session.all(
        "SELECT model_id, media_type, provider FROM model_configurations"
        " WHERE model_id IN ('vague', 'unlisted', 'vsl-image') ORDER BY 1"
    )
    assert [tuple(row.values()) for row in others] == [
        ("unlisted", "video", "external"),
        ("vague", "audio", "external"),
        ("vsl-image", "image", "external"),
    ]
    assert session.count("vsl.dispatch") == 0


REFUSED: dict[str, tuple[str, Row]] = {
    "nobody's": ("user_id", {"user_id": None}),
    "nobody's either": ("user_id", {"user_id": ""}),
    "a user with a line end": ("user_id", {"user_id": "a\nb"}),
    "a job_id with a tab": ("job_id", {"job_id": "a\tb"}),
    "no model": ("model_id", {"model_id": None}),
    "another medium than its model's": ("media_type", {"media_type": "audio"}),
    "no status": ("status", {"status": None}),
    "an odd status": ("status", {"status": "limbo"}),
    "no time at all": ("created_at", {"created_at": None, "updated_at": None}),
    "a long prompt": ("prompt", {"prompt": "x" * 100_001}),
}


def test_jobs_that_cannot_be_had(loose: Original) -> None:
    session = loose.session
    made = {name: job(session, **columns) for name, (_, columns) in REFUSED.items()}
    twice = [job(session, job_id="twice") for _ in range(2)]
    good = job(session)
    child = output(session, made["an odd status"]["id"])
    usage = session.insert("usage_tracking", {"job_id": made["no status"]["id"], "user_id": "u"})
    kept_child = output(session, good["id"])

    found = loose.look()
    assert sum(r.rows for r in found.refusals if r.table == "jobs") == len(REFUSED) + 2
    for name, (column, _) in REFUSED.items():
        assert any(
            r.column == column and str(made[name]["id"]) in r.first for r in found.refusals
        ), name
    with pytest.raises(NotAllowed, match="14 rows cannot be had"):
        loose.adopt()
    assert session.value(
        "SELECT to_regnamespace('vsl') IS NULL AND to_regnamespace('vsl_original') IS NULL"
    )

    loose.adopt(leave=True)
    assert [row["id"] for row in session.all("SELECT id FROM jobs")] == [good["id"]]
    assert [row["id"] for row in session.all("SELECT id FROM media_outputs")] == [kept_child["id"]]
    assert session.count("usage_tracking") == 0
    assert session.count("vsl_original.jobs") == len(REFUSED) + 3
    assert {child["id"], kept_child["id"]} == {
        r["id"] for r in session.all("SELECT id FROM vsl_original.media_outputs")
    }
    assert usage["id"] == session.value("SELECT id FROM vsl_original.usage_tracking")
    assert (
        session.value("SELECT detail -> 'left' -> 'jobs' FROM vsl.audit_entries")
        == len(REFUSED) + 2
    )
    assert twice[0]["id"] != twice[1]["id"]


def test_the_owner_names_a_user_and_a_model_for_rows_without(loose: Original) -> None:
    session = loose.session
    one = job(session, user_id=None)
    other = job(session, model_id="", media_type="audio")
    session.insert("usage_tracking", {"created_at": CREATED})
    loose.adopt(user_id="nobody", model_id="lost model")
    assert session.value("SELECT user_id FROM jobs WHERE id = %s", one["id"]) == "nobody"
    now = session.one("SELECT * FROM jobs WHERE id = %s", other["id"])
    assert (now["model_id"], now["metadata"]) == ("lost model", {"vsl_original": {"model_id": ""}})
    assert (
        session.value("SELECT media_type FROM model_configurations WHERE model_id = 'lost model'")
        == "audio"
    )
    assert session.value("SELECT user_id FROM usage_tracking") == "nobody"


def test_other_tables_rows_that_cannot_be_had(loose: Original) -> None:
    session = loose.session
    model(session, model_id="", media_type="image")
    model(session, model_id="twice")
    model(session, model_id="twice")
    model(session, model_id="what", media_type="smell")
    its_job = job(session)
    output(session, uuid4())
    output(session, None)
    output(session, its_job["id"], media_type="audio")
    output(session, its_job["id"], media_type="smell")
    for columns in (
        {"actual_cost": -1},
        {"estimated_cost": Decimal("NaN")},
        {"processing_time_seconds": -1},
        {"api_calls_count": -1},
        {"billing_period": "May"},
        {"user_id": None},
        {"created_at": None},
    ):
        session.insert("usage_tracking", {"user_id": "u", "created_at": CREATED, **columns})
    session.run("ALTER TABLE user_preferences ALTER notification_enabled DROP DEFAULT")
    session.run("ALTER TABLE user_preferences ALTER notification_enabled TYPE text")
    session.run("INSERT INTO user_preferences VALUES ('a', 'true'), ('b', 'perhaps')")
    found = loose.look()
    assert {(t.name, t.refused) for t in found.tables} == {
        ("model_configurations", 4),
        ("jobs", 0),
        ("media_outputs", 4),
        ("usage_tracking", 7),
        ("user_preferences", 1),
    }
    loose.adopt(leave=True)
    assert session.all("SELECT user_id, notification_enabled FROM user_preferences") == [
        {"user_id": "a", "notification_enabled": True}
    ]
    assert session.count("usage_tracking") == 0


def test_columns_of_their_own_go_into_metadata(loose: Original) -> None:
    session = loose.session
    session.run(
        "ALTER TABLE jobs ADD priority integer, ADD driven text, ADD secret bytea, ADD place point"
    )
    session.run("ALTER TABLE media_outputs ADD codec text")
    session.run("ALTER TABLE model_configurations ADD tier text")
    whole = job(session, priority=5, driven="by ada", secret=b"\x01\xff", place="(1,2)")
    bare = job(session)
    out = output(session, whole["id"], codec="png")
    session.run("UPDATE model_configurations SET tier = 'gold' WHERE model_id = 'image'")
    found = loose.adopt()
    assert {f"{c.table}.{c.column}" for c in found.columns if c.expected is None} == {
        "jobs.priority",
        "jobs.driven",
        "jobs.secret",
        "jobs.place",
        "media_outputs.codec",
        "model_configurations.tier",
    }
    now = session.one("SELECT * FROM jobs WHERE id = %s", whole["id"])
    assert now["driven"] is False
    assert now["metadata"] == {
        "vsl_original": {"priority": 5, "driven": "by ada", "secret": "\\x01ff", "place": "(1,2)"}
    }
    assert session.value("SELECT metadata FROM jobs WHERE id = %s", bare["id"]) == {}
    assert session.value("SELECT metadata FROM media_outputs WHERE id = %s", out["id"]) == {
        "vsl_original": {"codec": "png"}
    }
    assert session.value(
        "SELECT configuration FROM model_configurations WHERE model_id = 'image'"
    ) == {"vsl_original": {"tier": "gold"}}


def test_columns_without_a_place_are_for_the_owner_to_decide(loose: Original) -> None:
    session = loose.session
    session.run("ALTER TABLE usage_tracking ADD region text, ADD empty text")
    session.run("ALTER TABLE user_preferences ADD theme text")
    session.insert("usage_tracking", {"user_id": "u", "created_at": CREATED, "region": "eu"})
    assert loose.look().undecided == (
        "column usage_tracking.region, set in 1 row, has no place in VSL and would stay in"
        " vsl_original only",
    )
    with pytest.raises(NotAllowed, match=r"usage_tracking\.region"):
        loose.adopt()
    loose.adopt(leave=True)
    assert session.value("SELECT region FROM vsl_original.usage_tracking") == "eu"
    assert session.value("SELECT user_id FROM usage_tracking") == "u"


def test_times_without_a_zone_are_read_in_one(loose: Original) -> None:
    session = loose.session
    session.run(
        "ALTER TABLE jobs ALTER created_at DROP DEFAULT,"
        " ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'"
    )
    session.run(
        "ALTER TABLE usage_tracking ALTER created_at DROP DEFAULT, ALTER created_at TYPE date"
    )
    one = job(session, created_at="2024-07-01 12:00:00.5")
    session.insert("usage_tracking", {"user_id": "u", "created_at": "2024-07-01"})
    with pytest.raises(InvalidInput, match="--time-zone: is not known"):
        loose.look(time_zone="Atlantis")
    found = loose.adopt(time_zone="Europe/Berlin")
    becomes = {f"{c.table}.{c.column}": c.becomes for c in found.columns}
    assert (
        becomes["jobs.created_at"]
        == becomes["usage_tracking.created_at"]
        == "read as Europe/Berlin"
    )
    now = session.value("SELECT created_at FROM jobs WHERE id = %s", one["id"])
    assert now == datetime(2024, 7, 1, 10, 0, 0, 500000, tzinfo=UTC)
    assert session.value("SELECT created_at FROM usage_tracking") == datetime(
        2024, 6, 30, 22, tzinfo=UTC
    )


def test_tags_and_identifiers_of_other_types(loose: Original) -> None:
    session = loose.session
    session.run("ALTER TABLE model_configurations ALTER tags TYPE jsonb USING to_jsonb(tags)")
    session.run("ALTER TABLE model_configurations ALTER id DROP DEFAULT, ALTER id TYPE text")
    session.run("ALTER TABLE jobs ALTER id TYPE text")
    session.run(
        "UPDATE model_configurations SET id = '7', tags = '[\"a\", \"b c\"]'"
        " WHERE model_id = 'image'"
    )
    one = job(session)
    loose.adopt()
    now = session.one("SELECT * FROM model_configurations WHERE model_id = 'image'")
    assert (now["tags"], now["configuration"]) == (["a", "b c"], {"vsl_original": {"id": "7"}})
    assert session.value("SELECT id::text FROM jobs") == one["id"]


def test_jobs_without_uuids_are_refused(loose: Original) -> None:
    session = loose.session
    session.run("ALTER TABLE jobs ALTER id DROP DEFAULT, ALTER id TYPE integer USING 1")
    job(session, id=5)
    found = loose.look()
    assert [(r.column, r.wrong, r.first) for r in found.refusals] == [
        ("id", "is not a UUID", ("5",))
    ]


def test_each_rule_has_its_words() -> None:
    """What the SQL files say of rows, words are there for; and no words for what they never say."""
    tables = {
        "models": "model_configurations",
        "jobs": "jobs",
        "outputs": "media_outputs",
        "usage": "usage_tracking",
        "preferences": "user_preferences",
    }
    said = 0
    for short, table in tables.items():
        text = (database_dir() / "adopt" / f"read_{short}.sql").read_text()
        mends, _, refusals = text.partition("AS mends,")
        for rule in re.findall(r"'(\w+:\w+)'", mends):
            assert all(mended(table, rule)), rule
            said += 1
        for rule in re.findall(r"'(\w+:\w+)'", refusals):
            assert refused(rule), rule
            said += 1
    assert said > 60
    assert (
        mended("jobs", "estimated_cost:impossible")[1] == "empty; the original is kept in metadata"
    )
