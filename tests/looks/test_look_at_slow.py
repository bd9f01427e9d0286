"""``vsl db slow``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.cli.program import CANARY
from tests.conftest import Connect
from tests.looks.conftest import Look
from tests.schema.kit import Session
from tests.support.servers import TestServer, database_name

from vsl.db.slow import SlowStatement
from vsl.db.statements_looks import StatementLog
from vsl.ops.slow import Slow, log_rights, log_setting, mask, remarks_on_slow, steps_to_enable

Seen = Callable[..., Any]


@pytest.fixture
def busy(database: str, connect: Connect) -> Session:
    """The superuser on a database whose statements are database, by an extension in schema odd."""
    owner = Session(connect(database))
    owner.run('CREATE SCHEMA "odd Name"')
    owner.run('CREATE EXTENSION pg_stat_statements SCHEMA "odd Name"')
    owner.run('GRANT USAGE ON SCHEMA "odd Name" TO vsl_monitor')
    return owner


def test_statements_are_told_wherever_the_extension_is(
    database: str, busy: Session, seen: Seen
) -> None:
    busy.run("SELECT pg_sleep(0.05)")
    for number in range(5):
        busy.run("SELECT pg_sleep(0.01 * 1) AS again" if number else "SELECT count(*) FROM jobs")
    found = seen(database, "slow")
    assert found["available"] is True
    means = [one["mean"] for one in found["statements"]]
    assert means == sorted(means, reverse=True)
    slow = next(s for s in found["statements"] if s["query"] == "SELECT pg_sleep($1)")
    assert (slow["calls"], slow["rows"]) == (1, 1)
    assert 50 <= slow["mean"] == slow["total"] < 5000
    assert 0 < slow["share"] <= 1
    calls = [s["calls"] for s in seen(database, "slow", "--sort", "calls")["statements"]]
    assert calls == sorted(calls, reverse=True)
    totals = seen(database, "slow", "--sort", "total", "--limit", "3")["statements"]
    assert len(totals) == 3
    assert totals[0]["total"] >= totals[1]["total"] >= totals[2]["total"]
    assert sum(one["share"] for one in totals) <= 1.0001


def test_the_table_is_readable_and_holds_no_data(database: str, busy: Session, look: Look) -> None:
    busy.run(f"SELECT pg_sleep(0.05) AS {'long_name_' * 6}, '{CANARY}'")
    busy.run(f"DO $$ BEGIN PERFORM pg_sleep(0.05); RAISE LOG '{CANARY}'; END $$")
    busy.run(f"CREATE ROLE nobody_{database_name(database)} PASSWORD '{CANARY}'")
    busy.run(f"DROP ROLE nobody_{database_name(database)}")
    done = look(database, "slow", "--limit", "1000")
    assert done.status == 0
    assert CANARY not in done.out
    assert CANARY not in look(database, "slow", "--json", "--limit", "1000").out
    lines = done.out.splitlines()
    headings = ["mean", "calls", "total", "share", "rows", "cached", "statement"]
    assert lines[0].split() == headings
    shortened = next(line for line in lines if "long_name_" in line)
    assert shortened.endswith("…")
    assert any("DO '…'" in line for line in lines)
    assert "The server's log takes no statement for its duration" in done.out


def test_statements_of_other_databases_are_told_when_asked_for(
    database: str, busy: Session, server: TestServer, connect: Connect, seen: Seen
) -> None:
    connect(server.url("postgres")).execute("SELECT 'x' AS only_elsewhere")
    busy.run("SELECT 1 AS here")

    def queries(*arguments: str) -> str:
        found = seen(database, "slow", "--limit", "10000", *arguments)["statements"]
        return " ".join(one["query"] or "" for one in found)

    assert "only_elsewhere" not in queries()
    assert "only_elsewhere" in queries("--all-databases")


def test_texts_of_others_are_hidden_from_who_may_not_see_them(
    database: str, busy: Session, look: Look
) -> None:
    busy.run('GRANT USAGE ON SCHEMA "odd Name" TO PUBLIC')
    done = look(database, "slow", role="plain")
    assert done.status == 0
    assert "(hidden)" in done.out
    assert "next: GRANT pg_read_all_stats TO plain;" in done.out


def test_a_login_that_may_not_use_the_extensions_schema_says_so(
    database: str, busy: Session, look: Look
) -> None:
    busy.run('REVOKE USAGE ON SCHEMA "odd Name" FROM vsl_monitor')
    done = look(database, "slow")
    assert done.status == 1
    assert 'test_vsl_monitor may not use schema "odd Name"' in done.out
    assert 'next: GRANT USAGE ON SCHEMA "odd Name" TO test_vsl_monitor;' in done.out


def test_the_extension_is_not_in_this_database(database: str, look: Look) -> None:
    done = look(database, "slow")
    assert done.status == 1
    assert f"It is not installed in database {database_name(database)}." in done.out
    assert "next: CREATE EXTENSION pg_stat_statements;" in done.out
    assert "restart" not in done.out
    document = look(database, "slow", "--json").document
    assert (document["available"], document["statements"]) == (False, [])


def test_the_server_has_not_loaded_it(odd_database: str, connect: Connect, look: Look) -> None:
    owner = Session(connect(odd_database))
    done = look(odd_database, "slow")
    assert done.status == 1
    assert "The server has not loaded it." in done.out
    preload = "ALTER SYSTEM SET shared_preload_libraries = pg_stat_statements;"
    assert f"{preload} as a superuser, then restart the server." in done.out
    assert "CREATE EXTENSION" in done.out
    owner.run("CREATE EXTENSION pg_stat_statements")
    done = look(odd_database, "slow")
    assert done.status == 1
    assert "The server has not loaded it." in done.out
    assert "CREATE EXTENSION" not in done.out


def test_a_login_that_may_not_see_the_setting_says_so(empty_database: str, look: Look) -> None:
    done = look(empty_database, "slow", role="plain")
    assert done.status == 1
    assert "plain may not see whether the server has loaded it." in done.out


def test_what_the_log_takes_is_told_with_who_may_change_it(
    database: str, owner: Session, look: Look
) -> None:
    name = database_name(database)
    owner.run(f'ALTER DATABASE "{name}" SET log_min_duration_statement = 1500')
    said = look(database, "slow").out
    assert "The server's log takes statements from 1,500 ms on" in said
    assert "(log_min_duration_statement, from: database)" in said
    assert f"ALTER DATABASE {name} SET log_min_duration_statement = 1000;" in said
    assert "GRANT SET ON PARAMETER log_min_duration_statement TO test_vsl_monitor" in said


@pytest.mark.parametrize("server", [18], indirect=True)
def test_an_order_that_is_none_is_refused(database: str, look: Look) -> None:
    done = look(database, "slow", "--sort", "age")
    assert done.status == 2
    assert "--sort: is not known (one of mean, total, calls, rows)" in done.err


# What is to be done, and what stands out.

LOG = StatementLog(
    extension_schema=None,
    is_available=True,
    preloaded="auto_explain",
    logged_from=-1,
    logged_by="default",
    is_rds=False,
    major=18,
    database="d",
    role="watcher",
    sees_all=True,
)


def test_every_step_is_named_in_order() -> None:
    steps = steps_to_enable(replace(LOG, is_available=False))
    assert [step.next for step in steps] == [
        "Install PostgreSQL's contrib package on the server.",
        "ALTER SYSTEM SET shared_preload_libraries = auto_explain, pg_stat_statements; "
        "as a superuser, then restart the server.",
        "CREATE EXTENSION pg_stat_statements;",
    ]


def test_on_rds_the_parameter_group_is_named() -> None:
    (preload, _) = steps_to_enable(replace(LOG, is_rds=True))
    assert "parameter group" in (preload.next or "")
    assert "ALTER SYSTEM" not in (preload.next or "")
    assert "rds_superuser" in log_rights(replace(LOG, is_rds=True)).says


def test_before_15_only_a_superuser_may_log() -> None:
    assert "GRANT" not in log_rights(replace(LOG, major=14)).says
    assert "GRANT SET ON PARAMETER" in log_rights(replace(LOG, major=15)).says


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(-1, "takes no statement"), (0, "takes every statement"), (250, "statements from 250 ms on")],
)
def test_the_settings_values_are_told(milliseconds: int, said: str) -> None:
    assert said in log_setting(replace(LOG, logged_from=milliseconds))


FAST = SlowStatement("SELECT $1", 99, 20.0, 1980.0, 0.33, 1, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "Nothing stands out."),
        ({"calls": 100}, "1 statement takes at least 20 ms on average, in 100 calls"),
        ({"calls": 100, "mean": 19.9}, "Nothing stands out."),
        ({"share": 0.334}, "One statement takes 33.4 % of all time."),
        ({"query": "<insufficient privilege>"}, "1 of these texts belong to others"),
    ],
)
def test_what_stands_out(change: dict[str, Any], said: str) -> None:
    found = Slow(log=LOG, sort="mean", statements=[replace(FAST, **change)], missing=())
    assert remarks_on_slow(found)[0].says.startswith(said)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT $1\n  FROM  jobs", "SELECT $1 FROM jobs"),
        ("ALTER ROLE a PASSWORD 'it''s me'", "ALTER ROLE a PASSWORD '…'"),
        (r"SELECT E'a\'b', 'c\', x", "SELECT '…', '…', x"),
        ("DO $x$ secret $$ more $x$ LANGUAGE sql", "DO '…' LANGUAGE sql"),
        ("SELECT U&'s' || B'1' || n'x'", "SELECT '…' || '…' || '…'"),
        ('SELECT "it\'s" FROM "a""b"', 'SELECT "it\'s" FROM "a""b"'),
        ("SELECT 1 -- a prompt\n+ /* two\nlines */ 2", "SELECT 1 + 2"),
        ("SELECT '-- no comment' -- but this", "SELECT '…'"),
        ("SELECT 'cut off", "SELECT '…'"),
        ("SELECT $tag$ cut off", "SELECT '…'"),
        ("SELECT /* cut off", "SELECT"),
        ("SELECT value'x'", "SELECT value'…'"),
    ],
)
def test_literals_and_comments_are_masked(text: str, shown: str) -> None:
    assert mask(text) == shown
