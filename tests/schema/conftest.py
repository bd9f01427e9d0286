"""Fixtures for the tests of the database half."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.conftest import Connect, NewDatabase, Psql
from tests.schema.kit import MODELS, SCHEMA, Session
from tests.support.servers import TestServer


@pytest.fixture
def as_role(
    session: Session,  # noqa: ARG001 (the models are there first)
    database: str,
    connect: Connect,
    role_url: Callable[[str, str], str],
) -> Callable[[str], Session]:
    """``as_role("vsl_app")``: a login with just that role's rights, beside ``session``."""
    return lambda role: Session(connect(role_url(database, role)))


@pytest.fixture
def plain(server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect) -> Session:
    """The plain owner of a database in which the owner itself installed VSL."""
    url = new_database(server)
    done = psql(url, "--quiet", "-f", str(SCHEMA))
    assert done.returncode == 0, done.stderr
    session = Session(connect(url))
    session.run(MODELS)
    return session
