"""Keeping the servers of the shipped models running, and the registry told of their addresses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from vsl.cli.assembly import connected
from vsl.config import Config
from vsl.db.statement import execute
from vsl.db.statements import SetModelUrl
from vsl.errors import VslError
from vsl.models.catalogue import ShippedModel
from vsl.models.serve import ModelServer

log = logging.getLogger(__name__)

#: Seconds between the end of a server and its next start.
RESTART_PAUSE = 1.0


@asynccontextmanager
async def serve_models(
    config: Config, models: Sequence[ShippedModel]
) -> AsyncIterator[list[ModelServer]]:
    """Run the servers of models; one that ends is started again.

    Raises ``ServerError`` when one does not start.
    """
    servers = [_server(config, model) for model in models]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stop_all, servers)
        async with asyncio.TaskGroup() as starting:
            for server in servers:
                starting.create_task(server.start())
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
    log_file.parent.mkdir(parents=True, exist_ok=True)
    return ModelServer(model, scratch=folder, log=log_file)


async def _keep(config: Config, server: ModelServer) -> None:
    while True:
        reason = await server.watch()
        log.warning("%s: %s; starting it again", server.model.model_id, reason)
        try:
            await server.stop()
            await asyncio.sleep(RESTART_PAUSE)
            await server.start()
            await _register(config, [server])
        except VslError as error:
            log.warning("%s", error.message.splitlines()[0])
            await asyncio.sleep(RESTART_PAUSE)


async def _register(config: Config, servers: Sequence[ModelServer]) -> None:
    async with connected(config) as connection:
        for server in servers:
            statement = SetModelUrl(model_id=server.model.model_id, url=server.url)
            await execute(connection, statement)


async def _stop_all(servers: Sequence[ModelServer]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))
