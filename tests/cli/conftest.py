"""Fixtures for the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.program import Up, Vsl, new_home, remove_home
from tests.cli.stem import Stem


@pytest.fixture
def make_home() -> Iterator[Callable[[], Path]]:
    """Makes homes that are cleaned up."""
    made: list[Path] = []

    def make() -> Path:
        made.append(new_home())
        return made[-1]

    yield make
    for home in made:
        remove_home(home)


@pytest.fixture(scope="session")
def stem() -> Iterator[Stem]:
    """What commands are split off from."""
    made = Stem()
    yield made
    made.close()


@pytest.fixture
def vsl(make_home: Callable[[], Path], stem: Stem) -> Vsl:
    """The program with a home in which nothing is yet."""
    return Vsl(make_home(), stem=stem)


@pytest.fixture
def on(vsl: Vsl) -> Callable[[str], Vsl]:
    """``on(url)``: the program with somebody's own database."""
    return lambda url: vsl.with_variables(DATABASE_URL=url)


@pytest.fixture(scope="session")
def up(stem: Stem) -> Iterator[Up]:
    """One ``vsl up`` for all tests; who breaks a part of it waits until it is whole again."""
    home = new_home()
    running = Up(Vsl(home, stem=stem), "--concurrency=2")
    yield running
    running.close()
    remove_home(home)
