"""A database that goes away for a while, or does not fit this program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until_async
from tests.worker import media
from tests.worker.kit import ON_18, Hold, Lab

from vsl.errors import DatabaseError, SchemaVersionError
from vsl.storage import ObstoreStore
from vsl.testing import FakeProvider, Hang, Succeed
from vsl.worker.steps import Step

IMAGE = Succeed((media.image(),))


def terminate(lab: Lab) -> None:
    """End every connection of workers."""
    lab.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'vsl %%' AND datname = current_database()"
    )


@pytest.mark.parametrize("step", ["claimed", "begun", "predicted", "recorded", "spooled", "stored"])
async def test_connections_are_ended_at_a_step(lab: Lab, step: Step) -> None:
    hold = Hold(step)
    provider = FakeProvider(otherwise=IMAGE)
    async with lab.worker(provider, steps=hold):
        job = lab.submit()
        await hold.held.wait()
        terminate(lab)
        hold.go.set()
        await lab.ended(job)
    lab.check_completed_once(job)
    assert len(provider.requests) == 1


async def test_connections_are_ended_over_and_over(lab: Lab) -> None:
    jobs = lab.submit_many(15)
    async with lab.worker(FakeProvider(otherwise=IMAGE), concurrency=2):
        for done in (2, 6, 10):
            await lab.until("count(*) >= %s FROM jobs WHERE status = 'completed'", done)
            terminate(lab)
            # What was claimed by a call whose answer was lost waits for its lease.
            lab.expire()
            lab.wake()
        await lab.until("count(*) = 15 FROM jobs WHERE status = 'completed'")
    for job in jobs:
        lab.check_completed_once(job)


# --- a server that stops --------------------------------------------------------------------


class Outage:
    """A lab on a server of its own, which can be stopped and started."""

    def __init__(self, lab: Lab, server: TestServer, url: str) -> None:
        self.lab = lab
        self._server = server
        self._url = url

    async def stop(self) -> None:
        self.lab.connection.close()
        await asyncio.to_thread(self._server.embedded.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._server.embedded.start)
        self.lab.connection = psycopg.connect(self._url, autocommit=True)

    async def logged(self, words: str) -> None:
        async def found() -> bool:
            return any(words in line for line in self.lab.lines.text)

        await wait_until_async(found, within=30, what=words)


@pytest.fixture
async def outage(
    fresh_server: Callable[[int], TestServer],
    template_sql: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Outage]:
    monkeypatch.setattr("vsl.db.pool.CONNECT_TIMEOUT", 1.0)
    server = fresh_server(18)
    url = server.url(server.template(template_sql))
    worker_url = server.url(database_name(url), server.login_for("vsl_worker"))
    connection = psycopg.connect(url, autocommit=True)
    lab = Lab(connection, worker_url, ObstoreStore.in_memory(), tmp_path / "spool")
    lab.add_model("painter")
    with lab.lines.attached():
        yield Outage(lab, server, url)
    await lab.check()
    lab.connection.close()


async def test_the_server_stops_and_starts(outage: Outage) -> None:
    """While a worker is idle, while a model runs, and before a job's end is written."""
    lab, hang, hold = outage.lab, Hang(then=IMAGE), Hold("stored")
    provider = FakeProvider(IMAGE, hang, otherwise=IMAGE)
    async with lab.worker(provider, steps=hold) as running:
        first, second = lab.submit(), lab.submit()
        await hold.held.wait()
        await hang.started.wait()
        await outage.stop()
        hold.go.set()
        await outage.logged("the database does not answer; trying again")
        await outage.start()
        await lab.until("count(*) = 1 FROM jobs WHERE status = 'completed'")
        hang.released.set()
        await lab.ended(first, second)
        third = lab.submit()
        await lab.ended(third)
        assert not running.task.done()
    for job in (first, second, third):
        lab.check_completed_once(job)
    assert len(provider.requests) == 3


async def test_the_server_is_gone_longer_than_a_worker_tries(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is left, its lease runs out, and it is done again; its first file is removed."""
    monkeypatch.setattr("vsl.worker.records.PAUSES", (0.01,))
    lab, hold = outage.lab, Hold("stored")
    provider = FakeProvider(otherwise=IMAGE)
    async with lab.worker(provider, steps=hold):
        job = lab.submit()
        await hold.held.wait()
        await outage.stop()
        hold.go.set()
        await outage.logged("job left for rescue (database_error)")
        await outage.start()
        lab.expire()
        await lab.ended(job)
    lab.check_completed_once(job)
    assert len(provider.requests) == 2
    assert len(lab.attempts(job)) == 1
    await lab.clean()
    await lab.check_only_rows()


async def test_the_server_is_gone_when_the_worker_stops(outage: Outage) -> None:
    lab, hang = outage.lab, Hang()
    async with lab.worker(FakeProvider(hang)) as running:
        job = lab.submit()
        await hang.started.wait()
        await outage.stop()
        running.stop.set()
        running.hurry.set()
        await running.task
    assert any("could not hand jobs back" in line for line in lab.lines.text)
    await outage.start()
    lab.expire()
    async with lab.worker(FakeProvider(otherwise=IMAGE)):
        await lab.ended(job)
    lab.check_completed_once(job)


# --- a database that does not fit -----------------------------------------------------------


@ON_18
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DELETE FROM schema_migrations WHERE version LIKE '%1.0'", "older than .* lacks"),
        ("INSERT INTO schema_migrations (version) VALUES ('9.0.0')", "newer than .* has 9.0.0"),
        ("UPDATE vsl.repeatables SET sha256 = repeat('0', 64)", "functions are older"),
        ("TRUNCATE schema_migrations", "not installed"),
    ],
    ids=["older", "newer", "functions", "none"],
)
async def test_a_schema_that_does_not_fit_is_refused_at_the_start(
    lab: Lab, change: str, words: str
) -> None:
    lab.rows(change)
    with pytest.raises(SchemaVersionError, match=words) as caught:
        async with lab.worker(FakeProvider()) as running:
            await running.task
    assert caught.value.hint


@ON_18
async def test_an_empty_database_is_refused(lab: Lab, empty_database: str) -> None:
    with pytest.raises(SchemaVersionError, match="not installed"):
        async with lab.worker(FakeProvider(), url=empty_database) as running:
            await running.task


@ON_18
async def test_no_database_at_all(lab: Lab) -> None:
    with pytest.raises(DatabaseError, match="cannot be reached") as caught:
        async with lab.worker(FakeProvider(), url="postgresql://127.0.0.1:1/nowhere"):
            pass
    assert caught.value.retryable


async def test_a_schema_that_goes_away_ends_the_worker(lab: Lab) -> None:
    hold = Hold("begun")

    async def work() -> None:
        async with lab.worker(FakeProvider(), steps=hold) as running:
            lab.submit()
            await hold.held.wait()
            lab.rows("ALTER FUNCTION vsl.claim_jobs RENAME TO claim_no_jobs")
            lab.wake()
            await running.task

    with pytest.raises(SchemaVersionError):
        await work()
    assert lab.row("SELECT worker FROM vsl.dispatch") == {"worker": None}
