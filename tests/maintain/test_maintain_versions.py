"""The same on every supported PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.program import Vsl
from tests.conftest import NewDatabase
from tests.maintain.kit import Worn
from tests.support.servers import TestServer
from tests.support.waiting import wait_until


@pytest.fixture
def database(any_server: TestServer, new_database: NewDatabase, template_sql: Path) -> str:
    return new_database(any_server, schema=template_sql)


def test_wear_is_cured(database: str, on: Callable[[str], Vsl], worn: Worn) -> None:
    worn.table("worn", 60_000)
    # Before 15 counts take a moment to arrive.
    wait_until(
        lambda: worn.value("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'worn'")
    )
    worn.kill("worn", 54_000)
    wait_until(lambda: worn.dead("worn") >= 54_000)
    outcomes = on(database).json("db", "maintain", "--yes", "--table", "worn")["outcomes"]
    assert [(o["kind"], o["result"]) for o in outcomes] == [
        ("vacuum", "done"),
        ("reindex", "done"),
        ("reindex", "done"),
    ]
    assert outcomes[0]["after"]["dead"] == 0
    assert on(database).json("db", "maintain", "--table", "worn")["plan"] == []


def test_the_server_is_tuned(database: str, on: Callable[[str], Vsl]) -> None:
    document = on(database).json("db", "tune", "--ram", "8GB", "--cpus", "4")
    levels = {advice["name"]: advice["level"] for advice in document["settings"]}
    assert levels["shared_buffers"] == "change"
    # Not all of these servers were built with pg_stat_statements.
    assert {n for n, v in levels.items() if v == "cannot tell"} <= {"shared_preload_libraries"}
    assert document["evidence"]["checkpoints"] >= 0
