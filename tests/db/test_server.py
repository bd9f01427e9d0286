"""The embedded server: its life, what it keeps to itself, and its errors."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connect
from tests.support.servers import binaries_for

from vsl.db.embedded import launch
from vsl.db.embedded.home import ServerHome
from vsl.db.embedded.postmaster import port_is_free
from vsl.db.server import Binaries, EmbeddedServer
from vsl.errors import ServerError


def test_life_of_a_server(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home / "new", embedded)
    assert server.status().state == "absent"
    assert server.stop() is False
    assert not (home / "new").exists()  # looking changes nothing

    first = server.start()
    again = server.start()
    assert (first.started, again.started) == (True, False)
    assert (again.pid, again.port, again.url) == (first.pid, first.port, first.url)
    status = server.status()
    assert (status.state, status.version, status.pid) == ("running", "18", first.pid)
    assert server.url == first.url

    assert server.stop() is True
    assert server.stop() is False
    assert server.status().state == "stopped"
    with pytest.raises(ServerError, match="does not run"):
        server.psql()
    with pytest.raises(ServerError, match="does not run"):
        _ = server.url
    assert server.start().port == first.port  # kept


def test_settings(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded, settings={"work_mem": "5MB"})
    with psycopg.connect(server.start().url, autocommit=True) as connection:
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
        names = ["fsync", "shared_preload_libraries", "work_mem", "listen_addresses", "jit"]
        assert dict(connection.execute(query, (names,)).fetchall()) == {
            "fsync": "on",
            "shared_preload_libraries": "pg_stat_statements",
            "work_mem": "5120",
            "listen_addresses": "127.0.0.1",
            "jit": "off",
        }
        found = connection.execute(
            "SELECT current_user, current_database(), datlocprovider, pg_encoding_to_char(encoding)"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        assert found == ("vsl", "vsl", "b", "UTF8")
        connection.execute("ALTER SYSTEM SET work_mem = '6MB'")
    server.stop()
    with psycopg.connect(server.start().url) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("6MB",)


def test_psql(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    server.start()
    command = server.psql("-XAt", "-c", "SELECT current_user || ' in ' || current_database()")
    done = subprocess.run(command.argv, env=command.env, capture_output=True, text=True, check=True)
    assert done.stdout == "vsl in vsl\n"


def test_everybody_needs_the_password(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    info = server.start()
    for host in (str(server.home.run), "127.0.0.1"):
        with pytest.raises(psycopg.OperationalError, match=r"password authentication|no password"):
            psycopg.connect(host=host, port=info.port, user="vsl", dbname="vsl", password="wrong")
        address = f"host={host} port={info.port} user=vsl dbname=vsl"
        with psycopg.connect(f"{address} passfile={server.home.passfile}") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    for path in (server.home.data, server.home.run, server.home.passfile):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_the_password_is_in_no_command_line_and_no_log(
    home: Path, embedded: Binaries, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = EmbeddedServer(home, embedded)
    seen: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):  # ended meanwhile, or not ours to read
                        seen.add((path / name).read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        info = server.start()
        command = server.psql("-XAt", "-c", "SELECT pg_sleep(0.1)")
        subprocess.run(command.argv, env=command.env, capture_output=True, check=True)
    finally:
        ended.set()
        watcher.join()
    password = server.home.password()
    assert len(password) > 30
    assert any(b"initdb\0" in line for line in seen)  # the watcher was quick enough
    assert any(b"pg_sleep" in line for line in seen)
    assert not any(password.encode() in line for line in seen)
    said = caplog.text + repr(info) + repr(server.status()) + repr(command)
    assert password not in said + server.home.log.read_text()


def test_a_failed_statement_is_not_logged(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    with psycopg.connect(server.start().url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (prompt text CHECK (length(prompt) < 5))")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO t VALUES ('canary in a literal')")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO t VALUES (%s)", ("canary in a parameter",))
    log = server.home.log.read_text()
    assert log.count("violates check constraint") == 2
    assert "canary" not in log


def test_a_taken_port_is_exchanged_for_another(
    home: Path, embedded: Binaries, connect: Connect
) -> None:
    server = EmbeddedServer(home, embedded)
    port = server.start().port
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        info = server.start()
        assert info.port != port
        assert connect(info.url).execute("SHOW port").fetchone() == (str(info.port),)
        server.stop()
    assert server.start().port == info.port


def test_a_port_taken_at_the_last_moment(
    home: Path, embedded: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other program comes between the look at the port and PostgreSQL's start."""
    server = EmbeddedServer(home, embedded)
    port = server.start().port
    server.stop()
    answers = [True]
    monkeypatch.setattr(
        launch, "port_is_free", lambda port: answers.pop() if answers else port_is_free(port)
    )
    with socket.create_server(("127.0.0.1", port)):
        assert server.start().port != port


