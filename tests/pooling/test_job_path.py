"""Jobs submitted and driven through PgBouncer in transaction mode, as `vsl db pool` prints it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack

import psycopg
import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect, NewPgBouncer
from tests.support.pgbouncer import RunningPgBouncer
from tests.support.waiting import wait_until_async
from tests.worker import media
from tests.worker.kit import LANE, PROMPT, Lab

from vsl.db.files import manifest
from vsl.db.listen import POOLED, Waker
from vsl.db.pool import Database
from vsl.db.pool import connect as connect_
from vsl.db.statement import fetch_value
from vsl.db.statements import RelationExists
from vsl.errors import DatabaseError
from vsl.jobs.submit import Submission, submit
from vsl.testing import FakeProvider, Hang, Succeed

#: Debian's, with Debian's PgBouncer.
ON_15 = pytest.mark.parametrize("server", [15], indirect=True, ids=["pg15"])
PICTURE = media.image()
ASK = RelationExists(relation="public.jobs")
JOB = Submission("painter", "ada", PROMPT, {}, {})


def painter() -> FakeProvider:
    return FakeProvider(otherwise=Succeed((PICTURE,)))


async def submit_through(url: str, count: int, *, at_once: int = 8) -> list[str]:
    """Submit jobs as the program does, by some connections at once; their identifiers."""
    made: list[str] = []

    async def some(database: Database, waker: Waker, share: int) -> None:
        for _ in range(share):
            async with database.connection() as connection:
                made.append((await submit(connection, JOB)).job_id)
            waker.wake(LANE)

    async with Database(url, size=at_once, application="client") as database:
        assert database.pooled
        waker = Waker(database)
        shares = [len(range(number, count, at_once)) for number in range(at_once)]
        await asyncio.gather(*(some(database, waker, share) for share in shares))
        await waker.flush()
    return made


async def completed(lab: Lab, jobs: Sequence[str], within: float = 50.0) -> None:
    await lab.until(
        "count(*) = %s FROM jobs WHERE job_id = ANY (%s) AND status = 'completed'",
        len(jobs),
        list(jobs),
        within=within,
    )


def complaints(lab: Lab) -> list[str]:
    """Log lines of a warning or worse."""
    return [line for line in lab.lines.text if re.search(r" (warning|error) ", line)]


@ON_15
async def test_a_thousand_jobs_without_an_error(lab: Lab, pgbouncer: RunningPgBouncer) -> None:
    through, direct = pgbouncer.role_url("vsl_worker"), lab.worker_url
    async with (
        lab.worker(painter(), url=through, listen_url=direct, concurrency=8) as one,
        lab.worker(painter(), url=through, listen_url=direct, concurrency=8) as other,
    ):
        jobs = await submit_through(pgbouncer.role_url("vsl_app"), 1000)
        assert len(set(jobs)) == 1000
        await completed(lab, jobs)
        assert one.worker._hearing
        assert other.worker._hearing
    assert complaints(lab) == []
    assert lab.row("SELECT count(*) AS n FROM vsl.attempts")["n"] == 1000
    assert lab.row("SELECT count(DISTINCT job_id) AS n FROM media_outputs")["n"] == 1000
    assert transactions(pgbouncer) > 4000
    assert "ERROR" not in pgbouncer.log()


async def test_a_worker_that_has_only_a_poolers_address(
    lab: Lab, pgbouncer: RunningPgBouncer
) -> None:
    through = pgbouncer.role_url("vsl_worker")
    async with lab.worker(painter(), url=through) as running:
        first = lab.submit()
        await lab.ended(first)
        second = lab.submit()
        await lab.ended(second)
        assert not running.worker._hearing
    assert [line for line in lab.lines.text if POOLED in line] == complaints(lab)
    assert len(complaints(lab)) == 1
    listeners = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    assert lab.row(listeners)["n"] == 0


async def test_the_verbs_of_people_through_it(
    lab: Lab, pgbouncer: RunningPgBouncer, vsl: Vsl
) -> None:
    people = vsl.with_variables(DATABASE_URL=pgbouncer.role_url("vsl_app"))
    lab.add_model("cog-painter", provider="cog", configuration={"url": "http://127.0.0.1:1"})
    submitted = people.json("generate", "cog-painter", "--prompt", "a heron", "--no-wait")
    job = submitted["job_id"]
    assert [row["job_id"] for row in people.json("jobs", "list")] == [job]
    assert people.json("jobs", "cancel", job)["cancel"] == "cancelled"
    assert people.json("jobs", "retry", job)["status"] == "pending"
    provider = FakeProvider(hold := Hang(then=Succeed((PICTURE,))), name="cog")
    # The worker is not behind the pooler: all that goes through it is of the one who watches.
    async with lab.worker(provider, lanes=("cog",)):
        await hold.started.wait()
        watch = asyncio.create_task(asyncio.to_thread(people, "jobs", "watch", job, "--json"))
        enough = transactions(pgbouncer) + 12

        async def looked_often() -> bool:
            return await asyncio.to_thread(transactions, pgbouncer) > enough

        # More often than it takes psycopg to prepare a statement.
        await wait_until_async(looked_often, within=20)
        hold.released.set()
        done = await watch
    assert (done.status, done.document["job"]["status"]) == (0, "completed")
    shown = people.json("jobs", "show", job)
    assert [len(shown["attempts"]), len(shown["outputs"])] == [1, 1]


def transactions(pgbouncer: RunningPgBouncer) -> int:
    """How many it has served."""
    stats = pgbouncer.console("SHOW STATS")
    return sum(
        int(str(row["total_xact_count"])) for row in stats if row["database"] == pgbouncer.database
    )


async def test_jobs_go_on_when_the_pooler_is_restarted(
    lab: Lab, pgbouncer: RunningPgBouncer
) -> None:
    through = pgbouncer.role_url("vsl_worker")
    hold = Hang(then=Succeed((PICTURE,)))
    provider = FakeProvider(hold, otherwise=Succeed((PICTURE,)))
    async with lab.worker(provider, url=through, listen_url=lab.worker_url, concurrency=2):
        jobs = [str(lab.job(lab.submit())["job_id"])]
        await hold.started.wait()
        jobs += await submit_through(pgbouncer.role_url("vsl_app"), 100)
        await asyncio.to_thread(pgbouncer.restart)
        hold.released.set()
        jobs += await submit_through(pgbouncer.role_url("vsl_app"), 100)
        await completed(lab, jobs)
    assert lab.row("SELECT count(*) AS n FROM media_outputs")["n"] == 201


@ON_15
async def test_an_exhausted_pool_is_waited_for(
    database: str, new_pgbouncer: NewPgBouncer, connect: Connect
) -> None:
    """For up to 30 seconds, as printed."""
    bouncer = new_pgbouncer(database, pool_size=1)
    holder = connect(bouncer.url(), autocommit=False, prepare_threshold=None)
    async with Database(bouncer.url()) as pool:
        holder.execute("SELECT 1")
        waiting = asyncio.create_task(ask(pool))

        async def waits() -> bool:
            pools = await asyncio.to_thread(bouncer.console, "SHOW POOLS")
            return any(row["database"] == bouncer.database and row["cl_waiting"] for row in pools)

        await wait_until_async(waits)
        assert not waiting.done()
        holder.rollback()
        assert await waiting


@ON_15
async def test_a_pool_that_stays_exhausted_is_said(
    database: str, new_pgbouncer: NewPgBouncer, connect: Connect
) -> None:
    bouncer = new_pgbouncer(database, pool_size=1, query_wait_timeout=1)
    holder = connect(bouncer.url(), autocommit=False, prepare_threshold=None)
    async with Database(bouncer.url()) as pool:
        holder.execute("SELECT 1")
        pool._pool.timeout = 2  # type: ignore[union-attr] # as the other one: a bit longer
        with pytest.raises(DatabaseError, match="pooler had no free connection") as found:
            await ask(pool)
        assert found.value.retryable
        assert "vsl db pool" in (found.value.hint or "")
        with pytest.raises(DatabaseError, match="pooler had no free connection"):
            async with connect_(bouncer.url()) as connection:
                await fetch_value(connection, ASK)
        holder.rollback()
        assert await ask(pool)


async def ask(database: Database) -> bool:
    async with database.connection() as connection:
        return await fetch_value(connection, ASK)


@ON_15
async def test_the_schema_changes_while_clients_run(lab: Lab, pgbouncer: RunningPgBouncer) -> None:
    """Functions are replaced and a column comes and goes, on the direct connection."""
    through = pgbouncer.role_url("vsl_worker")
    functions = [file.text for file in manifest() if file.path.startswith("functions/")]
    rounds = 0
    async with lab.worker(painter(), url=through, listen_url=lab.worker_url, concurrency=8):
        submitting = asyncio.create_task(submit_through(pgbouncer.role_url("vsl_app"), 200))
        while not submitting.done():
            rounds += 1
            for number, text in enumerate(functions):
                # As a newer version would: another body.
                lab.rows(text.replace("BEGIN\n", f"BEGIN -- {rounds}.{number}\n", 1))
                await asyncio.sleep(0)
            await asyncio.to_thread(change_jobs, lab, f"extra_{rounds}")
        jobs = await submitting
        await completed(lab, jobs)
    assert rounds > 1
    assert complaints(lab) == []


def change_jobs(lab: Lab, column: str) -> None:
    """Add a column to jobs and take it away, each in a moment in which nobody holds the table."""
    for change in ("ADD COLUMN {} text", "DROP COLUMN {}"):
        lab.rows("SET lock_timeout = '5s'")
        lab.rows(f"ALTER TABLE jobs {change.format(column)}")


async def test_another_result_type_is_taken_as_it_comes(
    database: str, pgbouncer: RunningPgBouncer, connect: Connect
) -> None:
    """What a prepared statement would fail at: its plan must not change its result type."""
    owner = connect(database)
    owner.execute("CREATE TABLE thing (a integer)")
    owner.execute("INSERT INTO thing VALUES (1)")
    direct = connect(database, prepare_threshold=0)
    async with Database(pgbouncer.url(), size=1) as pool, pool.connection() as connection:
        for _ in range(8):
            direct.execute("SELECT * FROM thing")
            assert await (await connection.execute("SELECT * FROM thing")).fetchone() == (1,)
        owner.execute("ALTER TABLE thing ADD COLUMN b integer DEFAULT 2")
        assert await (await connection.execute("SELECT * FROM thing")).fetchone() == (1, 2)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cached plan must not change"):
        direct.execute("SELECT * FROM thing")


@ON_15
async def test_too_many_clients_are_told_from_a_server_that_is_down(
    database: str, new_pgbouncer: NewPgBouncer, connect: Connect
) -> None:
    bouncer = new_pgbouncer(database, max_client_conn=1)
    connect(bouncer.url(), prepare_threshold=None)
    with pytest.raises(DatabaseError) as found:
        async with connect_(bouncer.url()):
            pass
    assert found.value.message == "the pooler takes no more clients (max_client_conn)"
    assert found.value.retryable


@ON_15
async def test_a_pooler_without_its_server_says_so(
    database: str, new_pgbouncer: NewPgBouncer, connect: Connect
) -> None:
    bouncer = new_pgbouncer(database, query_wait_timeout=1, server_login_retry=60)
    admin = connect(bouncer.server.url("postgres"))
    change = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = psycopg.sql.Identifier(bouncer.database)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    said: list[str] = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect_(bouncer.url())) for _ in range(6)]
        for client in clients:
            assert await fetch_value(client, ASK)
        admin.execute(change.format(name, psycopg.sql.SQL("false")))
        try:
            admin.execute(end, [bouncer.database])
            # The first ones may meet the end of a server connection, or wait for a new one.
            for client in clients:
                with pytest.raises(DatabaseError) as found:
                    await fetch_value(client, ASK)
                assert found.value.retryable
                said.append(found.value.message)
        finally:
            admin.execute(change.format(name, psycopg.sql.SQL("true")))
    assert said[-1] == "the pooler cannot log in to the database server (server_login_retry)"
