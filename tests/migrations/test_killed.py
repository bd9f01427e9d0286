"""A runner that is killed at any step, in a process of its own: the next one ends the work."""

from __future__ import annotations

import pytest
from tests.migrations.child_runner import Runners
from tests.migrations.conftest import Folder, Runs, ledger
from tests.schema.kit import Session
from tests.support.waiting import wait_until

from vsl.db.files import migrations

TABLE = """
CREATE TABLE extras (n integer);
INSERT INTO extras VALUES (1);
"""
INDEXES = """
SET maintenance_work_mem = '8MB';
CREATE INDEX CONCURRENTLY extras_one_idx ON extras (n);
CREATE INDEX CONCURRENTLY extras_two_idx ON extras (n) WHERE n > 0;
DROP INDEX CONCURRENTLY extras_one_idx;
INSERT INTO schema_migrations (version, description) VALUES ('100.1', 'Own words');
VACUUM extras;
"""
MORE = "ALTER TABLE extras ADD COLUMN more text;\n"


def check_whole(session: Session) -> None:
    """Everything is there, once."""
    assert session.value("SELECT string_agg(n::text, ',') FROM extras") == "1"
    indexes = session.all(
        "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index"
        " WHERE indrelid = 'extras'::regclass"
    )
    assert indexes == [{"name": "extras_two_idx", "indisvalid": True}]
    rows = ledger(session)
    assert list(rows) == ["100.0", "100.1", "100.2"]
    assert rows["100.1"]["description"] == "Own words"
    for row in rows.values():
        assert (row["state"], row["error"]) == ("applied", None)
        assert None not in (row["sha256"], row["meaning"], row["applied_text"], row["mode"])
    assert rows["100.1"]["statements_done"] == 6
    assert session.count("schema_migrations") == len(migrations()) + 3


def wait_until_gone(session: Session) -> None:
    """Wait until the server has noticed that the runner is gone."""
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vsl migrate'"
        " AND datname = current_database()"
    )
    wait_until(lambda: session.value(left) == 0, what="the runner's session to end")


async def test_killed_before_each_of_its_statements(
    runs: Runs, folder: Folder, runners: Runners, admin: Session
) -> None:
    # Each runner is killed one statement further on than the one before; what is done stays done.
    folder.add("100.0", TABLE)
    folder.add("100.1", INDEXES)
    folder.add("100.2", MORE)
    killed = 0
    while True:
        killed += 1
        child = runners.start(runs.url, folder.path, stop_before=killed)
        if child.said != "stopped":
            break
        child.kill()
        wait_until_gone(admin)
    assert child.said == "done"
    assert killed > 15
    check_whole(admin)
    assert (await runs()).applied == []


@pytest.mark.parametrize("server", [18], indirect=True)
async def test_killed_before_any_statement_from_the_beginning(
    database: str, folder: Folder, runners: Runners, admin: Session
) -> None:
    # Every run begins from nothing, is killed, and one more run does the rest.
    folder.add("100.0", TABLE)
    folder.add("100.1", INDEXES)
    folder.add("100.2", MORE)
    number = 0
    while True:
        number += 1
        admin.run("DROP TABLE IF EXISTS extras")
        admin.run("DELETE FROM schema_migrations WHERE version LIKE '100.%'")
        child = runners.start(database, folder.path, stop_before=number)
        if child.said == "done":
            break
        assert child.said == "stopped"
        child.kill()
        wait_until_gone(admin)
        assert runners.start(database, folder.path, stop_before=0).said == "done", number
        check_whole(admin)
    assert number > 40
