"""``vsl db kill``: one session, told what it is, cancelled, then terminated."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from tests.cli.program import CANARY, Vsl
from tests.conftest import Connect, ConnectAsync
from tests.looks.test_look_at_locks import waiting
from tests.schema.kit import MODELS, Session
from tests.support.waiting import wait_until

from vsl.db.statement import fetch_value
from vsl.db.statements_looks import SignalSession
from vsl.errors import NotAllowed
from vsl.ops import incidents
from vsl.ops.incidents import end_session, look_at_session

Alive = Callable[[int], bool]
Acts = Callable[[], list[dict[str, Any]]]

STUBBORN = """
DO $$ BEGIN LOOP
    BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;
END LOOP; END $$
"""


def test_a_running_statement_is_cancelled_then_the_session_ends(
    keeper: Vsl, psql_victim: Any, alive: Alive, acts: Acts
) -> None:
    pid, victim = psql_victim(f"SELECT pg_sleep(60), '{CANARY}'")
    done = keeper("db", "kill", str(pid), "--yes")
    assert (done.status, done.err) == (0, "")
    said = victim.end()
    assert "canceling statement due to user request" in said
    assert not alive(pid)
    facts = dict(line.split(None, 1) for line in done.out.splitlines()[:6])
    assert facts["process"] == str(pid)
    assert facts["user"] == "test_somebody"
    assert facts["application"] == "victim"
    assert "Its statement is cancelled first and has 10s to end" in done.out
    # psql -c ends with its statement, so there may be nobody left to terminate.
    assert "Cancelled its statement.\nThe statement has ended.\n" in done.out
    assert done.out.endswith("It is gone.\n")
    assert CANARY not in done.out
    before, after = acts()
    assert (before["act"], before["subject"]) == ("kill", f"process {pid}")
    assert before["actor"] == "test_keeper"
    assert (before["detail"]["user"], before["detail"]["state"]) == ("test_somebody", "active")
    assert (after["act"], after["detail"]["gone"]) == ("kill-outcome", True)
    assert after["detail"]["started_at"] == before["detail"]["started_at"]
    assert CANARY not in str(before) + str(after)


def test_an_idle_session_is_terminated_at_once(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    victim = connect(app_url)
    victim.execute("SELECT 1")
    pid = victim.info.backend_pid
    done = keeper("db", "kill", str(pid), "--yes")
    assert done.status == 0
    assert "It runs no statement that could be cancelled: the session ends at once." in done.out
    assert "It is idle: there is no statement to cancel.\nTerminated the session." in done.out
    assert done.out.endswith("It is gone.\n")
    assert not alive(pid)
    with pytest.raises(psycopg.OperationalError):
        victim.execute("SELECT 1")


def test_an_idle_transaction_lets_go_of_what_it_blocks(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    victim = connect(app_url, autocommit=False, application_name="billing")
    victim.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
    pid = victim.info.backend_pid
    other = connect(app_url)
    with ExitStack() as stack:
        waiter = stack.enter_context(
            waiting(other, "LOCK TABLE jobs IN SHARE MODE; SELECT pg_sleep(60)")
        )
        document = wait_until(
            lambda: (
                (found := keeper.json("db", "kill", str(pid), "--dry-run"))["session"]["blocks"]
                and found
            )
        )
        assert document["session"]["blocks"] == [waiter]
        assert document["gone"] is None
        assert alive(pid)
        done = keeper("db", "kill", str(pid), "--yes")
        assert done.status == 0
        assert f"blocks       {waiter} (1 session)" in done.out
        assert "transaction  open for" in done.out
        assert "It is idle in transaction: there is no statement to cancel." in done.out
        wait_until(lambda: not keeper.json("db", "locks")["roots"])


def test_who_ignores_the_cancel_is_terminated(
    keeper: Vsl, psql_victim: Any, alive: Alive, acts: Acts
) -> None:
    pid, victim = psql_victim(STUBBORN)
    done = keeper("db", "kill", str(pid), "--yes", "--wait", "0.3s", "--json")
    assert done.status == 0
    assert done.document["did"] == [
        "Cancelled its statement.",
        "The statement has not ended within 0.3 s.",
        "Terminated the session.",
        "It is gone.",
    ]
    assert done.document["gone"] is True
    assert "terminating connection due to administrator command" in victim.end()
    assert not alive(pid)
    assert acts()[-1]["detail"]["did"] == done.document["did"]


async def test_who_cannot_be_ended_is_told_of(
    keeper_url: str,
    app_url: str,
    connect: Connect,
    connect_async: ConnectAsync,
    acts: Acts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incidents, "TO_BE_GONE", 0.3)
    victim = connect(app_url)
    pid = victim.info.backend_pid
    keeper = await connect_async(keeper_url)
    os.kill(pid, signal.SIGSTOP)  # it hears nothing any more
    try:
        suspect = await look_at_session(keeper, pid)
        ended = await end_session(keeper, suspect.victim, wait=0.1)
        assert ended.gone is False
        assert ended.did[-1] == "It is still there after 0.3 s."
        assert acts()[-1]["detail"]["gone"] is False
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_failure_is_the_exit_status(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    victim = connect(app_url)
    pid = victim.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        done = keeper("db", "kill", str(pid), "--yes", "--wait", "0s")
        assert done.status == 1
        assert "It is still there after 5 s." in done.out
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not alive(pid))


# Which session it is.


@pytest.mark.parametrize("given", ["2026-01-31 12:00:00", "2001-02-03T04:05:06.789+00:00"])
def test_another_start_is_another_session(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, acts: Acts, given: str
) -> None:
    pid = connect(app_url).info.backend_pid
    done = keeper("db", "kill", str(pid), "--started-at", given, "--yes")
    assert done.status == 1
    assert f"process {pid} is another session by now: it began at 20" in done.err
    assert alive(pid)
    assert acts() == []


@pytest.mark.parametrize("digits", [0, 6])
def test_the_start_may_be_as_it_is_printed(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, digits: int
) -> None:
    pid = connect(app_url).info.backend_pid
    started = keeper.json("db", "kill", str(pid), "--dry-run")["session"]["started_at"]
    given = started if digits else started[:19] + "Z"
    assert keeper("db", "kill", str(pid), "--started-at", given, "--yes").status == 0
    assert not alive(pid)


async def test_each_signal_looks_at_the_start(
    keeper_url: str, app_url: str, connect: Connect, connect_async: ConnectAsync, alive: Alive
) -> None:
    """As when the number is used again between the look and the signal."""
    pid, other = connect(app_url).info.backend_pid, connect(app_url).info.backend_pid
    keeper = await connect_async(keeper_url)
    victim = (await look_at_session(keeper, other)).victim
    assert victim.started_at is not None
    for terminate in (False, True):
        signal_ = SignalSession(pid=pid, started_at=victim.started_at, terminate=terminate)
        assert await fetch_value(keeper, signal_) is False
    assert alive(pid)


async def test_who_ends_before_the_signal_is_gone(
    keeper_url: str, app_url: str, connect: Connect, connect_async: ConnectAsync, alive: Alive
) -> None:
    victim = connect(app_url)
    keeper = await connect_async(keeper_url)
    suspect = await look_at_session(keeper, victim.info.backend_pid)
    victim.close()
    wait_until(lambda: not alive(suspect.victim.pid))
    ended = await end_session(keeper, suspect.victim, wait=1)
    assert (ended.gone, list(ended.did)) == (True, ["It has ended by itself."])


def test_a_number_that_nobody_has(keeper: Vsl, owner: Session) -> None:
    pid = owner.value("SELECT max(pid) FROM pg_stat_activity") + 100_000
    done = keeper("db", "kill", str(pid), "--yes")
    assert done.status == 2
    assert f"there is no process {pid} on this server" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["0"], "invalid value for 'PID'"),
        (["99999999999"], "invalid value for 'PID'"),
        (["1", "--wait", "soon"], "--wait: is not a duration (a number and s, m, h or d"),
        (["1", "--started-at", "today"], "--started-at: is not a time"),
        (["1", "--started-at", "0001-01-01"], "--started-at: is not a time"),
    ],
)
@pytest.mark.parametrize("server", [18], indirect=True)
def test_wrong_usage_is_named(keeper: Vsl, arguments: list[str], said: str) -> None:
    done = keeper("db", "kill", *arguments)
    assert done.status == 2
    assert said in done.err


# Asking.


def test_where_nobody_can_be_asked_nothing_is_ended(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, acts: Acts
) -> None:
    pid = connect(app_url).info.backend_pid
    done = keeper("db", "kill", str(pid))
    assert done.status == 2
    assert "--yes: is needed where nobody can be asked" in done.err
    assert keeper("db", "kill", str(pid), "--dry-run").status == 0
    assert alive(pid)
    assert acts() == []


@pytest.mark.parametrize(("answer", "status"), [("n\n", 1), ("y\n", 0)])
@pytest.mark.parametrize("server", [18], indirect=True)
def test_on_a_terminal_it_asks(
    keeper: Vsl, app_url: str, connect: Connect, alive: Alive, answer: str, status: int
) -> None:
    pid = connect(app_url).info.backend_pid
    terminal = keeper.terminal("db", "kill", str(pid))
    terminal.wait_for(f"End process {pid}? [y/N]")
    assert alive(pid)
    terminal.type(answer)
    assert terminal.wait() == status
    assert alive(pid) is (status == 1)


# Who may.


def test_without_the_right_the_grant_is_named(
    database: str,
    on: Callable[[str], Vsl],
    role_url: Callable[[str, str], str],
    app_url: str,
    connect: Connect,
    alive: Alive,
) -> None:
    pid = connect(app_url).info.backend_pid
    done = on(role_url(database, "vsl_monitor"))("db", "kill", str(pid), "--yes")
    assert done.status == 1
    assert "test_vsl_monitor may not end sessions of test_somebody" in done.err
    assert "GRANT pg_signal_backend TO test_vsl_monitor;" in done.err
    assert alive(pid)


def test_without_the_right_to_look_the_grant_is_named(
    database: str,
    on: Callable[[str], Vsl],
    login: Callable[..., str],
    app_url: str,
    connect: Connect,
    alive: Alive,
) -> None:
    pid = connect(app_url).info.backend_pid
    blind = login(database, "blind killer", "pg_signal_backend")
    done = on(blind)("db", "kill", str(pid), "--yes")
    assert done.status == 1
    assert f"test_blind killer may not see what process {pid} is" in done.err
    assert 'GRANT pg_read_all_stats TO "test_blind killer";' in done.err
    assert alive(pid)


def test_a_superusers_session_needs_a_superuser(
    database: str, keeper: Vsl, on: Callable[[str], Vsl], connect: Connect, alive: Alive
) -> None:
    pid = connect(database).info.backend_pid
    done = keeper("db", "kill", str(pid), "--yes")
    assert done.status == 1
    assert f"process {pid} is a session of a superuser, vsl, which test_keeper may not" in done.err
    assert alive(pid)
    assert on(database)("db", "kill", str(pid), "--yes").status == 0
    assert not alive(pid)


def test_ones_own_login_needs_no_right(
    on: Callable[[str], Vsl], app_url: str, connect: Connect, alive: Alive
) -> None:
    pid = connect(app_url).info.backend_pid
    done = on(app_url)("db", "kill", str(pid), "--yes")
    assert done.status == 0
    assert not alive(pid)
    # An application has no right to write to the audit; that is said, and stops nothing.
    assert "This act is not in the audit: permission denied for function record_act." in done.out


async def test_the_own_session_is_refused(keeper_url: str, connect_async: ConnectAsync) -> None:
    keeper = await connect_async(keeper_url)
    with pytest.raises(NotAllowed, match="this command's own session"):
        await look_at_session(keeper, keeper.info.backend_pid)


# What can't be written down does not hold anybody up.


def test_a_locked_audit_does_not_hold_up_the_act(
    database: str, keeper: Vsl, app_url: str, connect: Connect, alive: Alive
) -> None:
    locker = connect(database, autocommit=False)
    locker.execute("LOCK TABLE vsl.audit_entries")
    pid = connect(app_url).info.backend_pid
    done = keeper("db", "kill", str(pid), "--yes")
    assert done.status == 0
    assert "This act is not in the audit: canceling statement due to lock timeout." in done.out
    assert not alive(pid)


def test_a_database_without_vsl_has_no_audit(
    empty_database: str, on: Callable[[str], Vsl], login: Callable[..., str], connect: Connect
) -> None:
    victim = connect(empty_database)
    superuser = empty_database.replace("plain@", "vsl@")
    keeper = on(login(superuser, "stranger", "pg_monitor", "pg_signal_backend"))
    done = keeper("db", "kill", str(victim.info.backend_pid), "--yes")
    assert done.status == 0
    assert "This act is not in the audit: " in done.out
    assert "schema" in done.out


def test_the_audit_is_shown(keeper: Vsl, app_url: str, connect: Connect) -> None:
    assert keeper("db", "audit").out == "Nothing was written down.\n"
    pid = connect(app_url).info.backend_pid
    assert keeper("db", "kill", str(pid), "--yes").status == 0
    lines = keeper("db", "audit").out.splitlines()
    assert lines[0].split() == ["when", "who", "act", "subject", "detail"]
    assert f"test_keeper  kill-outcome  process {pid}" in lines[1]
    assert lines[1].endswith("gone")
    assert f"test_keeper  kill          process {pid}" in lines[2]
    (newest,) = keeper.json("db", "audit", "--limit", "1")
    assert (newest["act"], newest["detail"]["gone"]) == ("kill-outcome", True)


# Workers.


@pytest.mark.parametrize("kind", ["vsl listen", "vsl worker"])
@pytest.mark.parametrize("name", ["here:1:abc", "a-host-with-a-very-long-name" * 3 + ":1:abc"])
def test_a_worker_is_recognised_with_its_jobs(
    keeper: Vsl, owner: Session, app_url: str, connect: Connect, kind: str, name: str
) -> None:
    owner.run(MODELS)
    job = owner.add_job()
    owner.run("SELECT vsl.claim_jobs(%s, ARRAY['cog'], 1, 60)", name)
    owner.add_job()
    owner.run("SELECT vsl.claim_jobs(%s, ARRAY['cog'], 1, 60)", "here:1:abcd")
    # Of an application's name the server keeps 63 bytes.
    victim = connect(app_url, application_name=f"{kind} {name}"[:63])
    found = keeper.json("db", "kill", str(victim.info.backend_pid), "--dry-run")
    assert found["worker"] == name[:52]
    assert [(held["job_id"], held["phase"]) for held in found["jobs"]] == [
        (job["job_id"], "submit")
    ]
    said = keeper("db", "kill", str(victim.info.backend_pid), "--dry-run").out
    assert f"worker       {name[:52]}" in said
    assert f"jobs         {job['job_id']} (submit)" in said
    assert "A worker connects again by itself" in said


def test_jobs_are_not_told_to_who_may_not_see_them(
    database: str,
    on: Callable[[str], Vsl],
    login: Callable[..., str],
    app_url: str,
    connect: Connect,
) -> None:
    url = login(database, "stranger", "pg_monitor", "pg_signal_backend")
    victim = connect(app_url, application_name="vsl listen here:1:abc")
    found = on(url).json("db", "kill", str(victim.info.backend_pid), "--dry-run")
    assert (found["worker"], found["jobs"]) == ("here:1:abc", None)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE ''no space'' USING ERRCODE = ''disk_full''; END';"
            "CREATE TRIGGER no_space BEFORE INSERT ON vsl.audit_entries"
            " EXECUTE FUNCTION no_space()",
            "the database's disk is full",
        ),
        (
            "ALTER ROLE test_keeper SET default_transaction_read_only = on",
            "cannot execute INSERT in a read-only transaction",
        ),
        ("DROP FUNCTION vsl.record_act(text, text, jsonb)", "the database's schema is not"),
    ],
)
def test_an_audit_that_fails_does_not_hold_up_the_act(
    keeper: Vsl,
    owner: Session,
    app_url: str,
    connect: Connect,
    alive: Alive,
    prepare: str,
    said: str,
) -> None:
    owner.run(prepare)
    try:
        pid = connect(app_url).info.backend_pid
        done = keeper("db", "kill", str(pid), "--yes")
        assert done.status == 0
        assert f"This act is not in the audit: {said}" in done.out
        assert not alive(pid)
    finally:
        owner.run("ALTER ROLE test_keeper RESET default_transaction_read_only")
