"""vsl.db.pool and vsl.db.listen against servers that end connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo
from tests.conftest import ConnectAsync
from tests.engine.kit import Engine
from tests.support.waiting import wait_until_async

from vsl.db import listen as listening
from vsl.db.listen import Waker, listen
from vsl.db.pool import Database, connect, libpq_variables
from vsl.db.statement import fetch_value
from vsl.db.statements import RelationExists
from vsl.errors import DatabaseError

ASK = RelationExists(relation="public.jobs")


async def works(database: Database) -> bool:
    async with database.connection() as connection:
        return await fetch_value(connection, ASK)


def end_backends(engine: Engine, application: str) -> int:
    """Terminate all backends of an application."""
    rows = engine.all(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = %s AND datname = current_database()",
        application,
    )
    return len(rows)


async def test_a_pool_outlives_its_connections(engine: Engine, database: str) -> None:
    async with Database(database, size=2, application="pool") as pool:
        started = asyncio.Barrier(2)

        async def hold() -> None:
            async with pool.connection() as connection:
                await started.wait()
                assert await fetch_value(connection, ASK)

        await asyncio.gather(hold(), hold())
        assert end_backends(engine, "pool") == 2
        assert await works(pool)
        assert await asyncio.gather(*(works(pool) for _ in range(6))) == [True] * 6


async def test_a_connection_that_is_lost_in_use_is_an_error_of_ours(
    engine: Engine, database: str
) -> None:
    async with Database(database, size=1, application="pool") as pool:

        async def lose() -> None:
            async with pool.connection() as connection:
                await fetch_value(connection, ASK)
                end_backends(engine, "pool")
                await fetch_value(connection, ASK)

        with pytest.raises(DatabaseError) as found:
            await lose()
        assert found.value.retryable
        assert await works(pool)


async def test_a_closed_pool_cannot_be_used(database: str) -> None:
    pool = Database(database)
    await pool.open()
    await pool.close()
    with pytest.raises(DatabaseError):
        await works(pool)


async def test_behind_a_pooler_nothing_is_prepared(database: str) -> None:
    for pooled, expected in ((True, 0), (False, 1)):
        async with Database(database, size=1, pooled=pooled) as pool:
            for _ in range(8):
                await works(pool)
            async with pool.connection() as connection:
                cursor = await connection.execute(
                    "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%regclass%'"
                )
                row = await cursor.fetchone()
        assert row == (expected,)


async def test_an_address_as_variables_for_programs(database: str) -> None:
    url = make_conninfo(database, password="p w'd", connect_timeout="7")
    variables = libpq_variables(url)
    assert (variables["PGPASSWORD"], variables["PGCONNECT_TIMEOUT"]) == ("p w'd", "7")
    assert {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE"} <= set(variables)
    with pytest.raises(DatabaseError):
        libpq_variables("no address")


async def test_what_goes_wrong_inside_leaves_as_ours(database: str) -> None:
    with pytest.raises(DatabaseError):
        async with connect(database) as connection:
            await connection.execute("SELECT 1/0")


# Waking.


@asynccontextmanager
async def heard(database: str, connect_async: ConnectAsync) -> AsyncIterator[Any]:
    """A function that answers the payloads heard on ``vsl_work`` so far."""
    ear, voice = await connect_async(database), await connect_async(database)
    await ear.execute("LISTEN vsl_work")

    async def so_far() -> list[str]:
        await voice.execute("NOTIFY vsl_work, 'END'")
        payloads: list[str] = []
        async for message in ear.notifies(timeout=10):
            if message.payload == "END":
                return payloads
            payloads.append(message.payload)
        raise AssertionError("the last notification was not heard")

    yield so_far


async def test_a_burst_of_wakes_sends_few_notifications(
    database: str, connect_async: ConnectAsync
) -> None:
    async with Database(database) as pool, heard(database, connect_async) as so_far:
        waker = Waker(pool)
        clock = asyncio.get_running_loop().time
        start = clock()
        for number in range(500):
            waker.wake("paint" if number % 2 else "talk")
            # Spread over some intervals, as requests are.
            await asyncio.sleep(0.0002)
        await waker.flush()
        passed = clock() - start
        found = await so_far()
    assert set(found) == {"paint", "talk"}
    for lane in ("paint", "talk"):
        assert found.count(lane) <= passed / Waker.INTERVAL + 2
    assert len(found) < 250, "a quarter of the wakes at the most, even on a slow machine"


async def test_the_first_wake_goes_at_once(database: str, connect_async: ConnectAsync) -> None:
    async with Database(database) as pool, heard(database, connect_async) as so_far:
        waker = Waker(pool)
        waker.wake("paint")
        await waker.flush()
        assert await so_far() == ["paint"]
        await waker.flush()
        for _ in range(500):
            waker.wake("paint")
        await waker.flush()
        assert await so_far() == ["paint"]


async def test_a_wake_never_fails(database: str, caplog: pytest.LogCaptureFixture) -> None:
    pool = Database(database)
    await pool.open()
    await pool.close()
    waker = Waker(pool)
    await waker.flush()
    waker.wake("paint")
    await waker.flush()
    assert "could not wake workers" in caplog.text


# Listening.


class Ear:
    """Runs ``listen`` and keeps what it says."""

    def __init__(self, database: str) -> None:
        self.messages: list[tuple[str, str]] = []
        self.losses = 0
        self._task = asyncio.create_task(
            listen(database, self._on_message, application="ear", on_loss=self._on_loss)
        )

    def _on_message(self, channel: str, payload: str) -> None:
        self.messages.append((channel, payload))

    def _on_loss(self) -> None:
        self.losses += 1

    async def hears(self, *expected: tuple[str, str]) -> None:
        async def all_heard() -> bool:
            return len(self.messages) >= len(expected)

        await wait_until_async(all_heard, what=f"{len(expected)} messages")
        assert self.messages == list(expected)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def ear(database: str, engine: Engine) -> AsyncIterator[Ear]:  # noqa: ARG001
    ear = Ear(database)
    yield ear
    await ear.close()


async def test_work_and_cancels_are_heard(ear: Ear, engine: Engine) -> None:
    await ear.hears(("", ""))
    engine.connection.execute("INSERT INTO jobs (user_id, model_id) VALUES ('ada', 'painter')")
    await ear.hears(("", ""), ("vsl_work", "paint"))
    claim = engine.claim_one()
    engine.begin(claim)
    engine.cancel(claim.job_id)
    await ear.hears(("", ""), ("vsl_work", "paint"), ("vsl_cancel", ""))


async def test_a_submission_of_the_program_wakes_nobody_by_itself(ear: Ear, engine: Engine) -> None:
    await ear.hears(("", ""))
    engine.submit()
    engine.connection.execute("NOTIFY vsl_work, 'END'")
    await ear.hears(("", ""), ("vsl_work", "END"))


async def test_many_jobs_of_one_insert_wake_once(ear: Ear, engine: Engine) -> None:
    await ear.hears(("", ""))
    engine.submit_many(50)
    engine.connection.execute("NOTIFY vsl_work, 'END'")
    await ear.hears(("", ""), ("vsl_work", "paint"), ("vsl_work", "END"))


async def test_a_lost_connection_comes_back_and_says_so(ear: Ear, engine: Engine) -> None:
    await ear.hears(("", ""))
    assert end_backends(engine, "ear") == 1
    await ear.hears(("", ""), ("", ""))
    assert ear.losses == 1
    engine.connection.execute("NOTIFY vsl_work, 'paint'")
    await ear.hears(("", ""), ("", ""), ("vsl_work", "paint"))


async def test_nothing_is_lost_around_the_probes(
    database: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is asked whether it lives goes on hearing."""
    monkeypatch.setattr(listening, "PROBE_EVERY", 0.001)
    ear = Ear(database)
    try:
        await ear.hears(("", ""))
        for number in range(300):
            engine.connection.execute("SELECT pg_notify('vsl_work', %s)", [str(number)])
            await asyncio.sleep(0)
        await ear.hears(("", ""), *(("vsl_work", str(number)) for number in range(300)))
    finally:
        await ear.close()
