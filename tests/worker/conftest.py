"""Fixtures for the tests of the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from tests.conftest import Connect
from tests.support.seaweed import Seaweed
from tests.worker.kit import Lab

from vsl.domain.store import Store
from vsl.storage import FolderStore, ObstoreStore

RoleUrl = Callable[[str, str], str]


@pytest.fixture
async def lab(
    database: str, connect: Connect, role_url: RoleUrl, tmp_path: Path
) -> AsyncIterator[Lab]:
    """A database with models of every kind, and a store in memory; checked at the end."""
    async with _checked(database, connect, role_url, tmp_path, ObstoreStore.in_memory()) as made:
        yield made


@pytest.fixture
async def disk_lab(
    database: str, connect: Connect, role_url: RoleUrl, tmp_path: Path
) -> AsyncIterator[Lab]:
    """The same with a store in a folder, which other processes can share."""
    store = FolderStore(tmp_path / "store")
    async with _checked(database, connect, role_url, tmp_path, store) as made:
        yield made


@pytest.fixture
async def s3_lab(
    database: str, connect: Connect, role_url: RoleUrl, tmp_path: Path, s3_server: Seaweed
) -> AsyncIterator[Lab]:
    """The same with a store at a real S3 server."""
    store = s3_server.store(f"worker/{uuid4().hex}")
    async with _checked(database, connect, role_url, tmp_path, store) as made:
        yield made


@asynccontextmanager
async def _checked(
    database: str, connect: Connect, role_url: RoleUrl, folder: Path, store: Store
) -> AsyncIterator[Lab]:
    # Workers have the rights of their role and no others.
    lab = Lab(connect(database), role_url(database, "vsl_worker"), store, folder / "spool")
    lab.add_model("painter", "image")
    lab.add_model("speaker", "audio")
    lab.add_model("filmer", "video")
    with lab.lines.attached():
        yield lab
    await lab.check()
