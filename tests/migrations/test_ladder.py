"""Short waits for locks: what is decided, and what happens on a real server."""

from __future__ import annotations

import itertools

import pytest
from tests.conftest import Connect
from tests.migrations.conftest import Folder, Runs, ledger
from tests.schema.kit import Session

from vsl.db.migration.ladder import (
    PATIENT,
    STRICT,
    Ladder,
    Pace,
    duration,
    milliseconds,
    names,
)
from vsl.db.statements_schema import OtherSession
from vsl.errors import MigrationBlocked


def test_waits_are_what_an_application_can_bear() -> None:
    waits = [STRICT.wait(number) for number in range(1, STRICT.tries + 1)]
    assert (waits[0], waits[-1], len(waits)) == (1.0, 2.0, 30)
    assert all(a < b for a, b in itertools.pairwise(waits))


@pytest.mark.parametrize("ladder", [STRICT, PATIENT, Ladder(tries=1)])
def test_no_try_is_without_a_limit_and_none_is_the_last_for_ever(ladder: Ladder) -> None:
    for number in range(1, ladder.tries + 1):
        assert 0 < ladder.wait(number) <= 600
    assert ladder.rest_after(ladder.tries, 0.5) is None


def test_rests_grow_and_differ_by_chance() -> None:
    longest = [STRICT.rest_after(number, 0.0) or 0 for number in range(1, 30)]
    shortest = [STRICT.rest_after(number, 1.0) or 0 for number in range(1, 30)]
    assert longest[0] == 0.2
    assert longest[-1] == 10.0
    assert all(a <= b for a, b in itertools.pairwise(longest))
    assert shortest == [rest / 2 for rest in longest]
    assert sum(longest) + sum(STRICT.wait(number) for number in range(1, 31)) < 300


def test_a_limit_is_never_nought() -> None:
    # To PostgreSQL, nought means for ever.
    assert [milliseconds(s) for s in (0, 0.0001, 0.0014, 1, 2)] == ["1", "1", "1", "1000", "2000"]


def test_names_hold_no_statement() -> None:
    found = [
        OtherSession(7, "ada", "web", "idle in transaction", 65.0),
        OtherSession(8, None, None, None, None),
        OtherSession(0, None, None, None, None),
    ]
    assert names(found) == (
        "process 7 (web, login ada, idle in transaction, for 65.0 s); "
        "process 8 (no application name); a prepared transaction (see pg_prepared_xacts)"
    )
    assert names([]) == "somebody who could not be seen"
    assert [duration(s) for s in (0.25, 300, 9000)] == ["0.2 s", "5 min", "2.5 h"]


SECRET = "a-prompt-that-nobody-may-print"


async def test_a_lock_that_is_held_for_a_while(
    runs: Runs, folder: Folder, admin: Session, connect: Connect, database: str
) -> None:
    folder.add("100", "CREATE TABLE first (n int);\nALTER TABLE jobs ADD COLUMN extra text;\n")
    holder = connect(database, autocommit=False, application_name="reports")
    holder.execute("SELECT count(*) FROM jobs WHERE prompt = %s", [SECRET])
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        # The first failed try has left nothing; after the second one the way is free.
        rests.append(seconds)
        assert admin.value("SELECT to_regclass('public.first')") is None
        if len(rests) == 2:
            holder.rollback()

    ladder = Ladder(0.3, 0.3, tries=5, rest=0.01)
    outcome = await runs(pace=Pace(sleep=sleep, chance=lambda: 1.0), strict=ladder)
    assert [applied.version for applied in outcome.applied] == ["100"]
    assert rests == [0.005, 0.0075]
    assert admin.value("SELECT to_regclass('public.first')") == "first"
    waits = [line for line in runs.told if "no lock within" in line]
    assert len(waits) == 2
    pid = holder.info.backend_pid
    for number, line in enumerate(waits, 1):
        assert line.startswith("V100__extra.sql: no lock within 0.3 s; in the way: ")
        assert f"process {pid} (reports, login vsl, idle in transaction, for " in line
        assert f"Try {number} of 5" in line
        assert SECRET not in line


async def test_a_lock_that_is_held_for_ever(
    runs: Runs, folder: Folder, admin: Session, connect: Connect, database: str
) -> None:
    folder.add("100", "CREATE TABLE first (n int)")
    folder.add("101", "ALTER TABLE jobs ADD COLUMN extra text")
    holder = connect(database, autocommit=False, application_name="reports")
    holder.execute("SELECT count(*) FROM jobs")
    with pytest.raises(MigrationBlocked) as caught:
        await runs(strict=Ladder(0.3, 0.3, tries=2))
    assert "V101__extra.sql: a lock could not be had in 2 tries" in str(caught.value)
    assert f"process {holder.info.backend_pid} (reports" in str(caught.value)
    assert "vsl db kill" in (caught.value.hint or "")
    assert caught.value.retryable
    assert list(ledger(admin)) == ["100"]
    holder.rollback()
    assert [applied.version for applied in (await runs()).applied] == ["101"]


async def test_a_files_own_limit_wins(
    runs: Runs, folder: Folder, connect: Connect, database: str
) -> None:
    folder.add("100", "SET LOCAL lock_timeout = '1ms';\nALTER TABLE jobs ADD COLUMN extra text;\n")
    holder = connect(database, autocommit=False)
    holder.execute("SELECT count(*) FROM jobs")
    # With the ladder's hour the test would never end.
    with pytest.raises(MigrationBlocked, match=r"V100__extra\.sql: a lock could not be had"):
        await runs(strict=Ladder(3600, 3600, tries=2))


async def test_functions_wait_on_the_same_ladder(
    runs: Runs, admin: Session, connect: Connect, database: str
) -> None:
    admin.run("UPDATE vsl.repeatables SET sha256 = 'old' WHERE path ~ '^views'")
    holder = connect(database, autocommit=False, application_name="reports")
    holder.execute("SELECT count(*) FROM v_user_statistics")
    with pytest.raises(MigrationBlocked, match="functions, views and grants: a lock could not"):
        await runs(strict=Ladder(0.1, 0.1, tries=2))
    assert admin.value("SELECT count(*) FROM vsl.repeatables WHERE sha256 = 'old'") == 2
    holder.rollback()
    assert len((await runs()).reapplied) == 3  # the grants with them
