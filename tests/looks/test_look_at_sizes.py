"""``vsl db sizes``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import Connect
from tests.looks.conftest import Look
from tests.looks.filling import fill_jobs
from tests.schema.kit import Session

from vsl.db.statements_looks import DatabaseFacts, Growth, TableSize
from vsl.ops.looks import Remark, Sizes, remarks_on_sizes

Seen = Callable[..., Any]
MB = 1024**2
PARTS = """
SELECT pg_total_relation_size(c.oid) AS total, pg_indexes_size(c.oid) AS indexes,
    pg_total_relation_size(c.reltoastrelid) AS toast,
    pg_database_size(current_database()) AS database
FROM pg_class c WHERE c.oid = 'public.jobs'::regclass
"""


def test_sizes_are_those_of_the_files(database: str, owner: Session, seen: Seen) -> None:
    fill_jobs(owner, 300, prompt=150)
    found = seen(database, "sizes")
    jobs, real = found["tables"][0], owner.one(PARTS)
    assert (jobs["schema"], jobs["name"], jobs["rows"]) == ("public", "jobs", 300)
    assert {name: jobs[name] for name in ("total", "indexes", "toast")} == {
        name: real[name] for name in ("total", "indexes", "toast")
    }
    assert jobs["heap"] + jobs["indexes"] + jobs["toast"] == jobs["total"]
    assert jobs["toast"] > jobs["heap"] > 0
    assert found["exact"] is True
    assert abs(found["database"]["bytes"] - real["database"]) < MB
    assert jobs["share"] == pytest.approx(jobs["total"] / found["database"]["bytes"])
    totals = [table["total"] for table in found["tables"]]
    assert totals == sorted(totals, reverse=True)
    assert {table["schema"] for table in found["tables"]} == {"public", "vsl"}


def test_the_table_is_readable(database: str, owner: Session, look: Look) -> None:
    fill_jobs(owner, 300, prompt=150)
    done = look(database, "sizes", "--limit", "2")
    assert done.status == 0
    lines = done.out.splitlines()
    headings = ["table", "rows", "heap", "indexes", "TOAST", "total", "share", "growth"]
    assert lines[0].split() == headings
    assert lines[1].split()[:2] == ["public.jobs", "300"]
    assert " MB" in lines[1]
    assert " %" in lines[1]
    assert "more: --limit)" in lines[3]
    assert "The largest is public.jobs" in done.out
    assert "is long values (TOAST)" in done.out
    assert done.out.endswith("next: vsl db bloat\n")


def test_all_shows_other_schemas(database: str, owner: Session, seen: Seen) -> None:
    owner.run("CREATE SCHEMA guests CREATE TABLE guests.book (line text)")
    names = {(t["schema"], t["name"]) for t in seen(database, "sizes", "--all")["tables"]}
    assert ("guests", "book") in names
    own = {(t["schema"], t["name"]) for t in seen(database, "sizes")["tables"]}
    assert ("guests", "book") not in own


def test_a_locked_table_holds_nobody_up(
    database: str, owner: Session, connect: Connect, seen: Seen
) -> None:
    fill_jobs(owner, 300)
    locker = connect(database, autocommit=False)
    locker.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    found = seen(database, "sizes")
    pages = owner.value("SELECT relpages FROM pg_class WHERE oid = 'public.jobs'::regclass")
    jobs = next(table for table in found["tables"] if table["name"] == "jobs")
    assert (found["exact"], jobs["heap"], jobs["rows"]) == (False, pages * 8192, 300)
    assert "A table is locked" in found["remarks"][0]["says"]
    assert found["remarks"][0]["next"] == "vsl db locks"


def test_growth_is_told_from_a_snapshot_of_a_week_ago(
    database: str, owner: Session, seen: Seen, look: Look
) -> None:
    fill_jobs(owner, 300)
    table = owner.one(
        "SELECT oid::text, relpages FROM pg_class WHERE oid = 'public.jobs'::regclass"
    )
    size = owner.value("SELECT pg_database_size(current_database())")
    for days, less in ((20, 9), (8, 3), (6, 1)):
        measures = {
            "database": {"size": size - less * MB},
            "tables": {table["oid"]: {"name": "public.jobs", "pages": table["relpages"] - less}},
        }
        owner.run(
            "INSERT INTO vsl.health_snapshots (taken_at, measures)"
            " VALUES (now() - make_interval(days => %s), %s)",
            days,
            json.dumps(measures),
        )
    found = seen(database, "sizes")
    jobs = next(t for t in found["tables"] if t["name"] == "jobs")
    assert jobs["growth"] == 3 * 8192
    assert abs(found["database"]["growth"] - 3 * MB) < MB
    assert next(t for t in found["tables"] if t["name"] == "attempts")["growth"] is None
    said = look(database, "sizes").out
    assert "+24 kB" in said.replace("24.0", "24")
    assert " since 20" in said


def test_a_real_snapshot_is_understood(database: str, owner: Session, seen: Seen) -> None:
    fill_jobs(owner, 300)
    owner.run("SELECT vsl.take_snapshot()")
    owner.run("UPDATE vsl.health_snapshots SET taken_at = now() - interval '8 days'")
    fill_jobs(owner, 600)
    before = owner.value(
        "SELECT measures #>> ARRAY['tables', 'public.jobs'::regclass::oid::text, 'pages']"
        " FROM vsl.health_snapshots"
    )
    now = owner.value("SELECT relpages FROM pg_class WHERE oid = 'public.jobs'::regclass")
    jobs = next(t for t in seen(database, "sizes")["tables"] if t["name"] == "jobs")
    assert jobs["growth"] == (now - int(before)) * 8192 > 0


def test_a_database_without_vsl_can_be_looked_at(empty_database: str, look: Look) -> None:
    done = look(empty_database, "sizes", role="plain")
    assert done.status == 0
    assert "There are no tables." in done.out


def _sizes(growth: int) -> Sizes:
    facts = DatabaseFacts("d", 10**9, None, None, "r", True)  # type: ignore[arg-type]
    table = TableSize("public", "jobs", 1, 600 * MB, 0, 0, 600 * MB)
    grown = Growth("public", "jobs", growth, None, None)  # type: ignore[arg-type]
    return Sizes(database=facts, tables=[table], exact=True, growth=[grown])


@pytest.mark.parametrize(("growth", "said"), [(100 * MB, True), (100 * MB - 1, False)])
def test_growth_stands_out_from_100_mb_and_a_fifth_on(growth: int, said: bool) -> None:
    grown = Remark(says="public.jobs has grown by 100.0 MB in a week.")
    assert (grown in remarks_on_sizes(_sizes(growth))) is said
