"""``vsl db indexes``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.conftest import Connect
from tests.looks.conftest import Look
from tests.looks.filling import fill_jobs
from tests.schema.kit import Session
from tests.support.waiting import wait_until

from vsl.db.statements_looks import DatabaseFacts, IndexUse
from vsl.ops.looks import SMALL_INDEX, Indexes, remarks_on_indexes

Seen = Callable[..., Any]


def _named(found: Any, name: str) -> Any:
    return next(index for index in found["indexes"] if index["name"] == name)


def test_the_least_used_come_first_with_what_they_are_for(
    database: str, owner: Session, seen: Seen
) -> None:
    fill_jobs(owner, 300)
    owner.run("SET enable_seqscan = off")
    owner.all("SELECT job_id FROM jobs WHERE user_id = 'nobody' ORDER BY created_at DESC LIMIT 1")
    if owner.connection.info.server_version < 150000:
        owner.run("SELECT pg_stat_clear_snapshot()")
    owner.connection.close()  # a session's counters are told at its end, at the latest

    def used() -> Any:
        found = seen(database, "indexes")
        return found if _named(found, "jobs_user_id_idx")["scans"] else None

    found = wait_until(used, what="the scan to be counted")
    scans = [index["scans"] for index in found["indexes"]]
    assert scans == sorted(scans)
    unused = [index["bytes"] for index in found["indexes"] if not index["scans"]]
    assert unused == sorted(unused, reverse=True)
    index = _named(found, "jobs_user_id_idx")
    assert index["serves"] == "A user's recent jobs; also a user's statistics."
    assert (index["schema"], index["table_name"], index["is_valid"]) == ("public", "jobs", True)
    assert index["definition"].startswith("CREATE INDEX jobs_user_id_idx ON public.jobs")
    assert _named(found, "jobs_pkey")["serves"] == "Keeps the primary key."
    assert _named(found, "jobs_pkey")["is_primary"] is True
    assert "Keeps the constraint" in _named(found, "jobs_job_id_key")["serves"]


def test_a_comment_says_what_an_index_is_for(database: str, owner: Session, seen: Seen) -> None:
    owner.run("COMMENT ON INDEX jobs_user_id_idx IS 'ours'")
    owner.run("CREATE INDEX guest ON jobs (model_id)")
    found = seen(database, "indexes")
    assert _named(found, "jobs_user_id_idx")["serves"] == "ours"
    assert _named(found, "guest")["serves"] is None


def test_since_when_scans_are_counted(database: str, owner: Session, look: Look) -> None:
    said = look(database, "indexes").out
    assert "Since when scans are counted is not known" in said
    owner.run("SELECT pg_stat_reset()")
    said = look(database, "indexes").out
    assert f"Scans are counted since {datetime.now(UTC).astimezone():%Y-%m-}" in said


@pytest.mark.parametrize(("name", "verb"), [("twice", "REINDEX"), ("twice_ccnew", "DROP")])
def test_an_invalid_index_is_named_with_its_cure(
    database: str, owner: Session, look: Look, psql: Any, name: str, verb: str
) -> None:
    fill_jobs(owner, 2)
    owner.refused(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON jobs (user_id)")
    done = look(database, "indexes")
    line = next(line for line in done.out.splitlines() if f" {name} " in line)
    assert "INVALID" in line
    assert f"public.{name} is not valid: it costs writes and serves no query." in done.out
    cure = f"{verb} INDEX CONCURRENTLY public.{name}"
    assert f"next: vsl db psql -c '{cure}'" in done.out
    owner.run("DELETE FROM jobs WHERE id = (SELECT id FROM jobs LIMIT 1)")
    assert psql(database, "-c", cure).returncode == 0
    assert "INVALID" not in look(database, "indexes").out


def test_a_locked_table_holds_nobody_up(
    database: str, owner: Session, connect: Connect, seen: Seen
) -> None:
    fill_jobs(owner, 300)
    locker = connect(database, autocommit=False)
    locker.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    found = seen(database, "indexes")
    pages = owner.value("SELECT relpages FROM pg_class WHERE relname = 'jobs_pkey'")
    assert (found["exact"], _named(found, "jobs_pkey")["bytes"]) == (False, pages * 8192)


# What counts as unused.

PLAIN = IndexUse(
    schema="public",
    table_name="t",
    name="i",
    bytes=SMALL_INDEX,
    scans=0,
    last_scan=None,
    is_valid=True,
    is_being_built=False,
    is_unique=False,
    is_primary=False,
    is_replica_identity=False,
    constraint_name=None,
    serves=None,
    definition=None,
)


def _indexes(index: IndexUse, days: float | None = None) -> Indexes:
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    facts = DatabaseFacts("d", 10**9, since, datetime.now(UTC), "r", True)
    return Indexes(database=facts, indexes=[index], exact=True)


@pytest.mark.parametrize(
    "change",
    [
        {"scans": 1},
        {"bytes": SMALL_INDEX - 1},
        {"is_unique": True},
        {"constraint_name": "c"},
        {"is_replica_identity": True},
    ],
)
def test_what_is_needed_or_small_is_not_called_unused(change: dict[str, Any]) -> None:
    assert _indexes(PLAIN).unused() == [PLAIN]
    found = _indexes(replace(PLAIN, **change))
    assert found.unused() == []
    assert "none of size is unused" in remarks_on_indexes(found)[0].says


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (None, "is not known (a crash loses the counters), so that is no proof"),
        (34, "for 34 days only, so that is no proof"),
        (35.1, "for 35 days. Ask replicas too before dropping one"),
    ],
)
def test_unused_is_said_with_how_long_it_was_watched(days: float | None, said: str) -> None:
    (remark,) = remarks_on_indexes(_indexes(PLAIN, days))
    assert remark.says.startswith("Not used: public.i (10.0 MB).")
    assert said in remark.says
