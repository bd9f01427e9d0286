"""The three shipped models on real Cog servers, started once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from vsl.models.catalogue import SHIPPED
from vsl.models.serve import ModelServer


async def _start_all(servers: list[ModelServer]) -> None:
    await asyncio.gather(*(server.start() for server in servers))


async def _stop_all(servers: list[ModelServer]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModelServer]]:
    """The server of each shipped model, by the model's id; no test may break one."""
    root = tmp_path_factory.mktemp("shipped")
    servers = [
        ModelServer(m, scratch=root / m.model_id, log=root / f"{m.model_id}.log") for m in SHIPPED
    ]
    # A loop of its own, in a thread: the fixture may be asked for while a test's loop runs.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, _start_all(servers)).result()
        yield {server.model.model_id: server for server in servers}
        thread.submit(asyncio.run, _stop_all(servers)).result()
