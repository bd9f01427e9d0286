"""``vsl db connections`` without ending any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.cli.program import CANARY
from tests.conftest import Connect
from tests.looks.conftest import Look
from tests.schema.kit import Session
from tests.support.servers import database_name
from tests.support.waiting import wait_until

from vsl.db.statements_looks import ConnectionLimits, DatabaseFacts
from vsl.db.statements_looks import Session as Seen
from vsl.ops.sessions import Connections, remarks_on_connections

Look_ = Callable[..., Any]


@contextmanager
def _running(connection: Any, statement: str) -> Iterator[None]:
    """A statement that runs in the background; its session is ended after."""

    def run() -> None:
        with pytest.raises(Exception, match=r"."):
            connection.execute(statement)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        connection.cancel()
        thread.join(10)


def test_sessions_are_counted_by_who_and_what(
    database: str, owner: Session, connect: Connect, seen: Look_
) -> None:
    for _ in range(3):
        connect(database, application_name="web").execute("SELECT 1")
    busy = connect(database, application_name="web", autocommit=False)
    busy.execute("SELECT 1")
    found = seen(database, "connections")
    here = [group for group in found["groups"] if group["database"] == database_name(database)]
    states = {(g["application"], g["user_name"], g["state"]): g for g in here}
    assert states["web", "vsl", "idle"]["count"] == 3
    waiting = states["web", "vsl", "idle in transaction"]
    assert waiting["count"] == 1
    assert waiting["oldest_transaction"] >= waiting["oldest"] >= 0
    assert states["vsl cli", "test_vsl_monitor", "active"]["count"] == 1
    counts = [group["count"] for group in found["groups"]]
    assert counts == sorted(counts, reverse=True)
    assert found["used"] == sum(counts)
    # Of this database, the looker was one more; others' sessions come and go meanwhile.
    mine = owner.value(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND datname = current_database()"
        " AND application_name NOT LIKE 'vsl cli%%'"
    )
    assert sum(group["count"] for group in here) == mine + 1
    limits = found["limits"]
    assert (limits["server"], limits["for_superusers"], limits["database"]) == (200, 3, -1)
    assert found["available"] == 197 - limits["for_members"]
    assert found["left"] == found["available"] - found["used"]


def test_the_servers_own_processes_are_no_connections(
    database: str, owner: Session, seen: Look_
) -> None:
    pids = {s["pid"] for s in seen(database, "connections", "--list")["sessions"]}
    others = owner.all("SELECT pid FROM pg_stat_activity WHERE backend_type <> 'client backend'")
    assert len(others) >= 3
    assert not pids & {row["pid"] for row in others}


def test_each_session_has_a_line_without_its_statement(
    database: str, connect: Connect, look: Look
) -> None:
    one = connect(database, application_name="talker", autocommit=False)
    one.execute(f"SELECT '{CANARY}'")
    for arguments in (["--list"], [], ["--list", "--json"]):
        done = look(database, "connections", *arguments)
        assert done.status == 0
        assert CANARY not in done.out
    pid = one.info.backend_pid
    lines = look(database, "connections", "--list").out.splitlines()
    line = next(line for line in lines if line.startswith(str(pid))).split()
    assert line[1:7] == ["vsl", "talker", "local", "idle", "in", "transaction"]


def test_statements_are_shown_when_asked_for_with_a_warning(
    database: str, connect: Connect, look: Look
) -> None:
    one = connect(database, application_name="talker")
    one.execute(f"SELECT\n  '{CANARY}'")
    done = look(database, "connections", "--queries")
    assert f"SELECT '{CANARY}'" in done.out
    assert "may hold prompts" in done.out
    session = look(database, "connections", "--queries", "--json").document["sessions"]
    assert any(CANARY in (s["query"] or "") for s in session)


def test_who_waits_for_whom_is_in_the_line(
    database: str, connect: Connect, seen: Look_, look: Look
) -> None:
    holder, waiter = connect(database, autocommit=False), connect(database)
    holder.execute("LOCK TABLE jobs")
    with _running(waiter, "SELECT count(*) FROM jobs"):

        def blocked() -> Any:
            sessions = seen(database, "connections", "--list")["sessions"]
            found = next(s for s in sessions if s["pid"] == waiter.info.backend_pid)
            return found if found["blocked_by"] else None

        found = wait_until(blocked)
        assert found["blocked_by"] == [holder.info.backend_pid]
        assert (found["wait_event_type"], found["wait_event"]) == ("Lock", "relation")
        said = look(database, "connections").out
        assert "1 session waits for a lock." in said
        assert "next: vsl db locks" in said


def test_a_filter_leaves_the_counts_whole(database: str, connect: Connect, seen: Look_) -> None:
    connect(database, application_name="web 1").execute("SELECT 1")
    connect(database, application_name="webshop").execute("SELECT 1")
    connect(database, application_name="web", autocommit=False).execute("SELECT 1")
    found = seen(database, "connections", "--list", "--application", "web")
    assert {s["application"] for s in found["sessions"]} == {"web", "web 1"}
    idle = seen(database, "connections", "--list", "--application", "web", "--state", "idle")
    assert {s["application"] for s in idle["sessions"]} == {"web 1"}
    nobody = seen(database, "connections", "--list", "--user", "nobody")
    assert nobody["sessions"] == []
    assert nobody["used"] >= 4


def test_limits_of_the_database_are_told(
    database: str, owner: Session, look: Look, seen: Look_
) -> None:
    owner.run(f'ALTER DATABASE "{database_name(database)}" CONNECTION LIMIT 2')
    found = seen(database, "connections")
    assert (found["limits"]["database"], found["used_in_database"]) == (2, 2)
    said = look(database, "connections").out
    assert f"Database {database_name(database)} may have 2, and has 2." in said
    assert "2 of the 2 connections of database" in said


def test_a_login_that_may_not_see_others_says_so(
    database: str, connect: Connect, look: Look, seen: Look_
) -> None:
    one = connect(database, application_name="web")
    one.execute("SELECT 1")
    found = seen(database, "connections", "--list", role="plain")
    hidden = next(s for s in found["sessions"] if s["pid"] == one.info.backend_pid)
    assert (hidden["is_hidden"], hidden["application"], hidden["state"]) == (True, "web", None)
    assert found["hidden"] >= 1
    said = look(database, "connections", role="plain").out
    assert "hide their state, age and address from plain." in said
    assert "next: GRANT pg_read_all_stats TO plain;" in said
    assert "(hidden)" in said


def test_it_works_in_a_database_without_vsl(empty_database: str, seen: Look_) -> None:
    assert seen(empty_database, "connections", role="plain")["used"] >= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--state", "bored"], "--state: is not known (one of idle, idle-in-transaction)"),
        (["--yes"], "--yes: is for --kill-idle only"),
        (["--all-databases", "--dry-run"], "--all-databases: is for --kill-idle only"),
    ],
)
@pytest.mark.parametrize("server", [18], indirect=True)
def test_wrong_usage_is_named(database: str, look: Look, arguments: list[str], said: str) -> None:
    done = look(database, "connections", *arguments)
    assert done.status == 2
    assert said in done.err


# What stands out.


def _session(pid: int, **changed: Any) -> Seen:
    given: dict[str, Any] = {
        "pid": pid,
        "started_at": None,
        "user_name": "app",
        "application": "web",
        "database": "d",
        "client": None,
        "kind": "client backend",
        "state": "idle",
        "state_age": 1.0,
        "transaction_age": None,
        "wait_event_type": None,
        "wait_event": None,
        "blocked_by": [],
        "is_hidden": False,
        "is_own": False,
        "query": None,
    }
    return Seen(**{**given, **changed})


def _connections(sessions: list[Seen], **limits: int) -> Connections:
    facts = DatabaseFacts("d", 1, None, None, "app", True)  # type: ignore[arg-type]
    given = {"server": 105, "for_superusers": 3, "for_members": 2, "database": -1, "role": -1}
    return Connections(
        database=facts, limits=ConnectionLimits(**{**given, **limits}), sessions=sessions
    )


@pytest.mark.parametrize(
    ("used", "said"),
    [(69, "Nothing stands out."), (70, "Busy: 70 of 100"), (84, "Busy"), (85, "Nearly full: 85")],
)
def test_how_full_stands_out_at_70_and_85_percent(used: int, said: str) -> None:
    (remark,) = remarks_on_connections(_connections([_session(n) for n in range(used)]))
    assert remark.says.startswith(said)


@pytest.mark.parametrize(("age", "stands_out"), [(59.9, False), (60.0, True)])
def test_an_idle_transaction_stands_out_from_a_minute_on(age: float, stands_out: bool) -> None:
    stuck = _session(7, state="idle in transaction", state_age=age)
    (remark,) = remarks_on_connections(_connections([stuck, _session(8, state_age=900.0)]))
    assert (remark.next == "vsl db kill 7") is stands_out


def test_limits_of_a_role_stand_out() -> None:
    found = _connections([_session(1), _session(2)], role=2)
    (remark,) = remarks_on_connections(found)
    assert remark.says == "2 of the 2 connections of role app are in use."


def test_more_sessions_than_places_leave_none() -> None:
    found = _connections([_session(n) for n in range(3)], server=6, for_members=0)
    assert (found.available, found.left) == (3, 0)
    assert _connections([_session(n) for n in range(9)], server=6).left == 0


@pytest.mark.parametrize("kind", ["vsl listen", "vsl worker"])
def test_workers_are_one_group(kind: str) -> None:
    workers = [_session(n, application=f"{kind} host:{n}:abc") for n in range(3)]
    (group,) = _connections(workers).groups()
    assert (group.application, group.count) == (kind, 3)
