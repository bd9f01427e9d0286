"""A database with the original layout and a thousand rows in each table, adopted."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege
from tests.adopt.conftest import Original
from tests.cli.program import Vsl
from tests.schema.kit import Row, Session
from tests.support.servers import TestServer
from tests.support.waiting import wait_until

from vsl.db.files import migrations
from vsl.db.migrate import migrate

TABLES = {
    "jobs": "id",
    "media_outputs": "id",
    "model_configurations": "id",
    "usage_tracking": "id",
    "user_preferences": "user_id",
}
ON = Callable[[str], Vsl]


def rows(session: Session, schema: str, table: str) -> list[Row]:
    return session.all(f"SELECT * FROM {schema}.{table} ORDER BY {TABLES[table]}")  # noqa: S608


def plain(value: Any) -> Any:
    """A value without what a column's type adds to it: 1.50 is 1.5000."""
    return value.normalize() if isinstance(value, Decimal) else value


def test_every_column_of_every_row_is_as_before(filled: Original, on: ON) -> None:
    done = on(filled.url)("db", "adopt", "--yes", "--json")
    assert done.status == 0, done.err
    assert done.document["adopted"] is True
    compared = 0
    for table in TABLES:
        before = rows(filled.session, "vsl_original", table)
        after = rows(filled.session, "public", table)
        assert len(before) == len(after) - (5 if table == "model_configurations" else 0)
        after_by_key = {row[TABLES[table]]: row for row in after}
        for row in before:
            now = after_by_key[row[TABLES[table]]]
            expected = {**row, "provider": "external"} if "provider" in row else row
            assert {k: plain(v) for k, v in expected.items()} == {
                k: plain(now[k]) for k in expected
            }
            compared += 1
    assert compared == 5000
    # JSON as PostgreSQL holds it, and not as Python reads it.
    assert (
        filled.session.value(
            "SELECT count(*) FROM vsl_original.jobs o JOIN public.jobs j USING (id)"
            " WHERE o.parameters = j.parameters AND o.parameters::text = j.parameters::text"
            " AND o.metadata::text = j.metadata::text AND o.prompt = j.prompt"
        )
        == 1000
    )


def test_verify_is_clean_and_nothing_is_driven(filled: Original, on: ON) -> None:
    filled.adopt()
    admin = on(filled.admin)
    report = admin.json("db", "verify")
    assert (report["clean"], report["differences"]) == (True, [])
    assert on(filled.url).json("db", "migrate")["applied"] == []
    session = filled.session
    assert session.count("vsl.dispatch") == 0
    assert session.value("SELECT count(*) FROM jobs WHERE driven") == 0
    assert session.value("SELECT count(*) FROM jobs WHERE status = 'pending'") > 100
    found = session.all(
        "SELECT o.model_id, m.provider FROM vsl_original.model_configurations o"
        " LEFT JOIN model_configurations m USING (id)"
    )
    assert len(found) == 1000
    assert {row["provider"] for row in found} == {"external"}
    # VSL's own models beside them, but for those that had its names.
    own = session.all(
        "SELECT model_id, provider FROM model_configurations WHERE provider <> 'external'"
    )
    assert {row["model_id"] for row in own} == {
        "flux-schnell",
        "stable-video",
        "musicgen",
        "vsl-speech",
        "vsl-video",
    }


def test_a_worker_takes_nothing(filled: Original, on: ON) -> None:
    filled.adopt()
    before = rows(filled.session, "public", "jobs")
    session = filled.session
    worker = on(filled.url).start("worker", "--log-level=debug", stderr=subprocess.PIPE)
    try:
        # It has looked for work, and now waits to be told of some.
        wait_until(
            lambda: session.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND query ILIKE '%%claim_jobs%%' AND pid <> pg_backend_pid()"
            ),
            within=60,
            what="the worker to look for work",
        )
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said.decode()
    assert rows(session, "public", "jobs") == before
    assert session.count("vsl.attempts") == 0
    lanes = ["cog", "replicate", "external", "openai"]
    assert session.all("SELECT * FROM vsl.claim_jobs('w', %s, 100, 60)", lanes) == []


