"""Stores to test."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsl.domain.store import Store
from vsl.storage import FolderStore, ObstoreStore


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, folder: FolderStore) -> Store:
    return ObstoreStore.in_memory() if request.param == "memory" else folder
