"""What every provider must do, held against the real Cog server and the shipped fake alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from tests.providers.kit import UntilBusy

from vsl.domain.provider import OutputSource, PredictionRequest, Provider
from vsl.errors import ProviderError
from vsl.models.serve import ModelServer
from vsl.providers.cog import CogProvider
from vsl.testing import Fail, FakeProvider, Hang, Refuse, Step, Succeed


@dataclass
class Bench:
    """One provider, and how to bring about each case with it.

    request: makes the request that leads to a case. started: waits until it is under way.
    """

    provider: Provider
    request: Callable[..., PredictionRequest]
    started: Callable[[], Awaitable[None]]


def _cog_bench(server: ModelServer, until_busy: UntilBusy) -> Bench:
    cases: dict[str, dict[str, Any]] = {
        "one": {"kind": "file"},
        "three": {"kind": "files"},
        "fails": {"kind": "boom"},
        "long": {"kind": "file", "seconds": 30},
    }

    def request(case: str, timeout: float = 20.0) -> PredictionRequest:
        return PredictionRequest(
            prediction_id=uuid4(),
            model_id="whims",
            configuration={"url": "http://127.0.0.1:1" if case == "away" else server.url},
            input={"prompt": "a small boat", **cases.get(case, {})},
            timeout=timeout,
        )

    async def started() -> None:
        await until_busy(server.url)

    return Bench(CogProvider(unreachable_seconds=0.2), request, started)


def _fake_bench() -> Bench:
    boat = b"a small boat"
    hang = Hang()
    cases: dict[str, Step] = {
        "one": Succeed((boat,), mime="text/plain"),
        "three": Succeed((boat + b" 0", boat + b" 1", boat + b" 2"), mime="text/plain"),
        "fails": Fail("cannot draw"),
        "away": Refuse(),
        "long": hang,
    }
    provider = FakeProvider()

    def request(case: str, timeout: float = 20.0) -> PredictionRequest:
        provider.then(cases[case])
        return PredictionRequest(
            prediction_id=uuid4(),
            model_id="fake",
            configuration={},
            input={"prompt": "a small boat"},
            timeout=timeout,
        )

    async def started() -> None:
        await hang.started.wait()

    return Bench(provider, request, started)


@pytest.fixture(params=["cog", "fake"])
async def bench(request: pytest.FixtureRequest, until_busy: UntilBusy) -> AsyncIterator[Bench]:
    if request.param == "cog":
        made = _cog_bench(request.getfixturevalue("cog_server"), until_busy)
    else:
        made = _fake_bench()
    yield made
    await made.provider.close()


async def _content(provider: Provider, source: OutputSource) -> bytes:
    return b"".join([chunk async for chunk in provider.fetch(source)])


async def test_a_good_prediction_gives_its_file(bench: Bench) -> None:
    request = bench.request("one")
    prediction = await bench.provider.predict(request)
    assert (prediction.status, prediction.raw_status) == ("succeeded", "succeeded")
    assert prediction.provider_id == str(request.prediction_id)
    assert prediction.error is None
    assert prediction.processing_time is not None
    assert prediction.processing_time >= 0
    assert [await _content(bench.provider, s) for s in prediction.outputs] == [b"a small boat"]


async def test_files_keep_their_order_and_their_bytes_stay_out_of_the_row(bench: Bench) -> None:
    prediction = await bench.provider.predict(bench.request("three"))
    contents = [await _content(bench.provider, source) for source in prediction.outputs]
    assert contents == [f"a small boat {n}".encode() for n in range(3)]
    assert prediction.output == [{"data_url": "text/plain", "bytes": 14}] * 3


async def test_a_failure_of_the_model_is_told_and_not_tried_again(bench: Bench) -> None:
    prediction = await bench.provider.predict(bench.request("fails"))
    assert prediction.status == "failed"
    assert prediction.error is not None
    assert "cannot draw" in prediction.error
    assert "boat" not in prediction.error
    assert not prediction.retryable
    assert not prediction.outputs


async def test_the_same_prediction_can_be_made_again(bench: Bench) -> None:
    assert bench.provider.safe_to_repeat
    first = await bench.provider.predict(bench.request("one"))
    second = await bench.provider.predict(bench.request("one"))
    assert first.status == second.status == "succeeded"


async def test_cancelling_ends_a_running_prediction(bench: Bench) -> None:
    request = bench.request("long")
    running = asyncio.create_task(bench.provider.predict(request))
    await bench.started()
    await bench.provider.cancel(request)
    prediction = await asyncio.wait_for(running, 10)
    assert prediction.status == "canceled"
    assert not prediction.outputs


async def test_cancelling_what_is_not_there_is_no_error(bench: Bench) -> None:
    request = bench.request("one")
    await bench.provider.cancel(request)
    assert (await bench.provider.predict(request)).status == "succeeded"


async def test_a_prediction_that_takes_too_long_may_be_tried_again(bench: Bench) -> None:
    with pytest.raises(ProviderError, match=r"did not finish within 0\.5 seconds") as caught:
        await bench.provider.predict(bench.request("long", timeout=0.5))
    assert caught.value.retryable
    # It stopped, and does not stand in the way of the next one.
    assert (await bench.provider.predict(bench.request("one"))).status == "succeeded"


async def test_a_server_that_is_away_may_be_tried_again(bench: Bench) -> None:
    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        await bench.provider.predict(bench.request("away"))
    assert caught.value.retryable


async def test_an_output_that_is_no_address_cannot_be_fetched(bench: Bench) -> None:
    with pytest.raises(ProviderError) as caught:
        await _content(bench.provider, OutputSource("data:;base64"))
    assert not caught.value.retryable


async def test_what_it_can_do_is_said(bench: Bench) -> None:
    assert isinstance(bench.provider.name, str)
    assert (bench.provider.can_poll, bench.provider.can_list) == (False, False)
