"""Faults of tables that the doctor must find, and what only looks like one.

Autovacuum is switched off for a table whose neglect is to be seen.
"""

# ruff: noqa: E501
# The cases below are a table: one a line.

from __future__ import annotations

from tests.doctor.kit import Calm, Fault, Stage
from tests.doctor.snapshots import flush, snapshot
from tests.schema.kit import MODELS, Session
from tests.support.waiting import wait_until

from vsl.ops.doctor.check import Level

NEGLECTED = "WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
# As many rows as pages: each takes nearly a whole one.
WIDE = "INSERT INTO {} SELECT n, repeat('x', 7000) FROM generate_series(1, {}) n"


def numbers(stage: Stage, rows: int, options: str = NEGLECTED) -> Session:
    """A table of numbers as autovacuum would have left it."""
    session = stage.session()
    session.run(f"CREATE TABLE events (n integer) {options}")
    session.run("INSERT INTO events SELECT generate_series(1, %s)", rows)
    flush(session)
    session.run("VACUUM ANALYZE events")
    return session


def dead_rows(stage: Stage) -> None:
    session = numbers(stage, 60_000)
    session.run("DELETE FROM events WHERE n <= 11000")
    flush(session)


def few_dead_rows(stage: Stage) -> None:
    session = numbers(stage, 10_000)
    session.run("DELETE FROM events")
    flush(session)


def dead_toast(stage: Stage) -> None:
    session = stage.session()
    session.run(f"CREATE TABLE answers (n integer, body text) {NEGLECTED}")
    session.run("ALTER TABLE answers ALTER COLUMN body SET STORAGE EXTERNAL")
    session.run("INSERT INTO answers SELECT n, repeat('x', 40000) FROM generate_series(1, 600) n")
    session.run("DELETE FROM answers WHERE n > 10")
    flush(session)


