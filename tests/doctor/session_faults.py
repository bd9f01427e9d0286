"""Faults of sessions: connections, transactions, locks, snapshots, and what only looks like one."""

from __future__ import annotations

from typing import Any

import psycopg
from tests.doctor.kit import Calm, Fault, Stage, add_models
from tests.support.servers import database_name
from tests.support.waiting import wait_until

from vsl.ops.doctor.check import Level

BURN = """
DO $$
BEGIN
    FOR i IN 1..{count} LOOP
        PERFORM pg_current_xact_id();
        COMMIT;
    END LOOP;
END
$$
"""
PROCESS = r"^process \d+$"
KILL = r"^vsl db kill \d+$"


def burn(stage: Stage, count: int) -> None:
    """Use up transaction numbers."""
    session = stage.session()
    session.run("SET synchronous_commit = off")
    session.run(BURN.format(count=count))


def most_connections_of_a_role(stage: Stage) -> None:
    session = stage.session()
    role = f"limited_{database_name(stage.url)}"
    session.run(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 4 PASSWORD '{stage.server.password}'")
    stage.later(lambda: session.run(f"DROP ROLE {role}"))
    for _ in range(3):
        stage.connect_as(role)


def most_connections_of_a_database(stage: Stage) -> None:
    name = database_name(stage.url)
    session = stage.session()
    session.run(f"ALTER DATABASE {name} CONNECTION LIMIT 10")
    for _ in range(8):
        stage.session()


def nearly_all_connections(stage: Stage) -> None:
    """On the special server, which allows 20 for ordinary logins."""
    for _ in range(18):
        stage.session(role="vsl_reader")


def a_few_connections(stage: Stage) -> None:
    for _ in range(5):
        stage.session(role="vsl_reader")


def idle_in_transaction(stage: Stage) -> None:
    session = stage.session(role="vsl_app", autocommit=False)
    session.run("SELECT 1")


def idle_outside_of_a_transaction(stage: Stage) -> None:
    stage.session(role="vsl_app").run("SELECT 1")


def long_query(stage: Stage) -> None:
    session = stage.session(role="vsl_app")
    send(session.connection, "SELECT pg_sleep(600)")
    stage.until_active(session.connection, "SELECT pg_sleep(600)")


def excused_query(stage: Stage) -> None:
    session = stage.session(role="vsl_app")
    send(session.connection, "/* vsl:long */ SELECT pg_sleep(600)")
    stage.until_active(session.connection, "/* vsl:long */ SELECT pg_sleep(600)")


def index_build(stage: Stage) -> None:
    """A build that waits for a writer, and so goes on for as long as that one does."""
    writer = stage.session(autocommit=False)
    writer.run("INSERT INTO user_preferences (user_id) VALUES ('ada')")
    builder = stage.session()
    text = "CREATE INDEX CONCURRENTLY slow_idx ON user_preferences (created_at)"
    send(builder.connection, text)
    looker = stage.session()
    wait_until(lambda: looker.all("SELECT 1 FROM pg_stat_progress_create_index"))


def dump(stage: Stage) -> None:
    connection = stage.connect(stage.url, autocommit=True, application_name="pg_dump")
    send(connection, "SELECT pg_sleep(600)")
    stage.until_active(connection, "SELECT pg_sleep(600)")


def send(connection: psycopg.Connection[Any], text: str) -> None:
    """Send a statement without waiting for its end."""
    connection.pgconn.send_query(text.encode())


def blocked(waiters: int) -> Any:
    """A session that holds a lock, and others that wait in a chain behind it."""

    def inject(stage: Stage) -> None:
        add_models(stage)
        holder = stage.connect(stage.url, autocommit=False, application_name="the holder")
        holder.execute("UPDATE model_configurations SET is_beta = true WHERE model_id = 'painter'")
        first = stage.connect(stage.url, autocommit=False)
        first.execute("UPDATE model_configurations SET is_beta = true WHERE model_id = 'singer'")
        text = "UPDATE model_configurations SET is_beta = false WHERE model_id = %s"
        queue = [(first, "'painter'")]
        # The others wait for the first one, which waits itself: the root is the holder.
        queue += [
            (stage.connect(stage.url, autocommit=True), "'singer'") for _ in range(waiters - 1)
        ]
        for connection, model in queue:
            send(connection, text.replace("%s", model))
        looker = stage.session()
        wait_until(
            lambda: (
                looker.value(
                    "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid = ANY (%s)",
                    [connection.info.backend_pid for connection, _ in queue],
                )
                == waiters
            )
        )

    return inject


def held_horizon(count: int, application: str = "vsl worker host:1:abc") -> Any:
    """A snapshot that is kept while transactions go by."""

    def inject(stage: Stage) -> None:
        connection = stage.connect(stage.url, autocommit=False, application_name=application)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM jobs")
        burn(stage, count)

    return inject


def prepared_transaction(stage: Stage) -> None:
    session = stage.session(autocommit=False)
    gid = f"left of {database_name(stage.url)}"
    session.run("INSERT INTO user_preferences (user_id) VALUES ('ada')")
    session.run(f"PREPARE TRANSACTION '{gid}'")
    ending = stage.session()
    stage.later(lambda: ending.run(f"ROLLBACK PREPARED '{gid}'"))


def slot_with_catalogue(stage: Stage) -> None:
    slot = f"logical_{database_name(stage.url)}"
    session = stage.session()
    session.run(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    stage.later(lambda: session.run(f"SELECT pg_drop_replication_slot('{slot}')"))
    burn(stage, 10)


def old_transactions(stage: Stage) -> None:
    """Autovacuum freezes at 100,000 there, and a snapshot keeps it from doing so."""
    held_horizon(135_000)(stage)


FAULTS = (
    Fault(
        "connections",
        "of a role",
        most_connections_of_a_role,
        Level.warn,
        r"^role limited",
        "3 of 4",
        "^ALTER ROLE",
    ),
    Fault(
        "connections",
        "of a database",
        most_connections_of_a_database,
        Level.fail,
        "^database t",
        "of 10",
        "^ALTER DATABASE",
    ),
    Fault(
        "connections",
        "of the server",
        nearly_all_connections,
        Level.fail,
        "^the server",
        r"test_vsl_reader|no name",
        "^vsl db connections",
        special=True,
    ),
    Fault(
        "idle-in-transaction",
        "an application's session",
        idle_in_transaction,
        Level.fail,
        PROCESS,
        "test_vsl_app",
        KILL,
        scaled=300,
    ),
    Fault(
        "long-queries",
        "an application's statement",
        long_query,
        Level.fail,
        PROCESS,
        "test_vsl_app, SELECT statement",
        KILL,
        scaled=300,
    ),
    Fault(
        "blocked-sessions",
        "a chain",
        blocked(2),
        Level.fail,
        PROCESS,
        "the holder as vsl, idle in transaction",
        KILL,
        scaled=120,
    ),
    Fault("blocked-crowds", "a few", blocked(3), Level.warn, PROCESS, "3 sessions wait", KILL),
    Fault("blocked-crowds", "many", blocked(10), Level.fail, PROCESS, "10 sessions wait", KILL),
    Fault(
        "xmin-horizon",
        "a worker's snapshot",
        held_horizon(10_001),
        Level.note,
        PROCESS,
        "the VSL worker host:1:abc as vsl, idle in transaction",
        KILL,
    ),
    Fault(
        "xmin-horizon",
        "a client's snapshot",
        held_horizon(100_001, "psql"),
        Level.warn,
        PROCESS,
        "^psql as vsl",
        KILL,
    ),
    Fault(
        "xmin-horizon",
        "a prepared transaction",
        prepared_transaction,
        Level.fail,
        "^prepared transaction left",
        "over restarts",
        "^ROLLBACK PREPARED 'left of t",
        scaled=1e6,
        special=True,
    ),
    Fault(
        "xmin-horizon",
        "a slot",
        slot_with_catalogue,
        Level.fail,
        "^replication slot logical",
        "catalogue",
        "^SELECT pg_drop_replication_slot",
        scaled=1e6,
        special=True,
    ),
    Fault(
        "prepared-transactions",
        "one that was left",
        prepared_transaction,
        Level.fail,
        "^prepared transaction left",
        "of vsl in database",
        "^ROLLBACK PREPARED 'left of t",
        scaled=300,
        special=True,
    ),
    Fault(
        "transaction-age",
        "any",
        old_transactions,
        Level.fail,
        "^database t",
        r"transactions \d+",
        "xmin-horizon",
        scaled=1e9,
        special=True,
    ),
    Fault(
        "freeze-age",
        "held back",
        old_transactions,
        Level.fail,
        "^database t",
        r"transactions \d{6} of 100000",
        "xmin-horizon",
        special=True,
    ),
)

CALM = (
    Calm("connections", "a few", a_few_connections),
    Calm("idle-in-transaction", "idle, but in none", idle_outside_of_a_transaction),
    Calm("long-queries", "excused by a comment", excused_query),
    Calm("long-queries", "a build of an index", index_build),
    Calm("long-queries", "a dump", dump),
    Calm("blocked-crowds", "two wait", blocked(2)),
    Calm("xmin-horizon", "a fresh snapshot", held_horizon(10)),
)
