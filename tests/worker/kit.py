"""What the worker's tests share: a database with models, a store, and workers on both."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from tests.engine.kit import RULES
from tests.support.waiting import wait_until_async

from vsl.db.pool import Database
from vsl.domain.provider import Provider, RemoteProvider
from vsl.domain.store import Store
from vsl.logs import JsonFormatter, TextFormatter
from vsl.worker.collect import Tools
from vsl.worker.spool import Spool
from vsl.worker.steps import NoSteps, Step, Steps
from vsl.worker.worker import Timing, Worker

#: In every prompt; it may appear in no log line and no error.
CANARY = "quixotic-zanzibar"
PROMPT = f"a heron called {CANARY} on a lake"
LANE = "fake"
#: Seconds that a block with a worker may take.
PATIENCE = 60.0

#: For what does not depend on the version of PostgreSQL.
ON_18 = pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])

#: No look for work but the first without a notification; lost jobs and doomed objects at once.
QUICK = Timing(lease=30, poll=3600, without_notify=0.05, rescue=0.05, janitor=0.05, grace=10)

ALL_STEPS: tuple[Step, ...] = (
    "claimed",
    "begun",
    "predicted",
    "recorded",
    "spooled",
    "stored",
    "finished",
)


class Lines(logging.Handler):
    """Keeps every log line of the process, in both of VSL's formats."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text: list[str] = []
        self.json: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(TextFormatter().format(record))
        self.json.append(JsonFormatter().format(record))

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen to everything for a while."""
        root = logging.getLogger()
        level = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(self)


class Hold:
    """Steps that hold the first job that comes to one of them, until ``go`` is set."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.held = asyncio.Event()
        self.go = asyncio.Event()
        self.seen: list[Step] = []

    async def reached(self, step: Step, job: UUID) -> None:
        del job
        self.seen.append(step)
        if step == self.step and not self.held.is_set():
            self.held.set()
            await self.go.wait()


