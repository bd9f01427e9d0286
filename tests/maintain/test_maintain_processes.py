"""Real processes: two at once, one that is interrupted, one that is killed, one in a terminal."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.cli.program import Vsl
from tests.maintain.kit import Worn
from tests.support.waiting import wait_until


class Held:
    """A table whose indexes are bloated, and an open transaction that a rebuild waits for."""

    def __init__(self, worn: Worn) -> None:
        self.worn = worn
        worn.table("worn", 60_000)
        worn.kill("worn", 54_000)
        worn.run("VACUUM (ANALYZE) worn")
        self.holder = worn.another()
        self.holder.autocommit = False
        self.holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.holder.execute("SELECT count(*) FROM jobs")

    def release(self) -> None:
        """End the transaction."""
        self.holder.rollback()

    def waiting(self) -> int:
        """The backend that waits for it, as soon as there is one."""
        query = """
            SELECT coalesce(max(pid), 0) FROM pg_stat_activity
            WHERE application_name = 'vsl maintain' AND %s = ANY (pg_blocking_pids(pid))
        """
        pid = self.holder.info.backend_pid
        return wait_until(lambda: int(self.worn.value(query, pid)), what="a rebuild to wait")


@pytest.fixture
def held(worn: Worn) -> Held:
    return Held(worn)


@pytest.fixture
def started(maintain: Vsl, held: Held, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, waiting in the middle of a rebuild."""
    with (tmp_path / "err").open("wb") as log:
        process = maintain.start("db", "maintain", "--yes", stderr=log)
    assert process.stdout is not None
    held.waiting()
    yield process
    if process.poll() is None:
        process.kill()
    process.wait(30)
    process.stdout.close()


def said(tmp_path: Path) -> str:
    return (tmp_path / "err").read_text()


def test_a_second_one_is_refused(
    held: Held, started: subprocess.Popen[bytes], maintain: Vsl
) -> None:
    for options in (("--yes",), ("--dry-run",)):
        done = maintain("db", "maintain", *options)
        assert done.status == 1
        assert f"being maintained already: process {held.waiting()}" in done.err
    held.release()
    assert started.wait(60) == 0
    assert held.worn.invalid() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_one_leaves_nothing_behind(
    held: Held,
    started: subprocess.Popen[bytes],
    maintain: Vsl,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    assert held.worn.invalid() == ["worn_note_idx_ccnew"]
    started.send_signal(number)
    assert started.wait(60) == 128 + number
    assert held.worn.invalid() == []
    assert "was interrupted; what was half built is dropped" in said(tmp_path)
    assert "Traceback" not in said(tmp_path)
    held.release()
    assert maintain("db", "maintain", "--yes").status == 0


def test_after_a_killed_one_the_next_cleans_up(
    held: Held, started: subprocess.Popen[bytes], maintain: Vsl
) -> None:
    backend = held.waiting()
    started.kill()
    started.wait(30)
    # The server notices within seconds that nobody is there, although it only waits.
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    wait_until(lambda: not held.worn.value(query, backend), what="its backend to end")
    assert held.worn.invalid() == ["worn_note_idx_ccnew"]
    held.release()
    outcomes = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert [(o["kind"], o["result"]) for o in outcomes] == [
        ("drop", "done"),
        ("reindex", "done"),
        ("reindex", "done"),
    ]
    assert held.worn.invalid() == []


def test_the_server_ends_its_session(
    held: Held, started: subprocess.Popen[bytes], maintain: Vsl
) -> None:
    held.worn.run("SELECT pg_terminate_backend(%s)", held.waiting())
    assert started.wait(60) == 1
    assert held.worn.invalid() == ["worn_note_idx_ccnew"]
    held.release()
    assert maintain("db", "maintain", "--yes").status == 0
    assert held.worn.invalid() == []


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_terminal_shows_whom_it_waits_for(held: Held, maintain: Vsl) -> None:
    terminal = maintain.terminal("db", "maintain", "--yes", columns=160)
    pid = held.holder.info.backend_pid
    terminal.wait_for(f"public.worn_note_idx waits for process {pid}")
    held.release()
    assert terminal.wait() == 0
    assert "REINDEX INDEX CONCURRENTLY public.worn_pkey: done" in terminal.text


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_terminal_shows_how_far_it_is(worn: Worn, maintain: Vsl, database: str) -> None:
    worn.table("worn", 60_000)
    worn.kill("worn", 54_000)
    # So slow that its phases can be seen.
    with psycopg.connect(database, autocommit=True) as connection:
        name = connection.info.dbname
        for setting in ("vacuum_cost_delay = '20ms'", "vacuum_cost_limit = 50"):
            connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())
    terminal = maintain.terminal("db", "maintain", "--yes", columns=160)
    terminal.wait_for("VACUUM (ANALYZE) public.worn: ")
    assert terminal.wait() == 0
    assert "scanning heap" in terminal.text or "vacuuming" in terminal.text
