"""What goes wrong around a run: killed clients, lost servers, poolers, locks, missing rights."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect, NewDatabase, NewPgBouncer
from tests.migrations.child_runner import Runners
from tests.migrations.conftest import Folder, Runs, ledger
from tests.schema.kit import SCHEMA, Session
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until, wait_until_async

from vsl.db.files import migrations
from vsl.db.migrate import migrate
from vsl.db.migration.ladder import REAL, Pace
from vsl.db.migration.lock import only_runner
from vsl.db.pool import connect as open_connection
from vsl.errors import ConnectionPooled, DatabaseError, MigrationBusy, VslError

ON = Callable[[str], Vsl]
LOCK = "SELECT pg_advisory_lock(hashtext('vsl'), hashtext('migrate'))"
RUNNING = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vsl migrate'"
    " AND datname = current_database()"
)
BUILDING = RUNNING + " AND state = 'active' AND query LIKE 'CREATE INDEX CONCURRENTLY%%'"


def start(vsl: Vsl, folder: Folder) -> subprocess.Popen[bytes]:
    """``vsl db migrate`` in a process of its own."""
    of_user = vsl.with_variables(VSL_MIGRATIONS=str(folder.path))
    return of_user.start("db", "migrate", stderr=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes]) -> int:
    status = process.wait(60)
    if process.stdout is not None:
        process.stdout.close()
    return status


@pytest.fixture
def tags(admin: Session) -> Session:
    admin.run("CREATE TABLE tags (n int); INSERT INTO tags VALUES (1)")
    return admin


# Killed.


def test_killed_while_the_server_builds_an_index(
    database: str, on: ON, folder: Folder, tags: Session, connect: Connect
) -> None:
    vsl = on(database)
    folder.add("100", "VACUUM tags;\nCREATE INDEX CONCURRENTLY tags_idx ON tags (n);\n")
    holder = connect(database, autocommit=False)
    holder.execute("INSERT INTO tags VALUES (2)")
    runner = start(vsl, folder)
    wait_until(lambda: tags.value(BUILDING), within=30, what="the build to begin")
    runner.kill()
    assert end(runner) == -signal.SIGKILL
    # The server goes on with the build, which nobody waits for any more, and keeps the lock.
    assert tags.value(BUILDING) == 1
    (row,) = ledger(tags).values()
    assert (row["state"], row["statements_done"]) == ("running", 1)
    status = vsl("db", "status", VSL_MIGRATIONS=str(folder.path))
    assert status.status == 1
    assert "100 was begun and is not ended: 1 statements are done." in status.out

    second = start(vsl, folder)
    holder.rollback()
    assert end(second) == 0
    rows = tags.all("SELECT indexrelid::regclass::text AS n, indisvalid AS v FROM pg_index"
                    " WHERE indrelid = 'tags'::regclass")  # fmt: skip
    assert rows == [{"n": "tags_idx", "v": True}]
    (row,) = ledger(tags).values()
    assert (row["state"], row["statements_done"]) == ("applied", 2)
    assert tags.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_killed_with_its_session_in_the_middle_of_a_build(
    database: str, on: ON, folder: Folder, tags: Session, connect: Connect
) -> None:
    folder.add("100", "CREATE INDEX CONCURRENTLY tags_idx ON tags (n);\n")
    holder = connect(database, autocommit=False)
    holder.execute("INSERT INTO tags VALUES (2)")
    runner = start(on(database), folder)
    wait_until(lambda: tags.value(BUILDING), within=30, what="the build to begin")
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    wait_until(lambda: tags.value(invalid), what="the index to be there, not yet valid")
    runner.kill()
    end(runner)
    tags.value("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
               " 'vsl migrate' AND datname = current_database()")  # fmt: skip
    wait_until(lambda: tags.value(RUNNING) == 0)
    assert tags.value(invalid) == 1
    holder.rollback()
    done = on(database)("db", "migrate", VSL_MIGRATIONS=str(folder.path))
    assert (done.status, done.out) == (0, "Applied 100.\n")
    assert "index public.tags_idx is invalid, left by an interrupted build: dropped" in done.err
    assert tags.value(invalid) == 0
    assert tags.value("SELECT to_regclass('tags_idx')") == "tags_idx"


async def test_told_to_stop(runs: Runs, folder: Folder, tags: Session) -> None:
    folder.add("100", "CREATE TABLE more (n int); SELECT pg_sleep(3600)")
    task = asyncio.create_task(runs(pace=REAL))
    sleeping = RUNNING + " AND wait_event = 'PgSleep'"
    await wait_until_async(lambda: asyncio.to_thread(tags.value, sleeping))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    wait_until(lambda: tags.value(RUNNING) == 0)
    assert tags.value("SELECT to_regclass('more')") is None
    assert ledger(tags) == {}


# The server goes.


@pytest.mark.parametrize("major", [15, 18])
def test_the_server_is_restarted_in_the_middle(
    major: int,
    fresh_server: Callable[[int], TestServer],
    folder: Folder,
    runners: Runners,
    connect: Connect,
) -> None:
    server = fresh_server(major)
    url = server.url(server.create_database())
    folder.add("100", "CREATE TABLE tags (n int);\nSELECT pg_sleep(3600);\n")
    folder.add("101", "CREATE INDEX CONCURRENTLY tags_idx ON tags (n)")
    session = Session(connect(url))
    pid = runners.launch(url, folder.path)
    sleeping = RUNNING + " AND wait_event = 'PgSleep'"
    wait_until(lambda: session.value(sleeping), within=30)
    session.connection.close()
    server.embedded.stop()
    server.embedded.start()
    assert runners.hear() == (
        pid,
        "DatabaseError: V100__extra.sql: the connection to the database was lost (terminating "
        "connection due to administrator command)",
    )
    session = Session(connect(url))
    assert session.value("SELECT to_regclass('tags')") is None
    assert session.count("schema_migrations") == len(migrations())
    folder.add("100", "CREATE TABLE tags (n int);\n")
    assert runners.launch(url, folder.path)
    assert runners.hear()[1] == "done"
    assert list(ledger(session)) == ["100", "101"]


# Somebody else holds the lock.


async def test_another_runner_is_named_and_waited_for(
    runs: Runs, folder: Folder, admin: Session, connect: Connect, database: str
) -> None:
    folder.add("100", "CREATE TABLE tags (n int)")
    holder = connect(database, application_name="vsl migrate")
    holder.execute(LOCK)
    pid = holder.info.backend_pid
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 30:
            holder.close()
        if len(waited) > 30:
            await asyncio.sleep(0.01)

    clock = iter(range(10_000))
    outcome = await runs(pace=Pace(now=lambda: float(next(clock)), sleep=sleep, chance=lambda: 0.5))
    assert [applied.version for applied in outcome.applied] == ["100"]
    told = [line for line in runs.told if line.startswith("another runner is at work")]
    assert len(told) == 1
    assert told[0].startswith(
        f"another runner is at work; waiting for process {pid} (vsl migrate, login vsl, idle, for"
    )
    assert waited[0] < 0.05
    assert max(waited) <= 1.0
    assert admin.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_another_runner_that_does_not_end(
    runs: Runs, folder: Folder, connect: Connect, database: str
) -> None:
    folder.add("100", "CREATE TABLE tags (n int)")
    holder = connect(database, application_name="somebody")
    holder.execute(LOCK)
    with pytest.raises(MigrationBusy) as caught:
        await runs(wait=0.2, pace=REAL)
    pid = holder.info.backend_pid
    assert f"is at work in this database: process {pid} (somebody, login vsl" in str(caught.value)
    assert caught.value.retryable


async def test_nothing_to_do_needs_no_lock(runs: Runs, connect: Connect, database: str) -> None:
    connect(database).execute(LOCK)
    assert (await runs(wait=0.0)).applied == []


async def test_the_installer_and_a_runner_keep_out_of_each_others_way(
    server: TestServer, new_database: NewDatabase, connect: Connect, runners: Runners,
    folder: Folder,
) -> None:  # fmt: skip
    url = new_database(server)
    holder = connect(url)
    holder.execute(LOCK)  # as a runner does
    done = server.psql(url, "-f", str(SCHEMA))
    assert done.returncode == 3
    assert 'another installer, or "vsl db migrate", is at work' in done.stderr
    holder.close()
    installer = connect(url, autocommit=False)
    installer.execute("SELECT pg_advisory_xact_lock(hashtext('vsl'), hashtext('migrate'))")
    pid = runners.launch(url, folder.path)
    polls = RUNNING + " AND query LIKE '%%pg_try_advisory_lock%%'"
    wait_until(lambda: Session(connect(url)).value(polls), within=30)
    assert installer.execute("SELECT to_regnamespace('vsl') IS NULL").fetchone() == (True,)
    installer.rollback()
    assert runners.hear() == (pid, "done")


async def test_a_lock_that_was_lost_on_the_way(runs: Runs, folder: Folder) -> None:
    folder.add("100", "SELECT pg_advisory_unlock_all()")
    with pytest.raises(DatabaseError, match="the lock against a second runner was lost"):
        await runs()


async def test_the_lock_is_given_back_when_something_goes_wrong(
    runs: Runs, folder: Folder, admin: Session
) -> None:
    folder.add("100", "SELECT 1 / 0")
    with pytest.raises(VslError, match="division by zero"):
        await runs()
    assert admin.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_the_lock_goes_with_a_broken_connection(database: str, admin: Session) -> None:
    async def broken() -> None:
        async with (
            open_connection(database) as connection,
            only_runner(connection, wait=1, pace=REAL, tell=print),
        ):
            await connection.close()
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await broken()
    wait_until(lambda: not admin.value("SELECT count(*) FROM pg_locks WHERE locktype='advisory'"))


# Through a pooler.


@pytest.mark.parametrize("verb", ["migrate", "plan", "sql", "mark-applied"])
def test_through_a_pooler(
    verb: str, database: str, new_pgbouncer: NewPgBouncer, on: ON, folder: Folder, admin: Session
) -> None:
    # Must show 4, its first half.
    pooler = new_pgbouncer(database)
    folder.add("100", "CREATE TABLE tags (n int)")
    words = ["db", verb] + (["100", "--yes"] if verb == "mark-applied" else [])
    done = on(pooler.url())(*words, "--json", VSL_MIGRATIONS=str(folder.path))
    assert (done.status, done.out) == (1, "")
    assert done.error["code"] == "connection_pooled"
    assert "leads through a pooler" in done.error["message"]
    assert "VSL_DIRECT_DATABASE_URL" in done.error["hint"]
    assert ledger(admin) == {}
    assert admin.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_beside_a_pooler(
    database: str, new_pgbouncer: NewPgBouncer, on: ON, folder: Folder, admin: Session
) -> None:
    vsl = on(new_pgbouncer(database).url()).with_variables(
        VSL_DIRECT_DATABASE_URL=database, VSL_MIGRATIONS=str(folder.path)
    )
    folder.add("100", "CREATE TABLE tags (n int)")
    assert vsl("db", "migrate").out == "Applied 100.\n"
    assert vsl("db", "status").status == 0  # looking goes through the pooler
    assert list(ledger(admin)) == ["100"]


async def test_a_pooler_in_front_of_an_empty_database(
    server: TestServer, new_pgbouncer: NewPgBouncer
) -> None:
    url = server.url(server.create_database())
    try:
        pooler = new_pgbouncer(url)
        with pytest.raises(ConnectionPooled):
            await migrate(pooler.url())
        pooler.stop()
    finally:
        server.drop_database(database_name(url))


# Rights.


async def test_a_role_that_may_see_nothing(
    server: TestServer, database: str, on: ON, admin: Session
) -> None:
    nobody = server.url(database_name(database), "plain")
    for words in (["status"], ["migrate"], ["plan", "--execute"], ["sql"]):
        done = on(nobody)("db", *words)
        assert done.status == 1, words
        expected = "the login plain may not read public.schema_migrations"
        assert expected in done.err, words
        assert "GRANT vsl_monitor" in " ".join(done.err.split()), words
    admin.run("GRANT SELECT ON schema_migrations TO plain")
    assert "may not read vsl.repeatables" in on(nobody)("db", "status").err
    monitor = server.url(database_name(database), server.login_for("vsl_monitor"))
    assert on(monitor)("db", "status").status == 0


async def test_a_role_that_may_only_look(
    server: TestServer, database: str, folder: Folder, admin: Session
) -> None:
    url = server.url(database_name(database), server.login_for("vsl_monitor"))
    folder.add("100", "CREATE TABLE tags (n int)")
    with pytest.raises(DatabaseError, match="permission denied for schema public") as caught:
        await migrate(url, folder=folder.path)
    assert "vsl_migrator" in (caught.value.hint or "")
    folder.add("100", "SELECT 1")
    with pytest.raises(DatabaseError, match="permission denied for table schema_migrations") as no:
        await migrate(url, folder=folder.path)
    assert "vsl_migrator" in (no.value.hint or "")
    assert ledger(admin) == {}


async def test_an_address_where_nothing_listens(folder: Folder) -> None:
    begun = time.monotonic()
    with pytest.raises(DatabaseError, match="nothing listens"):
        await migrate("postgresql://nobody@127.0.0.1:9/x", folder=folder.path)
    assert time.monotonic() - begun < 10
