"""Faults of indexes that the doctor must find, and what only looks like one."""

# ruff: noqa: E501
# The cases below are a table: one a line.

from __future__ import annotations

from collections.abc import Callable

import psycopg
from tests.doctor.kit import Calm, Fault, Stage
from tests.doctor.snapshots import flush, snapshot
from tests.schema.kit import Session
from tests.support.waiting import wait_until

from vsl.ops.doctor.check import Level


def running(*statements: str) -> Callable[[Stage], None]:
    """A fault that statements make."""

    def inject(stage: Stage) -> None:
        session = stage.session()
        for statement in statements:
            session.run(statement)

    return inject


def failed_build(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE orders (n integer)")
    session.run("INSERT INTO orders VALUES (1), (1)")
    error = session.refused("CREATE UNIQUE INDEX CONCURRENTLY orders_n ON orders (n)")
    assert isinstance(error, psycopg.errors.UniqueViolation)


def failed_rebuild(stage: Stage) -> None:
    """Of a unique index that is damaged: it has let equal rows in."""
    session = stage.session()
    session.run("CREATE TABLE orders (n integer)")
    session.run("CREATE UNIQUE INDEX orders_n ON orders (n)")
    damage = "UPDATE pg_index SET indisready = %s, indisvalid = %s WHERE indexrelid = %s::regclass"
    session.run(damage, False, False, "orders_n")
    session.run("INSERT INTO orders VALUES (1), (1)")
    session.run(damage, True, True, "orders_n")
    session.refused("REINDEX INDEX CONCURRENTLY orders_n")


def index_of_ours(stage: Stage) -> None:
    session = stage.session()
    session.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'vsl.dispatch_due_idx'::regclass"
    )


def build_under_way(stage: Stage) -> None:
    """A build waits for a transaction that could still use the table as it was."""
    session = stage.session()
    session.run("CREATE TABLE orders (n integer)")
    other = stage.session(autocommit=False)
    other.run("INSERT INTO orders VALUES (1)")
    builder = stage.session()
    pgconn = builder.connection.pgconn
    pgconn.send_query(b"CREATE INDEX CONCURRENTLY orders_n ON orders (n)")
    query = "SELECT 1 FROM pg_index i JOIN pg_stat_progress_create_index p ON p.relid = i.indrelid"
    wait_until(lambda: session.all(f"{query} WHERE NOT i.indisvalid"), what="the build began")

    def end() -> None:
        other.connection.rollback()
        while pgconn.get_result() is not None:
            pass

    stage.later(end)


def sparse_index(stage: Stage) -> None:
    session = stage.session()
    session.run(
        "CREATE TABLE events AS SELECT n, n::text || repeat('x', 200) AS name"
        " FROM generate_series(1, 70000) n"
    )
    session.run("CREATE INDEX events_name ON events (name)")
    session.run("DELETE FROM events WHERE n % 10 > 0")
    session.run("GRANT SELECT ON events TO vsl_monitor")
    session.run("VACUUM ANALYZE events")


