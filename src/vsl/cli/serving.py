"""Keeping the servers of the shipped models running, and the registry told of their addresses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from vsl.cli.assembly import connected
from vsl.cli.lock import held, unwritable
from vsl.config import Config
from vsl.db.statement import execute
from vsl.db.statements import SetModelUrl
from vsl.errors import VslError
from vsl.models.catalogue import ShippedModel
from vsl.models.serve import ModelServer

log = logging.getLogger(__name__)

#: Seconds between the end of a server and its next start; doubled up to the second when it fails.
RESTART_PAUSES = (0.5, 15.0)


@asynccontextmanager
async def serve_models(
    config: Config, models: Sequence[ShippedModel]
) -> AsyncIterator[list[ModelServer]]:
    """Run the servers of models; one that ends is started again.

    Raises ``AlreadyRunning`` when another process runs one of them for the same home, and
    ``ServerError`` when one does not start.
    """
    async with AsyncExitStack() as stack:
        for model in models:
            lock = config.home / "models" / f"{model.model_id}.lock"
            hint = "Use it as it is, or stop that process."
            stack.enter_context(held(lock, f"the server of {model.model_id}", hint=hint))
        servers = [_server(config, model) for model in models]
        stack.push_async_callback(_stop_all, servers)
        await _start_all(servers)
        await _register(config, servers)
        keepers = [asyncio.create_task(_keep(config, server)) for server in servers]
        try:
            yield servers
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)


def _server(config: Config, model: ShippedModel) -> ModelServer:
    folder = config.home / "models" / model.model_id
    log_file = config.home / "logs" / f"{model.model_id}.log"
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(log_file.parent, error) from error
    return ModelServer(model, scratch=folder, log=log_file)


async def _start_all(servers: Sequence[ModelServer]) -> None:
    """Start all at once. Raises the first one's own error, not a group of them."""
    failures: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as starting:
            for server in servers:
                starting.create_task(server.start())
    except* VslError as errors:
        # Raised below: before Python 3.11.4 what is raised here is put in a group again.
        failures += errors.exceptions
    if failures:
        raise failures[0]


async def _keep(config: Config, server: ModelServer) -> None:
    name = server.model.model_id
    while True:
        reason = await server.watch()
        log.warning("%s: %s; starting it again", name, reason)
        pause, longest = RESTART_PAUSES
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)
            try:
                await server.stop()
                await server.start()
                await _register(config, [server])
            except VslError as error:
                log.warning("%s", error.message.splitlines()[0])
            else:
                log.info("%s answers at %s", name, server.url)
                break


async def _register(config: Config, servers: Sequence[ModelServer]) -> None:
    async with connected(config) as connection:
        for server in servers:
            statement = SetModelUrl(model_id=server.model.model_id, url=server.url)
            await execute(connection, statement)


async def _stop_all(servers: Sequence[ModelServer]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))
