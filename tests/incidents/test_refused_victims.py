"""What ``vsl db kill`` refuses: replication, the server's own, vacuum against wraparound."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect, NewDatabase
from tests.incidents.conftest import KEEPER, make_role
from tests.schema.kit import Session
from tests.support.servers import ServerPool, TestServer, database_name
from tests.support.waiting import wait_until

from vsl.db.statement import parameters, statement_text
from vsl.db.statements_looks import SignalSession, Victim
from vsl.ops.incidents import refuse

BURN = """
DO $$ BEGIN
    FOR i IN 1..110000 LOOP
        BEGIN
            INSERT INTO burnt VALUES (i);
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$
"""


def test_a_session_that_sends_replication_is_refused(
    database: str, keeper: Vsl, on: Callable[[str], Vsl], owner: Session
) -> None:
    with psycopg.connect(database + "&replication=database", autocommit=True) as sender:
        # A walsender knows no statements with parameters.
        row = sender.execute(b"SELECT pg_backend_pid()", prepare=False).fetchone()
        assert row is not None
        (pid,) = row
        kind = owner.value("SELECT backend_type FROM pg_stat_activity WHERE pid = %s", pid)
        assert kind == "walsender"
        for program in (keeper, on(database)):
            done = program("db", "kill", str(pid), "--yes")
            assert done.status == 1
            assert f"process {pid} sends replication or a base backup" in done.err
            assert program("db", "connections", "--kill-idle", "0s", "--yes").status in (0, 1)
        assert sender.execute(b"SELECT 1", prepare=False).fetchone() == (1,)
        sessions = keeper.json("db", "connections", "--list")["sessions"]
        assert pid not in [session["pid"] for session in sessions]


@pytest.mark.parametrize("kind", ["checkpointer", "autovacuum launcher"])
def test_the_servers_own_processes_are_refused(
    database: str, on: Callable[[str], Vsl], owner: Session, kind: str
) -> None:
    pid = owner.value("SELECT pid FROM pg_stat_activity WHERE backend_type = %s", kind)
    done = on(database)("db", "kill", str(pid), "--yes")
    assert done.status == 1
    assert f"process {pid} is the server's own: {kind}" in done.err
    assert owner.value("SELECT pid FROM pg_stat_activity WHERE backend_type = %s", kind) == pid


def test_a_helper_is_refused_and_its_leader_named(
    database: str, on: Callable[[str], Vsl], owner: Session, connect: Connect
) -> None:
    owner.run("CREATE TABLE many AS SELECT g AS a, repeat('x', 500) FROM generate_series(1, 999) g")
    owner.run("ALTER TABLE many SET (parallel_workers = 2)")
    owner.run(
        "CREATE FUNCTION waits(a int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS"
        " 'BEGIN PERFORM pg_sleep(60); RETURN a; END'"
    )
    leader = connect(database)
    for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        leader.execute(f"SET {setting} = 0".encode())
    leader.execute("SET parallel_leader_participation = off")

    def run() -> None:
        with pytest.raises(psycopg.Error):
            leader.execute("SELECT sum(waits(a)) FROM many")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        query = "SELECT pid FROM pg_stat_activity WHERE leader_pid = %s AND pid <> leader_pid"
        helper = wait_until(lambda: owner.all(query, leader.info.backend_pid))[0]["pid"]
        done = on(database)("db", "kill", str(helper), "--yes")
        assert done.status == 1
        assert f"process {helper} helps with the statement of process" in done.err
        assert f"`vsl db kill {leader.info.backend_pid}`" in done.err
        assert owner.all(query, leader.info.backend_pid)
    finally:
        leader.cancel()
        thread.join(10)


@pytest.mark.parametrize("major", [15, 18])
def test_vacuum_that_prevents_wraparound_is_refused(
    servers: ServerPool,
    new_database: NewDatabase,
    template_sql: Path,
    connect: Connect,
    on: Callable[[str], Vsl],
    major: int,
) -> None:
    """A real one: it waits for a table's lock, as other workers of autovacuum do not."""
    server = servers.fresh(major, autovacuum_freeze_max_age="100000", autovacuum_naptime="1s")
    database = new_database(server, schema=template_sql)
    owner = Session(connect(database))
    owner.run("CREATE TABLE old (a int)")
    owner.run("CREATE TABLE burnt (a int) WITH (autovacuum_enabled = off)")
    locker = connect(database, autocommit=False)
    locker.execute("LOCK TABLE old IN SHARE UPDATE EXCLUSIVE MODE")
    owner.run(BURN)  # each block with a handler takes a transaction's number
    query = (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
        " AND query LIKE '%%old (to prevent wraparound)'"
    )
    pid = wait_until(lambda: owner.all(query), within=60, what="autovacuum")[0]["pid"]
    for program in (on(database), on(keeper_of(server, database, owner))):
        done = program("db", "kill", str(pid), "--yes")
        assert done.status == 1
        assert f"process {pid} is autovacuum at work to prevent wraparound" in done.err
    # Nor does the statement that sends signals, should a worker turn to such a table just then.
    started = owner.value("SELECT backend_start FROM pg_stat_activity WHERE pid = %s", pid)
    for terminate in (False, True):
        signal = SignalSession(pid=pid, started_at=started, terminate=terminate)
        assert owner.connection.execute(
            statement_text(SignalSession).encode(), parameters(signal)
        ).fetchone() == (False,)
    assert owner.all(query)
    root = on(database).json("db", "locks")["roots"][0]
    assert (root["pid"], root["waiters"][0]["pid"]) == (locker.info.backend_pid, pid)


