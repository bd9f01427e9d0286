"""Fixtures for the tests of the engine's functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.conftest import Connect
from tests.engine.kit import LANE, Engine


@pytest.fixture
def engine(database: str, connect: Connect) -> Engine:
    """The engine on a new database, with a priced model ``painter`` of the lane ``paint``."""
    engine = Engine(connect(database))
    engine.add_model("painter", lane=LANE)
    return engine


@pytest.fixture
def another(database: str, connect: Connect, engine: Engine) -> Callable[[], Engine]:  # noqa: ARG001
    """Makes further sessions on the engine's database."""
    return lambda: Engine(connect(database))
