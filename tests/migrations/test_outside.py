"""Files whose statements cannot run in a transaction: sent one by one, and gone on with."""

# ruff: noqa: S608
# The names of tables in the statements below are this file's own.

from __future__ import annotations

import asyncio

import pytest
from psycopg import sql
from tests.conftest import Connect, NewDatabase
from tests.migrations.conftest import Folder, Runs, ledger
from tests.schema.kit import Session
from tests.support.servers import TestServer
from tests.support.waiting import wait_until, wait_until_async

from vsl.db.migration.indexes import Reindexed, reindexed
from vsl.db.migration.ladder import Ladder
from vsl.db.script import split
from vsl.errors import MigrationBlocked, MigrationEdited, MigrationFailed

TAGS = "CREATE TABLE tags (n int); INSERT INTO tags VALUES (1), (1)"


def indexes(session: Session, table: str = "tags") -> dict[str, bool]:
    rows = session.all(
        "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index"
        " WHERE indrelid = %s::regclass ORDER BY 1",
        table,
    )
    return {row["name"]: row["indisvalid"] for row in rows}


async def test_each_statement_is_recorded(runs: Runs, folder: Folder, admin: Session) -> None:
    admin.run(TAGS)
    path = folder.add(
        "100",
        "SET maintenance_work_mem = '16MB';\n"
        "CREATE INDEX CONCURRENTLY tags_n_idx ON tags (n);\n"
        "VACUUM (ANALYZE) tags;\n"
        "REINDEX INDEX CONCURRENTLY tags_n_idx;\n",
    )
    outcome = await runs()
    assert [(a.version, a.mode, a.statements) for a in outcome.applied] == [
        ("100", "statements", 4)
    ]
    (row,) = ledger(admin).values()
    assert (row["mode"], row["state"], row["statements_done"]) == ("statements", "applied", 4)
    assert (row["applied_text"], row["description"]) == (path.read_text(), "Extra")
    assert row["duration_ms"] >= 0
    assert indexes(admin) == {"tags_n_idx": True}
    assert (await runs()).applied == []


