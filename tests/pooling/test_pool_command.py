"""``vsl db pool`` as its user sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from tests.cli.program import Vsl
from tests.conftest import Connect, NewPgBouncer
from tests.support.pgbouncer import RunningPgBouncer
from tests.support.servers import TestServer, database_name

from vsl.db.files import database_dir

On = Callable[[str], Vsl]
RoleUrl = Callable[[str, str], str]

ON_18 = pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])


def test_the_budget_and_the_configuration(
    server: TestServer, database: str, on: On, role_url: RoleUrl
) -> None:
    """With the login of least privilege: it may connect, and look."""
    password = server.embedded.home.password()
    url = role_url(database, "vsl_monitor").replace("@/", f":{quote(password)}@/")
    done = on(url)("db", "pool")
    assert (done.status, done.err) == (0, "")
    for said in (
        "Clients of the pooler",
        "Connections to the server",
        "2 pairs of user and database × 20",
        "The server has room for 197: max_connections 200 less 3 reserved;",
        "It fits, with 145 to spare.",
        "pool_mode = transaction",
        "default_pool_size = 20",
        "query_wait_timeout = 30",
        f"dbname={database_name(database)}",
    ):
        assert said in done.out
    assert password not in done.out
    # The configuration is the same as the one that is printed alone.
    alone = on(database)("db", "pool", "config").out
    assert done.out.endswith(alone)


def test_numbers_as_json(database: str, on: On, connect: Connect) -> None:
    found = on(database).json("db", "pool", "budget", "--workers", "10", "--pool-size", "30")
    assert (found["fits"], found["usable"], found["pool_size"]) == (True, 197, 30)
    assert found["total"] == sum(item["connections"] for item in found["items"])
    assert found["spare"] == 197 - found["total"]
    assert found["connected"] >= 1
    assert found["changes"] == []
    admin = connect(database)
    shown = {
        name: int(str(admin.execute(f"SHOW {setting}".encode()).fetchone()[0]))  # type: ignore[index]
        for name, setting in (
            ("max_connections", "max_connections"),
            ("superuser_reserved", "superuser_reserved_connections"),
            ("max_wal_senders", "max_wal_senders"),
        )
    }
    assert shown == {name: found["capacity"][name] for name in shown}
    both = on(database).json("db", "pool")
    assert "pool_mode = transaction" in both["configuration"]
    assert on(database).json("db", "pool", "config")["settings"]["pool_size"] == 20


def test_what_does_not_fit_says_what_to_change(database: str, on: On) -> None:
    vsl = on(database)
    words = ("db", "pool", "budget", "--pool-size", "50", "--pairs", "5")
    done = vsl(*words)
    assert done.status == 1
    assert "It does not fit: 65 too many." in done.out
    rows = [line.split()[:3] for line in done.out.splitlines()]
    assert ["--pairs", "5", "3"] in rows
    assert ["--pool-size", "50", "37"] in rows
    assert ["max_connections", "200", "265"] in rows
    # Any one of them is enough.
    assert vsl(*words, "--pairs", "3").status == 0
    assert vsl(*words, "--pool-size", "37").status == 0
    assert vsl(*words, "--pool-size", "38").status == 1
    assert vsl(*words, "--max-connections", "265").status == 0
    assert vsl(*words, "--max-connections", "264").status == 1


def test_without_a_pooler(database: str, on: On) -> None:
    many = ("db", "pool", "budget", "--services", "10", "--processes", "4", "--process-pool", "10")
    done = on(database)(*many, "--no-pooler")
    assert done.status == 1
    assert "pooler" not in done.out
    assert "10 services × 4 processes × 10" in done.out
    assert on(database)(*many).status == 0


@ON_18
def test_the_limit_of_the_database_counts(database: str, on: On, connect: Connect) -> None:
    name = sql.Identifier(database_name(database))
    connect(database).execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 30").format(name))
    done = on(database)("db", "pool", "budget", "--pool-size", "20")
    assert done.status == 1
    assert "and 30 for this database" in done.out
    rows = [line.split()[:4] for line in done.out.splitlines()]
    assert ["CONNECTION", "LIMIT", "30", "52"] in rows
    assert "The database's own CONNECTION LIMIT is what counts here." in done.out
    assert not any(row[:1] == ["max_connections"] for row in rows)
    chosen = on(database).json("db", "pool", "budget")
    assert (chosen["fits"], chosen["pool_size"]) == (True, 9)


@ON_18
def test_the_printed_file_runs(database: str, on: On, new_pgbouncer: NewPgBouncer) -> None:
    vsl = on(database)

    def print_it(port: int, auth_file: Path) -> str:
        words = ("--listen-port", str(port), "--auth-file", str(auth_file), "--pool-size", "7")
        done = vsl("db", "pool", "config", *words)
        assert done.status == 0, done.err
        return done.out

    bouncer = new_pgbouncer(database, printed=print_it)
    with psycopg.connect(bouncer.role_url("vsl_app")) as client:
        assert client.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    found = {row["key"]: row["value"] for row in bouncer.console("SHOW CONFIG")}
    assert (found["default_pool_size"], found["max_db_connections"]) == ("7", "16")


@ON_18
def test_an_address_that_is_a_poolers_is_refused(
    pgbouncer: RunningPgBouncer, database: str, on: On
) -> None:
    vsl = on(pgbouncer.url())
    for words in (("db", "pool"), ("db", "pool", "config")):
        done = vsl(*words)
        assert done.status == 1
        assert "through a pooler already" in done.err
        assert "VSL_DIRECT_DATABASE_URL" in done.err
    assert vsl("db", "pool", "budget").status == 0
    direct = vsl.with_variables(VSL_DIRECT_DATABASE_URL=database)
    assert direct("db", "pool").status == 0


@ON_18
def test_what_cannot_be_is_refused(database: str, on: On) -> None:
    vsl = on(database)
    for words in (
        ("budget", "--pool-size", "0"),
        ("budget", "--services", "-1"),
        ("budget", "--workers", "many"),
        ("config", "--pgbouncer-version", "1.9"),
        ("config", "--pool-size", "500"),
        ("config", "--tls-key", "/key.pem"),
        ("config", "--listen-port", "70000"),
    ):
        done = vsl("db", "pool", *words)
        assert (done.status, done.out) == (2, ""), words
        assert done.err
    refused = vsl("db", "pool", "config", "--pool-size", "500")
    assert "the server has 197 for everything" in refused.err
    assert "vsl db pool budget" in refused.err


def test_a_plan_needs_no_server(vsl: Vsl) -> None:
    done = vsl("db", "pool", "budget", "--max-connections", "40", "--json")
    assert (done.status, done.document["pool_size"]) == (0, 12)
    assert done.document["connected"] is None


@ON_18
def test_what_a_superuser_runs_first(database: str, on: On) -> None:
    path = database_dir() / "pooling" / "pgbouncer_auth.sql"
    assert on(database)("db", "pool", "auth-sql").out == path.read_text()
    assert on(database).json("db", "pool", "auth-sql")["sql"] == path.read_text()
