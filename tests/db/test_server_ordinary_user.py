"""The embedded server of an ordinary user. Root runs these in a process that became one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psycopg
from tests.db.conftest import RunChild

NOBODY = 65534
# Programs that every user can read, wherever the checkout lies.
DEBIAN = "/usr/lib/postgresql/15/bin"


def _as_ordinary(home: Path) -> dict[str, str]:
    if os.geteuid() != 0:
        return {"bin": DEBIAN}
    os.chown(home, NOBODY, NOBODY)
    return {"bin": DEBIAN, "uid": str(NOBODY)}


def test_it_runs_as_that_user(home: Path, run_child: RunChild) -> None:
    options = _as_ordinary(home)
    answer = run_child(home / "vsl", **options)
    assert answer["started"], answer
    uid = home.stat().st_uid
    assert Path("/proc", str(answer["pid"])).stat().st_uid == uid
    for path in [home / "vsl", *(home / "vsl").rglob("*")]:
        facts = path.lstat()
        assert facts.st_uid == uid
        if not stat.S_ISSOCK(facts.st_mode) and path.parent.name != "data":
            assert stat.S_IMODE(facts.st_mode) & 0o077 == 0 or "data" in path.parts, path
    assert run_child(home / "vsl", **options)["started"] is False
    with psycopg.connect(answer["url"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_home_that_cannot_be_written(home: Path, run_child: RunChild) -> None:
    options = _as_ordinary(home)
    (home / "closed").mkdir(mode=0o500)
    answer = run_child(home / "closed" / "vsl", **options)
    assert "Cannot use" in answer["error"]
    assert "VSL_HOME" in answer["hint"]
    assert not (home / "closed" / "vsl").exists()


def test_a_failed_start_names_the_reason(home: Path, run_child: RunChild) -> None:
    options = _as_ordinary(home)
    assert run_child(home, **options, die="after-rename")["status"] == -9
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    assert "pg_control" in run_child(home, **options)["error"]
