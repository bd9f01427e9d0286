"""Faults of the server's counters, settings and roles that the doctor must find."""

# ruff: noqa: E501
# The cases below are a table: one a line.

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
from psycopg import sql
from tests.doctor.kit import Calm, Fault, Stage
from tests.doctor.snapshots import flush, snapshot
from tests.doctor.table_faults import set_system
from tests.schema.kit import Session
from tests.support.servers import database_name
from tests.support.waiting import wait_until

from vsl.ops.doctor.check import Level


def slow_statement(stage: Stage, *, milliseconds: int = 3000, calls: int = 100) -> None:
    """One call of 30 ms; the snapshot is made to say that there were so many more since."""
    session = stage.session()
    session.run("CREATE EXTENSION pg_stat_statements")
    session.run("SELECT pg_sleep(0.03)")
    number = session.value(
        "SELECT queryid::text FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
        " WHERE d.datname = current_database() AND s.query LIKE 'SELECT pg_sleep%'"
    )
    entries = {number: [-calls, -milliseconds]}
    change = {"statements": {"entries": entries, "time": -milliseconds}}
    snapshot(stage, age="10 minutes", change=change)


def greedy_statement(stage: Stage) -> None:
    slow_statement(stage, milliseconds=11_000)


def quick_statement(stage: Stage) -> None:
    slow_statement(stage, milliseconds=1900)


def seldom_statement(stage: Stage) -> None:
    slow_statement(stage, calls=99)


def statement_table_too_small(stage: Stage) -> None:
    stage.session().run("CREATE EXTENSION pg_stat_statements")
    snapshot(stage, age="10 minutes", change={"statements": {"evicted": -2}})


def temporary_files(stage: Stage, files: int = 10, rows: int = 15_000) -> None:
    session = stage.session()
    snapshot(stage, age="6 minutes")
    session.run("SET work_mem = '64kB'")
    session.run("SET max_parallel_workers_per_gather = 0")
    for _ in range(files):
        session.run(
            "SELECT count(*) FROM (SELECT repeat('x', 1000) || n FROM generate_series(1, %s) n"
            " ORDER BY 1 OFFSET 0) sorted",
            rows,
        )
    flush(session)


def small_temporary_files(stage: Stage) -> None:
    temporary_files(stage, rows=2000)


def few_temporary_files(stage: Stage) -> None:
    temporary_files(stage, files=4, rows=2000)


def deadlock(stage: Stage) -> None:
    """Two transactions take two locks, each in its own order."""
    session = stage.session()
    session.run("CREATE TABLE one (); CREATE TABLE two ()")
    snapshot(stage, age="10 minutes")
    first, second = stage.session(autocommit=False), stage.session(autocommit=False)
    first.run("SET deadlock_timeout = '20ms'; LOCK TABLE one")
    second.run("SET deadlock_timeout = '20ms'; LOCK TABLE two")
    ended: list[type[Exception]] = []

    def lock(own: Session, table: str) -> None:
        try:
            own.run(f"LOCK TABLE {table}")
        except psycopg.Error as error:
            ended.append(type(error))
        own.connection.close()

    pairs = ((first, "two"), (second, "one"))
    threads = [threading.Thread(target=lock, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert ended
    assert set(ended) == {psycopg.errors.DeadlockDetected}
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    wait_until(lambda: session.value(query), what="the deadlock was counted")


def many_deadlocks(stage: Stage) -> None:
    snapshot(stage, age="10 minutes", change={"database": {"deadlocks": -60}})


def rollbacks(stage: Stage, share: int = 200) -> None:
    session = stage.session()
    flush(session)
    snapshot(stage, age="10 minutes")
    block = "DO $$ BEGIN FOR i IN 1..{} LOOP PERFORM 1; {}; END LOOP; END $$"
    session.run(block.format(1000, "COMMIT"))
    session.run(block.format(share, "ROLLBACK"))
    flush(session)


def few_rollbacks(stage: Stage) -> None:
    rollbacks(stage, 50)


def few_transactions(stage: Stage) -> None:
    snapshot(stage, age="10 minutes")


def checkpoints(stage: Stage) -> None:
    session = stage.session()
    count = "SELECT (vsl.measure_health() #>> '{checkpoints,requested}')::integer"
    before = session.value(count)
    snapshot(stage, age="10 minutes")
    for _ in range(6):
        session.run("CHECKPOINT")
    wait_until(lambda: session.value(count) >= before + 6, what="the checkpoints were counted")


def one_checkpoint(stage: Stage) -> None:
    session = stage.session()
    snapshot(stage, age="10 minutes")
    session.run("CHECKPOINT")


def damaged_block(stage: Stage) -> None:
    """A copy by files, so that none of its blocks is in memory; one is changed on the disk."""
    session = stage.session()
    session.run("CREATE TABLE orders AS SELECT 1 AS n")
    session.run("CHECKPOINT")
    session.connection.close()
    name = f"{database_name(stage.url)}_copy"
    admin = Session(stage.connect(stage.server.url("postgres")))
    stage.later(lambda: stage.server.drop_database(name))
    admin.connection.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(database_name(stage.url))
        )
    )
    reader = Session(stage.connect(stage.server.url(name)))
    place = reader.value("SELECT pg_relation_filepath('orders')")
    with (stage.server.embedded.home.data / place).open("r+b") as file:
        file.seek(8000)
        file.write(b"damage")
    assert "invalid page" in str(reader.refused("SELECT * FROM orders"))
    reader.connection.close()
    query = "SELECT checksum_failures FROM pg_stat_database WHERE datname = %s"
    wait_until(lambda: admin.value(query, name), what="the damage was counted")


