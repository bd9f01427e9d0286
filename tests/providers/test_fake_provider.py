"""What the shipped fake can do beyond the contract."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from vsl.domain.provider import PredictionRequest, Provider
from vsl.errors import ProviderError
from vsl.testing import Fail, FakeProvider, Hang, Refuse, Succeed


def _request(timeout: float = 5.0) -> PredictionRequest:
    return PredictionRequest(uuid4(), "fake", {}, {"prompt": "x"}, timeout)


async def test_it_follows_its_script_and_then_goes_on() -> None:
    error = ProviderError("no", retryable=True)
    provider = FakeProvider(Fail("bad", retryable=True), Refuse(error), otherwise=Succeed((b"a",)))
    failed = await provider.predict(_request())
    assert (failed.status, failed.error, failed.retryable) == ("failed", "bad", True)
    with pytest.raises(ProviderError) as caught:
        await provider.predict(_request())
    assert caught.value is error
    for _ in range(3):
        assert (await provider.predict(_request())).status == "succeeded"
    assert len(provider.requests) == 5


async def test_it_hangs_until_it_is_released() -> None:
    hang = Hang(then=Fail("after all"))
    provider = FakeProvider(hang)
    running = asyncio.create_task(provider.predict(_request()))
    await hang.started.wait()
    assert not running.done()
    hang.released.set()
    assert (await running).error == "after all"


async def test_a_file_can_break_off() -> None:
    provider = FakeProvider(Succeed((b"x" * 100_000,), breaks_after=70_000))
    prediction = await provider.predict(_request())
    got = bytearray()

    async def read() -> None:
        async for chunk in provider.fetch(prediction.outputs[0]):
            got.extend(chunk)

    with pytest.raises(ProviderError, match="was lost") as caught:
        await read()
    assert len(got) == 70_000
    assert caught.value.retryable


async def test_it_remembers_cancels_and_its_end() -> None:
    provider: FakeProvider = FakeProvider(name="replicate", can_poll=True)
    as_protocol: Provider = provider
    request = _request()
    await as_protocol.cancel(request)
    await as_protocol.close()
    assert (provider.cancelled, provider.closed) == ([request], True)
    assert (as_protocol.name, as_protocol.can_poll) == ("replicate", True)
