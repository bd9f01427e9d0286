"""``psql -f database/schema.sql`` on every supported server, by a plain owner of the database."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import Connect, NewDatabase, Psql
from tests.schema.kit import CONTRACT, SCHEMA, Session
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until

from vsl.db.files import migrations

ROLES = (
    "vsl_owner",
    "vsl_migrator",
    "vsl_app",
    "vsl_worker",
    "vsl_reader",
    "vsl_monitor",
    "vsl_backup",
)
# Whatever there is, machinery or contract, whoever owns it.
EVERYTHING = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('public', 'vsl')
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'vsl' ORDER BY 1
"""


def names(session: Session) -> list[str]:
    return [next(iter(row.values())) for row in session.all(EVERYTHING)]


def write_schema(path: Path, *, before: str, insert: str) -> Path:
    """A copy of schema.sql with something put before the last occurrence of a text."""
    text = SCHEMA.read_text()
    at = text.rindex(before)
    path.write_text(text[:at] + insert + text[at:])
    return path


def test_it_installs_and_then_refuses(
    any_server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect
) -> None:
    url = new_database(any_server)
    done = psql(url, "-f", str(SCHEMA))
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    assert done.stdout.startswith("VSL is installed.")
    assert "ERROR" not in done.stderr
    session = Session(connect(url))
    tables = {name for name in names(session) if name.startswith("public.")}
    assert {f"public.{name}" for name in CONTRACT} <= tables
    versions = session.all("SELECT version, description FROM schema_migrations ORDER BY 1")
    assert versions == [{"version": m.version, "description": m.description} for m in migrations()]
    session.run(
        "INSERT INTO model_configurations (model_id, media_type, provider, pricing_per_unit)"
        " VALUES ('painter', 'image', 'cog', 0.25)"
    )
    session.add_job(prompt="a heron")
    assert session.run_job()["status"] == "completed"

    before = names(session), session.all("SELECT * FROM model_configurations ORDER BY id")
    again = psql(url, "-f", str(SCHEMA))
    assert (again.returncode, again.stdout) == (3, "")
    name = database_name(url)
    known = ", ".join(m.version for m in migrations())
    said = f"VSL is already installed in database {name} (versions {known}); nothing was changed"
    assert said in again.stderr
    assert (
        'Run "vsl db migrate" to bring it up to date, or choose an empty database.' in again.stderr
    )
    assert again.stderr.count("ERROR") == 1
    after = names(session), session.all("SELECT * FROM model_configurations ORDER BY id")
    assert after == before


def test_an_error_in_the_middle_leaves_nothing(
    any_server: TestServer,
    new_database: NewDatabase,
    psql: Psql,
    connect: Connect,
    tmp_path: Path,
) -> None:
    url = new_database(any_server)
    path = write_schema(tmp_path / "broken.sql", before="COMMIT;", insert="SELECT 1 / 0;\n")
    done = psql(url, "-f", str(path))
    assert (done.returncode, done.stdout) == (3, "")
    assert "division by zero" in done.stderr
    session = Session(connect(url))
    assert names(session) == []
    assert psql(url, "-f", str(SCHEMA)).returncode == 0