@dataclass(slots=True)
class Running:
    """A worker at work. It stops at the end of its block, or when ``stop`` is set."""

    worker: Worker
    task: asyncio.Task[None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def _unless_it_fails(task: asyncio.Task[None]) -> AsyncIterator[None]:
    """Break the block off with the task's error, should there be one: nobody waits in vain."""
    block = asyncio.current_task()
    assert block is not None

    def ended(_: object) -> None:
        if not task.cancelled() and task.exception():
            block.cancel()

    task.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and (error := task.exception()):
            block.uncancel()
            raise error from None
        raise
    finally:
        task.remove_done_callback(ended)


class Lab:
    """A database, a store, and what tests do with them."""

    def __init__(
        self, connection: psycopg.Connection[Any], worker_url: str, store: Store, spool: Path
    ) -> None:
        self.connection = connection
        self.worker_url = worker_url
        self.store = store
        self.spool = spool
        self.lines = Lines()
        #: Whether the test deleted jobs: the rules count on all of them being there.
        self.jobs_deleted = False

    # --- the database -----------------------------------------------------------------------

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(query.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    def row(self, query: str, *arguments: Any) -> dict[str, Any]:
        (row,) = self.rows(query, *arguments)
        return row

    def add_model(self, model_id: str, media_type: str = "image", **columns: Any) -> None:
        row = {"media_type": media_type, "provider": "fake", "pricing_per_unit": "0.25", **columns}
        names = ", ".join(["model_id", *row])
        places = ", ".join(["%s"] * (len(row) + 1))
        values = [Jsonb(v) if isinstance(v, Mapping) else v for v in row.values()]
        query = f"INSERT INTO model_configurations ({names}) VALUES ({places})"  # noqa: S608
        self.rows(query, model_id, *values)

    def submit(
        self,
        model_id: str = "painter",
        *,
        prompt: str | None = PROMPT,
        parameters: Mapping[str, Any] | None = None,
        user: str = "ada",
    ) -> UUID:
        """A plain INSERT, which wakes the workers by itself."""
        job: UUID = self.row(
            "INSERT INTO jobs (user_id, model_id, prompt, parameters)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            user,
            model_id,
            prompt,
            Jsonb(parameters or {}),
        )["id"]
        return job

    def submit_many(self, count: int, model_id: str = "painter") -> list[UUID]:
        rows = self.rows(
            "INSERT INTO jobs (user_id, model_id, prompt)"
            " SELECT 'ada', %s, %s FROM generate_series(1, %s) RETURNING id",
            model_id,
            PROMPT,
            count,
        )
        return [row["id"] for row in rows]

    def job(self, job: UUID) -> dict[str, Any]:
        return self.row("SELECT * FROM jobs WHERE id = %s", job)

    def attempts(self, job: UUID) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM vsl.attempts WHERE job_id = %s ORDER BY number", job)

    def outputs(self, job: UUID) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM media_outputs WHERE job_id = %s ORDER BY ordinal", job)

    def ledger(self, job: UUID) -> list[str]:
        query = "SELECT kind FROM vsl.ledger_entries WHERE job_id = %s ORDER BY run, closes"
        return [row["kind"] for row in self.rows(query, job)]

    def usage(self, job: UUID) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM usage_tracking WHERE job_id = %s", job)

    def cancel(self, job: UUID) -> str:
        query = "SELECT vsl.cancel_job(job_id) AS answer FROM jobs WHERE id = %s"
        return str(self.row(query, job)["answer"])

    def expire(self) -> None:
        """Let every lease run out."""
        self.rows(
            "UPDATE vsl.dispatch SET lease_until = now() - interval '1 second'"
            " WHERE worker IS NOT NULL"
        )

    def lose(self, job: UUID) -> None:
        """Let a job's lease run out and free it, as one step."""
        with self.connection.transaction():
            self.expire()
            assert {row["id"] for row in self.rows("SELECT id FROM vsl.rescue_jobs(10)")} == {job}
            self.wake()

    def make_due(self) -> None:
        """Let every back-off end, and wake the workers."""
        with self.connection.transaction():
            self.rows("UPDATE vsl.dispatch SET due_at = now() WHERE worker IS NULL")
            self.wake()

    def wake(self) -> None:
        self.rows(f"NOTIFY vsl_work, '{LANE}'")

    async def until(self, condition: str, *arguments: Any, within: float = 15.0) -> None:
        """Wait until a query's one value is true."""

        async def ask() -> bool:
            return bool(next(iter(self.row(f"SELECT {condition}", *arguments).values())))

        await wait_until_async(ask, within=within, what=condition)

    async def ended(self, *jobs: UUID, as_: str = "completed", within: float = 15.0) -> None:
        """Wait until these jobs have a status."""
        await self.until(
            "count(*) = %s FROM jobs WHERE id = ANY (%s) AND status = %s",
            len(jobs),
            list(jobs),
            as_,
            within=within,
        )

    # --- workers ----------------------------------------------------------------------------

    @asynccontextmanager
    async def worker(
        self,
        *providers: Provider | RemoteProvider,
        steps: Steps | None = None,
        timing: Timing = QUICK,
        listen: bool = True,
        lanes: tuple[str, ...] = (LANE,),
        concurrency: int = 4,
        store: Store | None = None,
        url: str | None = None,
        listen_url: str | None = None,
    ) -> AsyncIterator[Running]:
        """A worker in this process, stopped at the block's end."""
        url = url or self.worker_url
        with Spool.open(self.spool) as spool:
            async with Database(url, size=4, application="vsl worker") as database:
                worker = Worker(
                    database=database,
                    tools=Tools(store or self.store, spool, steps or NoSteps()),
                    providers={provider.name: provider for provider in providers},
                    lanes=lanes,
                    concurrency=concurrency,
                    listen_url=(listen_url or url) if listen else None,
                    timing=timing,
                )
                stop, hurry = asyncio.Event(), asyncio.Event()
                task = asyncio.create_task(worker.run(stop, hurry))
                try:
                    async with _unless_it_fails(task), asyncio.timeout(PATIENCE):
                        yield Running(worker, task, stop, hurry)
                finally:
                    stop.set()
                    await asyncio.wait_for(task, PATIENCE)

    @asynccontextmanager
    async def slow_worker(self, provider: Provider, hold: Hold) -> AsyncIterator[Running]:
        """One that takes one job, is held, and does not hear meanwhile that it has lost it."""
        async with self.worker(provider, steps=hold, listen=False, concurrency=1) as running:
            yield running

    async def clean(self, *providers: Provider) -> None:
        """Have the janitor remove what is doomed, at once and not after a minute."""
        self.rows("UPDATE vsl.doomed_objects SET due_at = now()")
        async with self.worker(*providers):
            await self.until("count(*) = 0 FROM vsl.doomed_objects")

    # --- what must be true --------------------------------------------------------------------

    async def objects(self) -> set[str]:
        return {key async for key in self.store.list("")}

    async def check(self) -> None:
        """What holds after every test, whatever it did."""
        for rule, query in RULES.items():
            assert self.jobs_deleted or self.rows(query) == [], rule
        for line in [*self.lines.text, *self.lines.json]:
            assert CANARY not in line
        for table in ("jobs", "vsl.attempts"):
            query = f"SELECT error_message FROM {table} WHERE error_message IS NOT NULL"  # noqa: S608
            for row in self.rows(query):
                assert CANARY not in row["error_message"]
        recorded = self.rows("SELECT s3_key, file_size, sha256 FROM media_outputs")
        doomed = {row["storage_key"] for row in self.rows("SELECT * FROM vsl.doomed_objects")}
        referred = {row["s3_key"] for row in recorded}
        assert len(referred) == len(recorded)
        assert await self.objects() - doomed - referred == set()
        for row in recorded:
            content = b"".join([chunk async for chunk in self.store.open(row["s3_key"])])
            assert (len(content), hashlib.sha256(content).hexdigest()) == (
                row["file_size"],
                row["sha256"],
            )

    async def check_only_rows(self) -> None:
        """After the janitor: nothing is in the store but what rows refer to."""
        recorded = {row["s3_key"] for row in self.rows("SELECT s3_key FROM media_outputs")}
        assert await self.objects() == recorded

    def check_completed_once(self, job: UUID, outputs: int = 1) -> None:
        """One set of outputs of one attempt, one usage row, one settlement."""
        assert self.job(job)["status"] == "completed"
        assert [row["ordinal"] for row in self.outputs(job)] == list(range(outputs))
        assert len({row["attempt_id"] for row in self.outputs(job)}) == 1
        assert len(self.usage(job)) == 1
        assert self.ledger(job) == ["hold", "settle"]
        assert all(attempt["outcome"] is not None for attempt in self.attempts(job))
