"""Fixtures for the tests of maintenance: worn tables, and the program on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect
from tests.maintain.kit import Worn


@pytest.fixture
def worn(database: str, connect: Connect) -> Worn:
    """The superuser in a database with VSL, to wear tables out with."""
    return Worn(connect(database), lambda: connect(database))


@pytest.fixture
def maintain(on: Callable[[str], Vsl], database: str) -> Vsl:
    """The program on that database."""
    return on(database)
