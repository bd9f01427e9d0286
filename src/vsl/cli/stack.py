"""Everything in one place: the database, the models' servers and a worker, kept running."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from vsl.cli.assembly import addresses, embedded
from vsl.cli.lock import UP_LOCK, held
from vsl.cli.serving import serve_models
from vsl.config import Config
from vsl.db.migrate import migrate
from vsl.db.server import EmbeddedServer
from vsl.errors import ServerError, VslError
from vsl.models.catalogue import SHIPPED
from vsl.models.serve import ModelServer
from vsl.storage.location import open_store
from vsl.storage.store import to_the_end

log = logging.getLogger(__name__)

#: Seconds between the end of a worker that failed and its next start; doubled up to the second.
RESTART_PAUSES = (0.5, 15.0)
#: Seconds between two looks at the embedded server.
LOOK_EVERY = 0.5
#: Seconds that the worker's jobs get when everything stops.
GRACE = 20.0


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs. started_database: whether this stack started the embedded server."""

    servers: list[ModelServer]
    started_database: bool


@asynccontextmanager
async def running_stack(
    config: Config,
    *,
    concurrency: int,
    log_level: str | None = None,
    hurry: asyncio.Event | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Stack]:
    """Start everything, and stop it at the end.

    hurry: once set, jobs are not waited for. tell: is told of each step.
    Raises ``AlreadyRunning`` when another process does so for the same home, and the errors of
    each part when it does not start.
    """
    async with AsyncExitStack() as stack:
        hint = "Use it as it is, stop it with Ctrl-C there, or set VSL_HOME for another one."
        stack.enter_context(held(config.home / UP_LOCK, f"VSL in {config.home}", hint=hint))
        open_store(config.storage)  # a wrong address is said before anything is started
        started = False
        if config.database_url is None:
            tell("starting PostgreSQL")
            started = await stack.enter_async_context(_kept_database(embedded(config)))
        await migrate(addresses(config).direct_url, folder=config.migrations_folder)
        tell(f"starting the servers of {', '.join(model.model_id for model in SHIPPED)}")
        servers = await stack.enter_async_context(serve_models(config, SHIPPED))
        tell("starting a worker")
        await stack.enter_async_context(
            _kept_worker(concurrency, log_level or config.log_level, hurry or asyncio.Event())
        )
        yield Stack(servers, started)


@asynccontextmanager
async def _kept_database(server: EmbeddedServer) -> AsyncIterator[bool]:
    """The embedded server, started again when it ends; whether this call started it.

    One that ran before goes on afterwards.
    """
    starting = asyncio.ensure_future(asyncio.to_thread(server.start))
    ours = False
    keeper: asyncio.Task[None] | None = None
    try:
        try:
            info = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A thread cannot be stopped; what it starts must not be left behind.
            ours = (await starting).started
            raise
        ours = info.started
        keeper = asyncio.create_task(_keep_database(server))
        yield ours
    finally:
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        if ours:
            await asyncio.to_thread(server.stop)


async def _keep_database(server: EmbeddedServer) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            if (await asyncio.to_thread(server.status)).state != "stopped":
                continue
            log.warning("PostgreSQL has ended; starting it again")
            # Shielded, so that a stop meanwhile waits for it and does not miss the new one.
            info = await to_the_end(asyncio.to_thread(server.start))
            log.info("PostgreSQL is process %s", info.pid)
        except VslError as error:
            log.warning("%s", error.message.splitlines()[0])
            await asyncio.sleep(RESTART_PAUSES[1])


@asynccontextmanager
async def _kept_worker(
    concurrency: int, log_level: str, hurry: asyncio.Event
) -> AsyncIterator[None]:
    """A worker in a process of its own, started again when it ends.

    Raises ``ServerError`` when the first one ends at once.
    """
    first = await _start_worker(concurrency, log_level)
    try:
        await _until_ready(first)
    except BaseException:
        await _stop_worker(first, hurry)
        raise
    keeper = asyncio.create_task(_keep(first, concurrency, log_level, hurry))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _keep(
    process: asyncio.subprocess.Process, concurrency: int, log_level: str, hurry: asyncio.Event
) -> None:
    pause, longest = RESTART_PAUSES
    try:
        while True:
            begun = asyncio.get_running_loop().time()
            status = await process.wait()
            # One that has worked for a while does not pay for earlier failures.
            if asyncio.get_running_loop().time() - begun > longest:
                pause = RESTART_PAUSES[0]
            log.warning("the worker ended with status %s; starting another", status)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)
            process = await _start_worker(concurrency, log_level)
    finally:
        await _stop_worker(process, hurry)


async def _start_worker(concurrency: int, log_level: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vsl",
        "worker",
        "--until-stdin-closes",
        f"--concurrency={concurrency}",
        f"--grace={GRACE}",
        f"--log-level={log_level}",
        # The pipe is never written to: it closes when this process ends, however that happens.
        stdin=asyncio.subprocess.PIPE,
        # The worker writes one line once it is ready.
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C in the terminal is for this process, which then stops the worker in its turn.
        start_new_session=True,
    )
    log.info("worker is process %s", process.pid)
    return process


async def _until_ready(process: asyncio.subprocess.Process) -> None:
    if process.stdout is not None and await process.stdout.readline():
        return
    raise ServerError(
        f"the worker ended with status {await process.wait()} before it was ready",
        hint="Its own words stand above this.",
    )


async def _stop_worker(process: asyncio.subprocess.Process, hurry: asyncio.Event) -> None:
    """Let the worker end its jobs or hand them back; kill it when told to hurry."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    ended = asyncio.ensure_future(process.wait())
    hurried = asyncio.ensure_future(hurry.wait())
    try:
        await asyncio.wait(
            (ended, hurried), timeout=GRACE + 10, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        hurried.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
