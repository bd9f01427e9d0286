"""Finding the PostgreSQL programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.servers import TestServer, binaries_for

from vsl.db.server import EmbeddedServer, find_binaries
from vsl.errors import ServerError

DEBIAN = Path("/usr/lib/postgresql/15/bin")


def _programs(folder: Path, version_line: str) -> Path:
    folder.mkdir()
    for name in ("postgres", "initdb", "pg_ctl", "createdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{version_line}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_wheels_programs() -> None:
    found = find_binaries(None)
    assert found.major == 18
    assert found.version.startswith("18.")
    assert found.has_library("pg_stat_statements")
    assert not found.has_library("no_such_library")
    assert found.program("psql").is_file()


def test_configured_programs() -> None:
    found = find_binaries(DEBIAN)
    assert (found.major, found.folder, found.carrier) == (15, DEBIAN, None)
    assert found.has_library("pg_stat_statements")


def test_a_version_with_words(tmp_path: Path) -> None:
    folder = _programs(tmp_path / "bin", "postgres (PostgreSQL) 17.2 (Debian 17.2-1.pgdg120+1)")
    assert (find_binaries(folder).version, find_binaries(folder).major) == ("17.2", 17)


@pytest.mark.parametrize("version", ["13.4", "9.6.1", "19devel"])
def test_versions_that_are_not_supported(tmp_path: Path, version: str) -> None:
    folder = _programs(tmp_path / "bin", f"postgres (PostgreSQL) {version}")
    with pytest.raises(ServerError, match=f"holds PostgreSQL {version}") as caught:
        find_binaries(folder)
    assert "PostgreSQL 14 to 18" in str(caught.value.hint)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="is not a folder"):
        find_binaries(tmp_path / "nowhere")


def test_programs_that_are_missing(tmp_path: Path) -> None:
    folder = _programs(tmp_path / "bin", "postgres (PostgreSQL) 17.2")
    (folder / "initdb").unlink()
    (folder / "pg_ctl").chmod(0o644)
    with pytest.raises(ServerError, match=r"initdb, pg_ctl cannot be run"):
        find_binaries(folder)


def test_programs_that_are_something_else(tmp_path: Path) -> None:
    folder = _programs(tmp_path / "bin", "hello")
    with pytest.raises(ServerError, match="did not tell its version: hello"):
        find_binaries(folder)
    (folder / "postgres").write_text("neither a program nor a script")
    with pytest.raises(ServerError, match="cannot be run"):
        find_binaries(folder)


def test_the_launcher_runs_every_version(any_server: TestServer) -> None:
    assert any_server.embedded.status().state == "running"
    assert any_server.embedded.status().version == str(any_server.major)


def test_configured_programs_run(home: Path) -> None:
    server = EmbeddedServer(home, find_binaries(DEBIAN))
    assert server.start().version.startswith("15.")
    with pytest.raises(ServerError, match=r"made by PostgreSQL 15.* are PostgreSQL 18\."):
        EmbeddedServer(home, binaries_for(18)).start()
