"""``vsl db connections --kill-idle``: those idle for long, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.cli.program import CANARY, Vsl
from tests.conftest import Connect, ConnectAsync
from tests.schema.kit import Session
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until, wait_until_async

from vsl.errors import InvalidInput
from vsl.ops.durations import read_duration
from vsl.ops.idle import IDLE_STATES, Idle, end_idle, find_idle

Alive = Callable[[int], bool]
Acts = Callable[[], list[dict[str, Any]]]
NOW = ("db", "connections", "--kill-idle", "0s")


def _pids(found: Any) -> set[int]:
    return {session["pid"] for session in found["sessions"] if session["kept"] is None}


def test_idle_sessions_are_shown_then_ended(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, acts: Acts
) -> None:
    idle = [connect(app_url, application_name=f"web {n}") for n in range(2)]
    for session in idle:
        session.execute(f"SELECT '{CANARY}'")
    pids = {session.info.backend_pid for session in idle}
    shown = keeper(*NOW, "--dry-run")
    assert shown.status == 0
    assert all(f"{pid} " in shown.out for pid in pids)
    assert all(map(alive, pids))
    assert acts() == []
    done = keeper(*NOW, "--yes")
    assert done.status == 0
    assert done.out.endswith("2 sessions ended.\n")
    assert not any(map(alive, pids))
    assert CANARY not in done.out
    before, after = acts()
    assert (before["act"], before["subject"]) == ("kill-idle", "2 idle sessions")
    assert {one["pid"] for one in before["detail"]["sessions"]} == pids
    assert {one["user"] for one in before["detail"]["sessions"]} == {"test_somebody"}
    assert after["act"] == "kill-idle-outcome"
    assert {one["outcome"] for one in after["detail"]["sessions"]} == {"ended"}
    assert CANARY not in str(before) + str(after)
    lines = keeper("db", "audit").out.splitlines()
    assert lines[1].endswith("2 ended")
    again = keeper(*NOW, "--yes")
    assert (again.status, len(acts())) == (0, 2)
    assert "No session that may be ended has been idle for 0s." in again.out


def test_only_those_idle_for_so_long_are_ended(
    keeper: Vsl, app_url: str, connect: Connect, owner: Session, alive: Alive
) -> None:
    old, young = connect(app_url), connect(app_url)
    old.execute("SELECT 1")
    query = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE pid = %s AND state_change < clock_timestamp() - interval '1.5 s'"
    )
    wait_until(lambda: owner.all(query, old.info.backend_pid))
    young.execute("SELECT 1")
    found = keeper.json("db", "connections", "--kill-idle", "1.5s", "--dry-run")
    assert _pids(found) == {old.info.backend_pid}
    assert keeper("db", "connections", "--kill-idle", "1h", "--yes").status == 0
    assert alive(old.info.backend_pid)


def test_transactions_are_left_alone_unless_asked_for(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    idle = connect(app_url)
    idle.execute("SELECT 1")
    waiting, failed = connect(app_url, autocommit=False), connect(app_url, autocommit=False)
    waiting.execute("SELECT 1")
    with pytest.raises(Exception, match="division"):
        failed.execute("SELECT 1 / 0")
    pids = {session.info.backend_pid for session in (waiting, failed)}
    assert _pids(keeper.json(*NOW, "--dry-run")) == {idle.info.backend_pid}
    done = keeper(*NOW, "--state", "idle-in-transaction", "--yes")
    assert done.status == 0
    assert not any(map(alive, pids))
    assert alive(idle.info.backend_pid)


def test_only_of_a_login_or_an_application(
    keeper: Vsl, app_url: str, login: Callable[..., str], database: str, connect: Connect
) -> None:
    other = login(database, "somebody else", "vsl_app")
    sessions = {
        name: connect(url, application_name=name).info.backend_pid
        for name, url in (("web 1", app_url), ("webshop", app_url), ("web", other))
    }
    by_application = keeper.json(*NOW, "--dry-run", "--application", "web")
    assert _pids(by_application) == {sessions["web 1"], sessions["web"]}
    by_both = keeper.json(*NOW, "--dry-run", "--application", "web", "--user", "test_somebody else")
    assert _pids(by_both) == {sessions["web"]}


def test_other_databases_only_when_asked_for(
    keeper: Vsl, server: TestServer, app_url: str, connect: Connect
) -> None:
    elsewhere = connect(server.url("postgres", "test_somebody")).info.backend_pid
    here = connect(app_url).info.backend_pid
    assert _pids(keeper.json(*NOW, "--dry-run")) == {here}
    found = keeper.json(*NOW, "--dry-run", "--all-databases", "--user", "test_somebody")
    assert {here, elsewhere} <= _pids(found)


# Who stays.


@pytest.mark.parametrize(
    ("application", "statement", "kept"),
    [
        ("vsl listen here:1:abc", "SELECT 1", "listens"),
        ("vsl migrate", "SELECT 1", "migrates"),
        ("psql", "SELECT pg_advisory_lock(hashtext('vsl'), hashtext('migrate'))", "migrates"),
    ],
)
def test_who_is_needed_stays(
    keeper: Vsl,
    app_url: str,
    connect: Connect,
    alive: Alive,
    application: str,
    statement: str,
    kept: str,
) -> None:
    session = connect(app_url, application_name=application)
    session.execute(statement.encode())
    pid = session.info.backend_pid
    found = keeper.json(*NOW, "--user", "test_somebody", "--yes")
    assert [(one["pid"], one["kept"]) for one in found["sessions"]] == [(pid, kept)]
    assert list(found["kept"]) == [kept]
    assert alive(pid)
    assert f"{pid} stays: " in keeper(*NOW, "--user", "test_somebody", "--dry-run").out


def test_a_listener_goes_when_it_is_named(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    pid = connect(app_url, application_name="vsl listen here:1:abc").info.backend_pid
    assert keeper(*NOW, "--application", "vsl listen", "--yes").status == 0
    assert not alive(pid)


def test_superusers_stay_and_the_rest_is_ended(
    database: str, keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    theirs, ours = connect(database).info.backend_pid, connect(app_url).info.backend_pid
    done = keeper(*NOW, "--yes")
    assert done.status == 0
    assert f"{theirs}" in done.out
    assert "stays: it is a superuser's, and only a superuser may end it." in done.out
    assert "1 session ended." in done.out
    assert alive(theirs)
    assert not alive(ours)


def test_without_the_right_the_grant_is_named(
    database: str,
    on: Callable[[str], Vsl],
    role_url: Callable[[str, str], str],
    app_url: str,
    connect: Connect,
    alive: Alive,
    acts: Acts,
) -> None:
    pid = connect(app_url).info.backend_pid
    monitor = on(role_url(database, "vsl_monitor"))
    done = monitor(*NOW, "--user", "test_somebody", "--yes")
    assert done.status == 1
    assert "GRANT pg_signal_backend TO test_vsl_monitor;" in done.out
    found = monitor(*NOW, "--user", "test_somebody", "--yes", "--json")
    assert found.status == 1
    assert "GRANT pg_signal_backend" in found.document["kept"]["not_permitted"]
    assert alive(pid)
    assert acts() == []


def test_who_may_not_see_others_ends_nobody_and_says_so(
    database: str,
    on: Callable[[str], Vsl],
    login: Callable[..., str],
    app_url: str,
    connect: Connect,
    alive: Alive,
) -> None:
    pid = connect(app_url).info.backend_pid
    blind = on(login(database, "blind killer", "pg_signal_backend"))
    done = blind(*NOW, "--yes")
    assert done.status == 1
    assert "is hidden from test_blind killer; what is hidden stays." in done.out
    assert 'next: GRANT pg_read_all_stats TO "test_blind killer";' in done.out
    assert alive(pid)


# Between the look and the signal.


async def test_who_is_used_again_or_gone_is_not_ended(
    keeper_url: str, app_url: str, connect: Connect, connect_async: ConnectAsync, alive: Alive
) -> None:
    names = ("again", "gone", "idle", "reused")
    sessions = {name: connect(app_url, application_name=name) for name in names}
    pids = {name: session.info.backend_pid for name, session in sessions.items()}
    keeper = await connect_async(keeper_url)
    idle = Idle(seconds=1.0, user="test_somebody")

    async def all_found() -> Any:
        found = await find_idle(keeper, idle)
        return found if len(found.to_end) == 4 else None

    found = await wait_until_async(all_found)
    sessions["again"].execute("SELECT 1")
    sessions["gone"].close()
    wait_until(lambda: not alive(pids["gone"]))
    # As when a number is used again: another start under the same number.
    chosen = [
        replace(s, started_at=s.started_at - timedelta(seconds=1)) if s.pid == pids["reused"] else s
        for s in found.to_end
    ]
    ended = await end_idle(keeper, idle, chosen)
    outcomes = {s.pid: became for s, became in ended.outcomes}
    assert outcomes == {
        pids["again"]: "in use again",
        pids["gone"]: "gone before",
        pids["idle"]: "ended",
        pids["reused"]: "gone before",
    }
    assert alive(pids["again"])
    assert alive(pids["reused"])
    assert not alive(pids["idle"])
    assert ended.unrecorded is None


async def test_one_who_begins_a_transaction_is_not_ended(
    keeper_url: str, app_url: str, connect: Connect, connect_async: ConnectAsync, alive: Alive
) -> None:
    session = connect(app_url)
    keeper = await connect_async(keeper_url)
    idle = Idle(seconds=0.0, states=IDLE_STATES["idle"], user="test_somebody")

    async def found_idle() -> Any:
        return (await find_idle(keeper, idle)).to_end

    chosen = await wait_until_async(found_idle)
    session.execute("BEGIN")
    ended = await end_idle(keeper, idle, chosen)
    assert [became for _, became in ended.outcomes] == ["in use again"]
    assert alive(session.info.backend_pid)


def test_through_a_pooler(
    keeper: Vsl,
    pgbouncer: Any,
    app_url: str,
    connect: Connect,
    alive: Alive,
    on: Callable[[str], Vsl],
) -> None:
    victim = connect(app_url, application_name="web").info.backend_pid
    assert keeper.json("db", "connections")["used"] > 1  # the login is there
    program = on(pgbouncer.url("test_keeper"))
    done = program(*NOW, "--application", "web", "--yes")
    assert (done.status, done.err) == (0, "")
    assert not alive(victim)
    victim = connect(app_url).info.backend_pid
    assert program("db", "kill", str(victim), "--yes").status == 0
    assert not alive(victim)


# Asking.


def test_where_nobody_can_be_asked_nothing_is_ended(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, acts: Acts
) -> None:
    pid = connect(app_url).info.backend_pid
    for options in ([], ["--json"]):
        done = keeper(*NOW, *options)
        assert done.status == 2
        assert "is needed where nobody can be asked" in done.err
    assert alive(pid)
    assert acts() == []


@pytest.mark.parametrize(("answer", "status"), [("n\n", 1), ("y\n", 0)])
@pytest.mark.parametrize("server", [18], indirect=True)
def test_on_a_terminal_it_asks(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, answer: str, status: int
) -> None:
    pid = connect(app_url).info.backend_pid
    terminal = keeper.terminal(*NOW)
    terminal.wait_for("End this 1 session? [y/N]")
    terminal.type(answer)
    assert terminal.wait() == status
    assert alive(pid) is (status == 1)


def test_what_cannot_be_written_down_is_said_and_done(
    database: str,
    on: Callable[[str], Vsl],
    login: Callable[..., str],
    app_url: str,
    connect: Connect,
    alive: Alive,
) -> None:
    pid = connect(app_url).info.backend_pid
    stranger = on(login(database, "stranger", "pg_monitor", "pg_signal_backend"))
    done = stranger(*NOW, "--user", "test_somebody", "--yes")
    assert done.status == 0
    assert not alive(pid)
    assert "This act is not in the audit: permission denied for schema vsl." in done.out


def test_a_database_without_vsl_can_be_freed(
    empty_database: str, on: Callable[[str], Vsl], login: Callable[..., str], connect: Connect
) -> None:
    victim = connect(empty_database)
    superuser = empty_database.replace("plain@", "vsl@")
    url = login(superuser, "stranger", "pg_monitor", "pg_signal_backend")
    done = on(url)(*NOW, "--user", "plain", "--yes")
    assert (done.status, done.err) == (0, "")
    assert "1 session ended." in done.out
    assert "This act is not in the audit" in done.out
    with pytest.raises(Exception, match=r"terminating|closed"):
        victim.execute("SELECT 1")


# How durations are typed.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("2d", 172_800), ("0s", 0), ("1.5s", 1.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert read_duration("--x", text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "m",
        "-5m",
        "10 m",
        "10minutes",
        "1e9s",
        "9999999d",
        "10m5s",
        "\u0661\u0660m",
        "infs",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--x: is"):
        read_duration("--x", text)


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_bad_duration_ends_nothing(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    pid = connect(app_url).info.backend_pid
    done = keeper("db", "connections", "--kill-idle", "ten minutes", "--yes")
    assert done.status == 2
    assert "--kill-idle: is not a duration (a number and s, m, h or d, such as 90s" in done.err
    assert alive(pid)


def test_the_database_is_named_in_what_is_shown(
    database: str, keeper: Vsl, app_url: str, connect: Connect
) -> None:
    connect(app_url, application_name="web")
    assert f"  {database_name(database)}  " in keeper(*NOW, "--dry-run").out
