"""``vsl db bloat``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import Connect
from tests.looks.conftest import Look
from tests.looks.filling import fill_jobs
from tests.schema.kit import Session
from tests.support.waiting import wait_until

from vsl.db.statements_looks import Bloat, DatabaseFacts, DeadRows, HorizonHolder
from vsl.ops.bloat import (
    WASTED,
    BloatLook,
    TableBloat,
    empty_bytes,
    old_holders,
    remarks_on_bloat,
    table_bloat,
    toast_slack,
)

Seen = Callable[..., Any]


def _jobs(found: Any) -> Any:
    return next(t for t in found["tables"] if (t["schema"], t["name"]) == ("public", "jobs"))


def _counted(seen: Seen, database: str, dead: int) -> Any:
    """The look, once the server has counted so many dead rows of jobs."""

    def look() -> Any:
        found = seen(database, "bloat")
        return found if _jobs(found)["dead"] == dead else None

    return wait_until(look, what=f"{dead} dead rows to be counted")


def test_dead_rows_are_told_with_when_autovacuum_comes(
    database: str, owner: Session, connect: Connect, seen: Seen
) -> None:
    owner.run("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    fill_jobs(owner, 1000)
    with connect(database) as other:  # a session's counters are told at its end, at the latest
        other.execute("UPDATE jobs SET metadata = '{}' WHERE id IN (SELECT id FROM jobs LIMIT 300)")
    found = _counted(seen, database, 300)
    jobs = _jobs(found)
    assert (jobs["live"], jobs["is_autovacuumed"]) == (1000, False)
    assert jobs["dead_share"] == pytest.approx(300 / 1300)
    assert jobs["last_vacuum"] is not None
    assert jobs["last_autovacuum"] is None
    dead = [table["dead"] for table in found["tables"]]
    assert dead == sorted(dead, reverse=True)
    off = next(r for r in found["remarks"] if "Autovacuum is off for public.jobs" in r["says"])
    assert off["next"] == "vsl db maintain"


def test_the_trigger_follows_the_settings_in_force(
    database: str, owner: Session, seen: Seen
) -> None:
    fill_jobs(owner, 1000)
    scale = owner.value("SELECT current_setting('autovacuum_vacuum_scale_factor')::float8")
    options = owner.value(
        "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE oid = 'jobs'::regclass"
    )
    assert "autovacuum_vacuum_scale_factor=" in options
    own = float(options.split("autovacuum_vacuum_scale_factor=")[1].split()[0])
    found = seen(database, "bloat")
    assert _jobs(found)["dead_for_autovacuum"] == 50 + own * 1000 != 50 + scale * 1000
    dispatch = next(t for t in found["tables"] if t["name"] == "dispatch")
    assert dispatch["dead_for_autovacuum"] == 1000
    owner.run(
        "ALTER TABLE jobs SET (autovacuum_vacuum_threshold = 7, autovacuum_vacuum_scale_factor = 1)"
    )
    assert _jobs(seen(database, "bloat"))["dead_for_autovacuum"] == 1007
    if owner.connection.info.server_version >= 180000:
        owner.run("ALTER TABLE jobs SET (autovacuum_vacuum_max_threshold = 99)")
        assert _jobs(seen(database, "bloat"))["dead_for_autovacuum"] == 99
        owner.run("ALTER TABLE jobs SET (autovacuum_vacuum_max_threshold = -1)")
        assert _jobs(seen(database, "bloat"))["dead_for_autovacuum"] == 1007


def test_empty_space_is_estimated_without_the_right_to_read_the_rows(
    database: str, owner: Session, seen: Seen
) -> None:
    owner.run("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    fill_jobs(owner, 20_000)
    full = _jobs(seen(database, "bloat"))
    assert full["empty_estimate"] < 0.15 * full["bytes"]
    owner.run("DELETE FROM jobs WHERE ctid NOT IN (SELECT ctid FROM jobs ORDER BY id LIMIT 8000)")
    # A row that stays at the end keeps the file from being cut.
    owner.run("INSERT INTO jobs (user_id, model_id, status) VALUES ('ada', 'outside', 'failed')")
    owner.run("VACUUM (ANALYZE) jobs")
    found = seen(database, "bloat")
    jobs = _jobs(found)
    real = owner.one(
        "SELECT pg_relation_size('jobs') AS bytes, pg_relation_size('jobs_pkey') AS pkey"
    )
    assert jobs["bytes"] == real["bytes"]
    if jobs["bytes"] > 0.9 * full["bytes"]:
        assert 0.45 <= jobs["empty_estimate"] / jobs["bytes"] <= 0.75
    pkey = next(i for i in found["indexes"] if i["index_name"] == "jobs_pkey")
    assert pkey["pages"] * 8192 == real["pkey"]
    owner.run("REINDEX INDEX jobs_pkey")
    rebuilt = owner.value("SELECT pg_relation_size('jobs_pkey')") / 8192
    assert pkey["needed"] == pytest.approx(rebuilt, rel=0.15)


def test_toast_has_a_lower_bound(database: str, owner: Session, seen: Seen) -> None:
    owner.run("ALTER TABLE jobs SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)")
    fill_jobs(owner, 800, prompt=300)
    full = _jobs(seen(database, "bloat"))
    assert full["toast_empty_at_least"] < 0.2 * full["toast_pages"] * 8192
    owner.run("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY random() LIMIT 500)")
    owner.run("VACUUM (ANALYZE) jobs")
    half = _jobs(seen(database, "bloat"))
    whole = half["toast_pages"] * 8192
    assert 0.4 * whole < half["toast_empty_at_least"] < 0.7 * whole


def test_what_was_never_analyzed_is_not_known(database: str, owner: Session, look: Look) -> None:
    owner.run("CREATE TABLE fresh (a int, b text) WITH (autovacuum_enabled = off)")
    owner.run("INSERT INTO fresh SELECT g, repeat('x', 500) FROM generate_series(1, 2000) g")
    owner.run("ALTER TABLE fresh OWNER TO vsl_owner")
    document = look(database, "bloat", "--json").document
    fresh = next(t for t in document["tables"] if t["name"] == "fresh")
    assert fresh["empty_estimate"] is None
    owner.run("VACUUM fresh")  # counts pages and rows, and no widths
    done = look(database, "bloat")
    line = next(line for line in done.out.splitlines() if line.startswith("public.fresh"))
    assert "–" in line
    assert "Empty space is not known (–) where nothing was analyzed yet." in done.out
    owner.run("ANALYZE fresh")
    document = look(database, "bloat", "--json").document
    fresh = next(t for t in document["tables"] if t["name"] == "fresh")
    assert fresh["empty_estimate"] is not None


def test_without_vsl_dead_rows_are_told_and_empty_space_is_not(
    empty_database: str, connect: Connect, look: Look
) -> None:
    connect(empty_database).execute("CREATE TABLE public.t (a int)")
    done = look(empty_database, "bloat", "--json", role="plain")
    assert done.status == 0
    assert [table["name"] for table in done.document["tables"]] == ["t"]
    assert done.document["unknown"].startswith("column widths cannot be read")
    assert done.document["remarks"][-1]["next"] == "vsl db migrate"


def test_who_keeps_dead_rows_is_named(
    database: str, owner: Session, connect: Connect, seen: Seen
) -> None:
    fill_jobs(owner, 10)
    holder = connect(database, autocommit=False, application_name="report")
    holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    holder.execute("SELECT 1 FROM jobs")
    writer = connect(database, autocommit=False, application_name="writer")
    writer.execute("UPDATE jobs SET metadata = '{}'")
    for _ in range(3):
        owner.run("INSERT INTO jobs (user_id, model_id, status) VALUES ('a', 'outside', 'failed')")
    holders = {h["application"]: h for h in seen(database, "bloat")["holders"]}
    assert holders["report"]["pid"] == holder.info.backend_pid
    assert (holders["report"]["kind"], holders["report"]["state"]) == (
        "session",
        "idle in transaction",
    )
    assert holders["report"]["transactions"] >= holders["writer"]["transactions"] >= 3
    holder.rollback()
    writer.rollback()
    assert not {"report", "writer"} & {h["application"] for h in seen(database, "bloat")["holders"]}


def test_a_prepared_transaction_keeps_dead_rows(
    odd_database: str, connect: Connect, look: Look
) -> None:
    owner = Session(connect(odd_database))
    owner.run("BEGIN")
    owner.run("CREATE TABLE lost (a int)")
    owner.run("PREPARE TRANSACTION 'lost'")
    other = connect(odd_database)
    other.execute("CREATE TABLE t (a int) WITH (autovacuum_enabled = off)")
    other.execute("INSERT INTO t SELECT generate_series(1, 10)")
    other.execute("DELETE FROM t")
    other.close()
    try:
        wait_until(
            lambda: owner.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 't'")
        )
        said = look(odd_database, "bloat").out
        assert "the prepared transaction 'lost' of vsl has held them for" in said
        assert "Vacuum is in vain until then." in said
    finally:
        owner.run("ROLLBACK PREPARED 'lost'")


def test_a_slot_keeps_dead_rows_when_it_has_a_horizon(
    database: str, owner: Session, seen: Seen
) -> None:
    owner.run("SELECT pg_create_physical_replication_slot('looked_at', true)")
    try:
        slots = [h for h in seen(database, "bloat")["holders"] if h["name"] == "looked_at"]
        assert slots == []  # it has no horizon before a standby says one
    finally:
        owner.run("SELECT pg_drop_replication_slot('looked_at')")


# What is estimated, and what stands out.

DEAD = DeadRows(
    schema="public",
    name="jobs",
    live=90_000,
    dead=10_000,
    last_vacuum=None,
    last_autovacuum=None,
    is_autovacuumed=True,
    dead_for_autovacuum=10_000,
    is_being_vacuumed=False,
    pages=1000,
    toast_pages=0,
    toast_rows=0,
    toast_dead=0,
)
FACTS = DatabaseFacts("d", 1, None, None, "r", True)  # type: ignore[arg-type]


def _look(*tables: TableBloat, holders: Any = (), unknown: str | None = None) -> BloatLook:
    return BloatLook(database=FACTS, tables=tables, indexes=(), holders=holders, unknown=unknown)


def _table(dead: DeadRows = DEAD, **changed: Any) -> TableBloat:
    given: dict[str, Any] = {
        "bytes": 1000 * 8192,
        "empty": 0,
        "toast_empty": 0,
        "index_bytes": 0,
        "index_empty": 0,
    }
    return TableBloat(dead=dead, **{**given, **changed})


@pytest.mark.parametrize(
    ("live", "dead", "said"),
    [
        (90_000, 10_000, "public.jobs has 10,000 dead rows, 10.0 % of all."),
        (90_000, 9_999, "Nothing stands out."),
        (90_001, 10_000, "Nothing stands out."),
    ],
)
def test_dead_rows_stand_out_when_many_and_a_tenth(live: int, dead: int, said: str) -> None:
    (remark,) = remarks_on_bloat(_look(_table(replace(DEAD, live=live, dead=dead))))
    # 10,000 of 100,001 are less than a tenth.
    assert remark.says == said


def test_a_vacuum_at_work_is_told() -> None:
    (remark,) = remarks_on_bloat(_look(_table(replace(DEAD, is_being_vacuumed=True))))
    assert remark.says.endswith("it is being vacuumed.")
    assert remark.next is None


@pytest.mark.parametrize(
    ("empty", "whole", "said"),
    [(WASTED, 3 * WASTED, True), (WASTED - 1, 3 * WASTED, False), (WASTED, 4 * WASTED, False)],
)
def test_empty_space_stands_out_from_100_mb_and_30_percent_on(
    empty: int, whole: int, said: bool
) -> None:
    quiet = replace(DEAD, dead=0)
    remarks = remarks_on_bloat(_look(_table(quiet, bytes=whole, empty=empty)))
    assert ("About 100.0 MB of public.jobs" in remarks[0].says) is said


def test_autovacuum_comes_after_its_trigger_not_at_it() -> None:
    assert _table().is_due is False
    assert _table(replace(DEAD, dead=10_001)).is_due is True
    assert _table(replace(DEAD, dead=10_001, is_autovacuumed=False)).is_due is False


HOLDER = HorizonHolder("session", 7, None, "ada", "report", "idle in transaction", 1234, 60.0)


@pytest.mark.parametrize(
    ("change", "said", "cure"),
    [
        ({}, "process 7 (report, ada) has held them for 60 s", "vsl db kill 7"),
        ({"kind": "standby", "age": 1.0}, "a standby (report)", "vsl db doctor"),
        (
            {"kind": "replication slot", "name": "s", "state": "inactive", "age": None},
            "the replication slot s (inactive) has held them. Vacuum",
            "vsl db doctor",
        ),
    ],
)
def test_who_holds_dead_rows_comes_first(change: dict[str, Any], said: str, cure: str) -> None:
    remark = remarks_on_bloat(_look(_table(), holders=[replace(HOLDER, **change)]))[0]
    assert remark.says.startswith("Dead rows of the last 1,234 transactions cannot be removed: ")
    assert said in remark.says
    assert remark.next == cure


def test_a_young_snapshot_is_nothing_to_speak_of() -> None:
    assert old_holders([replace(HOLDER, age=59.9), HOLDER]) == [HOLDER]
    clean = _table(replace(DEAD, dead=0))
    assert remarks_on_bloat(_look(clean, holders=[HOLDER]))[0].says == "Nothing stands out."


def test_pages_beyond_the_need_are_empty() -> None:
    bloat = Bloat("public", "jobs", None, 10, 4, 8192)
    assert empty_bytes(bloat) == 6 * 8192
    assert empty_bytes(replace(bloat, needed=11)) == 0
    assert empty_bytes(replace(bloat, needed=None)) is None


@pytest.mark.parametrize(
    ("pages", "rows", "slack"),
    [(None, None, None), (10, None, None), (0, 0, 0), (10, 40, 0), (10, 41, 0), (10, 10, 61_440)],
)
def test_the_slack_of_toast(pages: int | None, rows: int | None, slack: int | None) -> None:
    assert toast_slack(pages, rows, 8192) == slack


def test_estimates_of_indexes_are_added_up_where_they_are_known() -> None:
    estimates = [
        Bloat("public", "jobs", None, 10, 4, 8192),
        Bloat("public", "jobs", "a", 5, 2, 8192),
        Bloat("public", "jobs", "b", 7, None, 8192),
        Bloat("vsl", "jobs", "c", 9, 1, 8192),
    ]
    found = table_bloat(DEAD, estimates)
    assert (found.empty, found.index_bytes, found.index_empty) == (49152, 40960, 24576)
    assert table_bloat(DEAD, []).empty is None
    assert table_bloat(DEAD, []).index_empty is None
