"""The session of the checks: it only reads, gives up soon, and each one's trouble is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.program import Vsl
from tests.doctor.kit import Stage
from tests.support.pgbouncer import RunningPgBouncer
from tests.support.servers import database_name
from tests.support.waiting import wait_until

from vsl.db import health
from vsl.db.health import health_session
from vsl.domain.health import Measure
from vsl.errors import DatabaseError
from vsl.ops.doctor.catalogue import CHECKS
from vsl.ops.doctor.check import Level
from vsl.ops.doctor.run import examine

on_18 = pytest.mark.parametrize("server", [18], indirect=True)

ROW = """
SELECT
    {} AS subject, 1::float8 AS value, NULL AS level, '' AS evidence, NULL AS next, NULL AS unknown
"""

CheckText = Callable[[str], None]


@pytest.fixture
def check_text(monkeypatch: pytest.MonkeyPatch) -> CheckText:
    """``check_text(sql)``: the SQL of the check ``made_up``."""
    real = health.check_text

    def put(text: str) -> None:
        texts = {"made_up": text}
        monkeypatch.setattr(health, "check_text", lambda name: texts.get(name) or real(name))

    return put


def ask(url: str, *names: str) -> list[list[Measure]]:
    async def work() -> list[list[Measure]]:
        async with health_session(url) as session:
            return [await session.ask(name) for name in names]

    return asyncio.run(work())


@on_18
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("transaction_read_only", "on"),
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "10s"),
        ("lock_timeout", "1s"),
        ("application_name", "vsl doctor"),
        ("search_path", "pg_catalog"),
    ],
)
def test_its_transactions_are_harmless(
    stage: Stage, check_text: CheckText, setting: str, expected: str
) -> None:
    check_text(ROW.format(f"current_setting('{setting}')"))
    ((row,),) = ask(stage.url, "made_up")
    assert row.subject == expected


@on_18
@pytest.mark.parametrize(
    ("text", "why", "cure"),
    [
        ("SELECT 1 / 0", "DivisionByZero (22012)", None),
        ("SELECT nothing FROM nowhere", 'relation "nowhere" does not exist', "vsl db migrate"),
        ("DELETE FROM vsl.doomed_objects", "only reads", None),
        ("SELECT prompt FROM public.jobs", "permission denied for table jobs", "GRANT vsl_monitor"),
        (
            "SELECT set_config('statement_timeout', '10ms', true); SELECT pg_sleep(10)",
            "longer than 10 s",
            "quieter",
        ),
    ],
)
def test_what_one_check_cannot_do_hides_no_other(
    stage: Stage, check_text: CheckText, text: str, why: str, cure: str | None
) -> None:
    check_text(text)
    url = stage.role_url(stage.url, "vsl_monitor")
    before, (row,), after = ask(url, "schema_current", "made_up", "schema_current")
    assert before == after != []
    assert why in (row.unknown or "")
    assert (cure in (row.next or "")) if cure else row.next is None


@on_18
def test_a_lock_is_not_waited_for(stage: Stage, check_text: CheckText) -> None:
    holder = stage.session(autocommit=False)
    holder.run("LOCK TABLE user_preferences IN ACCESS EXCLUSIVE MODE")
    check_text("SELECT user_id FROM public.user_preferences")
    ((row,),) = ask(stage.url, "made_up")
    assert row.unknown == "a lock was not to be had within 1 s"


@on_18
def test_no_check_waits_long_for_a_lock_on_a_table(stage: Stage) -> None:
    """Such as a migration holds: what needs the table is said, and all else is answered."""
    holder = stage.session(autocommit=False)
    holder.run("LOCK TABLE jobs, media_outputs IN ACCESS EXCLUSIVE MODE")

    async def work() -> list[str]:
        async with health_session(stage.url) as session:
            results = await examine(session, CHECKS)
            return [r.check.id for r in results if r.level is Level.unknown]

    blind = asyncio.run(work())
    assert {"stuck-attempts", "dispatch-rows", "failed-jobs", "ledger-balance"} <= set(blind)
    by_id = {check.id: check.area for check in CHECKS}
    assert {by_id[name] for name in blind} <= {"jobs", "money", "indexes"}


@on_18
def test_a_server_that_goes_away_is_an_error(stage: Stage) -> None:
    async def work() -> None:
        async with health_session(stage.url) as session:
            await session.ask("connections")
            ending = stage.session()
            ending.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'vsl doctor' AND datname = current_database()"
            )
            await session.ask("connections")

    with pytest.raises(DatabaseError):
        asyncio.run(work())


@on_18
def test_the_counters_are_kept_by_the_monitor_and_nobody_else_below(stage: Stage) -> None:
    async def keep(role: str) -> Measure | None:
        async with health_session(stage.role_url(stage.url, role)) as session:
            return await session.take_snapshot()

    assert asyncio.run(keep("vsl_monitor")) is None
    refused = asyncio.run(keep("vsl_reader"))
    assert refused is not None
    assert refused.next == "GRANT vsl_monitor TO test_vsl_reader;"


@on_18
def test_a_login_with_an_odd_name_gets_a_grant_that_works(stage: Stage) -> None:
    login = f'Who\'s "{database_name(stage.url)}"'
    quoted = '"' + login.replace('"', '""') + '"'
    session = stage.session()
    session.run(f"CREATE ROLE {quoted} LOGIN PASSWORD '{stage.server.password}'")
    stage.later(lambda: session.run(f"DROP ROLE {quoted}"))
    url = stage.server.url(database_name(stage.url), login)
    ((row,),) = ask(url, "overdue_leases")
    assert row.unknown
    assert row.next
    session.run(row.next)
    assert ask(url, "overdue_leases") == [[]]


@pytest.fixture
def bouncer(stage: Stage) -> Iterator[RunningPgBouncer]:
    """A PgBouncer in transaction mode in front of the stage."""
    running = RunningPgBouncer(stage.server, database_name(stage.url))
    yield running
    running.close()


@on_18
def test_it_works_through_a_pooler(stage: Stage, bouncer: RunningPgBouncer) -> None:
    """Whose server's session keeps nothing of the doctor's settings."""

    async def work(url: str) -> dict[str, Level]:
        async with health_session(url) as session:
            results = await examine(session, CHECKS)
            assert await session.take_snapshot() is None
            return {r.check.id: r.level for r in results}

    direct = asyncio.run(work(stage.url))
    assert asyncio.run(work(bouncer.url())) == direct
    behind = Stage(stage.server, bouncer.url(), stage.connect, stage.role_url).session()
    assert behind.value("SHOW default_transaction_read_only") == "off"
    assert behind.value("SHOW statement_timeout") == "0"


@on_18
def test_a_worker_tells_its_name_to_the_server(stage: Stage, program: Vsl, tmp_path: Path) -> None:
    """So that whoever holds something up can be told by its sessions."""
    command = program.with_variables(DATABASE_URL=stage.url)
    with (tmp_path / "log").open("wb") as log:
        process = command.start("worker", stderr=log)
        session = stage.session()
        query = (
            "SELECT DISTINCT split_part(application_name, ' ', 2) AS part,"
            " split_part(application_name, ' ', 3) AS worker FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'vsl %%'"
        )
        try:
            found = wait_until(
                lambda: len(session.all(query)) == 2 and session.all(query), within=30
            )
        finally:
            process.terminate()
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()
    assert found
    assert {row["part"] for row in found} == {"listen", "worker"}
    (name,) = {row["worker"] for row in found}
    assert f":{process.pid}:" in name
