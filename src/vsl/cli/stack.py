"""Everything in one place: the database, the models' servers and a worker, kept running."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vsl.cli.assembly import addresses, embedded
from vsl.cli.serving import serve_models
from vsl.config import Config
from vsl.db.migrate import migrate
from vsl.errors import NotAllowed, ServerError
from vsl.models.catalogue import SHIPPED
from vsl.models.serve import ModelServer

log = logging.getLogger(__name__)

#: Seconds between the end of a worker that failed and its next start; doubled up to the second.
RESTART_PAUSES = (0.5, 15.0)
#: Seconds that the worker's jobs get when everything stops.
GRACE = 20.0


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs. database_url holds no password of the embedded server's."""

    database_url: str
    servers: list[ModelServer]


@asynccontextmanager
async def running_stack(
    config: Config, *, concurrency: int, log_level: str | None = None
) -> AsyncIterator[Stack]:
    """Start everything, and stop it at the end.

    Raises ``NotAllowed`` when another process does so for the same home, and the errors of each
    part when it does not start.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_only_one(config.home))
        if config.database_url is None:
            server = embedded(config)
            info = await asyncio.to_thread(server.start)
            if info.started:
                stack.push_async_callback(asyncio.to_thread, server.stop)
        where = addresses(config)
        await migrate(where.direct_url)
        servers = await stack.enter_async_context(serve_models(config, SHIPPED))
        await stack.enter_async_context(_kept_worker(concurrency, log_level or config.log_level))
        yield Stack(where.url, servers)


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold the home's lock; the kernel drops it however this process ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "up.lock").open("a+")
    except OSError as error:
        raise ServerError(
            f"cannot write to {home}: {error.strerror}", hint="Set VSL_HOME to another folder."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise NotAllowed(
                f"VSL is running already (process {pid}, home {home})",
                hint="Use it as it is, stop it, or set VSL_HOME for another one.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@asynccontextmanager
async def _kept_worker(concurrency: int, log_level: str) -> AsyncIterator[None]:
    """A worker in a process of its own, started again when it ends."""
    first = await _start_worker(concurrency, log_level)
    keeper = asyncio.create_task(_keep(first, concurrency, log_level))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _keep(process: asyncio.subprocess.Process, concurrency: int, log_level: str) -> None:
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
        await _stop_worker(process)


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
        # Ctrl-C in the terminal is for this process, which then stops the worker in its turn.
        start_new_session=True,
    )
    log.info("worker is process %s", process.pid)
    return process


async def _stop_worker(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(GRACE + 10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
