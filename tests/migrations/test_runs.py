"""Runs of migrations on real databases: what is applied, recorded and refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.conftest import Connect, NewDatabase, Psql
from tests.migrations.child_runner import Runners
from tests.migrations.conftest import Folder, Runs, ledger
from tests.migrations.test_folder import OF_SEED
from tests.schema.kit import Session
from tests.support.servers import TestServer, database_name

from vsl import __version__
from vsl.db.catalogue import fingerprint
from vsl.db.files import migrations
from vsl.db.migrate import migrate, require_current
from vsl.db.migration.ladder import REAL
from vsl.db.pool import connect as open_connection
from vsl.db.script import meaning
from vsl.errors import (
    InvalidInput,
    MigrationEdited,
    MigrationFailed,
    MigrationMissing,
    SchemaNewer,
    SchemaVersionError,
)

CANARY = "canary-prompt-that-nobody-may-print"
FIRST = Path(__file__).parents[2] / "database" / "migrations" / "V1.0.0__initial_schema.sql"


def test_twenty_processes_at_once_on_an_empty_database(
    empty_database: str, folder: Folder, runners: Runners, connect: Connect
) -> None:
    # Must show 2.
    folder.add("100", "CREATE TABLE tags (n int); INSERT INTO tags VALUES (1)")
    folder.add("101", "CREATE INDEX CONCURRENTLY tags_n_idx ON tags (n)")
    started = {runners.launch(empty_database, folder.path) for _ in range(20)}
    assert len(started) == 20
    assert {runners.hear() for _ in range(20)} == {(pid, "done") for pid in started}
    session = Session(connect(empty_database))
    rows = session.all("SELECT version, state, mode FROM schema_migrations ORDER BY version")
    assert [row["version"] for row in rows] == [*(m.version for m in migrations()), "100", "101"]
    assert {row["state"] for row in rows} == {"applied"}
    modes = {row["version"]: row["mode"] for row in rows}
    assert {modes.pop("1.2.1"), modes.pop("101")} == {"statements"}
    assert set(modes.values()) == {"transaction"}
    assert session.count("tags") == 1
    assert session.value("SELECT indisvalid FROM pg_index WHERE indrelid = 'tags'::regclass")


async def test_the_seeds_example_in_an_installation_at_the_first_version(
    empty_database: str, psql: Psql, folder: Folder, connect: Connect
) -> None:
    # Must show 3.
    assert psql(empty_database, "-q", "-1", "-f", str(FIRST)).returncode == 0
    session = Session(connect(empty_database))
    session.run("INSERT INTO schema_migrations (version, description) VALUES ('1.0.0', 'First')")
    folder.add("1.1.0", OF_SEED, "add_user_preferences")
    before = await migrate(empty_database, folder=folder.path)
    assert [m.version for m in before.pending] == [m.version for m in migrations()[1:]]
    rows = session.all("SELECT * FROM schema_migrations WHERE version LIKE '1.1%'")
    assert [(row["version"], row["description"]) for row in rows] == [
        ("1.1.0", "Add user_preferences table")
    ]
    assert (rows[0]["origin"], rows[0]["state"]) == ("vsl", "applied")
    assert session.count("user_preferences") == 0
    assert (await migrate(empty_database, folder=folder.path)).current


async def test_an_example_that_psql_has_applied_is_not_applied_again(
    empty_database: str, psql: Psql, folder: Folder, connect: Connect
) -> None:
    assert psql(empty_database, "-q", "-1", "-f", str(FIRST)).returncode == 0
    session = Session(connect(empty_database))
    session.run("INSERT INTO schema_migrations (version, description) VALUES ('1.0.0', 'First')")
    path = folder.add("1.1.0", OF_SEED, "add_user_preferences")
    assert psql(empty_database, "-q", "-f", str(path)).returncode == 0
    session.run("INSERT INTO user_preferences (user_id) VALUES ('ada')")
    before = await migrate(empty_database, folder=folder.path)
    assert "1.1.0" not in [m.version for m in before.pending]
    assert session.count("user_preferences") == 1
    rows = session.all("SELECT origin, meaning FROM schema_migrations")
    assert [(row["origin"], row["meaning"] is None) for row in rows] == [("vsl", False)] * len(
        migrations()
    )


@pytest.mark.parametrize(
    ("insert", "version", "description"),
    [
        ("", "100.1", "Add tags"),
        ("INSERT INTO schema_migrations (version, description) VALUES ('100.1', 'Mine');",
         "100.1", "Mine"),
        ("INSERT INTO public.schema_migrations VALUES ('100.1.0', 'Zeros');", "100.1.0", "Zeros"),
        ("INSERT INTO schema_migrations (version) VALUES ('100.1');", "100.1", None),
        ("DO $$ BEGIN EXECUTE 'INSERT INTO schema_migrations VALUES (''100.1'', ''Deep'')'; END $$",
         "100.1", "Deep"),
    ],
    ids=["no row", "own row", "with zeros", "without words", "out of sight"],
)  # fmt: skip
async def test_one_row_with_everything(
    insert: str, version: str, description: str | None, runs: Runs, folder: Folder, admin: Session
) -> None:
    path = folder.add("100.1", f"CREATE TABLE tags (name text);\n{insert}\n", "add_tags")
    outcome = await runs()
    assert [applied.version for applied in outcome.applied] == [version]
    (row,) = ledger(admin).values()
    assert (row["version"], row["description"]) == (version, description)
    assert row["applied_text"] == path.read_text()
    assert (row["mode"], row["state"], row["error"]) == ("transaction", "applied", None)
    assert row["statements_done"] == (2 if insert else 1)
    assert (row["applied_by"], row["program_version"]) == ("vsl", __version__)
    assert row["duration_ms"] >= 0
    assert len(row["sha256"]) == len(row["meaning"]) == 64
    assert (await runs()).applied == []


async def test_a_file_that_records_another_version(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    folder.add("100", "CREATE TABLE tags (n int); INSERT INTO schema_migrations VALUES ('100.5')")
    with pytest.raises(InvalidInput, match=r"V100__extra.sql: records version 100\.5 .*its own"):
        await runs()
    assert admin.value("SELECT to_regclass('public.tags')") is None
    assert ledger(admin) == {}


async def test_files_in_order_and_each_for_itself(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    folder.add("100.10", "INSERT INTO steps VALUES ('three')")
    folder.add("100.9", "INSERT INTO steps VALUES ('two')")
    folder.add("99", "CREATE TABLE steps (name text); INSERT INTO steps VALUES ('one')")
    folder.add("100.11", "INSERT INTO steps VALUES ('four');\n\n  SELECT 1 /\n  0;\n")
    with pytest.raises(MigrationFailed) as caught:
        await runs()
    error = caught.value
    assert (error.file, error.line, error.statement) == ("V100.11__extra.sql", 3, 2)
    assert error.sqlstate == "22012"
    assert str(error) == "V100.11__extra.sql, line 3 (statement 2 of 2): division by zero"
    assert list(ledger(admin)) == ["99", "100.9", "100.10"]
    names = admin.value("SELECT string_agg(name, ' ') FROM steps")
    assert names == "one two three"
    folder.add("100.11", "INSERT INTO steps VALUES ('four')")
    await runs()
    assert list(ledger(admin)) == ["99", "100.9", "100.10", "100.11"]


async def test_the_line_within_a_statement(runs: Runs, folder: Folder) -> None:
    folder.add("100", "-- first\nSELECT 1;\nSELECT\n  1,\n  nowhere\nFROM jobs;\n")
    with pytest.raises(MigrationFailed, match=r'line 5 \(statement 2 of 2\): column "nowhere"'):
        await runs()


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE jobs ADD CONSTRAINT short CHECK (length(prompt) < 3)",
        "ALTER TABLE jobs ALTER COLUMN prompt TYPE integer USING prompt::integer",
        "CREATE UNIQUE INDEX ON jobs ((left(prompt, 6)))",
        "SELECT prompt::timestamptz FROM jobs",
    ],
)
async def test_rows_are_not_in_the_words(
    text: str, runs: Runs, folder: Folder, admin: Session
) -> None:
    admin.run(
        "INSERT INTO model_configurations (model_id, media_type, provider, is_free)"
        " VALUES ('outside', 'image', 'external', true)"
    )
    for _ in range(2):
        admin.add_job("outside", prompt=CANARY)
    folder.add("100", text)
    with pytest.raises(MigrationFailed) as caught:
        await runs()
    assert "canary" not in f"{caught.value} {caught.value.hint} {runs.told}"
    assert "V100__extra.sql, line 1 (statement 1 of 1)" in str(caught.value)


async def test_what_only_the_end_finds_out(runs: Runs, folder: Folder, admin: Session) -> None:
    folder.add(
        "100",
        "CREATE TABLE a (n int PRIMARY KEY);\n"
        "CREATE TABLE b (n int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO b VALUES (7);\n",
    )
    with pytest.raises(MigrationFailed, match=r"V100__extra.sql, at its end: .*foreign key"):
        await runs()
    assert admin.value("SELECT to_regclass('public.a')") is None


async def test_what_a_file_sets_ends_with_it(runs: Runs, folder: Folder, admin: Session) -> None:
    folder.add(
        "100",
        "SET search_path = vsl; SET statement_timeout = '1ms'; SET ROLE vsl_app; SELECT 1;",
    )
    folder.add(
        "101",
        "CREATE TABLE seen AS SELECT current_setting('search_path') AS path,"
        " current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS runs,"
        " current_user::text AS role",
    )
    await runs()
    assert admin.one("SELECT * FROM seen") == {
        "path": "public", "lock": "50ms", "runs": "1h", "role": "vsl",
    }  # fmt: skip
    assert list(ledger(admin)) == ["100", "101"]


async def test_settings_of_the_login_do_not_matter(
    database: str, server: TestServer, folder: Folder, connect: Connect, admin: Session
) -> None:
    name = database_name(database)
    for setting in (
        "search_path = pg_temp", "default_transaction_isolation = 'serializable'",
        "statement_timeout = '200ms'", "default_transaction_read_only = on",
        "standard_conforming_strings = off", "client_encoding = 'latin1'",
        "lock_timeout = '1ms'",
    ):  # fmt: skip
        admin.run(f"ALTER DATABASE {name} SET {setting}")
    folder.add("100", r"CREATE TABLE words AS SELECT 'a\b € ' || pg_sleep(0.3) AS word")
    assert not (await migrate(server.url(name), folder=folder.path)).current
    admin.run(f"ALTER DATABASE {name} RESET ALL")
    session = Session(connect(database))
    assert session.value("SELECT word FROM public.words") == "a\\b € "


async def test_an_edited_file_is_refused_with_its_difference(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    folder.add("100", "CREATE TABLE tags (\n  name text\n);\n")
    await runs()
    async with open_connection(runs.url) as connection:
        before = await fingerprint(connection)
        folder.add("100", "CREATE TABLE tags (\n  name text NOT NULL\n);\n")
        folder.add("101", "CREATE TABLE more (n int)")
        with pytest.raises(MigrationEdited, match="something else now") as caught:
            await runs()
        assert await fingerprint(connection) == before
    assert caught.value.diff.splitlines() == [
        "--- 100 as applied", "+++ V100__extra.sql", "@@ -1,3 +1,3 @@", " CREATE TABLE tags (",
        "-  name text", "+  name text NOT NULL", " );",
    ]  # fmt: skip
    assert "vsl db accept-edit 100" in (caught.value.hint or "")
    assert list(ledger(admin)) == ["100"]


async def test_a_cosmetic_edit_is_noted(runs: Runs, folder: Folder, admin: Session) -> None:
    folder.add("100", "CREATE TABLE tags (name text)")
    await runs()
    old = ledger(admin)["100"]
    path = folder.add("100", "-- Copyright\n\ncreate table tags\n  (name text);\n")
    assert (await runs()).applied == []
    new = ledger(admin)["100"]
    assert new["applied_text"] == path.read_text()
    assert new["sha256"] != old["sha256"]
    changed = {name for name in new if new[name] != old[name]}
    assert changed == {"sha256", "applied_text"}
    assert runs.told[-1] == "V100__extra.sql: comments or layout were changed; noted"
    told = len(runs.told)
    await runs()
    assert len(runs.told) == told


async def test_a_missing_file(runs: Runs, folder: Folder, admin: Session) -> None:
    path = folder.add("100", "CREATE TABLE tags (name text)")
    folder.add("101", "SELECT 1")
    await runs()
    path.unlink()
    folder.add("102", "CREATE TABLE more (name text)")
    with pytest.raises(MigrationMissing, match=r"its file is not there: 100$"):
        await runs()
    assert [applied.version for applied in (await runs(missing=True)).applied] == ["102"]
    assert list(ledger(admin)) == ["100", "101", "102"]


async def test_workers_do_not_need_the_folder(runs: Runs, folder: Folder, admin: Session) -> None:
    folder.add("100", "CREATE TABLE tags (name text)")
    await runs()
    folder.add("101", "CREATE TABLE more (name text)")
    async with open_connection(runs.url) as connection:
        await require_current(connection)
        admin.run("INSERT INTO schema_migrations (version, origin) VALUES ('200', 'user')")
        await require_current(connection)
        admin.run("INSERT INTO schema_migrations (version, origin) VALUES ('201', 'vsl')")
        with pytest.raises(SchemaVersionError, match="newer than this program: it has 201"):
            await require_current(connection)
    with pytest.raises(SchemaNewer, match="it has 201"):
        await runs(missing=True)


async def test_a_number_that_vsl_takes_later(runs: Runs, folder: Folder, admin: Session) -> None:
    text = "CREATE TABLE mine (n int); INSERT INTO schema_migrations (version) VALUES ('{0}');"
    folder.add("1.9.0", text.format("1.9.0")).rename(folder.path / "V1.9.0__mine.sql")
    await runs()
    # As if VSL's newest had not been there when the user took the number.
    newest = migrations()[-1].version
    update = "UPDATE schema_migrations SET version = %s WHERE version = %s"
    admin.run(update, "x", newest)
    admin.run(update, newest, "1.9.0")
    admin.run(update, "1.9.0", "x")
    async with open_connection(runs.url) as connection:
        with pytest.raises(SchemaVersionError):
            await require_current(connection)
    admin.run("DELETE FROM schema_migrations WHERE version = '1.9.0'")
    (folder.path / "V1.9.0__mine.sql").unlink()
    folder.add("100", text.format("100"), "mine")
    admin.run(
        "UPDATE schema_migrations SET meaning = %s WHERE version = %s",
        meaning(text.format(newest)),
        newest,
    )
    # The renumbering is first; then VSL's own, which does no harm when it was here already.
    await runs()
    assert admin.value("SELECT version FROM schema_migrations WHERE origin = 'user'") == "100"
    assert f"{newest} is V100__mine.sql now" in runs.told


async def test_a_bad_file_is_said_before_anything_is_changed(
    empty_database: str, folder: Folder, connect: Connect
) -> None:
    folder.add("100", "CREATE TABLE tags (name text)")
    folder.add("101", "VACUUM; SELECT 1")
    with pytest.raises(InvalidInput, match=r"V101__extra.sql, line 1: VACUUM cannot run"):
        await migrate(empty_database, folder=folder.path)
    session = Session(connect(empty_database))
    assert session.value("SELECT to_regnamespace('vsl')") is None


async def test_a_ledger_of_the_first_versions_is_filled_in(
    server: TestServer, new_database: NewDatabase, connect: Connect, folder: Folder
) -> None:
    released = Path(__file__).parent / "released" / "1.1.0.sql"
    url = new_database(server, schema=released)
    session = Session(connect(url))
    session.run("INSERT INTO schema_migrations (version, description) VALUES ('100', 'By hand')")
    folder.add("100", "SELECT 1")
    before = await migrate(url, folder=folder.path)
    assert [m.version for m in before.pending] == [m.version for m in migrations()[2:]]
    rows = session.all(
        "SELECT version, origin, state, mode, meaning IS NULL AS bare, applied_text IS NULL AS dim"
        " FROM schema_migrations ORDER BY version"
    )
    found = {row["version"]: (row["origin"], row["state"], row["mode"]) for row in rows}
    assert found == {
        "1.0.0": ("vsl", "applied", None),
        "1.1.0": ("vsl", "applied", None),
        **{
            m.version: ("vsl", "applied", "statements" if m.version == "1.2.1" else "transaction")
            for m in migrations()[2:]
        },
        "100": ("user", "applied", None),
    }
    assert not any(row["bare"] or row["dim"] for row in rows)
    assert (await migrate(url, folder=folder.path)).current


async def test_three_runners_in_one_process(runs: Runs, folder: Folder) -> None:
    folder.add("100", "CREATE TABLE tags (name text); SELECT pg_sleep(0.2)")
    outcomes = await asyncio.gather(*(runs(pace=REAL) for _ in range(3)))
    assert sorted(len(outcome.applied) for outcome in outcomes) == [0, 0, 1]