def test_a_demanded_port(home: Path, embedded: Binaries) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        with pytest.raises(ServerError, match=f"Port {port} .* in use"):
            EmbeddedServer(home, embedded, port=port).start()
    assert EmbeddedServer(home, embedded, port=port).start().port == port
    assert EmbeddedServer(home, embedded).start().port == port
    with pytest.raises(ServerError, match=f"runs already, on port {port} and not on 1234"):
        EmbeddedServer(home, embedded, port=1234).start()


def test_a_long_path_leaves_tcp_only(home: Path, embedded: Binaries, connect: Connect) -> None:
    server = EmbeddedServer(home / ("long" * 30), embedded)
    url = server.start().url
    assert f"@127.0.0.1:{server.status().port}/vsl?" in url
    assert connect(url).execute("SHOW unix_socket_directories").fetchone() == ("",)
    assert server.psql().env["PGHOST"] == "127.0.0.1"


@pytest.mark.parametrize("name", ['b\'s "c" $(d) `e` %20&é', "with, commas", "back\\slash"])
def test_paths_with_every_kind_of_character(home: Path, connect: Connect, name: str) -> None:
    # Programs that every user can run where they are: a copy below such a path would not do, since
    # initdb hands its own path to a shell.
    server = EmbeddedServer(home / name, binaries_for(15))
    assert connect(server.start().url).execute("SELECT 1").fetchone() == (1,)
    server.stop()
    assert server.start().started


def test_data_of_another_version(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    server.start()
    server.stop()
    (server.home.data / "PG_VERSION").write_text("17\n")
    before = _snapshot(home)
    with pytest.raises(ServerError, match=r"made by PostgreSQL 17.* are PostgreSQL 18\.") as caught:
        server.start()
    assert caught.value.hint is not None
    assert "VSL_PG_BIN" in caught.value.hint
    assert _snapshot(home) == before


def test_a_folder_that_is_not_ours(home: Path, embedded: Binaries) -> None:
    (home / "postgres" / "data").mkdir(parents=True)
    (home / "postgres" / "data" / "diary").write_text("dear diary")
    before = _snapshot(home)
    for call in (EmbeddedServer(home, embedded).start, EmbeddedServer(home, embedded).status):
        with pytest.raises(ServerError, match="not a PostgreSQL data folder"):
            call()
    assert _snapshot(home) == before


def test_a_failed_set_up_leaves_nothing(home: Path, embedded: Binaries) -> None:
    with pytest.raises(ServerError, match=r"cannot be set up: .*initdb: .*no-such-option"):
        EmbeddedServer(home, embedded, initdb_options=["--no-such-option"]).start()
    assert not (home / "postgres" / "data").exists()
    assert not list((home / "postgres").glob("setup-*"))
    assert EmbeddedServer(home, embedded).start().started


def test_settings_that_the_server_refuses(home: Path, embedded: Binaries) -> None:
    with pytest.raises(ServerError, match=r'did not start: LOG: .*"shared_buffers"') as caught:
        EmbeddedServer(home, embedded, settings={"shared_buffers": "many"}).start()
    assert str(home / "postgres" / "server.log") in str(caught.value.hint)
    assert EmbeddedServer(home, embedded).start().started


def test_a_missing_password_file(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    server.start()
    kept = server.home.passfile.rename(home / "kept")
    with pytest.raises(ServerError, match=r"password file .* is missing"):
        server.start()
    kept.rename(server.home.passfile)
    assert server.start().started is False


def test_a_wrong_password_file(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    server.start()
    server.home.passfile.write_text("*:*:*:vsl:stale\n")
    with pytest.raises(ServerError, match=r"does not let VSL in: .*password") as caught:
        server.start()
    assert "stale" not in caught.value.message


def test_a_home_that_is_a_file(home: Path, embedded: Binaries) -> None:
    (home / "file").write_text("")
    with pytest.raises(ServerError, match=r"Cannot use .*file"):
        EmbeddedServer(home / "file", embedded).start()


def test_a_full_disk_is_called_that(home: Path) -> None:
    said = f"No space is left on the disk of {home}"
    with pytest.raises(ServerError, match=said) as caught, ServerHome(home).border():
        Path("/dev/full").write_text("x")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC


def test_a_big_log_is_put_aside(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home, embedded)
    server.start()
    server.stop()
    os.truncate(server.home.log, 10 * 1024 * 1024 + 1)
    server.start()
    assert (home / "postgres" / "server.log.1").stat().st_size > 10 * 1024 * 1024
    assert "ready to accept connections" in server.home.log.read_text()
    assert server.home.log.stat().st_size < 10_000


def _snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    facts = {str(path): path.lstat() for path in [folder, *folder.rglob("*")]}
    return {path: (f.st_mode, f.st_size, f.st_mtime_ns) for path, f in facts.items()}