def test_the_old_codes_statements_go_on(filled: Original) -> None:
    filled.adopt()
    session = filled.session
    job = session.insert(
        "jobs",
        {
            "job_id": "new",
            "media_type": "image",
            "model_id": "sdxl",
            "status": "pending",
            "user_id": "u",
            "prompt": "p",
        },
    )
    assert job["driven"] is False
    session.run("UPDATE jobs SET status = 'processing', replicate_id = 'r' WHERE job_id = 'new'")
    session.run(
        "UPDATE jobs SET status = 'completed', completed_at = CURRENT_TIMESTAMP"
        " WHERE job_id = 'new'"
    )
    session.run(
        "INSERT INTO media_outputs (job_id, media_type, s3_key, file_size)"
        " VALUES (%s, 'image', 'k', 5)",
        job["id"],
    )
    assert session.value("SELECT total_jobs FROM v_user_statistics WHERE user_id = 'u'") == 1
    assert (
        session.value("SELECT s3_url IS NULL FROM v_recent_jobs_with_outputs WHERE job_id = 'new'")
        is True
    )
    # A job of the original that was under way ends as it would have.
    session.run("UPDATE jobs SET status = 'completed' WHERE job_id = 'job-5'")
    assert session.value("SELECT completed_at IS NOT NULL FROM jobs WHERE job_id = 'job-5'") is True


def test_the_ledger_and_the_audit_say_it(filled: Original, tmp_path: Path) -> None:
    filled.session.run(
        "INSERT INTO schema_migrations VALUES ('2024.07.hotfix', 'By hand'),"
        " ('1.2.0', 'Add tags'), ('1.1.0', 'Add user_preferences table')"
    )
    filled.adopt()
    ledger = filled.session.all(
        "SELECT version, description, applied_at::text, origin, mode, state"
        " FROM schema_migrations ORDER BY version"
    )
    own = {row["version"]: row for row in ledger if row["origin"] == "vsl"}
    assert list(own) == [migration.version for migration in migrations()]
    assert own["1.0.0"]["description"] == "Initial schema for VSL"
    assert own["1.0.0"]["applied_at"] == "2024-02-03 04:05:06.789+00"
    others = [(r["version"], r["description"]) for r in ledger if r["origin"] == "user"]
    assert others == [("1.2.0-original", "Add tags"), ("2024.07.hotfix", "By hand")]
    assert {(row["mode"], row["state"]) for row in ledger} == {("adopted", "applied")}
    # Versions from before have no files, and are not missed.
    assert asyncio.run(migrate(filled.url, folder=tmp_path)).pending == ()
    act = filled.session.one("SELECT * FROM vsl.audit_entries")
    assert (act["act"], act["actor"]) == ("adopt", "plain")
    assert act["detail"]["rows"]["jobs"] == 1000
    assert act["detail"]["providers"]["sdxl"] == "openai"
    assert "Prompt" not in json.dumps(act["detail"])


@pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])
def test_by_a_superuser(filled: Original, on: ON) -> None:
    done = on(filled.admin)("db", "adopt", "--yes")
    assert done.status == 0, done.err
    assert 'GRANT vsl_app TO "plain"' in done.out
    # Who owned the tables has no rights on the new ones, and still has the old ones.
    assert filled.session.count("vsl_original.jobs") == 1000
    assert isinstance(filled.session.refused("SELECT 1 FROM jobs"), InsufficientPrivilege)
    admin = on(filled.admin)
    assert admin.json("db", "verify")["clean"] is True


def test_on_every_version(
    any_server: TestServer, make_original: Callable[[TestServer], Original], on: ON
) -> None:
    original = make_original(any_server)
    session = original.session
    session.run("CREATE TABLE bills (job uuid REFERENCES jobs)")
    session.run("CREATE VIEW done AS SELECT job_id FROM jobs WHERE status = 'completed'")
    job = session.insert(
        "jobs",
        {
            "job_id": "a",
            "media_type": "image",
            "model_id": "sdxl",
            "user_id": "u",
            "status": "completed",
        },
    )
    session.run("INSERT INTO bills VALUES (%s)", job["id"])
    on(original.url).json("db", "adopt", "--yes")
    assert session.value("SELECT job_id FROM done") == "a"
    report = on(original.admin).json("db", "verify")
    assert (report["clean"], report["differences"]) == (True, [])
