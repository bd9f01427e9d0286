"""A server of one's own, by DATABASE_URL: one that is not there, not ours, older, newer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from tests.cli.program import CANARY, Vsl
from tests.conftest import NewDatabase
from tests.support.servers import TestServer, database_name

from vsl.db.files import migrations

pytestmark = pytest.mark.parametrize("server", [18], indirect=True)

#: Commands that need the database, each in another way.
NEEDING = (
    ["jobs", "list"],
    ["models", "show", "vsl-image"],
    ["generate", "vsl-image", "--prompt", CANARY],
    ["worker"],
)
ON = Callable[[str], Vsl]
SECRET = "s3cr3t-of-nobody"
#: The whole schema as version 1.1.0 had it.
RELEASED = Path(__file__).parents[1] / "migrations" / "released" / "1.1.0.sql"


def over_tcp(server: TestServer, name: str, *, user: str = "vsl", password: str) -> str:
    """An address with a password in it."""
    return f"postgresql://{user}:{quote(password)}@127.0.0.1:{server.port}/{name}?sslmode=disable"


def refused(vsl: Vsl, status: int, *words: str) -> None:
    """All commands end with this status and these words."""
    for command in NEEDING:
        done = vsl(*command)
        assert (done.status, done.out) == (status, ""), (command, done.err)
        assert SECRET not in done.err, command
        for word in words:
            assert word in done.err, command


def test_a_wrong_password(server: TestServer, database: str, on: ON) -> None:
    vsl = on(over_tcp(server, database_name(database), password=SECRET))
    refused(vsl, 1, 'password authentication failed for user "vsl"', "DATABASE_URL")


def test_a_database_that_there_is_not(server: TestServer, on: ON) -> None:
    refused(on(server.url("nowhere")), 1, 'database "nowhere" does not exist')


def test_a_database_without_vsl(empty_database: str, on: ON) -> None:
    vsl = on(empty_database)
    refused(vsl, 1, "VSL is not installed in this database", "Run `vsl db migrate`.")
    state = vsl("db", "status", "--json")
    assert (state.status, state.document["schema"]["versions"]) == (1, [])
    assert "VSL is not installed in this database" in vsl("db", "status").out


def test_an_older_schema(server: TestServer, new_database: NewDatabase, on: ON) -> None:
    vsl = on(new_database(server, schema=RELEASED))
    newer = [m.version for m in migrations() if m.order > (1, 1)]
    refused(
        vsl, 1, f"older than this program: it lacks {', '.join(newer)}", "Run `vsl db migrate`."
    )
    assert vsl("db", "status").status == 1
    assert vsl.json("db", "migrate")["applied"] == newer
    assert vsl("jobs", "list").status == 0
    assert vsl.json("db", "migrate") == {"applied": [], "reapplied": []}
    assert "The schema is up to date." in vsl("db", "migrate").out


def test_older_functions(database: str, on: ON) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE vsl.repeatables SET sha256 = 'x' WHERE path LIKE '%uuid7%'")
    vsl = on(database)
    refused(vsl, 1, "functions are older than this program", "Run `vsl db migrate`.")
    assert "Applied again" in vsl("db", "migrate").out
    assert vsl("db", "status").status == 0


def test_a_newer_schema(database: str, on: ON) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (version, description) VALUES ('99.0', 'Later')"
        )
    vsl = on(database)
    refused(vsl, 1, "newer than this program: it has 99.0", "Install a newer VSL.")
    for command in (["db", "migrate"], ["up"], ["demo"]):
        done = vsl(*command)
        assert done.status == 1, command
        assert "newer than this program" in done.err, command


def test_a_database_that_others_use(empty_database: str, on: ON) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE jobs (mine int)")
    done = on(empty_database)("db", "migrate")
    assert done.status == 1
    assert "already has relations that VSL would create: jobs" in done.err


def test_a_server_of_ones_own_is_not_started_or_stopped(database: str, on: ON) -> None:
    for verb in ("start", "stop"):
        done = on(database)("db", verb)
        assert done.status == 1
        assert f"a server of yours, which VSL does not {verb}" in done.err


def test_status_and_psql(server: TestServer, database: str, on: ON) -> None:
    password = server.embedded.home.password()
    vsl = on(over_tcp(server, database_name(database), password=password))
    state = vsl.json("db", "status")
    assert state["server"] == "yours"
    assert [row["version"] for row in state["schema"]["versions"]] == [
        migration.version for migration in migrations()
    ]
    assert state["schema"]["pending"] == state["schema"]["unknown"] == []
    done = vsl("db", "psql", "-qAt", "-c", "SELECT count(*) FROM model_configurations")
    assert (done.status, done.out, done.err) == (0, "7\n", "")
    assert vsl("db", "psql", "-c", "nonsense").status == 1


def test_psql_comes_with_vsl_where_the_system_has_none(database: str, on: ON) -> None:
    done = on(database)("db", "psql", "-qAt", stdin="SELECT 40 + 2", PATH="/nowhere")
    assert (done.status, done.out) == (0, "42\n")


def test_the_password_is_not_in_the_arguments_of_psql(
    server: TestServer, database: str, on: ON
) -> None:
    password = server.embedded.home.password()
    vsl = on(over_tcp(server, database_name(database), password=password))
    done = vsl("db", "psql", "-qAt", "-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline")
    assert "psql -qAt" in done.out
    assert password not in done.out


def test_ctrl_c_while_waiting_for_a_job_that_nobody_takes(database: str, on: ON) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            'UPDATE model_configurations SET configuration = \'{"url": "http://127.0.0.1:9"}\''
            " WHERE model_id = 'vsl-image'"
        )
    vsl = on(database)
    terminal = vsl.terminal("generate", "vsl-image", "--prompt", "x")
    terminal.wait_for("vsl-image: pending")
    terminal.type("\x03")
    assert terminal.wait() == 130
    (job,) = vsl.json("jobs", "list")
    assert job["status"] == "pending"
    assert f"error: interrupted; {job['job_id']} goes on" in terminal.text
    assert f"`vsl jobs watch {job['job_id']}`" in " ".join(terminal.text.split())


def test_a_termination_while_waiting(database: str, on: ON) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(
            "INSERT INTO jobs (user_id, model_id, prompt) VALUES ('u', 'vsl-image', 'x')"
            " RETURNING job_id"
        ).fetchone()
    assert row is not None
    vsl = on(database)
    reading, writing = os.pipe()
    waiting = vsl.start("jobs", "watch", row[0], stderr=writing)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert said.readline() == f"{row[0]} is pending\n"
        waiting.terminate()
        assert waiting.wait(30) == 143
        assert said.readline() == f"error: interrupted; {row[0]} goes on\n"
    assert waiting.stdout is not None
    waiting.stdout.close()
    assert isinstance(waiting, subprocess.Popen)
    cancelled = vsl("jobs", "cancel", row[0])
    assert (cancelled.status, cancelled.out) == (0, f"{row[0]} is cancelled.\n")
    assert vsl("jobs", "watch", row[0]).status == 1