def sparse_table(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE answers (n integer, body text)")
    session.run("INSERT INTO answers SELECT n, repeat('x', 700) FROM generate_series(1, 20000) n")
    session.run("GRANT SELECT ON answers TO vsl_monitor")
    # Some stay on every page, so that vacuum cannot cut the table off.
    session.run("DELETE FROM answers WHERE n % 10 > 0")
    session.run("VACUUM ANALYZE answers")


def wide_table(stage: Stage, pages: int) -> Session:
    session = stage.session()
    session.run("CREATE TABLE answers (n integer, body text)")
    session.run("ALTER TABLE answers ALTER COLUMN body SET STORAGE PLAIN")
    session.run(WIDE.format("answers", pages))
    return session


def hidden_statistics(stage: Stage) -> None:
    wide_table(stage, 1000).run("VACUUM ANALYZE answers")


def small_and_hidden(stage: Stage) -> None:
    wide_table(stage, 990).run("VACUUM ANALYZE answers")


def full_table(stage: Stage) -> None:
    session = wide_table(stage, 1000)
    session.run("GRANT SELECT ON answers TO vsl_monitor")
    session.run("VACUUM ANALYZE answers")


def vacuumed_but_not_analyzed(stage: Stage) -> None:
    session = wide_table(stage, 1000)
    session.run("GRANT SELECT ON answers TO vsl_monitor")
    session.run("VACUUM answers")


def large_parameters(stage: Stage, *, kept: int = 4) -> None:
    """Jobs with parameters of 9 kB that do not compress; each ``kept``-th stays."""
    session = stage.session()
    session.run(MODELS)
    session.run(
        "INSERT INTO jobs (user_id, model_id, parameters) SELECT 'ada', 'outside',"
        " jsonb_build_object('image', (SELECT string_agg(md5(n::text || m), '')"
        " FROM generate_series(1, 280) m)) FROM generate_series(1, 1000) n"
    )
    session.run(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER"
        " (ORDER BY id) AS n FROM jobs) j WHERE n %% %s > 0)",
        kept,
    )
    session.run("VACUUM jobs")


def large_parameters_kept(stage: Stage) -> None:
    large_parameters(stage, kept=1)


def vacuum_overdue(stage: Stage) -> None:
    session = numbers(stage, 40_000)
    session.run("DELETE FROM events WHERE n <= 30000")
    flush(session)
    snapshot(stage, age="10 minutes")


def vacuum_long_overdue(stage: Stage) -> None:
    settings = "autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0"
    session = numbers(stage, 110_000, f"WITH (autovacuum_enabled = off, {settings})")
    session.run("DELETE FROM events WHERE n <= 100000")
    flush(session)
    snapshot(stage, age="10 minutes")


def inserts_overdue(stage: Stage) -> None:
    settings = "autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0"
    session = numbers(stage, 2000, f"WITH (autovacuum_enabled = off, {settings})")
    session.run("INSERT INTO events SELECT generate_series(1, 1000)")
    flush(session)
    snapshot(stage, age="10 minutes")


def vacuum_just_due(stage: Stage) -> None:
    """A big deletion of a moment ago: autovacuum comes within a minute."""
    session = numbers(stage, 40_000)
    flush(session)
    snapshot(stage, age="10 minutes")
    session.run("DELETE FROM events WHERE n <= 30000")
    flush(session)


def vacuum_not_due(stage: Stage) -> None:
    session = numbers(stage, 40_000)
    session.run("DELETE FROM events WHERE n <= 12000")
    flush(session)
    snapshot(stage, age="10 minutes")


def analyze_overdue(stage: Stage) -> None:
    session = numbers(stage, 10_000)
    session.run("UPDATE events SET n = n + 1")
    flush(session)
    snapshot(stage, age="10 minutes")


def statistics_missing(stage: Stage) -> None:
    session = stage.session()
    session.run(f"CREATE TABLE events (n integer) {NEGLECTED}")
    session.run("INSERT INTO events SELECT generate_series(1, 1000)")
    flush(session)
    snapshot(stage, age="10 minutes")


def just_filled(stage: Stage) -> None:
    session = stage.session()
    session.run(f"CREATE TABLE events (n integer) {NEGLECTED}")
    snapshot(stage, age="10 minutes")
    session.run("INSERT INTO events SELECT generate_series(1, 50000)")
    flush(session)


def jobs_without_autovacuum(stage: Stage) -> None:
    stage.session().run("ALTER TABLE jobs SET (autovacuum_enabled = false)")


def toast_without_autovacuum(stage: Stage) -> None:
    stage.session().run("CREATE TABLE answers (body text) WITH (toast.autovacuum_enabled = off)")


def autovacuum_off(stage: Stage) -> None:
    set_system(stage, "autovacuum", "off")


def set_system(stage: Stage, name: str, value: str) -> None:
    """Change a setting of the server as long as the test."""
    session = stage.session()

    def change(statement: str) -> None:
        loaded = "SELECT pg_conf_load_time()"
        before = session.value(loaded)
        session.run(statement)
        session.run("SELECT pg_reload_conf()")
        # New sessions have what the server's first process has read.
        wait_until(lambda: stage.session().value(loaded) > before, what="the file was read")

    stage.later(lambda: change(f"ALTER SYSTEM RESET {name}"))
    change(f"ALTER SYSTEM SET {name} = '{value}'")


def big_table(stage: Stage, rows: int = 1_000_001, options: str = "") -> None:
    """As the catalogue has it after an analyze of so many rows."""
    session = numbers(stage, 10, options)
    session.run("UPDATE pg_class SET reltuples = %s WHERE relname = 'events'", rows)


def big_enough_table(stage: Stage) -> None:
    big_table(stage, 1_000_000)


def big_tended_table(stage: Stage) -> None:
    big_table(stage, options="WITH (autovacuum_vacuum_scale_factor = 0.05)")


def whole_reads(stage: Stage, times: int = 10) -> None:
    session = numbers(stage, 10_100)
    session.run("CREATE INDEX ON events (n)")
    flush(session)
    snapshot(stage, age="10 minutes")
    for _ in range(times):
        session.run("SELECT sum(n) FROM events")
    session.run("SET enable_seqscan = off")
    for _ in range(10):
        session.run("SELECT n FROM events WHERE n = 1")
    flush(session)


def few_whole_reads(stage: Stage) -> None:
    whole_reads(stage, 9)


def cold_table(stage: Stage) -> None:
    """10,500 blocks with one row in each, read whole: of a big table little stays in memory."""
    session = stage.session()
    session.run(
        "CREATE TABLE events WITH (fillfactor = 10) AS"
        " SELECT repeat('x', 700) AS body FROM generate_series(1, 10500)"
    )
    flush(session)
    snapshot(stage, age="10 minutes")
    for _ in range(2):
        session.run("SELECT count(*) FROM events")
    flush(session)


def warm_table(stage: Stage) -> None:
    session = numbers(stage, 100_000)
    flush(session)
    snapshot(stage, age="10 minutes")
    for _ in range(25):
        session.run("SELECT count(*) FROM events")
    flush(session)


def used_up(part: int) -> str:
    return f"SELECT setval('orders_id_seq', {part})"


def used_up_column(stage: Stage) -> None:
    """The sequence goes on for long, the column that it fills does not."""
    session = stage.session()
    session.run("CREATE TABLE orders (id serial)")
    session.run("ALTER SEQUENCE orders_id_seq AS bigint")
    session.run(used_up(1_610_612_736))
    session.run("GRANT SELECT ON SEQUENCE orders_id_seq TO vsl_monitor")


def half_used_sequence(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE SEQUENCE orders_id_seq MAXVALUE 1000")
    session.run(used_up(500))
    session.run("GRANT SELECT ON SEQUENCE orders_id_seq TO vsl_monitor")


def falling_sequence(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE SEQUENCE orders_id_seq INCREMENT -1 MINVALUE -1000 START -1")
    session.run(used_up(-800))
    session.run("GRANT SELECT ON SEQUENCE orders_id_seq TO vsl_monitor")


def sequence_that_begins_again(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE SEQUENCE orders_id_seq MAXVALUE 1000 CYCLE")
    session.run(used_up(1000))
    session.run("GRANT SELECT ON SEQUENCE orders_id_seq TO vsl_monitor")


def sequence_never_used(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE orders (id serial)")
    session.run("GRANT SELECT ON SEQUENCE orders_id_seq TO vsl_monitor")


def hidden_sequence(stage: Stage) -> None:
    stage.session().run("CREATE TABLE orders (id serial)")


def unvalidated_check(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE orders (n integer)")
    session.run("ALTER TABLE orders ADD CONSTRAINT n_positive CHECK (n > 0) NOT VALID")


def unvalidated_domain(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE DOMAIN amount AS integer")
    session.run("ALTER DOMAIN amount ADD CONSTRAINT not_negative CHECK (VALUE >= 0) NOT VALID")


def not_enforced(stage: Stage) -> None:
    stage.session().run("CREATE TABLE orders (n integer CHECK (n > 0) NOT ENFORCED)")


def fast_growth(stage: Stage) -> None:
    """A snapshot of eight hours ago, when the database was a gigabyte smaller."""
    snapshot(stage, age="8 hours", change={"database": {"size": -(1 << 30)}})


def slow_growth(stage: Stage) -> None:
    snapshot(stage, age="8 hours", change={"database": {"size": -(1 << 28)}})


EVENTS, ANSWERS = r"^public\.events$", r"^public\.answers$"
VACUUM_EVENTS = r"^VACUUM \(ANALYZE\) public\.events;$"
ORDERS = r"^public\.orders_id_seq$"
GRANT_SEQUENCE = r"^GRANT SELECT ON SEQUENCE public\.orders_id_seq TO test_vsl_monitor;$"
WARN, FAIL, NOTE, UNKNOWN = Level.warn, Level.fail, Level.note, Level.unknown
EVERY = (14, 15, 16, 17, 18)

FAULTS = (
    Fault("dead-rows", "of a table", dead_rows, WARN, EVENTS, "^11000 dead rows beside 49000", VACUUM_EVENTS),
    Fault("dead-rows", "of TOAST", dead_toast, FAIL, r"^TOAST of public\.answers$", "1[12]... dead", r"^VACUUM \(ANALYZE\) public\.answers;$"),
    Fault("table-bloat", "most rows deleted", sparse_table, FAIL, ANSWERS, r"^about 13 MB of 14 MB are empty \((89|90) %", "pg_repack", majors=EVERY),
    Fault("table-bloat", "statistics hidden", hidden_statistics, UNKNOWN, ANSWERS, "it has 8000 kB", r"^GRANT SELECT ON public\.answers TO test_vsl_monitor;$", majors=EVERY),
    Fault("table-bloat", "no statistics", vacuumed_but_not_analyzed, UNKNOWN, ANSWERS, "it has 8000 kB", r"^ANALYZE public\.answers;$"),
    Fault("toast-slack", "three of four jobs deleted", large_parameters, NOTE, r"^TOAST of public\.jobs$", r"^at least .* are empty \([567]\d %\)", "pg_repack", majors=EVERY),
    Fault("vacuum-overdue", "for a while", vacuum_overdue, WARN, EVENTS, "^30000 rows dead .*begins at 8050; it was overdue at", VACUUM_EVENTS),
    Fault("vacuum-overdue", "by far", vacuum_long_overdue, FAIL, EVENTS, "^100000 rows dead .*begins at 10000; it was", VACUUM_EVENTS),
    Fault("vacuum-overdue", "of inserted rows", inserts_overdue, WARN, EVENTS, "^1000 rows inserted .*begins at 500; it was", VACUUM_EVENTS),
    Fault("vacuum-overdue", "since now", vacuum_just_due, NOTE, EVENTS, "no snapshot tells for how long$", VACUUM_EVENTS),
    Fault("analyze-overdue", "for a while", analyze_overdue, WARN, EVENTS, "^10000 rows changed .* from 1050 on; so it was at", r"^ANALYZE public\.events;$"),
    Fault("analyze-overdue", "never", statistics_missing, WARN, EVENTS, "^it has 1000 rows and no statistics", r"^ANALYZE public\.events;$"),
    Fault("analyze-overdue", "since now", just_filled, NOTE, EVENTS, "^it has 50000 rows and no statistics", r"^ANALYZE public\.events;$"),
    Fault("autovacuum-settings", "of a table of VSL's", jobs_without_autovacuum, FAIL, r"^public\.jobs$", "off for this table", r"^ALTER TABLE public\.jobs RESET \(autovacuum_enabled\);$", majors=EVERY),
    Fault("autovacuum-settings", "of the server", autovacuum_off, FAIL, "^autovacuum$", "wraparound", r"^ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf\(\);$"),
    Fault("autovacuum-settings", "of a table's TOAST", toast_without_autovacuum, WARN, ANSWERS, "TOAST", r"RESET \(toast\.autovacuum_enabled\);$"),
    Fault("scale-factors", "a million rows", big_table, NOTE, EVENTS, r"200001 dead rows \(20.0 % of 1000001\)", r"^ALTER TABLE public\.events SET \(autovacuum_vacuum_scale_factor = 0.01"),
    Fault("sequential-scans", "half of the scans", whole_reads, NOTE, EVENTS, "^10 of 20 scans .*10100 rows each", "EXPLAIN"),
    Fault("cache-hit-tables", "a big table", cold_table, FAIL, "^tables$", r"blocks were read since .*are of public\.events", "vsl db tune"),
    Fault("sequences", "of an integer", used_up_column, FAIL, ORDERS, "1610612736 of 2147483647 .*public.orders.id is of type integer", "bigint", majors=EVERY),
    Fault("sequences", "half of it", half_used_sequence, WARN, ORDERS, "^500 of 1000 numbers", "bigint"),
    Fault("sequences", "downwards", falling_sequence, FAIL, ORDERS, "^800 of 1000 numbers", "bigint"),
    Fault("sequences", "hidden", hidden_sequence, UNKNOWN, "^sequences$", "1 sequences, such as public.orders_id_seq", GRANT_SEQUENCE, majors=EVERY),
    Fault("unvalidated-constraints", "a check", unvalidated_check, WARN, r"^n_positive on public\.orders$", "^the check", r"^ALTER TABLE public\.orders VALIDATE CONSTRAINT n_positive;$", majors=EVERY),
    Fault("unvalidated-constraints", "of a domain", unvalidated_domain, WARN, r"^not_negative on public\.amount$", "^the check", r"^ALTER DOMAIN public\.amount VALIDATE CONSTRAINT not_negative;$"),
    Fault("disk-growth", "a gigabyte in hours", fast_growth, NOTE, "^t", r"grew by 307\d MB a day since .* free space", "vsl db sizes", majors=EVERY),
)  # fmt: skip

CALM = (
    Calm("dead-rows", "10,000 of them", few_dead_rows),
    Calm("table-bloat", "a full table", full_table),
    Calm("table-bloat", "a small table that is hidden", small_and_hidden),
    Calm("toast-slack", "nothing deleted", large_parameters_kept),
    Calm("vacuum-overdue", "less than twice the number", vacuum_not_due),
    Calm("scale-factors", "just a million rows", big_enough_table),
    Calm("scale-factors", "a factor of its own", big_tended_table),
    Calm("sequential-scans", "nine times", few_whole_reads),
    Calm("cache-hit-tables", "a table in memory", warm_table),
    Calm("sequences", "one that begins again", sequence_that_begins_again),
    Calm("sequences", "one that was never used", sequence_never_used),
    Calm("unvalidated-constraints", "one that is not meant to hold", not_enforced, majors=(18,)),
    Calm("disk-growth", "less than a gigabyte a day", slow_growth),
)