def waits_for_restart(stage: Stage) -> None:
    set_system(stage, "max_connections", "201")


def no_sync(stage: Stage) -> None:
    """Servers of tests always run so."""
    assert stage.session().value("SELECT current_setting('fsync')") == "off"


def late_commits(stage: Stage) -> None:
    name = database_name(stage.url)
    stage.session().run(f"ALTER ROLE vsl_app IN DATABASE {name} SET synchronous_commit = off")


def login(name: str, options: str) -> Callable[[Stage], None]:
    """A role as long as the test."""

    def inject(stage: Stage) -> None:
        admin = Session(stage.connect(stage.server.url("postgres")))
        stage.later(lambda: admin.run(f"DROP ROLE {name}"))
        admin.run(f"CREATE ROLE {name} {options}")

    return inject


def owning_login(stage: Stage) -> None:
    login("between", "IN ROLE vsl_app")(stage)
    login("owning", "LOGIN IN ROLE between, vsl_migrator")(stage)


def administered_role(stage: Stage) -> None:
    """Who makes the roles may give them to others, and owns what it installs."""
    login("maker", "IN ROLE vsl_owner")(stage)
    stage.session().run("GRANT vsl_app TO maker WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")


def worker_as_superuser(stage: Stage) -> None:
    stage.connect(stage.url, application_name="vsl worker")


def begun_anew(stage: Stage) -> None:
    stage.session().run("SELECT pg_stat_reset()")


def nothing(stage: Stage) -> None:
    """What is there is what is asked for."""


WARN, FAIL, NOTE = Level.warn, Level.fail, Level.note
EVERY = (14, 15, 16, 17, 18)

FAULTS = (
    Fault("slow-statements", "slow and often", slow_statement, NOTE, r"^statement -?\d+$", r"^100 calls since .* 30.\d ms each", "^vsl db slow$"),
    Fault("slow-statements", "most of the time as well", greedy_statement, WARN, r"^statement -?\d+$", "^100 calls since", "^vsl db slow$"),
    Fault("slow-statements", "forgotten too soon", statement_table_too_small, WARN, "^pg_stat_statements$", "dropped entries 2 times", "pg_stat_statements.max"),
    Fault("slow-statements", "not installed", nothing, NOTE, "^pg_stat_statements$", "not installed", "^CREATE EXTENSION pg_stat_statements;$"),
    Fault("temporary-files", "large ones", temporary_files, WARN, "", "^.. files, 1.. MB together, since .*; work_mem is 4MB$", "work_mem"),
    Fault("temporary-files", "small ones", small_temporary_files, NOTE, "", r"^\d\d files", "work_mem"),
    Fault("deadlocks", "one", deadlock, NOTE, "", "^1 deadlocks since", "log"),
    Fault("deadlocks", "many", many_deadlocks, WARN, "", "^60 deadlocks since", "log", majors=EVERY),
    Fault("rollbacks", "a sixth", rollbacks, WARN, "", r"^20\d of 12\d\d transactions", "log"),
    Fault("rollbacks", "too few to tell", few_transactions, NOTE, "", "too few to tell$", "Ask again"),
    Fault("requested-checkpoints", "all of them", checkpoints, WARN, "", "^[67] of .*max_wal_size is 4GB$", "max_wal_size", majors=EVERY),
    Fault("checksum-failures", "a block", damaged_block, FAIL, "_copy$", "^1 damaged blocks", "backup"),
    Fault("pending-restart", "the connections", waits_for_restart, WARN, "^max_connections$", "next start", "Restart"),
    Fault("dangerous-settings", "nothing is synced", no_sync, FAIL, "^fsync$", "^fsync is off", "^ALTER SYSTEM RESET fsync; SELECT pg_reload_conf"),
    Fault("dangerous-settings", "torn pages", no_sync, FAIL, "^full_page_writes$", "is off", "^ALTER SYSTEM RESET full_page_writes;"),
    Fault("dangerous-settings", "late commits of a role", late_commits, NOTE, "^synchronous_commit of vsl_app$", "paid again", "^ALTER ROLE vsl_app IN DATABASE .* RESET synchronous_commit;$", majors=EVERY),
    Fault("role-powers", "a superuser", login("powerful", "SUPERUSER IN ROLE vsl_worker"), FAIL, "^powerful$", "works as vsl_worker, is a superuser$", "CREATE ROLE", majors=EVERY),
    Fault("role-powers", "the owner, around a corner", owning_login, FAIL, "^owning$", "works as vsl_app, owns VSL's tables$", "CREATE ROLE"),
    Fault("role-powers", "past row security", login("bypassing", "LOGIN BYPASSRLS IN ROLE vsl_app"), FAIL, "^bypassing$", "BYPASSRLS", "CREATE ROLE"),
    Fault("role-powers", "a worker logged in as superuser", worker_as_superuser, NOTE, "^vsl$", "^1 sessions of `vsl worker`", "GRANT vsl_worker"),
    Fault("server-version", "no repairs", nothing, NOTE, "^PostgreSQL 1", "is repaired until", "upgrade", scaled=179),
    Fault("statistics-age", "begun anew", begun_anew, NOTE, "^t", "began anew at", "pg_stat_reset"),
)  # fmt: skip

CALM = (
    Calm("slow-statements", "quick enough", quick_statement),
    Calm("slow-statements", "seldom enough", seldom_statement),
    Calm("temporary-files", "a few small ones", few_temporary_files),
    Calm("rollbacks", "one in twenty", few_rollbacks),
    Calm("requested-checkpoints", "one by hand", one_checkpoint),
    Calm("role-powers", "who may only give the role away", administered_role, majors=(18,)),
    Calm("statistics-age", "a new database", nothing),
)
