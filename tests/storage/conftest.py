"""Stores to test."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.seaweed import Seaweed

from vsl.domain.store import Store
from vsl.storage import FolderStore, ObstoreStore, S3Store


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def s3(s3_server: Seaweed) -> S3Store:
    """A store below a prefix that nothing else uses."""
    return s3_server.store(f"tests/{uuid4().hex}")


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, folder: FolderStore) -> Store:
    if request.param == "memory":
        return ObstoreStore.in_memory()
    if request.param == "s3":
        made: Store = request.getfixturevalue("s3")
        return made
    return folder