def sparse_index_of_an_expression(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE events AS SELECT n FROM generate_series(1, 50000) n")
    session.run("CREATE INDEX events_n ON events ((n + 1))")
    session.run("DELETE FROM events WHERE n % 5 > 0")
    session.run("GRANT SELECT ON events TO vsl_monitor")
    session.run("VACUUM ANALYZE events")


def full_indexes(stage: Stage) -> None:
    """Of many kinds, as they are when rows came in order and by chance."""
    session = stage.session()
    session.run("CREATE TABLE events (id uuid, n integer, note text, at timestamptz)")
    session.run("CREATE INDEX ON events (id)")
    session.run("CREATE INDEX ON events (n) WITH (fillfactor = 70)")
    session.run("CREATE INDEX ON events (note, at)")
    session.run("CREATE INDEX ON events (lower(note)) WHERE n % 2 = 0")
    session.run("GRANT SELECT ON events TO vsl_monitor")
    session.run(
        "INSERT INTO events SELECT gen_random_uuid(), n, CASE WHEN n % 3 > 0 THEN md5(n::text) END,"
        " now() + n * interval '1 s' FROM generate_series(1, 60000) n"
    )
    session.run("VACUUM ANALYZE events")


def hidden_index(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE events AS SELECT n::text AS name FROM generate_series(1, 40000) n")
    session.run("CREATE INDEX events_name ON events (name) WITH (fillfactor = 10)")
    session.run("VACUUM ANALYZE events")


def hidden_expression(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE events AS SELECT n FROM generate_series(1, 40000) n")
    session.run("CREATE INDEX events_name ON events ((n::text)) WITH (fillfactor = 10)")
    session.run("GRANT SELECT ON events TO vsl_monitor")
    session.run("VACUUM ANALYZE events")


def unused_index(stage: Stage) -> Session:
    session = stage.session()
    session.run("CREATE TABLE events AS SELECT n FROM generate_series(1, 60000) n")
    session.run("CREATE INDEX events_n ON events (n) WITH (fillfactor = 10)")
    flush(session)
    return session


def unused_for_a_week(stage: Stage) -> None:
    unused_index(stage)
    snapshot(stage, age="8 days")


def unused_for_long(stage: Stage) -> None:
    unused_index(stage)
    snapshot(stage, age="36 days")
    snapshot(stage, age="8 days")


def unused_for_an_hour(stage: Stage) -> None:
    unused_index(stage)
    snapshot(stage, age="1 hour")


def used_since(stage: Stage) -> None:
    session = unused_index(stage)
    snapshot(stage, age="36 days")
    session.run("SET enable_seqscan = off; SET enable_bitmapscan = off")
    session.run("SELECT n FROM events WHERE n = 1")
    flush(session)


def younger_than_the_snapshots(stage: Stage) -> None:
    snapshot(stage, age="36 days")
    unused_index(stage)


def unused_but_needed(stage: Stage) -> None:
    """By a constraint, by a foreign key, and by VSL."""
    session = stage.session()
    session.run("CREATE TABLE users (id integer PRIMARY KEY WITH (fillfactor = 10))")
    session.run("INSERT INTO users SELECT generate_series(1, 60000)")
    session.run("CREATE TABLE events (n integer REFERENCES users)")
    session.run("INSERT INTO events SELECT id FROM users")
    session.run("CREATE INDEX events_n ON events (n) WITH (fillfactor = 10)")
    session.run("ANALYZE users")
    session.run("UPDATE pg_class SET relpages = 5000 WHERE relname = 'jobs_created_at_idx'")
    session.run("SELECT pg_stat_reset()")
    flush(session)
    snapshot(stage, age="36 days")


double_index = running(
    "CREATE TABLE orders (a integer, b text)",
    "CREATE INDEX one ON orders (a, lower(b) DESC) WHERE a > 0",
    "CREATE INDEX  the_other_one  ON  orders (a, lower(b) DESC)  WHERE  a > 0",
)
double_of_ours = running("CREATE INDEX mine on jobs (created_at)")
double_of_a_constraint = running(
    "CREATE TABLE orders (a integer, b text)",
    "CREATE UNIQUE INDEX mine ON orders (a)",
    "ALTER TABLE orders ADD PRIMARY KEY (a)",
)
double_with_a_column = running(
    "CREATE TABLE orders (a integer, b text)",
    "CREATE INDEX one ON orders (a) INCLUDE (b)",
    "CREATE INDEX two ON orders (a, b)",
)
mere_beginning = running("CREATE INDEX mine ON jobs (user_id)")
different_indexes = running(
    "CREATE TABLE orders (a integer, b text, c text)",
    "CREATE INDEX ON orders (a, b)",
    "CREATE INDEX ON orders (b)",
    "CREATE INDEX ON orders (b DESC)",
    "CREATE INDEX ON orders (b) WHERE a > 0",
    'CREATE INDEX ON orders (b COLLATE "C")',
    "CREATE INDEX ON orders (b text_pattern_ops)",
    "CREATE INDEX ON orders (lower(b))",
    "CREATE INDEX ON orders USING hash (b)",
    "CREATE INDEX ON orders (a) INCLUDE (c)",
    "CREATE UNIQUE INDEX ON orders (c)",
    "CREATE INDEX ON orders (c, b)",
    "CREATE INDEX ON orders USING gin ((ARRAY[a]), (ARRAY[b]))",
    "CREATE INDEX ON orders USING gin ((ARRAY[a]))",
)

key_with_an_index_of_others = running(
    "CREATE TABLE notes (job uuid REFERENCES jobs (id), n integer)",
    "CREATE INDEX ON notes (job) WHERE n IS NOT NULL",
)
key_without_index = running("CREATE TABLE notes (job uuid REFERENCES jobs (id))")
key_with_a_partial_index = running(
    "CREATE TABLE notes (job uuid REFERENCES jobs (id), n integer)",
    "CREATE INDEX ON notes (job) WHERE n > 0",
)
other_key_without_index = running(
    "CREATE TABLE authors (a integer, b integer, PRIMARY KEY (a, b))",
    "CREATE TABLE notes (a integer, b integer, FOREIGN KEY (a, b) REFERENCES authors)",
    "CREATE INDEX ON notes (a)",
)
keys_with_indexes = running(
    "CREATE TABLE authors (a integer, b integer, PRIMARY KEY (a, b))",
    "CREATE TABLE notes (a integer, b integer, c text, FOREIGN KEY (a, b) REFERENCES authors)",
    "CREATE INDEX ON notes (b, a, c)",
    "CREATE TABLE jottings (job uuid REFERENCES jobs (id))",
    "CREATE INDEX ON jottings (job) WHERE job IS NOT NULL",
    "CREATE TABLE thoughts (job uuid REFERENCES jobs (id))",
    "CREATE INDEX ON thoughts USING hash (job)",
)


def cold_index(stage: Stage) -> None:
    """An index of 10,000 blocks: it is built beside shared_buffers, so they are not there."""
    session = stage.session()
    session.run("CREATE TABLE events AS SELECT n FROM generate_series(1, 400000) n")
    session.run("CREATE INDEX events_n ON events (n) WITH (fillfactor = 10)")
    session.run("VACUUM events")
    flush(session)
    snapshot(stage, age="10 minutes")
    session.run("SET enable_seqscan = off; SET enable_bitmapscan = off")
    session.run("SET max_parallel_workers_per_gather = 0")
    session.run("SELECT count(*) FROM events WHERE n > 0")
    flush(session)


WARN, FAIL, NOTE, UNKNOWN = Level.warn, Level.fail, Level.note, Level.unknown
EVERY = (14, 15, 16, 17, 18)
ORDERS_N, EVENTS_N = r"^public\.orders_n$", r"^public\.events_n$"
DROP_N = r"^DROP INDEX CONCURRENTLY public\.events_n;$"

FAULTS = (
    Fault("invalid-indexes", "a build that failed", failed_build, FAIL, ORDERS_N, "index of public.orders is not valid.*look for equal rows", r"^REINDEX INDEX CONCURRENTLY public\.orders_n;$", majors=EVERY),
    Fault("invalid-indexes", "a rebuild that failed", failed_rebuild, FAIL, r"^public\.orders_n_ccnew$", "REINDEX CONCURRENTLY did not end", r"^DROP INDEX CONCURRENTLY public\.orders_n_ccnew;$"),
    Fault("invalid-indexes", "of VSL's", index_of_ours, FAIL, r"^vsl\.dispatch_due_idx$", "VSL needs it$", r"^REINDEX INDEX CONCURRENTLY vsl\.dispatch_due_idx;$"),
    Fault("invalid-indexes", "a build under way", build_under_way, NOTE, ORDERS_N, r"process \d+ is building it", "REINDEX"),
    Fault("index-bloat", "most rows deleted", sparse_index, FAIL, r"^public\.events_name$", r"^about 1\d MB of 1\d MB are empty \([89]\d %", r"^REINDEX INDEX CONCURRENTLY public\.events_name;$", majors=EVERY),
    Fault("index-bloat", "a small one", sparse_index_of_an_expression, NOTE, EVENTS_N, r"\([78]\d %", r"^REINDEX INDEX CONCURRENTLY public\.events_n;$"),
    Fault("index-bloat", "statistics hidden", hidden_index, UNKNOWN, r"^public\.events$", "its indexes have", r"^GRANT SELECT ON public\.events TO test_vsl_monitor;$"),
    Fault("index-bloat", "statistics of an expression hidden", hidden_expression, UNKNOWN, r"^public\.events$", "its indexes have", "^Ask with the login of its owner"),
    Fault("unused-indexes", "for a week", unused_for_a_week, NOTE, EVENTS_N, "not one scan in 7 days", DROP_N),
    Fault("unused-indexes", "for five weeks", unused_for_long, WARN, EVENTS_N, "not one scan in 35 days", DROP_N),
    Fault("unused-indexes", "for an hour", unused_for_an_hour, NOTE, "^indexes$", "^1 indexes .* too short to tell", "Ask again"),
    Fault("duplicate-indexes", "the same twice", double_index, WARN, r"^public\.the_other_one$", r"^public\.one does the same: keep that, drop public\.the_other_one$", r"^DROP INDEX CONCURRENTLY public\.the_other_one;$", majors=EVERY),
    Fault("duplicate-indexes", "one of VSL's twice", double_of_ours, WARN, r"^public\.mine$", r"^public\.jobs_created_at_idx does the same", r"^DROP INDEX CONCURRENTLY public\.mine;$"),
    Fault("duplicate-indexes", "a constraint's twice", double_of_a_constraint, WARN, r"^public\.mine$", r"^public\.orders_pkey does the same", r"^DROP INDEX CONCURRENTLY public\.mine;$"),
    Fault("duplicate-indexes", "a beginning", mere_beginning, NOTE, r"^public\.mine$", r"^public\.jobs_user_id_idx does all that", r"^DROP INDEX CONCURRENTLY public\.mine;$"),
    Fault("duplicate-indexes", "with an included column", double_with_a_column, NOTE, r"^public\.one$", r"^public\.two does all that", r"^DROP INDEX CONCURRENTLY public\.one;$"),
    Fault("unindexed-foreign-keys", "of jobs", key_without_index, WARN, r"^notes_job_fkey on public\.notes$", r"no index begins with job, so a DELETE in public\.jobs", r"^CREATE INDEX CONCURRENTLY ON public\.notes \(job\);$", majors=EVERY),
    Fault("unindexed-foreign-keys", "with an index of some rows", key_with_a_partial_index, WARN, "^notes_job_fkey", "", r"^CREATE INDEX CONCURRENTLY ON public\.notes \(job\);$"),
    Fault("unindexed-foreign-keys", "with an index of others", key_with_an_index_of_others, WARN, "^notes_job_fkey", "", r"^CREATE INDEX CONCURRENTLY ON public\.notes \(job\);$"),
    Fault("unindexed-foreign-keys", "of another table", other_key_without_index, NOTE, "^notes_a_b_fkey", "no index begins with a, b", r"\(a, b\);$"),
    Fault("cache-hit-indexes", "a big index", cold_index, FAIL, "^indexes$", r"index blocks were read since .* are of indexes of public\.events", "vsl db tune"),
)  # fmt: skip

CALM = (
    Calm("index-bloat", "full indexes", full_indexes),
    Calm("unused-indexes", "used since", used_since),
    Calm("unused-indexes", "younger than the snapshots", younger_than_the_snapshots),
    Calm("unused-indexes", "needed by something else", unused_but_needed),
    Calm("duplicate-indexes", "each does something else", different_indexes),
    Calm("unindexed-foreign-keys", "with indexes of all kinds", keys_with_indexes),
)
