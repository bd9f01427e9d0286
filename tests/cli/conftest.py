"""Fixtures for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.program import Up, Vsl, new_home, remove_home
from tests.cli.stem import Stem


@pytest.fixture(scope="session")
def up(stem: Stem) -> Iterator[Up]:
    """One ``vsl up`` for all tests; who breaks a part of it waits until it is whole again."""
    home = new_home()
    running = Up(Vsl(home, stem=stem), "--concurrency=2")
    yield running
    running.close()
    remove_home(home)
