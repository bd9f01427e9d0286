"""Snapshots of counters: what they hold, who may take them, how long they stay, what they are
compared with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.doctor.kit import Stage, add_models, healthy
from tests.doctor.snapshots import flush, snapshot
from tests.schema.kit import Session
from tests.support.servers import TestServer

from vsl.ops.doctor.check import Level
from vsl.ops.doctor.storage import STORAGE

TAKE = "SELECT vsl.take_snapshot(vsl.measure_statements())"
WINDOW = "SELECT * FROM vsl.health_window()"
on_18 = pytest.mark.parametrize("server", [18], indirect=True)


def ages(session: Session) -> list[float]:
    """Of the snapshots, in hours, oldest first."""
    rows = session.all(
        "SELECT extract(epoch FROM now() - taken_at)::float8 / 3600 AS age"
        " FROM vsl.health_snapshots ORDER BY taken_at"
    )
    return [row["age"] for row in rows]


def test_a_snapshot_holds_numbers_of_every_version(
    any_server: TestServer, new_stage: Callable[[TestServer], Stage]
) -> None:
    stage = new_stage(any_server)
    monitor = stage.session(role="vsl_monitor")
    monitor.run(TAKE)
    measures = monitor.value("SELECT measures FROM vsl.health_snapshots")
    assert measures["identity"].keys() == {
        "system", "timeline", "database", "database_reset", "server_reset",
    }  # fmt: skip
    assert all(isinstance(n, int) for n in measures["checkpoints"].values()), measures
    database = measures["database"]
    assert all(isinstance(n, int) for name, n in database.items() if name != "stats_reset")
    assert database["size"] > 1_000_000
    tables = {table["name"]: table for table in measures["tables"].values()}
    assert {"public.jobs", "vsl.dispatch", "vsl.health_snapshots"} <= tables.keys()
    for table in tables.values():
        assert all(isinstance(n, int) for name, n in table.items() if name != "name"), table
    names = {index["name"] for index in measures["indexes"].values()}
    assert {"public.jobs_pkey", "vsl.dispatch_due_idx"} <= names
    assert not any(name.startswith(("pg_", "information_schema")) for name in [*tables, *names])


@on_18
def test_within_a_minute_there_is_one(stage: Stage) -> None:
    session = stage.session(role="vsl_monitor")
    first = session.value(TAKE)
    assert session.value(TAKE) == first
    stage.session().run(
        "UPDATE vsl.health_snapshots SET taken_at = taken_at - interval '61 seconds'"
    )
    assert session.value(TAKE) == first + 1
    assert session.count("vsl.health_snapshots") == 2


@on_18
def test_only_the_monitor_takes_them(stage: Stage) -> None:
    for role in ("vsl_app", "vsl_worker", "vsl_reader", "vsl_backup"):
        error = stage.session(role=role).refused("SELECT vsl.take_snapshot()")
        assert isinstance(error, psycopg.errors.InsufficientPrivilege), role
    monitor = stage.session(role="vsl_monitor")
    for statement in (
        "INSERT INTO vsl.health_snapshots (measures) VALUES ('{}')",
        "UPDATE vsl.health_snapshots SET measures = '{}'",
        "DELETE FROM vsl.health_snapshots",
    ):
        assert isinstance(monitor.refused(statement), psycopg.errors.InsufficientPrivilege)


@on_18
def test_old_ones_go(stage: Stage) -> None:
    """All of a day, the first of each hour for 14 days, the first of each day for 90."""
    session = stage.session()
    every = "generate_series(now() - interval '100 days', now() - interval '2 min', '10 min') t"
    session.run(
        f"INSERT INTO vsl.health_snapshots (taken_at, measures) SELECT t, '{{}}' FROM {every}"  # noqa: S608
    )
    assert session.count("vsl.health_snapshots") == 14_400
    session.run(TAKE)
    left = ages(session)
    day = [age for age in left if age <= 24]
    hours = [age for age in left if 24 < age <= 24 * 14]
    days = [age for age in left if age > 24 * 14]
    assert len(day) == pytest.approx(145, abs=1)
    assert len(hours) == pytest.approx(24 * 13, abs=2)
    assert len(days) == pytest.approx(76, abs=2)
    assert max(left) <= 24 * 90 + 0.1
    # Asked again, nothing more goes.
    session.run("UPDATE vsl.health_snapshots SET taken_at = taken_at - interval '2 min' WHERE id ="
                " (SELECT max(id) FROM vsl.health_snapshots)")  # fmt: skip
    session.run(TAKE)
    assert len(ages(session)) == pytest.approx(len(left) + 1, abs=2)


@on_18
def test_only_numbers_are_taken_over_from_the_caller(stage: Stage) -> None:
    statements = {
        "since": "2026-01-01 " + "x" * 1000,
        "evicted": "many",
        "time": 5,
        "secret": "a heron",
        "entries": {"12": [1, 2.5, "a heron"], "-3": [4, 5], "a heron": [1, 2], "6": ["x", 1]},
    }
    session = stage.session(role="vsl_monitor")
    session.run("SELECT vsl.take_snapshot(%s)", Jsonb(statements))
    kept = session.value("SELECT measures -> 'statements' FROM vsl.health_snapshots")
    assert kept["entries"] == {"12": [1, 2.5], "-3": [4, 5]}
    assert (kept["time"], kept["evicted"], len(kept["since"])) == (5, None, 40)
    assert "heron" not in json.dumps(kept)


@pytest.mark.parametrize("given", [None, [], 1, {}, {"entries": 5}, {"entries": {"1": 2}}])
@on_18
def test_anything_else_is_left_out(stage: Stage, given: object) -> None:
    session = stage.session(role="vsl_monitor")
    session.run("SELECT vsl.take_snapshot(%s)", Jsonb(given))
    kept = session.value("SELECT measures -> 'statements' FROM vsl.health_snapshots")
    assert kept is None or kept["entries"] == {}


@on_18
def test_prompts_are_not_in_them(stage: Stage) -> None:
    session = add_models(stage)
    session.run("CREATE EXTENSION pg_stat_statements")
    session.add_job(prompt="canary-heron", parameters={"text": "canary-heron"})
    session.run("SELECT count(*) FROM jobs WHERE prompt = 'canary-heron'")
    session.run("ANALYZE jobs")
    stage.session(role="vsl_monitor").run(TAKE)
    assert "canary" not in session.value("SELECT measures::text FROM vsl.health_snapshots")
    widths = stage.session(role="vsl_monitor").all("SELECT * FROM vsl.column_widths()")
    assert {"relation_name": "jobs", "column_name": "prompt"}.items() <= next(
        row for row in widths if row["column_name"] == "prompt"
    ).items()
    assert "canary" not in str(widths)


# What they are compared with.


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        (["4 minutes"], None),
        (["6 minutes", "20 minutes", "50 minutes"], 50),
        (["6 minutes", "61 minutes", "90 minutes", "3 days"], 61),
        (["3 days"], 3 * 24 * 60),
    ],
)
@on_18
def test_which_one_is_compared_with(stage: Stage, taken: list[str], chosen: int | None) -> None:
    for age in reversed(taken):
        snapshot(stage, age=age)
    window = stage.session(role="vsl_monitor").one(WINDOW)
    if chosen is None:
        assert window["earlier"] is None
        assert window["missing"] == "there is no snapshot of at least five minutes ago yet"
    else:
        assert window["missing"] is None
        assert window["seconds"] / 60 == pytest.approx(chosen, abs=0.5)
        assert window["earlier"]["identity"] == window["current"]["identity"]


def test_a_reset_is_noticed(stage: Stage) -> None:
    session = stage.session()
    snapshot(stage, age="10 minutes")
    assert session.one(WINDOW)["missing"] is None
    session.run("SELECT pg_stat_reset()")
    flush(session)
    window = session.one(WINDOW)
    assert window["earlier"] is None
    assert "the counters began anew" in window["missing"]
    result = stage.look("rollbacks")
    assert (result.level.name, result.findings[0].evidence) == ("note", window["missing"])


def test_fallen_counters_are_noticed(stage: Stage) -> None:
    """As after a crash of which nothing else tells."""
    snapshot(stage, age="10 minutes", change={"database": {"commits": 1_000_000_000}})
    assert "the counters began anew" in stage.session().one(WINDOW)["missing"]


@pytest.mark.parametrize("name", ["system", "timeline", "server_reset"])
@on_18
def test_another_server_is_noticed(stage: Stage, name: str) -> None:
    """As after a restore, a failover, a crash."""
    snapshot(stage, age="10 minutes")
    session = stage.session()
    session.run(
        "UPDATE vsl.health_snapshots SET measures ="
        " jsonb_set(measures, ARRAY['identity', %s], '\"another\"')",
        name,
    )
    assert "the counters began anew" in session.one(WINDOW)["missing"]


def test_the_time_zone_makes_no_difference(stage: Stage) -> None:
    session = stage.session()
    session.run("SELECT pg_stat_reset()")
    session.run("SET timezone = 'Asia/Kathmandu'")
    session.run(TAKE)
    session.run("UPDATE vsl.health_snapshots SET taken_at = taken_at - interval '10 min'")
    session.run("SET timezone = 'America/St_Johns'")
    assert session.one(WINDOW)["missing"] is None


def test_a_table_that_was_made_again_counts_from_its_beginning(stage: Stage) -> None:
    """Counters belong to the table, not to its name."""
    session = stage.session()
    session.run("CREATE TABLE events AS SELECT generate_series(1, 10) AS n")
    for _ in range(20):
        session.run("SELECT count(*) FROM events")
    flush(session)
    snapshot(stage, age="10 minutes")
    session.run("DROP TABLE events")
    session.run("CREATE TABLE events AS SELECT generate_series(1, 20000) AS n")
    session.run("ANALYZE events")
    for _ in range(12):
        session.run("SELECT count(*) FROM events")
    flush(session)
    assert stage.look("sequential-scans").findings == ()
    snapshot(stage, age="9 minutes")
    session.run("DELETE FROM vsl.health_snapshots WHERE taken_at < now() - interval '9.5 minutes'")
    for _ in range(12):
        session.run("SELECT count(*) FROM events")
    flush(session)
    (finding,) = stage.look("sequential-scans").findings
    assert finding.evidence.startswith("12 of 12 scans")


@on_18
def test_a_database_that_nobody_may_enter_still_has_snapshots(stage: Stage) -> None:
    """vsl_owner, as which they are taken, then may not ask for its size."""
    session = stage.session()
    name = session.value("SELECT current_database()")
    session.run(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    session.run(f"GRANT CONNECT ON DATABASE {name} TO vsl_monitor")
    monitor = stage.session(role="vsl_monitor")
    monitor.run(TAKE)
    assert monitor.value("SELECT measures #>> '{database,size}' FROM vsl.health_snapshots") is None
    assert stage.look("disk-growth").level.name == "ok"


@on_18
def test_the_oldest_kept_is_enough_for_the_longest_look(stage: Stage) -> None:
    """An index is judged by 35 days; a snapshot of each of 90 is kept."""
    session = stage.session()
    snapshot(stage, age="89 days")
    session.run(TAKE)
    oldest = session.value("SELECT now() - min(taken_at) FROM vsl.health_snapshots")
    assert timedelta(days=89) <= oldest < timedelta(days=90)


def test_a_healthy_database_with_a_past_is_quiet(
    any_server: TestServer, new_stage: Callable[[TestServer], Stage]
) -> None:
    """With something to compare with, too. Servers of tests do not wait for the disk."""
    stage = new_stage(any_server)
    healthy(stage)
    for age in ("36 days", "8 days", "10 minutes"):
        snapshot(stage, age=age)
    session = stage.session()
    for _ in range(20):
        session.add_job(prompt="a heron")
        session.run_job()
    session.connection.close()
    results = [stage.look(check.id) for check in STORAGE if check.id != "dangerous-settings"]
    assert {r.check.id: r.findings for r in results if r.level > Level.note} == {}
    assert not any("no snapshot" in f.evidence for r in results for f in r.findings)
