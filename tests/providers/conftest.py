"""A real Cog server with a model of the tests' own, and a loopback server that says anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.providers.kit import MakeRequest, ScriptedServer, UntilBusy
from tests.support.waiting import wait_until_async

from vsl.domain.provider import PredictionRequest
from vsl.models.catalogue import ShippedModel
from vsl.models.serve import ModelServer
from vsl.providers.cog import CogProvider

WHIMS = ShippedModel(
    model_id="whims",
    media_type="image",
    folder=Path(__file__).parent / "predictor",
    description="for tests",
    estimated_time_seconds=1,
    port=0,
    schema={
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "maxLength": 400},
            "kind": {"type": "string", "default": "file"},
            "seconds": {"type": "number", "default": 0.0, "minimum": 0, "maximum": 60},
        },
        "additionalProperties": False,
    },
)


def _request(url: str, timeout: float = 20.0, **given: Any) -> PredictionRequest:
    return PredictionRequest(
        prediction_id=uuid4(),
        model_id="whims",
        configuration={"url": url},
        input={"prompt": "a small boat", **given},
        timeout=timeout,
    )


@pytest.fixture
def make_request() -> MakeRequest:
    return _request


@pytest.fixture(scope="session")
def cog_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """One real Cog server for the whole run; no test may break it."""
    folder = tmp_path_factory.mktemp("cog")
    server = ModelServer(WHIMS, scratch=folder / "scratch", log=folder / "log")
    # A loop of its own, in a thread: the fixture may be asked for while a test's loop runs.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, server.start()).result()
        yield server
        thread.submit(asyncio.run, server.stop()).result()


@pytest.fixture
async def own_cog_server(tmp_path: Path) -> AsyncIterator[ModelServer]:
    """A real Cog server that a test may kill."""
    server = ModelServer(
        WHIMS, scratch=tmp_path / "scratch", log=tmp_path / "log", stop_timeout=0.5
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def provider() -> AsyncIterator[CogProvider]:
    provider = CogProvider(unreachable_seconds=0.3)
    yield provider
    await provider.close()


@pytest.fixture
def until_busy() -> UntilBusy:
    """``await until_busy(url)``: wait until the Cog server there makes a prediction."""

    async def wait(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

            async def busy() -> bool:
                return bool((await client.get("/health-check")).json()["status"] == "BUSY")

            await wait_until_async(busy, what="the prediction never began")

    return wait


# --- a server that follows a script -----------------------------------------------------------


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    yield server
    await server.stop()