def test_other_vacuums_may_be_ended_by_who_may(
    servers: ServerPool,
    new_database: NewDatabase,
    template_sql: Path,
    connect: Connect,
    on: Callable[[str], Vsl],
) -> None:
    server = servers.fresh(18, autovacuum_naptime="1s")
    database = new_database(server, schema=template_sql)
    owner = Session(connect(database))
    owner.run(
        "CREATE TABLE slow (a text) WITH (autovacuum_vacuum_threshold = 1,"
        " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    owner.run("INSERT INTO slow SELECT repeat('x', 2000) FROM generate_series(1, 20000)")
    owner.run("DELETE FROM slow")
    query = (
        "SELECT pid, backend_start FROM pg_stat_activity"
        " WHERE backend_type = 'autovacuum worker' AND query LIKE '%%slow%%'"
    )
    found = wait_until(lambda: owner.all(query), within=60, what="autovacuum")[0]
    keeper = on(keeper_of(server, database, owner))
    done = keeper("db", "kill", str(found["pid"]), "--yes")
    assert done.status == 1
    assert "test_keeper may not end a worker of autovacuum" in done.err
    assert "GRANT pg_signal_autovacuum_worker TO test_keeper;" in done.err
    owner.run("GRANT pg_signal_autovacuum_worker TO keeper")
    done = keeper("db", "kill", str(found["pid"]), "--yes")
    assert done.status == 0
    assert "kind         autovacuum worker" in done.out
    assert found not in owner.all(query)


def keeper_of(server: TestServer, database: str, owner: Session) -> str:
    """The URL of the database for a login that gets through incidents."""
    make_role(owner.connection, "keeper", *KEEPER)
    return server.url(database_name(database), server.login_for("keeper"))


# The rules themselves.

VICTIM = Victim(
    pid=7,
    started_at=datetime(2026, 1, 31, tzinfo=UTC),
    user_name="ada",
    application="web",
    database="d",
    client=None,
    kind="client backend",
    state="idle",
    state_age=1.0,
    transaction_age=None,
    query_start=None,
    wait_event_type=None,
    wait_event=None,
    leader_pid=None,
    is_own=False,
    is_superuser=False,
    prevents_wraparound=False,
    may_signal=True,
    blocks=(),
    migrates=False,
)


def refusal(**changed: Any) -> str:
    """What is said of such a victim, hint included; nothing when it may be ended."""
    error = refuse(replace(VICTIM, **changed), 7, "ops team", None)
    return "" if error is None else f"{error.message}. {error.hint}"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"kind": "autovacuum worker"}, ""),
        ({"is_own": True}, "this command's own session"),
        ({"kind": None}, 'GRANT pg_read_all_stats TO "ops team";'),
        ({"started_at": None}, 'GRANT pg_read_all_stats TO "ops team";'),
        ({"kind": "autovacuum worker", "prevents_wraparound": True}, "prevent wraparound"),
        ({"kind": "walsender", "client": "10.0.0.7"}, "a base backup to 10.0.0.7"),
        ({"kind": "parallel worker", "leader_pid": 6}, "`vsl db kill 6`"),
        ({"kind": "logical replication worker"}, "the server's own: logical replication worker"),
        ({"kind": "pg_cron launcher"}, "the server's own: pg_cron launcher"),
        ({"may_signal": False}, 'GRANT pg_signal_backend TO "ops team";'),
        ({"may_signal": False, "is_superuser": True}, "Only a superuser may."),
        (
            {"may_signal": False, "kind": "autovacuum worker"},
            'GRANT pg_signal_autovacuum_worker TO "ops team";',
        ),
    ],
)
def test_who_may_be_ended(changed: dict[str, Any], said: str) -> None:
    found = refusal(**changed)
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("given", "same"),
    [("00:00:00.5", True), ("00:00:00", True), ("00:00:01", False), ("00:00:00.6", False)],
)
def test_a_start_is_compared_as_exactly_as_it_is_given(given: str, same: bool) -> None:
    victim = replace(VICTIM, started_at=datetime.fromisoformat("2026-01-31 00:00:00.5+00:00"))
    wanted = datetime.fromisoformat(f"2026-01-31 {given}+00:00")
    assert (refuse(victim, 7, "ops", wanted) is None) is same


def test_a_number_that_nobody_has_is_not_found() -> None:
    error = refuse(None, 7, "ops", None)
    assert error is not None
    assert error.code == "not_found"
