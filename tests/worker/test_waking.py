"""When workers start on jobs, and how many at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.waiting import wait_until_async
from tests.worker import media
from tests.worker.kit import ON_18, QUICK, Lab, Running

from vsl.db.listen import Waker
from vsl.db.pool import Database
from vsl.domain.provider import Prediction, PredictionRequest
from vsl.testing import Fail, FakeProvider, Hang, Succeed

IMAGE = Succeed((media.image(),))


async def hears(running: Running, *, wanted: bool = True) -> None:
    """Wait until a worker listens, or until it no longer does."""

    async def so() -> bool:
        return running.worker._hearing == wanted

    await wait_until_async(so, what="the worker never listened")


async def test_an_insert_wakes_an_idle_worker(lab: Lab) -> None:
    async with lab.worker(FakeProvider(otherwise=IMAGE)) as running:
        await hears(running)
        first = lab.submit()
        await lab.ended(first)
        second = lab.submit()
        await lab.ended(second)
        # The next look of its own would have been in an hour.
        assert running.worker._interval() > 2800


async def test_the_client_s_waker_wakes_it_too(lab: Lab, database: str) -> None:
    async with lab.worker(FakeProvider(otherwise=IMAGE)) as running, Database(database) as other:
        await hears(running)
        lab.rows("SET vsl.notify = 'off'")
        job = lab.submit()
        assert lab.job(job)["status"] == "pending"
        waker = Waker(other)
        waker.wake("fake")
        await waker.flush()
        await lab.ended(job)


async def test_without_a_connection_to_listen_on_it_polls(lab: Lab) -> None:
    lab.rows("SET vsl.notify = 'off'")
    async with lab.worker(FakeProvider(otherwise=IMAGE), listen=False):
        job = lab.submit()
        await lab.ended(job)


async def test_one_that_cannot_listen_polls_as_often(lab: Lab) -> None:
    """The address to listen on leads nowhere; the poll for a hearing worker is an hour off."""
    lab.rows("SET vsl.notify = 'off'")
    async with lab.worker(FakeProvider(otherwise=IMAGE), listen=False) as running:
        running.worker.listen_url = "postgresql://127.0.0.1:1/nowhere"
        job = lab.submit()
        await lab.ended(job)
        assert running.worker._interval() < 1


async def test_a_lost_listening_connection_is_replaced(lab: Lab) -> None:
    async with lab.worker(FakeProvider(otherwise=IMAGE)) as running:
        await hears(running)
        lab.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'vsl listen%%' AND datname = current_database()"
        )
        await hears(running, wanted=False)
        await hears(running)
        job = lab.submit()
        await lab.ended(job)


async def test_another_lane_s_notification_is_not_for_it(lab: Lab) -> None:
    lab.add_model("elsewhere", lane="other")
    async with lab.worker(FakeProvider(otherwise=IMAGE)) as running:
        await hears(running)
        waiting = lab.submit("elsewhere")
        job = lab.submit()
        await lab.ended(job)
        assert lab.job(waiting)["status"] == "pending"
        async with lab.worker(FakeProvider(otherwise=IMAGE), lanes=("other",)):
            await lab.ended(waiting)


@ON_18
async def test_a_back_off_ends_by_itself(lab: Lab) -> None:
    """No notification, and no look of its own for an hour: it knows when the job falls due."""
    provider = FakeProvider(Fail("busy", retryable=True), otherwise=IMAGE)
    async with lab.worker(provider):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        due = lab.row("SELECT due_at FROM vsl.dispatch")["due_at"]
        await lab.ended(job)
    first, second = lab.attempts(job)
    assert timedelta(seconds=1.6) <= due - first["ended_at"] <= timedelta(seconds=2.4)
    assert timedelta(0) <= second["started_at"] - due < timedelta(seconds=1)


class Counting(FakeProvider):
    """Counts the predictions under way; each waits until enough were seen."""

    def __init__(self, enough: int) -> None:
        super().__init__(otherwise=IMAGE)
        self.enough = enough
        self.now = self.most = 0
        self.full = asyncio.Event()

    async def predict(self, request: PredictionRequest) -> Prediction:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == self.enough:
            self.full.set()
        await self.full.wait()
        await asyncio.sleep(0)
        self.now -= 1
        return await super().predict(request)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_jobs_at_a_time_than_allowed(lab: Lab, concurrency: int) -> None:
    provider = Counting(enough=concurrency)
    jobs = lab.submit_many(12)
    async with lab.worker(provider, concurrency=concurrency):
        await lab.ended(*jobs)
    assert provider.most == concurrency
    for job in jobs:
        lab.check_completed_once(job)


async def test_two_workers_share_the_jobs(lab: Lab) -> None:
    jobs = lab.submit_many(30)
    one, two = Counting(enough=2), Counting(enough=2)
    async with lab.worker(one, concurrency=2), lab.worker(two, concurrency=2):
        await lab.ended(*jobs)
    assert len(one.requests) + len(two.requests) == 30
    assert one.requests
    assert two.requests
    for job in jobs:
        lab.check_completed_once(job)


async def test_a_full_lane_does_not_starve_another(lab: Lab) -> None:
    lab.add_model("elsewhere", lane="other")
    lab.submit_many(200)
    lab.rows("UPDATE vsl.dispatch SET due_at = due_at - interval '1 h'")
    job = lab.submit("elsewhere")
    provider = FakeProvider(otherwise=IMAGE)
    lanes = ("fake", "other")
    async with lab.worker(provider, concurrency=1, lanes=lanes, timing=replace(QUICK, grace=0)):
        await lab.ended(job)
        assert lab.row("SELECT count(*) AS n FROM vsl.dispatch")["n"] > 0


async def test_what_a_stopping_worker_hands_back_wakes_another(lab: Lab) -> None:
    hang = Hang()
    async with lab.worker(FakeProvider(otherwise=IMAGE), concurrency=1) as other:
        await hears(other)
        other.worker.concurrency = 0
        async with lab.worker(FakeProvider(hang), timing=replace(QUICK, grace=0)):
            job = lab.submit()
            await hang.started.wait()
            other.worker.concurrency = 1
        await lab.ended(job)
    lab.check_completed_once(job)
    assert lab.row("SELECT count(*) AS n FROM vsl.attempts")["n"] == 1