def test_a_lost_connection_in_the_middle_leaves_nothing(
    server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect, tmp_path: Path
) -> None:
    url = new_database(server)
    path = write_schema(
        tmp_path / "killed.sql",
        before="COMMIT;",
        insert="SELECT pg_terminate_backend(pg_backend_pid());\n",
    )
    done = psql(url, "-f", str(path))
    # psql's own status for a connection that went bad.
    assert (done.returncode, done.stdout) == (2, "")
    assert names(Session(connect(url))) == []


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TABLE jobs (id integer PRIMARY KEY, what text)",
        "CREATE VIEW v_user_statistics AS SELECT 1 AS one",
        "CREATE TABLE jobs (n integer); CREATE TABLE user_preferences (n integer)",
    ],
)
def test_relations_of_others_are_left_alone(
    foreign: str, empty_database: str, psql: Psql, connect: Connect
) -> None:
    session = Session(connect(empty_database))
    session.run(foreign)
    before = names(session)
    done = psql(empty_database, "-f", str(SCHEMA))
    assert done.returncode == 3
    found = [n for n in ("jobs", "user_preferences", "v_user_statistics") if n in foreign]
    assert (
        "already has relations that VSL would create in schema public: "
        f"{', '.join(found)}; nothing was changed"
    ) in done.stderr
    assert "Install into a database without them." in done.stderr
    assert names(session) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "AUTOCOMMIT=off", "-f", str(SCHEMA)],
        ["--set", "ON_ERROR_STOP=off", "--set", "ON_ERROR_ROLLBACK=on", "-f", str(SCHEMA)],
        ["-1", "-f", str(SCHEMA)],
        ["--set", "QUIET=off", "--echo-errors", "-f", str(SCHEMA)],
        [],
        ["--set", "AUTOCOMMIT=off"],
    ],
    ids=["autocommit off", "errors ignored", "one transaction", "loud", "stdin", "stdin, both"],
)
def test_psql_in_other_moods(
    arguments: list[str], empty_database: str, psql: Psql, connect: Connect
) -> None:
    stdin = None if "-f" in arguments else SCHEMA.read_text()
    done = psql(empty_database, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    session = Session(connect(empty_database))
    assert session.count("schema_migrations") == len(migrations())
    again = psql(empty_database, *arguments, stdin=stdin)
    assert again.returncode == 3
    assert "already installed" in again.stderr


def test_settings_of_the_login_do_not_matter(
    server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect
) -> None:
    url = new_database(server)
    name = database_name(url)
    admin = Session(connect(server.url("postgres")))
    for setting in (
        "search_path = pg_temp",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '1ms'",
        "standard_conforming_strings = off",
        "datestyle = 'German'",
        "client_min_messages = 'error'",
    ):
        admin.run(f"ALTER DATABASE {name} SET {setting}")
    done = psql(url, "-f", str(SCHEMA))
    assert done.returncode == 0, done.stderr
    admin.run(f"ALTER DATABASE {name} RESET ALL")
    session = Session(connect(url))
    assert {f"public.{table}" for table in CONTRACT} <= set(names(session))


def test_a_database_in_another_encoding(
    server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect
) -> None:
    # Pure ASCII needs no conversion, whatever the database and the terminal speak.
    assert SCHEMA.read_bytes().isascii()
    owner = new_database(server)
    name = f"{database_name(owner)}_latin"
    admin = Session(connect(server.url("postgres")))
    admin.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING latin1 LOCALE 'C' OWNER plain")
    try:
        done = psql(server.url(name, "plain"), "-f", str(SCHEMA))
        assert done.returncode == 0, done.stderr
    finally:
        admin.run(f"DROP DATABASE {name}")


def test_two_at_once_in_one_database(
    any_server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect, tmp_path: Path
) -> None:
    url = new_database(any_server)
    session = Session(connect(url))
    # The first stops before its commit for as long as this session has a lock.
    session.run("SELECT pg_advisory_lock(1)")
    slow = write_schema(
        tmp_path / "slow.sql", before="COMMIT;", insert="SELECT pg_advisory_xact_lock(1);\n"
    )
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(psql, url, "-f", str(slow))
        wait_until(lambda: session.value(waits), what="the first waits before its commit")
        second = psql(url, "-f", str(SCHEMA))
        assert second.returncode == 3
        assert "another installer" in second.stderr
        assert "is at work in database" in second.stderr
        session.run("SELECT pg_advisory_unlock(1)")
        assert first.result().returncode == 0, first.result().stderr
    assert session.count("schema_migrations") == len(migrations())
    third = psql(url, "-f", str(SCHEMA))
    assert third.returncode == 3
    assert "already installed" in third.stderr


@pytest.mark.parametrize("major", [15, 18])
def test_two_databases_of_a_fresh_server_at_once(
    major: int,
    fresh_server: Callable[[int], TestServer],
    connect: Connect,
    tmp_path: Path,
) -> None:
    server = fresh_server(major)
    urls = [server.url(server.create_database()) for _ in range(2)]
    session = Session(connect(urls[0]))
    # The first holds its new roles until the second waits for them.
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'"
    slow = write_schema(
        tmp_path / "slow.sql",
        before="-- Memberships.",
        insert="DO $$ BEGIN WHILE (" + waits + ") < 1 LOOP PERFORM pg_stat_clear_snapshot(), "
        "pg_sleep(0.01); END LOOP; END $$;\n",
    )

    def install(url: str, path: Path) -> subprocess.CompletedProcess[str]:
        return server.psql(url, "-f", str(path))

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(install, urls[0], slow)
        wait_until(
            lambda: session.value(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO $$ BEGIN WHILE%'"
            ),
            what="the first has made its roles",
        )
        second = threads.submit(install, urls[1], SCHEMA)
        for done in (first.result(), second.result()):
            assert (done.returncode, done.stderr) == (0, "")
    found = session.all("SELECT rolname FROM pg_roles WHERE rolname LIKE 'vsl\\_%'")
    assert {row["rolname"] for row in found} == set(ROLES)
    for url in urls:
        app = Session(connect(server.url(database_name(url), server.login_for("vsl_app"))))
        assert app.count("jobs") == 0
