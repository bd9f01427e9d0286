"""Levels that several measures decide, on both sides of each limit.

Sizes too big for a test are written into the catalogue, where vacuum and analyze would have put
them: the checks read nothing else.
"""

from __future__ import annotations

import pytest
from tests.doctor.kit import Stage
from tests.doctor.snapshots import snapshot
from tests.doctor.table_faults import NEGLECTED
from tests.schema.kit import Session

from vsl.ops.doctor.check import Finding

MB, GB = 128, 131_072  # pages
on_18 = pytest.mark.parametrize("server", [18], indirect=True)
SIZE = "UPDATE pg_class SET relpages = %s, reltuples = %s WHERE oid = %s::regclass"


def about(stage: Stage, check: str, subject: str) -> Finding | None:
    """The finding about a subject, unless it is fine."""
    found = [f for f in stage.look(check).findings if f.subject == subject and f.level > 0]
    return found[0] if found else None


def level(stage: Stage, check: str, subject: str) -> str:
    finding = about(stage, check, subject)
    return "ok" if finding is None else finding.level.name


def analyzed(stage: Stage) -> Session:
    """One column of 100 bytes (104 with its header), in a table and in an index of it."""
    session = stage.session()
    session.run(f"CREATE TABLE events (body text) {NEGLECTED}")
    session.run("CREATE INDEX events_body ON events (body)")
    session.run("INSERT INTO events SELECT lpad(n::text, 100) FROM generate_series(1, 100) n")
    session.run("GRANT SELECT ON events TO vsl_monitor")
    session.run("ANALYZE events")
    return session


# A page takes 61 rows of 24 + 104 bytes and 4 for their pointers: (8192 - 24) / 132 = 61.9.
TABLE_ROWS = 8168 / 132


@pytest.mark.parametrize(
    ("pages", "empty", "expected"),
    [
        (999, 0.99, "ok"),  # too small to ask
        (1000, 0.99, "note"),  # less than 10 MB are empty
        (1000, 0.49, "ok"),
        (20 * MB, 0.29, "ok"),
        (20 * MB, 0.31, "ok"),  # 6 MB
        (20 * MB, 0.51, "warn"),
        (20 * MB, 0.71, "fail"),
        (40 * MB, 0.31, "note"),  # 12 MB
        (320 * MB, 0.31, "note"),  # 99 MB
        (330 * MB, 0.31, "warn"),  # 102 MB
        (3.2 * GB, 0.31, "warn"),  # 0.99 GB
        (3.4 * GB, 0.31, "fail"),  # 1.05 GB
        (100 * GB, 0.29, "ok"),
    ],
)
@on_18
def test_table_bloat(stage: Stage, pages: float, empty: float, expected: str) -> None:
    session = analyzed(stage)
    session.run(SIZE, int(pages), pages * (1 - empty) * TABLE_ROWS, "events")
    assert level(stage, "table-bloat", "public.events") == expected
    finding = about(stage, "table-bloat", "public.events")
    assert finding is None or finding.value == pytest.approx(100 * empty, abs=0.5)


@on_18
def test_table_bloat_knows_the_fillfactor(stage: Stage) -> None:
    """Half of each page is meant to be empty."""
    session = analyzed(stage)
    session.run(SIZE, 40 * MB, 40 * MB * TABLE_ROWS * 0.49, "events")
    assert level(stage, "table-bloat", "public.events") == "warn"
    session.run("ALTER TABLE events SET (fillfactor = 50)")
    assert level(stage, "table-bloat", "public.events") == "ok"


# 8192 - 24 - 16 bytes, 90 % of them filled, with entries of 8 + 104 bytes and 4 for their pointers.
INDEX_ROWS = 8152 * 0.9 / 116


@pytest.mark.parametrize(
    ("pages", "empty", "expected"),
    [
        (99, 0.99, "ok"),
        (100, 0.9, "note"),
        (100, 0.45, "ok"),
        (20 * MB, 0.48, "ok"),  # 9.6 MB
        (20 * MB, 0.51, "warn"),
        (20 * MB, 0.71, "fail"),
        (40 * MB, 0.29, "ok"),
        (40 * MB, 0.31, "note"),
        (330 * MB, 0.31, "warn"),
        (3.4 * GB, 0.31, "fail"),
    ],
)
@on_18
def test_index_bloat(stage: Stage, pages: float, empty: float, expected: str) -> None:
    session = analyzed(stage)
    session.run(SIZE, int(pages), pages * (1 - empty) * INDEX_ROWS, "events_body")
    assert level(stage, "index-bloat", "public.events_body") == expected