async def test_a_failure_is_recorded_and_gone_on_with(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(TAGS)
    folder.add(
        "100",
        "CREATE INDEX CONCURRENTLY tags_n_idx ON tags (n);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY tags_key ON tags (n);\n"
        "CREATE INDEX CONCURRENTLY tags_last_idx ON tags (n);\n",
    )
    folder.add("101", "ALTER TABLE tags ADD COLUMN more text")
    with pytest.raises(MigrationFailed) as caught:
        await runs()
    said = 'V100__extra.sql, line 2 (statement 2 of 3): could not create unique index "tags_key"'
    assert str(caught.value) == said
    (row,) = ledger(admin).values()
    assert (row["state"], row["statements_done"], row["error"]) == ("failed", 1, said)
    assert indexes(admin) == {"tags_key": False, "tags_n_idx": True}

    with pytest.raises(MigrationFailed):
        await runs()
    admin.run("DELETE FROM tags")
    assert [applied.version for applied in (await runs()).applied] == ["100", "101"]
    assert indexes(admin) == {"tags_key": True, "tags_last_idx": True, "tags_n_idx": True}
    row = ledger(admin)["100"]
    assert (row["state"], row["statements_done"], row["error"]) == ("applied", 3, None)
    assert "V100__extra.sql: going on after statement 1" in runs.told
    dropped = [line for line in runs.told if "left by an interrupted build: dropped" in line]
    assert (
        dropped == ["index public.tags_key is invalid, left by an interrupted build: dropped"] * 2
    )


async def test_what_is_done_may_not_be_changed_and_what_comes_may(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(TAGS)
    first = "CREATE INDEX CONCURRENTLY one_idx ON tags (n);\n"
    folder.add("100", first + "CREATE UNIQUE INDEX CONCURRENTLY two_idx ON tags (n);\n")
    with pytest.raises(MigrationFailed):
        await runs()
    folder.add("100", first.replace("one", "uno") + "VACUUM tags;")
    with pytest.raises(MigrationEdited, match="1 of its statements are done, and those were"):
        await runs()
    folder.add("100", "-- In another layout.\ncreate index concurrently one_idx\non tags(n);VACUUM")
    await runs()
    assert ledger(admin)["100"]["state"] == "applied"
    assert indexes(admin)["one_idx"]


@pytest.mark.parametrize("maybe", ["", "IF NOT EXISTS "])
async def test_an_invalid_leftover_is_built_anew(
    maybe: str, runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(TAGS)
    admin.refused("CREATE UNIQUE INDEX CONCURRENTLY tags_key ON tags (n)")
    assert indexes(admin) == {"tags_key": False}
    admin.run("DELETE FROM tags")
    folder.add("100", f"CREATE UNIQUE INDEX CONCURRENTLY {maybe}tags_key ON tags (n)")
    await runs()
    assert indexes(admin) == {"tags_key": True}


async def test_if_not_exists_is_no_proof(runs: Runs, folder: Folder, admin: Session) -> None:
    admin.run(TAGS)
    admin.run("CREATE TABLE tags_idx (n int)")
    folder.add("100", "CREATE INDEX CONCURRENTLY IF NOT EXISTS tags_idx ON tags (n)")
    with pytest.raises(MigrationFailed, match="index tags_idx is not there: something else may"):
        await runs()
    assert ledger(admin)["100"]["state"] == "failed"


async def test_an_index_that_is_valid_is_left_alone(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(TAGS)
    admin.run("CREATE INDEX tags_idx ON tags (n)")
    number = admin.value("SELECT 'tags_idx'::regclass::oid")
    folder.add("100", "CREATE INDEX CONCURRENTLY IF NOT EXISTS tags_idx ON tags (n)")
    await runs()
    assert admin.value("SELECT 'tags_idx'::regclass::oid") == number
    folder.add("101", "CREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    with pytest.raises(MigrationFailed, match='relation "tags_idx" already exists'):
        await runs()


@pytest.mark.parametrize("name", ['"Odd.Name"', 'other."Odd ""one"""', "other.tags"])
async def test_names_as_they_are_written(
    name: str, runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run("CREATE SCHEMA other")
    admin.run(f"CREATE TABLE {name} (n int)")
    admin.run(f"INSERT INTO {name} VALUES (1), (1)")
    folder.add("100", f'CREATE UNIQUE INDEX CONCURRENTLY "An Index" ON {name} (n)')
    for _ in range(2):
        with pytest.raises(MigrationFailed, match="could not create unique index"):
            await runs()
    admin.run(f"DELETE FROM {name}")
    await runs()
    assert list(indexes(admin, name).values()) == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REINDEX TABLE CONCURRENTLY tags", Reindexed("TABLE", None, "tags")),
        ("REINDEX (VERBOSE) INDEX CONCURRENTLY s.i", Reindexed("INDEX", "s", "i")),
        ('REINDEX (CONCURRENTLY) TABLE "T"', Reindexed("TABLE", None, "T")),
        ("REINDEX SCHEMA CONCURRENTLY public", Reindexed("SCHEMA", None, "public")),
        ("REINDEX DATABASE CONCURRENTLY d", Reindexed("DATABASE", None, "d")),
        ("REINDEX (CONCURRENTLY TRUE) DATABASE", Reindexed("DATABASE", None, None)),
        ("REINDEX TABLE tags", None),
        ("VACUUM tags", None),
    ],
)
def test_what_a_reindex_is_about(text: str, expected: Reindexed | None) -> None:
    assert reindexed(split(text)[0]) == expected


@pytest.mark.parametrize(
    "what",
    ["TABLE CONCURRENTLY tags", "INDEX CONCURRENTLY tags_key", "SCHEMA CONCURRENTLY public"],
)
async def test_leftovers_of_an_interrupted_reindex(
    what: str, runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run("CREATE TABLE tags (n int, long text)")
    admin.run("CREATE UNIQUE INDEX tags_key ON tags (n)")
    # The index is made to lie, so that building it anew fails and leaves its new one behind.
    admin.run("UPDATE pg_index SET indisready = false WHERE indexrelid = 'tags_key'::regclass")
    admin.run("INSERT INTO tags VALUES (1), (1)")
    admin.run("UPDATE pg_index SET indisready = true WHERE indexrelid = 'tags_key'::regclass")
    for _ in range(2):
        admin.refused("REINDEX TABLE CONCURRENTLY tags")
    left = {name for name, valid in indexes(admin).items() if not valid}
    assert left == {"tags_key_ccnew", "tags_key_ccnew1"}
    admin.run("DELETE FROM tags")
    folder.add("100", f"REINDEX {what}")
    await runs()
    assert indexes(admin) == {"tags_key": True}
    dropped = [line for line in runs.told if "left by an interrupted build: dropped" in line]
    # The table's values that are stored apart have an index, too, which each try left behind.
    of_toast = [line for line in dropped if line.startswith("index pg_toast.")]
    assert (len(dropped), len(of_toast)) == ((2, 0) if what.startswith("INDEX") else (4, 2))


async def test_own_row_in_a_file_of_statements(runs: Runs, folder: Folder, admin: Session) -> None:
    admin.run(TAGS)
    folder.add(
        "100.1",
        "CREATE INDEX CONCURRENTLY tags_idx ON tags (n);\n"
        "INSERT INTO schema_migrations (version, description) VALUES ('100.1.0', 'Mine');\n",
    )
    outcome = await runs()
    assert [applied.version for applied in outcome.applied] == ["100.1.0"]
    (row,) = ledger(admin).values()
    assert (row["version"], row["description"]) == ("100.1.0", "Mine")
    assert (row["mode"], row["state"], row["statements_done"]) == ("statements", "applied", 2)
    assert (await runs()).applied == []


async def test_other_commands_that_run_alone(
    server: TestServer, runs: Runs, folder: Folder, admin: Session
) -> None:
    name = admin.value("SELECT current_database()")
    admin.run(
        "CREATE TABLE parts (n int) PARTITION BY RANGE (n);"
        "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE batches (n int);"
        "CREATE PROCEDURE work() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..3 LOOP"
        " INSERT INTO batches VALUES (i); COMMIT; END LOOP; END $$"
    )
    other = sql.Identifier(f"{name}_other").as_string(None)
    folder.add(
        "100",
        f"CREATE DATABASE {other};\nDROP DATABASE {other};\n"
        "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY;\n"
        "CALL work();\n"
        "VACUUM (FULL) batches;\n"
        "CLUSTER;\n"
        f'REINDEX DATABASE CONCURRENTLY "{name}";\n',
    )
    await runs()
    assert admin.count("batches") == 3
    assert admin.value("SELECT count(*) FROM pg_inherits") == 0
    assert ledger(admin)["100"]["statements_done"] == 7
    assert server.major in (15, 18)


async def test_a_build_that_another_session_does(
    runs: Runs, folder: Folder, admin: Session, connect: Connect, database: str
) -> None:
    admin.run(TAGS)
    folder.add("100", "CREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    # It waits for this transaction to end, and so does not end itself.
    holder = connect(database, autocommit=False)
    holder.execute("INSERT INTO tags VALUES (2)")
    builder = connect(database)
    pid = builder.info.backend_pid
    work = asyncio.to_thread(builder.execute, "CREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    task = asyncio.create_task(work)
    await wait_until_async(_has_invalid_index(admin))
    with pytest.raises(MigrationBlocked, match=f"public.tags_idx is being built by process {pid}"):
        await runs()
    assert indexes(admin) == {"tags_idx": False}
    holder.rollback()
    await task
    assert indexes(admin) == {"tags_idx": True}
    folder.add("100", "CREATE INDEX CONCURRENTLY IF NOT EXISTS tags_idx ON tags (n)")
    await runs()
    assert ledger(admin)["100"]["state"] == "applied"


def _has_invalid_index(session: Session):  # type: ignore[no-untyped-def]
    async def found() -> bool:
        return not all(indexes(session).values()) and bool(indexes(session))

    return found


async def test_a_waiting_build_names_who_it_waits_for(
    runs: Runs,
    folder: Folder,
    admin: Session,
    connect: Connect,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin.run(TAGS)
    folder.add("100", "CREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    holder = connect(database, autocommit=False, application_name="reports")
    holder.execute("INSERT INTO tags VALUES (2)")
    # Shorter than a person would have it, but long enough to be told of.
    monkeypatch.setattr("vsl.db.migration.outside.PATIENT", Ladder(60, 60, tries=1))
    task = asyncio.create_task(runs())
    pid = holder.info.backend_pid
    expected = f"V100__extra.sql, line 1: waiting for process {pid} (reports, login vsl, idle in"
    await wait_until_async(_told(runs, expected), within=20)
    holder.rollback()
    await task
    assert indexes(admin) == {"tags_idx": True}


def _told(runs: Runs, expected: str):  # type: ignore[no-untyped-def]
    async def found() -> bool:
        return any(line.startswith(expected) for line in runs.told)

    return found


async def test_a_build_that_is_blocked_too_long(
    runs: Runs,
    folder: Folder,
    admin: Session,
    connect: Connect,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin.run(TAGS)
    folder.add("100", "CREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    holder = connect(database, autocommit=False, application_name="reports")
    holder.execute("INSERT INTO tags VALUES (2)")
    monkeypatch.setattr("vsl.db.migration.outside.PATIENT", Ladder(0.3, 0.3, tries=2))
    with pytest.raises(MigrationBlocked, match="could not be had in 2 tries; in the way: process"):
        await runs()
    # Each try has removed what the one before it left; the last one's is still there.
    assert indexes(admin) == {"tags_idx": False}
    assert ledger(admin)["100"]["state"] == "failed"
    holder.rollback()
    await runs()
    assert indexes(admin) == {"tags_idx": True}
    assert (ledger(admin)["100"]["state"], ledger(admin)["100"]["error"]) == ("applied", None)


async def test_a_limit_of_ones_own_wins(
    runs: Runs, folder: Folder, admin: Session, connect: Connect, database: str
) -> None:
    admin.run(TAGS)
    folder.add("100", "SET lock_timeout = '1ms';\nCREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    holder = connect(database, autocommit=False)
    holder.execute("INSERT INTO tags VALUES (2)")
    with pytest.raises(MigrationBlocked, match=r"V100__extra\.sql, line 2: a lock"):
        await runs()


async def test_settings_are_made_again_when_it_is_gone_on_with(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(
        "CREATE TABLE seen (path text, size text);"
        "CREATE PROCEDURE look() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES"
        " (current_setting('search_path'), current_setting('work_mem')); COMMIT;"
        " IF (SELECT count(*) FROM seen) < 2 THEN RAISE 'not yet'; END IF; END $$"
    )
    folder.add("100", "SET work_mem = '7MB';\nCALL look();\n")
    with pytest.raises(MigrationFailed, match="not yet"):
        await runs()
    await runs()
    rows = [(row["path"], row["size"]) for row in admin.all("SELECT * FROM seen")]
    assert rows == [("public", "7MB")] * 2
    folder.add("101", "CREATE TABLE after AS SELECT current_setting('work_mem') AS size")
    await runs()
    assert admin.value("SELECT size FROM after") == "4MB"


@pytest.mark.parametrize("server", [18], indirect=True)
async def test_an_installation_where_files_of_statements_come_first(
    server: TestServer, new_database: NewDatabase, folder: Folder, connect: Connect
) -> None:
    url = new_database(server)
    folder.add("0.1", "CREATE INDEX CONCURRENTLY jobs_extra_idx ON jobs (user_id)")
    outcome = await Runs(url, folder)()
    assert outcome.applied[-1].version == "0.1"
    session = Session(connect(url))
    wait_until(lambda: indexes(session, "jobs")["jobs_extra_idx"])


async def test_a_file_that_becomes_one_of_a_transaction(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(TAGS)
    insert = "INSERT INTO schema_migrations (version, description) VALUES ('100', 'Mine')"
    folder.add("100", f"CREATE UNIQUE INDEX CONCURRENTLY tags_idx ON tags (n); {insert}")
    with pytest.raises(MigrationFailed):
        await runs()
    folder.add("100", f"DROP INDEX tags_idx; CREATE INDEX tags_idx ON tags (n); {insert}")
    await runs()
    row = ledger(admin)["100"]
    assert (row["mode"], row["state"], row["error"]) == ("transaction", "applied", None)
    assert indexes(admin) == {"tags_idx": True}

    folder.add("101", "VACUUM tags; VACUUM nowhere")
    with pytest.raises(MigrationFailed):
        await runs()
    folder.add("101", "SELECT 1")
    with pytest.raises(MigrationEdited, match="1 of its statements are done, and those were"):
        await runs()
    assert ledger(admin)["101"]["state"] == "failed"


async def test_on_every_supported_server(
    any_server: TestServer, new_database: NewDatabase, folder: Folder, connect: Connect
) -> None:
    url = new_database(any_server)
    folder.add("100", TAGS)
    folder.add(
        "101",
        "CREATE UNIQUE INDEX CONCURRENTLY tags_key ON tags (n);\n"
        "REINDEX TABLE CONCURRENTLY tags;\nVACUUM tags;\n",
    )
    runs, session = Runs(url, folder), Session(connect(url))
    with pytest.raises(MigrationFailed, match="could not create unique index"):
        await runs()
    session.run("DELETE FROM tags")
    assert [applied.version for applied in (await runs()).applied] == ["101"]
    assert indexes(session) == {"tags_key": True}
    assert {row["state"] for row in ledger(session).values()} == {"applied"}
