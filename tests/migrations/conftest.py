"""Fixtures for the tests of migrations: a folder of the user's, and runs on a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Connect
from tests.migrations.child_runner import Runners
from tests.schema.kit import Session

from vsl.db.migrate import Options, Outcome, run_migrations
from vsl.db.migration.ladder import Ladder, Pace
from vsl.db.migration.state import Allowed


@dataclass
class Folder:
    """The user's folder of migrations."""

    path: Path

    def add(self, version: str, text: str, words: str = "extra") -> Path:
        """Write a migration into it."""
        path = self.path / f"V{version}__{words}.sql"
        path.write_text(text)
        return path


@dataclass
class Runs:
    """Runs migrations on a database. told: everything that was told."""

    url: str
    folder: Folder
    told: list[str] = field(default_factory=list)

    async def __call__(self, **changed: Any) -> Outcome:
        """One run. changed: of ``Options``; missing and out_of_order are what is allowed."""
        allowed = Allowed(
            missing=changed.pop("missing", False),
            out_of_order=changed.pop("out_of_order", False),
        )
        quick = {"pace": Pace(sleep=no_sleep), "strict": Ladder(0.05, 0.05, tries=3)}
        options = Options(
            folder=self.folder.path,
            allowed=allowed,
            tell=self.told.append,
            **{**quick, **changed},
        )
        return await run_migrations(self.url, options)


async def no_sleep(_: float) -> None:
    """Time that passes at once."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The user's folder of migrations, empty."""
    path = tmp_path / "migrations"
    path.mkdir()
    return Folder(path)


@pytest.fixture
def runs(database: str, folder: Folder) -> Runs:
    """Runs on a database with VSL, as its superuser: ``await runs()``."""
    return Runs(database, folder)


@pytest.fixture
def admin(database: str, connect: Connect) -> Session:
    """The superuser in ``database``, beside the runs."""
    return Session(connect(database))


@pytest.fixture(scope="session")
def runners() -> Iterator[Runners]:
    """Runners in processes of their own, which stop where a test says."""
    made = Runners()
    yield made
    made.close()


def ledger(session: Session) -> dict[str, dict[str, Any]]:
    """The user's rows of the ledger, by version."""
    rows = session.all("SELECT * FROM schema_migrations WHERE origin = 'user' ORDER BY applied_at")
    return {row["version"]: row for row in rows}
