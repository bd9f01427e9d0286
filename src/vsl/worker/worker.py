"""The worker: claims jobs of its lanes and drives each to its end."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vsl.db.listen import CANCEL_CHANNEL, WORK_CHANNEL, listen
from vsl.db.migrate import require_current
from vsl.db.pool import Database
from vsl.db.statement import execute as run_command
from vsl.db.statement import fetch, fetch_value
from vsl.db.statements import (
    ClaimJobs,
    DropDoomed,
    ExtendLeases,
    HandBackJobs,
    NextDue,
    NotifyWork,
    RescueJobs,
    TakeDoomed,
)
from vsl.domain.jobs import ClaimedJob
from vsl.errors import DatabaseError, SchemaVersionError, VslError
from vsl.worker.collect import Tools
from vsl.worker.ends import AnyProvider, Surroundings
from vsl.worker.execute import execute
from vsl.worker.records import ClaimLostError, Execution, about
from vsl.worker.tasks import call_off

log = logging.getLogger(__name__)

#: Objects that are removed from the store in one go.
DOOMED = 100
LOST = "claim lost; nothing was changed"


def new_name() -> str:
    """A name for a worker of this process, which no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Timing:
    """A worker's intervals, in seconds.

    lease: how long a claim lasts without a heartbeat; heartbeats come three times as often.
    poll: between looks for work when no notification comes; without_notify: the same when there is
    no connection to hear notifications on. rescue: between looks for lost jobs. janitor: between
    removals of doomed objects. grace: how long a stopping worker waits for its jobs.
    """

    lease: float = 30.0
    poll: float = 20.0
    without_notify: float = 1.5
    rescue: float = 10.0
    janitor: float = 30.0
    grace: float = 30.0


@dataclass(slots=True)
class Running:
    """A job and the task that drives it."""

    execution: Execution
    task: asyncio.Task[None]