@pytest.mark.parametrize(
    ("pages", "empty", "expected"),
    [
        (999, 0.99, "ok"),
        (1000, 0.24, "ok"),
        (1000, 0.26, "note"),
        (1000, 0.99, "note"),  # 8 MB
        (198 * MB, 0.501, "note"),  # 99 MB
        (202 * MB, 0.501, "warn"),  # 101 MB
        (300 * MB, 0.49, "note"),
    ],
)
@on_18
def test_toast_slack(stage: Stage, pages: int, empty: float, expected: str) -> None:
    session = stage.session()
    toast = session.value(
        "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'vsl.attempts'::regclass"
    )
    session.run(SIZE, pages, 4 * pages * (1 - empty), toast)
    assert level(stage, "toast-slack", "TOAST of vsl.attempts") == expected


@pytest.mark.parametrize(("pages", "expected"), [(10 * MB - 1, "ok"), (10 * MB, "warn")])
@on_18
def test_size_of_an_unused_index(stage: Stage, pages: int, expected: str) -> None:
    session = analyzed(stage)
    session.run(SIZE, pages, 0, "events_body")
    snapshot(stage, age="35 days 1 second")
    assert level(stage, "unused-indexes", "public.events_body") == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("6 days 23 hours", "ok"),
        ("7 days 1 hour", "note"),
        ("34 days", "note"),
        ("36 days", "warn"),
    ],
)
@on_18
def test_age_of_an_unused_index(stage: Stage, age: str, expected: str) -> None:
    session = analyzed(stage)
    session.run(SIZE, 10 * MB, 0, "events_body")
    snapshot(stage, age=age)
    assert level(stage, "unused-indexes", "public.events_body") == expected


@on_18
def test_counters_that_began_anew_prove_nothing_of_an_index(stage: Stage) -> None:
    session = analyzed(stage)
    session.run(SIZE, 10 * MB, 0, "events_body")
    snapshot(stage, age="36 days")
    session.run("SELECT pg_stat_reset()")
    (finding,) = stage.look("unused-indexes").findings
    assert finding.level.name == "note"
    assert "too short to tell" in finding.evidence


@pytest.mark.parametrize(
    ("used", "expected"), [(499, "ok"), (500, "warn"), (749, "warn"), (750, "fail")]
)
@on_18
def test_sequences(stage: Stage, used: int, expected: str) -> None:
    session = stage.session()
    session.run("CREATE SEQUENCE numbers MAXVALUE 1000")
    session.run("GRANT SELECT ON SEQUENCE numbers TO vsl_monitor")
    session.run("SELECT setval('numbers', %s)", used)
    assert level(stage, "sequences", "public.numbers") == expected


@pytest.mark.parametrize(
    ("deadlocks", "expected"), [(0, "ok"), (1, "note"), (49, "note"), (51, "warn")]
)
@on_18
def test_deadlocks(stage: Stage, deadlocks: int, expected: str) -> None:
    """In ten minutes."""
    snapshot(stage, age="10 minutes", change={"database": {"deadlocks": -deadlocks}})
    assert level(stage, "deadlocks", "deadlocks") == expected


@pytest.mark.parametrize(
    ("hit", "read", "expected"),
    [
        (9000, 900, "note"),  # too few
        (99_000, 900, "ok"),
        (98_900, 1100, "note"),
        (95_100, 4900, "note"),
        (94_900, 5100, "warn"),
        (90_100, 9900, "warn"),
        (89_900, 10_100, "fail"),
    ],
)
@pytest.mark.parametrize("kind", ["tables", "indexes"])
@on_18
def test_cache_hits(stage: Stage, kind: str, hit: int, read: int, expected: str) -> None:
    session = stage.session()
    number = session.value("SELECT 'vsl.ledger_entries'::regclass::oid::text")
    short = {"tables": "heap", "indexes": "idx"}[kind]
    change = {"tables": {number: {f"{short}_hit": -hit, f"{short}_read": -read}}}
    snapshot(stage, age="10 minutes", change=change)
    assert level(stage, f"cache-hit-{kind}", kind) == expected


