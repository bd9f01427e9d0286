"""Backup and restore as the seed prints them, by the role that is for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.conftest import Connect, NewDatabase
from tests.schema.kit import SCHEMA, Session
from tests.support.servers import TestServer, database_name

from vsl.db.catalogue import difference, fingerprint
from vsl.db.migrate import require_current
from vsl.db.pool import connect as open_connection

TABLES = (
    "jobs", "media_outputs", "model_configurations", "usage_tracking", "schema_migrations",
    "user_preferences", "vsl.dispatch", "vsl.attempts", "vsl.ledger_entries",
    "vsl.doomed_objects", "vsl.repeatables",
)  # fmt: skip


def dump(server: TestServer, url: str, path: Path, *options: str) -> None:
    program = server.embedded.binaries.program("pg_dump")
    with path.open("wb") as file:
        done = subprocess.run(
            [program, *options, "-d", url], stdout=file, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


def contents(session: Session) -> dict[str, list[str]]:
    query = "SELECT t::text AS row FROM {} t ORDER BY 1"
    return {name: [r["row"] for r in session.all(query.format(name))] for name in TABLES}


def fill(session: Session) -> None:
    """A job in every state, outputs, money, and objects to remove."""
    for status in ("pending", "processing", "completed", "failed", "cancelled"):
        session.add_job("outside", job_id=f"tracked-{status}", status=status, prompt="a heron")
    session.add_job(job_id="done", prompt='a "heron"\n\\N')
    session.run_job()
    session.add_job(job_id="broken")
    session.run_job("failed", error_code="x")
    session.add_job(job_id="gone")
    session.run_job()
    session.run("DELETE FROM jobs WHERE job_id = 'gone'")
    session.add_job(job_id="running")
    session.start()
    session.add_job(job_id="waiting")
    session.run("INSERT INTO user_preferences (user_id) VALUES ('ada')")


@pytest.mark.parametrize("options", [(), ("--clean", "--if-exists"), ("--inserts",)])
async def test_dump_and_restore(
    options: tuple[str, ...],
    session: Session,
    server: TestServer,
    new_database: NewDatabase,
    connect: Connect,
    tmp_path: Path,
) -> None:
    fill(session)
    name = session.value("SELECT current_database()")
    path = tmp_path / "backup.sql"
    dump(server, server.url(name, server.login_for("vsl_backup")), path, *options)

    url = server.url(database_name(new_database(server)))
    done = server.psql(url, "--set", "ON_ERROR_STOP=on", stdin=path.read_text())
    assert done.returncode == 0, done.stderr

    restored = Session(connect(url))
    assert contents(restored) == contents(session)
    async with open_connection(server.url(name)) as one, open_connection(url) as other:
        assert difference(await fingerprint(one), await fingerprint(other)) == []
        await require_current(other)

    # It goes on where it was: what runs ends, what waits is claimed under a new number.
    running = restored.one("SELECT * FROM vsl.attempts WHERE outcome IS NULL")
    claimed = restored.one(
        "SELECT j.*, d.epoch FROM vsl.dispatch d JOIN jobs j ON j.id = d.job_id"
        " WHERE d.attempt_id = %s",
        running["id"],
    )
    answer = restored.finish(claimed, {"attempt_id": running["id"]})
    assert answer["result"] == "finished"
    newest = restored.value("SELECT max(epoch) FROM vsl.attempts")
    assert restored.claim()["epoch"] > newest
    assert restored.refused("UPDATE jobs SET status = 'failed' WHERE driven").sqlstate == "VS001"


def test_a_plain_owner_dumps_and_restores(
    plain: Session, server: TestServer, new_database: NewDatabase, connect: Connect, tmp_path: Path
) -> None:
    fill(plain)
    path = tmp_path / "backup.sql"
    owned = server.url(plain.value("SELECT current_database()"), "plain")
    dump(server, owned, path, "--no-owner")
    url = new_database(server)
    done = server.psql(url, stdin=path.read_text())
    assert done.returncode == 0
    # A comment on schema public, which PostgreSQL 14 dumps, is the only thing that may be refused.
    assert [line for line in done.stderr.splitlines() if "ERROR" in line] == []
    assert contents(Session(connect(url))) == contents(plain)


def test_the_data_alone(
    session: Session,
    server: TestServer,
    new_database: NewDatabase,
    connect: Connect,
    tmp_path: Path,
) -> None:
    """Into a fresh installation, by a superuser, with triggers off as pg_dump offers."""
    fill(session)
    name = session.value("SELECT current_database()")
    path = tmp_path / "data.sql"
    dump(server, server.url(name), path, "--data-only", "--disable-triggers")
    url = new_database(server, schema=SCHEMA)
    fresh = Session(connect(url))
    fresh.run("TRUNCATE vsl.repeatables, schema_migrations, model_configurations")
    done = server.psql(url, "--set", "ON_ERROR_STOP=on", stdin=path.read_text())
    assert done.returncode == 0, done.stderr
    assert contents(fresh) == contents(session)