@dataclass(slots=True)
class Worker:
    """Drives up to ``concurrency`` jobs of ``lanes`` at a time, until told to stop.

    listen_url: an unpooled address to hear notifications on, or None to poll only.
    """

    database: Database
    tools: Tools
    providers: Mapping[str, AnyProvider]
    lanes: Sequence[str]
    concurrency: int = 4
    listen_url: str | None = None
    timing: Timing = field(default_factory=Timing)
    name: str = field(default_factory=new_name)
    # By epoch: a job can be here again under a newer claim while an older one is ending.
    _running: dict[int, Running] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _beat: asyncio.Event = field(default_factory=asyncio.Event)
    _hearing: bool = False

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
        """Work until ``stop`` is set and every job has ended or was handed back.

        hurry: set to hand back at once what has not ended, without waiting out the grace.
        Raises ``SchemaVersionError`` when the database does not fit this program, and
        ``DatabaseError`` when it cannot be reached at the start; later losses are waited out.
        """
        async with self.database.connection() as connection:
            await require_current(connection)
        log.info(
            "worker started",
            extra={"worker": self.name, "lanes": ",".join(self.lanes), "slots": self.concurrency},
        )
        helpers = [
            asyncio.create_task(self._heartbeat()),
            asyncio.create_task(self._every(self.timing.rescue, self._rescue)),
            asyncio.create_task(self._every(self.timing.janitor, self._remove_doomed)),
            asyncio.create_task(self._wake_on(stop)),
        ]
        if self.listen_url is not None:
            name = f"vsl listen {self.name}"
            hearing = listen(self.listen_url, self._heard, application=name, on_loss=self._deaf)
            helpers.append(asyncio.create_task(hearing))
        grace = 0.0
        try:
            await self._claim_until(stop)
            grace = self.timing.grace
        finally:
            try:
                await self._drain(grace, hurry or asyncio.Event())
            finally:
                await call_off(*helpers)
        log.info("worker stopped", extra={"worker": self.name})

    async def _claim_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            free = self.concurrency - len(self._running)
            claimed: list[ClaimedJob] = []
            pause = self._interval()
            if free:
                try:
                    claimed = await self._claim(free)
                    if not claimed:
                        pause = await self._until_due(pause)
                except SchemaVersionError:
                    raise
                except DatabaseError as error:
                    log.warning("the database does not answer (%s)", error.message)
                    pause = self.timing.without_notify
            for job in claimed:
                self._start(job)
            if not claimed:
                await self._sleep(pause)

    async def _claim(self, free: int) -> list[ClaimedJob]:
        # In another order each time, so that one full lane does not starve the others.
        lanes = random.sample(self.lanes, len(self.lanes))
        async with self.database.connection() as connection:
            statement = ClaimJobs(
                worker=self.name, lanes=lanes, count=free, lease=self.timing.lease
            )
            return await fetch(connection, statement)

    async def _until_due(self, pause: float) -> float:
        """Sleep no longer than until a waiting job falls due."""
        async with self.database.connection() as connection:
            due = await fetch_value(connection, NextDue(lanes=self.lanes))
        return pause if due is None else min(pause, max(due, 0.05))

    def _interval(self) -> float:
        base = self.timing.poll if self._hearing else self.timing.without_notify
        return base * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    def _heard(self, channel: str, payload: str) -> None:
        self._hearing = True
        # Neither channel: a new connection, before which anything may have been said.
        if channel != WORK_CHANNEL:
            self._beat.set()
        if channel != CANCEL_CHANNEL and (channel != WORK_CHANNEL or payload in self.lanes):
            self._wake.set()

    def _deaf(self) -> None:
        self._hearing = False
        self._wake.set()  # So that the pause under way is not longer than one without hearing.

    def _start(self, job: ClaimedJob) -> None:
        execution = Execution(job)
        if job.cancel_requested:
            execution.cancel.set()
        task = asyncio.create_task(self._drive(execution))
        self._running[job.epoch] = Running(execution, task)

    async def _drive(self, execution: Execution) -> None:
        """Execute a job; whatever happens stays with this job."""
        job = execution.job
        around = Surroundings(self.database, self.providers, self.tools)
        try:
            outcome = await execute(execution, around)
            # One that waits comes here at each look.
            level = logging.DEBUG if outcome == "waiting" else logging.INFO
            log.log(level, "job %s", outcome, extra=about(job))
        except ClaimLostError:
            log.warning(LOST, extra=about(job))
        except Exception as error:
            # The type alone, unless it is one of ours: the message may hold the job's data.
            kind = error.code if isinstance(error, VslError) else type(error).__name__
            log.error("job left for rescue (%s)", kind, extra=about(job))
        finally:
            del self._running[job.epoch]
            self._wake.set()

    async def _heartbeat(self) -> None:
        """Extend leases, learn of lost claims, and pass on wishes to cancel."""
        while True:
            try:
                async with asyncio.timeout(self.timing.lease / 3):
                    await self._beat.wait()
            except TimeoutError:
                pass
            self._beat.clear()
            try:
                await self._extend()
            except Exception as error:
                log.warning("heartbeat failed (%s)", _words(error))
                await asyncio.sleep(min(1.0, self.timing.lease / 10))
                self._beat.set()

    async def _extend(self) -> None:
        held = list(self._running.values())
        if not held:
            return
        async with self.database.connection() as connection:
            statement = ExtendLeases(
                jobs=[running.execution.job.id for running in held],
                epochs=[running.execution.job.epoch for running in held],
                lease=self.timing.lease,
            )
            kept = {answer.epoch: answer for answer in await fetch(connection, statement)}
        for running in held:
            answer = kept.get(running.execution.job.epoch)
            if answer is None:
                # One whose end is being written may have lost its claim by that very write.
                if not running.execution.ending:
                    log.warning(LOST, extra=about(running.execution.job))
                    running.task.cancel()
            elif answer.cancel_requested:
                running.execution.cancel.set()

    async def _rescue(self) -> None:
        async with self.database.connection() as connection:
            rescued = await fetch(connection, RescueJobs(count=1000))
        for job in rescued:
            log.warning("rescued a job of %s: %s", job.lost_worker, job.result)
        if rescued:
            self._wake.set()
            await self._notify()

    async def _notify(self) -> None:
        """Wake the other workers of these lanes."""
        async with self.database.connection() as connection:
            for lane in self.lanes:
                await run_command(connection, NotifyWork(lane=lane))

    async def _remove_doomed(self) -> None:
        while await self._remove_some():
            pass

    async def _remove_some(self) -> bool:
        """Remove a batch of doomed objects; whether there may be more."""
        store = self.tools.store
        async with self.database.connection() as connection:
            doomed = await fetch(connection, TakeDoomed(bucket=store.bucket, count=DOOMED))
        gone = []
        for item in doomed:
            try:
                await store.delete(item.storage_key)
            except VslError as error:
                # It comes up again later, and keeps none of the others here.
                log.warning("could not remove a doomed object (%s)", error.code)
            else:
                gone.append(item.id)
        if gone:
            async with self.database.connection() as connection:
                await run_command(connection, DropDoomed(ids=gone))
            log.info("removed %d objects that nothing refers to", len(gone))
        return len(doomed) == DOOMED and bool(gone)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:
                log.warning("%s", _words(error))
            await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def _drain(self, grace: float, hurry: asyncio.Event) -> None:
        """Let jobs end within the grace; hand the others back."""
        tasks = [running.task for running in self._running.values()]
        if not tasks:
            return
        log.info("stopping: waiting for %d jobs", len(tasks))
        ended = asyncio.ensure_future(asyncio.wait(tasks))
        hurrying = asyncio.ensure_future(hurry.wait())
        await asyncio.wait({ended, hurrying}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        left = [running.execution.job for running in self._running.values()]
        await call_off(ended, hurrying, *tasks)
        if left:
            await self._hand_back(left)

    async def _hand_back(self, jobs: Sequence[ClaimedJob]) -> None:
        statement = HandBackJobs(jobs=[j.id for j in jobs], epochs=[j.epoch for j in jobs])
        try:
            async with self.database.connection() as connection:
                handed = await fetch(connection, statement)
            log.info("handed %d jobs back", len(handed))
            await self._notify()
        except DatabaseError as error:
            log.warning("could not hand jobs back; their leases run out (%s)", error.message)


def _words(error: Exception) -> str:
    """What a log line may say of an error: a message of unknown origin may hold anything."""
    return error.message if isinstance(error, VslError) else type(error).__name__