@on_18
def test_cache_hits_of_a_server_that_has_just_started(stage: Stage) -> None:
    session = stage.session()
    number = session.value("SELECT 'vsl.ledger_entries'::regclass::oid::text")
    snapshot(stage, age="10 minutes", change={"tables": {number: {"heap_read": -50_000}}})
    assert level(stage, "cache-hit-tables", "tables") == "fail"
    session.run(
        "UPDATE vsl.health_snapshots SET measures ="
        " jsonb_set(measures, '{started_at}', '\"2020-01-01T00:00:00+00:00\"')"
    )
    finding = about(stage, "cache-hit-tables", "tables")
    assert finding is not None
    assert finding.level.name == "note"
    assert "the server has started since" in finding.evidence


@pytest.mark.parametrize(
    ("timed", "requested", "expected"),
    [(0, 4, "ok"), (6, 5, "ok"), (5, 5, "warn"), (100, 99, "ok"), (100, 101, "warn")],
)
@on_18
def test_requested_checkpoints(stage: Stage, timed: int, requested: int, expected: str) -> None:
    change = {"checkpoints": {"timed": -timed, "requested": -requested}}
    snapshot(stage, age="10 minutes", change=change)
    assert level(stage, "requested-checkpoints", "checkpoints") == expected


@pytest.mark.parametrize(("rollbacks", "expected"), [(990, "ok"), (1200, "warn")])
@on_18
def test_rollbacks(stage: Stage, rollbacks: int, expected: str) -> None:
    """Beside 9,000 commits and those of the test itself."""
    change = {"database": {"commits": -9000, "rollbacks": -rollbacks}}
    snapshot(stage, age="10 minutes", change=change)
    assert level(stage, "rollbacks", "transactions") == expected


@pytest.mark.parametrize(
    ("files", "size", "expected"),
    [
        (9, 10**9, "ok"),
        (10, 10**6, "note"),
        (10, 170 * 2**20, "note"),
        (10, 173 * 2**20, "warn"),
    ],
)
@on_18
def test_temporary_files(stage: Stage, files: int, size: int, expected: str) -> None:
    """In ten minutes; a sixth of a gigabyte is a gigabyte an hour."""
    change = {"database": {"temp_files": -files, "temp_bytes": -size}}
    snapshot(stage, age="10 minutes", change=change)
    assert level(stage, "temporary-files", "temporary files") == expected


@pytest.mark.parametrize(
    ("age", "gone", "expected"), [("8 hours", 2**29, "note"), ("8 hours", 2**28, "ok")]
)
@on_18
def test_disk_growth(stage: Stage, age: str, gone: int, expected: str) -> None:
    snapshot(stage, age=age, change={"database": {"size": -gone}})
    name = stage.session().value("SELECT current_database()")
    assert level(stage, "disk-growth", name) == expected


@on_18
def test_vacuum_follows_the_settings_of_each_table(stage: Stage) -> None:
    session = stage.session()
    session.run(f"CREATE TABLE events (n integer) {NEGLECTED}")
    session.run("INSERT INTO events SELECT generate_series(1, 3000)")
    session.run("VACUUM ANALYZE events")
    session.run("DELETE FROM events WHERE n <= 2000; SELECT pg_stat_force_next_flush()")
    snapshot(stage, age="10 minutes")
    # 2,000 dead rows; autovacuum begins at 50 + 0.2 * 3,000.
    assert level(stage, "vacuum-overdue", "public.events") == "warn"
    for setting, expected in (
        ("autovacuum_vacuum_threshold = 1000", "ok"),
        ("autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.5", "ok"),
        ("autovacuum_vacuum_scale_factor = 0.3", "warn"),
    ):
        session.run(f"ALTER TABLE events SET ({setting})")
        assert level(stage, "vacuum-overdue", "public.events") == expected, setting
    # Since 18 a number can be enough, however big the table.
    session.run("ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 10)")
    assert level(stage, "vacuum-overdue", "public.events") == "ok"
    session.run("ALTER TABLE events SET (autovacuum_vacuum_max_threshold = 900)")
    assert level(stage, "vacuum-overdue", "public.events") == "warn"
