"""A store and a database that should agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from tests.custody.kit import House
from tests.schema.kit import Session
from tests.support.seaweed import Seaweed

from vsl.db.pool import connect
from vsl.domain.store import Store
from vsl.storage import FolderStore

RoleUrl = Callable[[str, str], str]


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    server: Seaweed = request.getfixturevalue("s3_server")
    return server.store(f"custody/{uuid4().hex}")


@pytest.fixture
async def house(
    session: Session, database: str, role_url: RoleUrl, any_store: Store
) -> AsyncIterator[House]:
    """Both, with a connection that has the rights of a worker and no others."""
    async with connect(role_url(database, "vsl_worker"), application="vsl cli") as connection:
        yield House(session, connection, any_store)
