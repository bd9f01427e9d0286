"""The commands around migrations: what they print, ask, refuse and answer as JSON."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect, NewDatabase, Psql
from tests.migrations.conftest import Folder, ledger
from tests.schema.kit import SCHEMA, Session
from tests.support.servers import TestServer, database_name

from vsl.db.catalogue import difference, fingerprint
from vsl.db.files import migrations
from vsl.db.migrate import migrate
from vsl.db.pool import connect as open_connection

on_18 = pytest.mark.parametrize("server", [18], indirect=True)
ON = Callable[[str], Vsl]


@pytest.fixture
def program(database: str, on: ON, folder: Folder) -> Vsl:
    """The program with ``database`` and the folder."""
    return on(database).with_variables(VSL_MIGRATIONS=str(folder.path))


TAGS = "CREATE TABLE tags (name text);\n"


@on_18
def test_the_default_folder_is_in_the_home(vsl: Vsl, database: str) -> None:
    vsl = vsl.with_variables(DATABASE_URL=database)
    made = vsl.json("db", "new", "add tags")
    assert made == {"file": str(vsl.home / "migrations" / "V100.0.0__add_tags.sql")}
    assert vsl("db", "new", "more").out == f"{vsl.home}/migrations/V100.1.0__more.sql\n"
    done = vsl("db", "migrate", "--json")
    assert (done.status, done.error["code"]) == (2, "invalid_input")
    assert "V100.0.0__add_tags.sql" in done.error["message"]


@on_18
def test_status_in_words_and_as_json(program: Vsl, folder: Folder, admin: Session) -> None:
    folder.add("100", TAGS, "add_tags")
    folder.add("101", "VACUUM (nonsense) tags;", "tidy")
    before = program("db", "status")
    assert before.status == 1
    assert "Pending\n" in before.out
    assert "100      user    V100__add_tags.sql" in before.out
    assert "The schema is not up to date. Run `vsl db migrate`." in before.out

    failed = program("db", "migrate", "--json")
    assert (failed.status, failed.out) == (1, "")
    assert failed.error["code"] == "migration_failed"
    assert failed.error["message"].startswith("V101__tidy.sql, line 1 (statement 1 of 1): ")
    after = program("db", "status")
    assert after.status == 1
    assert "101 was begun and is not ended: 0 statements are done. It failed: V101" in after.out
    document = program("db", "status", "--json").document["schema"]
    rows = {row["version"]: row for row in document["versions"]}
    assert (rows["100"]["state"], rows["100"]["origin"]) == ("applied", "user")
    assert rows["100"]["applied_by"] == "vsl"
    assert (rows["101"]["state"], rows["101"]["statements_done"]) == ("failed", 0)
    assert (rows["1.0.0"]["state"], rows["1.0.0"]["mode"]) == ("applied", "installed")
    assert document["pending"] == ["101"]

    folder.add("100", TAGS.replace("name", "label"), "add_tags")
    edited = program("db", "status")
    assert "V100__add_tags.sql says something else than was applied" in edited.out
    assert "`vsl db migrate` would refuse this." in edited.out
    (edit,) = program("db", "status", "--json").document["schema"]["edited"]
    assert (edit["version"], edit["file"]) == ("100", "V100__add_tags.sql")
    assert "+CREATE TABLE tags (label text);" in edit["diff"]
    assert admin.value("SELECT to_regclass('tags')") == "tags"


@on_18
def test_what_stands_in_the_way(program: Vsl, folder: Folder) -> None:
    path = folder.add("100", TAGS)
    folder.add("102", "SELECT 1")
    assert program("db", "migrate").status == 0
    path.unlink()
    folder.add("101", "SELECT 1")
    shown = program("db", "status").out
    assert "The files of these applied versions are gone: 100." in shown
    assert "A higher version was applied before V101__extra.sql" in shown
    codes = []
    for options in ([], ["--allow-missing"], ["--allow-missing", "--allow-out-of-order"]):
        done = program("db", "migrate", "--json", *options)
        codes.append(done.error["code"] if done.status else done.document["applied"])
    assert codes == ["migration_missing", "migration_out_of_order", ["101"]]
    folder.add("1.1", "SELECT 'mine'")
    done = program("db", "migrate", "--json", "--allow-missing")
    assert done.error["code"] == "migration_duplicate"
    assert "such as 103.0.0" in done.error["hint"] or "such as" in done.error["hint"]
    assert "VSL has another migration of the same version" in program("db", "status").out


@on_18
def test_a_wait_that_is_none(program: Vsl) -> None:
    done = program("db", "migrate", "--wait", "soon", "--json")
    assert (done.status, done.error["code"]) == (2, "invalid_input")
    assert "--wait" in done.error["message"]


@on_18
def test_an_edit_is_shown_and_accepted(program: Vsl, folder: Folder, admin: Session) -> None:
    folder.add("100", TAGS)
    program("db", "migrate")
    path = folder.add("100", TAGS.replace("name", "label"))
    refused = program("db", "migrate")
    assert refused.status == 1
    assert "-CREATE TABLE tags (name text);\n+CREATE TABLE tags (label text);" in refused.err

    for words in ([], ["--dry-run"]):
        done = program("db", "accept-edit", "100", *words)
        assert done.status == (0 if words else 2)
        assert "+CREATE TABLE tags (label text);" in done.out
    assert "--yes: is needed where nobody can be asked" in program("db", "accept-edit", "100").err
    assert ledger(admin)["100"]["applied_text"] == TAGS
    answer = program.json("db", "accept-edit", "100.0", "--yes")
    assert (answer["version"], answer["done"]) == ("100", True)
    assert ledger(admin)["100"]["applied_text"] == path.read_text()
    act = admin.one("SELECT actor, act, subject, detail FROM vsl.audit_entries")
    assert (act["act"], act["subject"]) == ("accept-edit", "migration 100")
    assert act["detail"]["after"] == ledger(admin)["100"]["sha256"]
    assert program("db", "migrate").out == "The schema is up to date.\n"
    again = program("db", "accept-edit", "100", "--yes")
    assert (again.status, "there is no edit to accept" in again.err) == (1, True)


@on_18
def test_an_edit_is_accepted_at_a_terminal(program: Vsl, folder: Folder, admin: Session) -> None:
    folder.add("100", TAGS)
    program("db", "migrate")
    folder.add("100", TAGS.replace("name", "label"))
    terminal = program.terminal("db", "accept-edit", "100")
    terminal.wait_for("Do it? [y/N]:")
    terminal.type("n\n")
    assert terminal.wait() == 1
    assert "Nothing was changed." in terminal.text
    assert ledger(admin)["100"]["applied_text"] == TAGS
    terminal = program.terminal("db", "accept-edit", "100")
    terminal.wait_for("Do it? [y/N]:")
    terminal.type("y\n")
    assert terminal.wait() == 0
    assert "label" in ledger(admin)["100"]["applied_text"]


@on_18
def test_a_file_is_marked(program: Vsl, folder: Folder, admin: Session) -> None:
    folder.add("100", TAGS, "add_tags")
    shown = program("db", "mark-applied", "100", "--dry-run")
    assert (shown.status, ledger(admin)) == (0, {})
    assert "V100__add_tags.sql would count as applied. Nothing of it is run" in shown.out
    assert program("db", "mark-applied", "100", "--yes").out.endswith("Done.\n")
    row = ledger(admin)["100"]
    assert (row["mode"], row["state"], row["description"]) == ("marked", "applied", "Add tags")
    assert (row["applied_text"], row["applied_by"]) == (TAGS, "vsl")
    assert admin.value("SELECT to_regclass('tags')") is None
    assert admin.value("SELECT subject FROM vsl.audit_entries WHERE act = 'mark-applied'") == (
        "migration 100"
    )
    assert program("db", "migrate").out == "The schema is up to date.\n"
    again = program("db", "mark-applied", "100", "--yes")
    assert (again.status, "100 is applied already" in again.err) == (1, True)
    none = program("db", "mark-applied", "777", "--yes", "--json")
    assert (none.status, none.error["code"]) == (2, "not_found")


@on_18
def test_what_failed_is_forgotten(program: Vsl, folder: Folder, admin: Session) -> None:
    admin.run("CREATE TABLE tags (n int); INSERT INTO tags VALUES (1), (1)")
    folder.add(
        "100",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS a_idx ON tags (n);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY b_idx ON tags (n);\n",
    )
    assert program("db", "migrate").status == 1
    shown = program("db", "forget-failed", "100", "--dry-run")
    assert "100 (failed) would be forgotten." in shown.out
    assert "1 of its statements are done." in shown.out
    assert list(ledger(admin)) == ["100"]
    assert program.json("db", "forget-failed", "100", "--yes")["done"] is True
    assert ledger(admin) == {}
    detail = admin.value("SELECT detail FROM vsl.audit_entries WHERE act = 'forget-failed'")
    assert (detail["state"], detail["statements_done"]) == ("failed", 1)
    admin.run("DELETE FROM tags")
    assert program("db", "migrate").out == "Applied 100.\n"
    for version in ("100", "1.0.0"):
        done = program("db", "forget-failed", version, "--yes")
        assert (done.status, "not one that was begun and not ended" in done.err) == (1, True)


@on_18
def test_what_failed_may_be_marked(program: Vsl, folder: Folder, admin: Session) -> None:
    folder.add("100", "VACUUM nowhere;")
    assert program("db", "migrate").status == 1
    assert program("db", "mark-applied", "100", "--yes").status == 0
    row = ledger(admin)["100"]
    assert (row["mode"], row["state"], row["error"]) == ("marked", "applied", None)
    assert program("db", "status").status == 0


# What would be done.


async def test_a_plan_is_executed_and_rolled_back(
    program: Vsl, folder: Folder, admin: Session
) -> None:
    admin.run("CREATE TABLE tags (n int)")
    folder.add(
        "100",
        "CREATE TABLE more (n int);\n"
        "ALTER TABLE more ADD COLUMN m int;\n"
        "CREATE INDEX tags_idx ON tags (n);\n"
        "ALTER TABLE jobs ADD COLUMN extra text;\n"
        "INSERT INTO tags VALUES (1);\n",
    )
    folder.add("101", "SET lock_timeout = '1s';\nCREATE INDEX CONCURRENTLY b_idx ON tags (n);\n")
    folder.add("102", "ALTER TABLE more ADD COLUMN o int;\nSELECT pg_sleep(0.1);\n")
    admin.run("UPDATE vsl.repeatables SET sha256 = 'old' WHERE path ~ 'uuid7'")
    async with open_connection(admin.connection.info.dsn) as connection:
        before = await fingerprint(connection)
        planned = program.json("db", "plan", "--execute")
        assert difference(before, await fingerprint(connection)) == []
    assert ledger(admin) == {}
    assert [(f["file"], f["mode"], f["statements"]) for f in planned["files"]] == [
        ("V100__extra.sql", "transaction", 5),
        ("V101__extra.sql", "statements", 2),
        ("V102__extra.sql", "transaction", 2),
    ]
    assert planned["reapplied"] == ["functions/uuid7.sql", "roles.sql"]
    steps = {step["file"]: step for step in planned["executed"]}
    assert list(steps) == ["functions, views and grants (2)", "V100__extra.sql", "V102__extra.sql"]
    locks = {
        (lock["mode"], lock["name"], lock["line"]): lock["strength"]
        for lock in steps["V100__extra.sql"]["locks"]
    }
    assert locks[("AccessExclusiveLock", "public.jobs", 4)] == "blocks reads and writes"
    assert locks[("ShareLock", "public.tags", 3)] == "blocks writes"
    assert not any("more" in name or "schema_migrations" in name for _, name, _ in locks)
    assert steps["V102__extra.sql"]["locks"] == []
    assert steps["V102__extra.sql"]["seconds"] >= 0.1
    held = {lock["name"]: lock["held"] for lock in steps["V100__extra.sql"]["locks"]}
    assert 0 < held["public.jobs"] <= steps["V100__extra.sql"]["seconds"]


@on_18
def test_a_plan_in_words(program: Vsl, folder: Folder, admin: Session) -> None:
    assert program("db", "plan").out == "Nothing is to be done.\n"
    admin.run("CREATE TABLE tags (n int)")
    folder.add("100", "ALTER TABLE tags ADD COLUMN m int")
    folder.add("101", "VACUUM tags;\nREINDEX TABLE CONCURRENTLY tags;\n")
    folder.add("102", "CREATE TABLE new_one (n int)")
    shown = program("db", "plan")
    assert shown.out.splitlines() == [
        "V100__extra.sql: 1 statement in one transaction",
        "V101__extra.sql: 2 statements, one by one, without a transaction",
        "  line 1: VACUUM",
        "  line 2: REINDEX CONCURRENTLY",
        "V102__extra.sql: 1 statement in one transaction",
    ]
    run = program("db", "plan", "--execute").out
    assert "AccessExclusiveLock  public.tags" in run
    assert "no lock on anything that was there before" in run
    assert "All of it was rolled back. What runs without a transaction was not run." in run
    assert admin.value("SELECT to_regclass('new_one')") is None


@on_18
def test_a_plan_that_fails(program: Vsl, folder: Folder) -> None:
    folder.add("100", "SELECT 1;\nSELECT 1 / 0;\n")
    assert program("db", "plan").status == 0
    done = program("db", "plan", "--execute", "--json")
    assert done.status == 1
    assert done.error["message"].startswith("V100__extra.sql, line 2 (statement 2 of 2): division")


async def test_a_plan_of_an_installation(empty_database: str, on: ON, connect: Connect) -> None:
    planned = on(empty_database).json("db", "plan", "--execute")
    assert [f["version"] for f in planned["files"]] == [m.version for m in migrations()]
    # All but the one that runs without a transaction; functions, views and grants are a step.
    assert len(planned["executed"]) == len(migrations()) - 1 + 1
    behind = {step["file"]: step["needs"] for step in planned["executed"] if step["needs"]}
    assert behind == {"V1.2.2__name_ascending_index.sql": "V1.2.1__ascending_index_of_jobs.sql"}
    words = on(empty_database)("db", "plan", "--execute").out
    assert "V1.2.2__name_ascending_index.sql: not run, since it builds on V1.2.1" in words
    session = Session(connect(empty_database))
    assert session.value("SELECT to_regnamespace('vsl')") is None


# For psql.


def run_script(program: Vsl, psql: Psql, url: str) -> None:
    script = program("db", "sql")
    assert script.status == 0, script.err
    done = psql(url, "-f", "-", stdin=script.out)
    # On a server where nobody has made the roles yet, a warning says so.
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    assert done.stdout == "Done. See it with: vsl db status\n"
    again = psql(url, "-f", "-", stdin=script.out)
    assert again.returncode == 3
    assert "this script is for a database with the versions" in again.stderr


async def test_psql_does_what_the_runner_would_do(
    server: TestServer,
    new_database: NewDatabase,
    empty_database: str,
    on: ON,
    psql: Psql,
    folder: Folder,
    connect: Connect,
) -> None:
    folder.add("100", "CREATE TABLE tags (n int) -- without an end")
    folder.add(
        "101",
        "SET lock_timeout = '1s';\n"
        "CREATE INDEX CONCURRENTLY tags_idx ON tags (n);\n"
        "INSERT INTO schema_migrations (version, description) VALUES ('101', 'It''s mine');\n"
        "VACUUM tags",
    )
    folder.add(
        "102.1",
        "CREATE FUNCTION two() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;\n"
        "CREATE TABLE words AS SELECT E'back\\\\slash' AS a, $x$ :'USER' \\q $x$ AS b;\n"
        "INSERT INTO schema_migrations VALUES ('102.1.0', 'Zeros')",
    )
    program = on(empty_database).with_variables(VSL_MIGRATIONS=str(folder.path))
    run_script(program, psql, empty_database)
    assert program.json("db", "migrate") == {"applied": [], "reapplied": []}
    assert program("db", "status").status == 0

    other = new_database(server)
    await migrate(other, folder=folder.path)
    session, beside = Session(connect(empty_database)), Session(connect(other))
    query = (
        "SELECT version, description, origin, sha256, meaning, applied_text, mode, state,"
        " statements_done, applied_by, program_version, error FROM schema_migrations ORDER BY 1"
    )
    assert session.all(query) == beside.all(query)
    assert session.one("SELECT * FROM words") == beside.one("SELECT * FROM words")
    async with open_connection(empty_database) as one, open_connection(other) as two:
        assert difference(await fingerprint(two), await fingerprint(one)) == []
    assert session.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


@on_18
def test_a_script_goes_on_where_a_runner_failed(
    program: Vsl, database: str, psql: Psql, folder: Folder, admin: Session
) -> None:
    admin.run("CREATE TABLE tags (n int); INSERT INTO tags VALUES (1), (1)")
    folder.add(
        "100",
        "CREATE INDEX CONCURRENTLY a_idx ON tags (n);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY b_idx ON tags (n);\n",
    )
    assert program("db", "migrate").status == 1
    script = program("db", "sql").out
    failed = psql(database, "-f", "-", stdin=script)
    assert failed.returncode == 3
    assert 'could not create unique index "b_idx"' in failed.stderr
    admin.run("DELETE FROM tags")
    run_script(program, psql, database)
    row = ledger(admin)["100"]
    assert (row["state"], row["statements_done"], row["error"]) == ("applied", 2, None)
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert admin.value(invalid) == 0


@on_18
def test_a_script_that_fails_leaves_nothing_of_its_file(
    program: Vsl, database: str, psql: Psql, folder: Folder, admin: Session, connect: Connect
) -> None:
    folder.add("100", TAGS)
    folder.add("101", "CREATE TABLE more (n int); SELECT 1 / 0")
    script = program("db", "sql").out
    holder = connect(database)
    holder.execute("SELECT pg_advisory_lock(hashtext('vsl'), hashtext('migrate'))")
    busy = psql(database, "-f", "-", stdin=script)
    assert (busy.returncode, "is at work in database" in busy.stderr) == (3, True)
    holder.close()
    done = psql(database, "-f", "-", stdin=script)
    assert (done.returncode, "division by zero" in done.stderr) == (3, True)
    assert list(ledger(admin)) == ["100"]
    assert admin.value("SELECT to_regclass('more')") is None


@on_18
async def test_a_script_by_a_member_of_the_owner(
    server: TestServer,
    new_database: NewDatabase,
    on: ON,
    psql: Psql,
) -> None:
    from tests.migrations.test_owners import RELEASED

    fresh = new_database(server, schema=SCHEMA)
    old = new_database(server, schema=RELEASED / "1.1.0.sql")
    url = server.url(database_name(old), server.login_for("vsl_migrator"))
    run_script(on(url), psql, url)
    async with open_connection(fresh) as one, open_connection(old) as two:
        assert difference(await fingerprint(one), await fingerprint(two)) == []
    assert on(url).json("db", "migrate") == {"applied": [], "reapplied": []}


@on_18
def test_nothing_is_pending_and_the_script_does_nothing(
    program: Vsl, database: str, psql: Psql, admin: Session
) -> None:
    before = admin.all("SELECT * FROM schema_migrations ORDER BY version")
    done = psql(database, "-f", "-", stdin=program.json("db", "sql")["script"])
    assert (done.returncode, done.stderr) == (0, "")
    assert admin.all("SELECT * FROM schema_migrations ORDER BY version") == before
