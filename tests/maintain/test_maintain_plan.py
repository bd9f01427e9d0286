"""What is due, by the numbers: each limit on both of its sides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vsl.db.statements_care import IndexMeasures, Maintainer, StandingTransaction, TableMeasures
from vsl.db.statements_looks import HorizonHolder
from vsl.ops.maintain.look import Wishes, wanted
from vsl.ops.maintain.plan import (
    Horizon,
    Step,
    cure_of,
    describe_holder,
    duration,
    plan_index,
    plan_table,
    qualified,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WHO = Maintainer(
    major=18,
    role="ops",
    database="vsl",
    pid=1,
    is_standby=False,
    sees_all=True,
    data_directory=None,
    is_local=False,
)
WELL = TableMeasures(
    relation=1,
    schema="public",
    name="jobs",
    is_partitioned=False,
    owner="vsl_owner",
    is_owner=True,
    may_maintain=True,
    owns_database=False,
    live=1_000_000,
    dead=0,
    changed=0,
    inserted=0,
    rows=1_000_000,
    toast_live=0,
    toast_dead=0,
    last_vacuum=NOW - timedelta(hours=1),
    last_analyze=NOW - timedelta(hours=1),
    vacuum_count=1,
    analyze_count=1,
    vacuum_trigger=200_050,
    insert_trigger=201_000,
    analyze_trigger=100_050,
    age=1_000,
    freeze_age=200_000_000,
    multixact_age=0,
    multixact_freeze_age=400_000_000,
    bytes=1,
)
SMALL = replace(WELL, live=1_000, rows=1_000, vacuum_trigger=250, insert_trigger=1_200)
QUEUE = replace(WELL, schema="vsl", name="dispatch", live=500, rows=500, vacuum_trigger=1_005)
HOLDER = HorizonHolder(
    kind="session",
    pid=7,
    name=None,
    user_name="web",
    application="reports",
    state="idle in transaction",
    transactions=500,
    age=7200.0,
)


def due(table: TableMeasures) -> list[str]:
    return [step.kind for step in plan_table(table, WHO, Horizon())]


@pytest.mark.parametrize(
    ("table", "changes", "expected"),
    [
        (WELL, {}, []),
        # A tenth of all rows, and more than ten thousand.
        (WELL, {"live": 900_000, "dead": 100_000}, ["vacuum"]),
        (WELL, {"live": 900_000, "dead": 99_999}, []),
        (WELL, {"live": 20_000, "dead": 10_001}, ["vacuum"]),
        (WELL, {"live": 20_000, "dead": 10_000}, []),
        # Twice autovacuum's trigger.
        (SMALL, {"dead": 501}, ["vacuum"]),
        (SMALL, {"dead": 500}, []),
        (SMALL, {"inserted": 2_401}, ["vacuum"]),
        (SMALL, {"inserted": 2_400}, []),
        (SMALL, {"inserted": 9_999_999, "insert_trigger": None}, []),
        # A queue: more dead than alive, or more than ten thousand.
        (QUEUE, {"dead": 501}, ["vacuum"]),
        (QUEUE, {"dead": 500}, []),
        (QUEUE, {"live": 3, "dead": 101}, ["vacuum"]),
        (QUEUE, {"live": 3, "dead": 100}, []),
        (QUEUE, {"live": 50_000, "dead": 10_001, "vacuum_trigger": 90_000}, ["vacuum"]),
        (QUEUE, {"live": 50_000, "dead": 10_000, "vacuum_trigger": 90_000}, []),
        (replace(QUEUE, schema="public"), {"dead": 501}, []),
        # TOAST.
        (WELL, {"toast_live": 90_009, "toast_dead": 10_001}, ["vacuum"]),
        (WELL, {"toast_live": 90_010, "toast_dead": 10_001}, []),
        # Never vacuumed.
        (WELL, {"live": 10_001, "last_vacuum": None}, ["vacuum"]),
        (WELL, {"live": 10_000, "last_vacuum": None}, []),
        # Old rows: 110 % of where autovacuum is forced.
        (WELL, {"age": 220_000_001}, ["vacuum"]),
        (WELL, {"age": 220_000_000}, []),
        (WELL, {"multixact_age": 440_000_001}, ["vacuum"]),
        (WELL, {"multixact_age": 440_000_000}, []),
        # Statistics.
        (WELL, {"changed": 100_051}, ["analyze"]),
        (WELL, {"changed": 100_050}, []),
        (WELL, {"last_analyze": None, "analyze_trigger": 50, "live": 50}, ["analyze"]),
        (WELL, {"last_analyze": None, "analyze_trigger": 50, "live": 49}, []),
        (WELL, {"live": 900_000, "dead": 100_000, "changed": 999_999}, ["vacuum"]),
        # Partitioned: only statistics, which nobody else gathers.
        (WELL, {"is_partitioned": True, "last_analyze": None, "live": 0}, ["analyze"]),
        (WELL, {"is_partitioned": True, "last_vacuum": None, "dead": 0}, []),
    ],
)
def test_a_table_is_due(table: TableMeasures, changes: dict[str, Any], expected: list[str]) -> None:
    assert due(replace(table, **changes)) == expected


def test_old_rows_are_frozen_and_others_not() -> None:
    (old,) = plan_table(replace(WELL, age=300_000_000), WHO, Horizon())
    assert (old.freeze, old.command) == (True, "VACUUM (FREEZE, ANALYZE) public.jobs")
    assert "150 % of where autovacuum is forced" in old.reasons[0]
    (dead,) = plan_table(replace(WELL, dead=500_000), WHO, Horizon())
    assert (dead.freeze, dead.command) == (False, "VACUUM (ANALYZE) public.jobs")


DEAD = replace(WELL, dead=500_000)
LAST = NOW - timedelta(hours=1)  # its last VACUUM
PREPARED = replace(HOLDER, kind="prepared transaction", pid=None, name="x", state=None)
BEFORE = Horizon([HOLDER], [StandingTransaction(7, None, LAST)])


@pytest.mark.parametrize(
    ("holder", "standing", "useless"),
    [
        (HOLDER, [StandingTransaction(7, None, LAST)], True),
        # Rows may have died between the VACUUM and what it sees.
        (HOLDER, [StandingTransaction(7, None, LAST + timedelta(milliseconds=1))], False),
        # It moves, or that is hidden: from when on it sees is not known.
        (HOLDER, [], False),
        (HOLDER, [StandingTransaction(8, None, LAST)], False),
        (PREPARED, [StandingTransaction(None, "x", LAST)], True),
        (PREPARED, [StandingTransaction(None, "y", LAST)], False),
        (replace(PREPARED, kind="replication slot"), [StandingTransaction(None, "x", LAST)], False),
    ],
)
def test_vacuum_is_left_out_where_it_is_known_to_be_useless(
    holder: HorizonHolder, standing: list[StandingTransaction], useless: bool
) -> None:
    (step,) = plan_table(DEAD, WHO, Horizon([holder], standing))
    assert (step.hindrance is not None, step.overridable) == (useless, useless)


def test_a_table_without_a_known_vacuum_is_tried() -> None:
    (step,) = plan_table(replace(DEAD, last_vacuum=None), WHO, BEFORE)
    assert step.hindrance is None


def test_statistics_are_gathered_even_when_vacuum_is_useless() -> None:
    steps = plan_table(replace(DEAD, changed=999_999), WHO, BEFORE)
    assert [(step.kind, step.hindrance is None) for step in steps] == [
        ("vacuum", False),
        ("analyze", True),
    ]


def test_rows_inserted_are_a_reason_that_no_snapshot_takes_away() -> None:
    (step,) = plan_table(replace(DEAD, inserted=999_999), WHO, BEFORE)
    assert step.hindrance is None


def test_freezing_is_useless_when_somebody_sees_what_is_as_old() -> None:
    old = replace(WELL, age=300_000_000)
    (step,) = plan_table(old, WHO, Horizon([replace(HOLDER, transactions=200_000_001)]))
    assert step.hindrance is not None
    (step,) = plan_table(old, WHO, Horizon([replace(HOLDER, transactions=200_000_000)]))
    assert step.hindrance is None


def test_anyway_does_what_is_useless_but_not_what_is_forbidden() -> None:
    useless = plan_table(DEAD, WHO, BEFORE)
    (step,) = wanted(useless, Wishes(anyway=True))
    assert step.hindrance is None
    foreign = plan_table(replace(DEAD, is_owner=False, may_maintain=False), WHO, BEFORE)
    (step,) = wanted(foreign, Wishes(anyway=True))
    assert step.hindrance is not None


@pytest.mark.parametrize(
    ("changes", "major", "cure"),
    [
        ({"is_owner": True, "may_maintain": False}, 16, None),
        ({"is_owner": False, "may_maintain": True}, 17, None),
        ({"is_owner": False, "may_maintain": False, "owns_database": True}, 16, None),
        ({"is_owner": False, "may_maintain": False}, 16, "GRANT vsl_owner TO ops;"),
        (
            {"is_owner": False, "may_maintain": False},
            17,
            "GRANT MAINTAIN ON public.jobs TO ops; or GRANT vsl_owner TO ops;",
        ),
    ],
)
def test_who_may_vacuum(changes: dict[str, Any], major: int, cure: str | None) -> None:
    (step,) = plan_table(replace(DEAD, **changes), replace(WHO, major=major), Horizon())
    assert step.cure == cure


INDEX = IndexMeasures(
    index=2,
    relation=1,
    schema="public",
    name="jobs_user_id_idx",
    table_schema="public",
    table_name="jobs",
    method="btree",
    is_toast=False,
    pages=100,
    rows=1_000,
    page_size=8192,
    bytes=100 * 8192,
    is_valid=True,
    is_live=True,
    is_exclusion=False,
    may_deduplicate=False,
    fillfactor=90,
    width=8.0,
    has_nulls=False,
    different=None,
)
EMPTY = replace(INDEX, pages=1_000, bytes=1_000 * 8192)


def index_step(index: IndexMeasures, table: TableMeasures = WELL) -> Step | None:
    return plan_index(index, table, WHO)


def rows_filling(pages: int) -> float:
    """Entries of 20 bytes that fill so many pages to 90 %."""
    return pages * (8192 - 40) * 0.9 // 20


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (replace(EMPTY, rows=rows_filling(480)), True),  # over half is empty
        (replace(EMPTY, rows=rows_filling(520)), False),
        (replace(EMPTY, rows=-1.0), False),  # not known
        (replace(EMPTY, width=None), False),
        (replace(EMPTY, method="gin"), False),
        (replace(EMPTY, is_toast=True), False),
        # Under a hundred pages there is nothing to be had.
        (replace(EMPTY, pages=99, rows=1.0), False),
        # A megabyte at least.
        (replace(EMPTY, pages=140, rows=rows_filling(8)), True),
        (replace(EMPTY, pages=140, rows=rows_filling(16)), False),
        # 100 MB and more than 30 %.
        (replace(EMPTY, pages=40_000, rows=rows_filling(26_000)), True),
        (replace(EMPTY, pages=40_000, rows=rows_filling(29_000)), False),
        (replace(EMPTY, pages=20_000, rows=rows_filling(13_000)), False),
    ],
)
def test_an_index_is_bloated(index: IndexMeasures, expected: bool) -> None:
    step = index_step(index)
    assert (step is not None) == expected
    assert step is None or (step.kind, step.disk) == ("reindex", index.bytes)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"name": "jobs_user_id_idx_ccnew"}, "drop"),
        ({"name": "jobs_user_id_idx_ccnew12"}, "drop"),
        ({"name": "jobs_user_id_idx_ccold"}, "drop"),
        ({"is_live": False}, "drop"),
        ({"name": "jobs_user_id_idx_ccnewer"}, "reindex"),
        ({}, "reindex"),
    ],
)
def test_what_becomes_of_an_invalid_index(changes: dict[str, Any], kind: str) -> None:
    step = index_step(replace(INDEX, is_valid=False, **changes))
    assert step is not None
    assert (step.kind, step.hindrance) == (kind, None)


def test_a_valid_index_keeps_its_odd_name() -> None:
    assert index_step(replace(INDEX, name="jobs_ccnew")) is None


def test_only_its_owner_drops_an_index() -> None:
    table = replace(WELL, is_owner=False, may_maintain=True)
    rebuilt = index_step(replace(INDEX, is_valid=False), table)
    dropped = index_step(replace(INDEX, is_valid=False, name="i_ccnew"), table)
    assert rebuilt is not None
    assert rebuilt.hindrance is None
    assert dropped is not None
    assert dropped.cure == "GRANT vsl_owner TO ops;"


def test_an_exclusion_constraint_is_left_to_a_maintenance_window() -> None:
    step = index_step(replace(INDEX, is_valid=False, is_exclusion=True))
    assert step is not None
    assert "without locking its table" in (step.hindrance or "")


def test_order_and_groups() -> None:
    steps = [
        index_step(replace(INDEX, is_valid=False)),
        *plan_table(replace(WELL, changed=999_999), WHO, Horizon()),
        *plan_table(DEAD, WHO, Horizon()),
        *plan_table(replace(WELL, age=300_000_000), WHO, Horizon()),
        index_step(replace(INDEX, is_valid=False, name="i_ccnew")),
    ]
    found = [step for step in steps if step is not None]
    kinds = [(step.kind, step.freeze) for step in wanted(found, Wishes())]
    assert kinds == [
        ("drop", False),
        ("vacuum", True),
        ("vacuum", False),
        ("analyze", False),
        ("reindex", False),
    ]
    assert {step.kind for step in wanted(found, Wishes(only="reindex"))} == {"drop", "reindex"}
    assert {step.kind for step in wanted(found, Wishes(only="vacuum"))} == {"vacuum"}
    assert {step.kind for step in wanted(found, Wishes(only="analyze"))} == {"analyze"}


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({}, "End that transaction, or `vsl db kill 7`."),
        ({"kind": "standby"}, "End the long query on the standby, or set hot_standby_feedback"),
        (
            {"kind": "prepared transaction", "name": "it's", "pid": None},
            "ROLLBACK PREPARED 'it''s';",
        ),
        ({"kind": "replication slot", "name": "s"}, "SELECT pg_drop_replication_slot('s');"),
    ],
)
def test_each_holder_has_its_cure(changes: dict[str, Any], cure: str) -> None:
    assert cure in cure_of(replace(HOLDER, **changes))


def test_a_holder_is_described() -> None:
    assert describe_holder(HOLDER) == (
        "session process 7 (application reports, user web, idle in transaction, for 2 h, "
        "500 transactions behind)"
    )


def test_words() -> None:
    assert [duration(value) for value in (0.4, 119, 120, 7200, 172_800)] == [
        "0 s",
        "119 s",
        "2 min",
        "2 h",
        "2 d",
    ]
    assert qualified("public", "jobs") == "public.jobs"
    assert qualified("public", 'My "own"') == 'public."My ""own"""'
