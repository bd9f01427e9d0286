"""The provider ``cog`` against the real Cog server, and against awkward ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from uuid import UUID

import pytest
from tests.providers.kit import MakeRequest, Reply, ScriptedServer, UntilBusy

from vsl.domain.provider import PredictionRequest
from vsl.errors import ProviderError
from vsl.models.serve import ModelServer
from vsl.providers.cog import CogProvider, build_call

CANARY = "canary-7Qx-of-the-purple-mine"


def _good(text: str = "data:text/plain;base64,aGk=") -> dict[str, object]:
    return {"status": "succeeded", "output": text, "metrics": {"predict_time": 0.5}}


# --- the real server ---------------------------------------------------------------------------


async def test_an_object_keeps_its_shape(
    provider: CogProvider, cog_server: ModelServer, make_request: MakeRequest
) -> None:
    prediction = await provider.predict(make_request(cog_server.url, kind="object"))
    assert prediction.output == {
        "caption": "words",
        "parts": [{"picture": {"data_url": "image/png", "bytes": 12}}, 7, None],
    }
    [source] = prediction.outputs
    assert b"".join([c async for c in provider.fetch(source)]) == b"a small boat"


async def test_text_is_kept_and_is_no_file(
    provider: CogProvider, cog_server: ModelServer, make_request: MakeRequest
) -> None:
    prediction = await provider.predict(make_request(cog_server.url, kind="text"))
    assert (prediction.output, prediction.outputs) == ("said: a small boat", ())


async def test_wrong_input_is_refused_without_repeating_it(
    provider: CogProvider, cog_server: ModelServer, make_request: MakeRequest
) -> None:
    request = make_request(cog_server.url, prompt=CANARY * 40, seconds=-1)
    prediction = await provider.predict(request)
    assert (prediction.status, prediction.retryable) == ("failed", False)
    assert prediction.error is not None
    assert prediction.error.startswith("the model refused the input: ")
    assert "prompt: " in prediction.error
    assert "400 characters" in prediction.error
    assert "seconds: -1" in prediction.error
    assert "canary" not in prediction.error


async def test_what_the_model_raises_loses_the_prompt(
    provider: CogProvider, cog_server: ModelServer, make_request: MakeRequest
) -> None:
    prediction = await provider.predict(make_request(cog_server.url, prompt=CANARY, kind="boom"))
    assert prediction.error == "RuntimeError: cannot draw [input]"


async def test_two_predictions_at_once_wait_for_each_other(
    provider: CogProvider, cog_server: ModelServer, make_request: MakeRequest
) -> None:
    requests = [make_request(cog_server.url, seconds=0.2, prompt=f"boat {n}") for n in range(4)]
    predictions = await asyncio.gather(*map(provider.predict, requests))
    assert [p.status for p in predictions] == ["succeeded"] * 4
    assert [p.provider_id for p in predictions] == [str(r.prediction_id) for r in requests]


async def test_a_put_of_what_runs_already_waits_for_its_end(
    provider: CogProvider, cog_server: ModelServer, make_request: MakeRequest, until_busy: UntilBusy
) -> None:
    request = make_request(cog_server.url, seconds=0.4)
    first = asyncio.create_task(provider.predict(request))
    await until_busy(cog_server.url)
    predictions = await asyncio.gather(first, provider.predict(request))
    assert [p.status for p in predictions] == ["succeeded"] * 2


async def test_a_dead_worker_is_told_apart_from_a_busy_server(
    provider: CogProvider, own_cog_server: ModelServer, make_request: MakeRequest
) -> None:
    crashed = await provider.predict(make_request(own_cog_server.url, kind="crash"))
    assert (crashed.status, crashed.error, crashed.retryable) == ("failed", "Worker crashed", True)
    with pytest.raises(ProviderError, match="says it is UNHEALTHY") as caught:
        await provider.predict(make_request(own_cog_server.url))
    assert caught.value.retryable
    assert await own_cog_server.watch(interval=0.01) == "the server says it is UNHEALTHY"


async def test_a_server_that_dies_amid_a_prediction(
    provider: CogProvider,
    own_cog_server: ModelServer,
    make_request: MakeRequest,
    until_busy: UntilBusy,
) -> None:
    request = make_request(own_cog_server.url, seconds=50)
    running = asyncio.create_task(provider.predict(request))
    await until_busy(own_cog_server.url)
    os.kill(own_cog_server.pid, signal.SIGKILL)
    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        await running
    assert caught.value.retryable


# --- a server that follows a script ------------------------------------------------------------


async def test_it_is_put_by_its_id_and_with_its_input(
    provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    scripted.script = [Reply(body=_good())]
    request = make_request(scripted.url, image="data:image/png;base64,AAAA", n=3)
    prediction = await provider.predict(request)
    [said] = scripted.puts()
    assert said.path == f"/predictions/{request.prediction_id}"
    assert said.body == {"id": str(request.prediction_id), "input": dict(request.input)}
    assert prediction.processing_time == 0.5


@pytest.mark.parametrize("cut", [0, 10, 60, 120])
async def test_a_connection_lost_midway_is_put_again(
    cut: int, provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    scripted.script = [Reply(body=_good(), cut=cut), Reply(body=_good())]
    assert (await provider.predict(make_request(scripted.url))).status == "succeeded"
    assert len(scripted.puts()) == 2


async def test_it_waits_for_a_busy_a_running_and_a_starting_server(
    provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    scripted.script = [
        Reply(409, {"error": "At capacity"}),
        Reply(503, {"error": "starting"}),
        Reply(202, {"status": "starting"}),
        Reply(202, {"status": "processing"}),
        Reply(500, b"<html>"),
        Reply(body=_good()),
    ]
    assert (await provider.predict(make_request(scripted.url))).status == "succeeded"
    assert len(scripted.puts()) == 6
    assert len({said.path for said in scripted.puts()}) == 1


async def test_endless_errors_end_with_the_time(
    provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    scripted.script = [Reply(500, {"error": CANARY})]
    with pytest.raises(ProviderError, match="did not finish within") as caught:
        await provider.predict(make_request(scripted.url, timeout=0.3, prompt=CANARY))
    assert caught.value.retryable
    assert CANARY not in str(caught.value)
    assert len(scripted.puts()) > 1


async def test_the_time_runs_out_and_the_server_is_told(
    provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    scripted.script = [None]
    request = make_request(scripted.url, timeout=0.2)
    with pytest.raises(ProviderError, match="did not finish within") as caught:
        await provider.predict(request)
    assert caught.value.retryable
    assert [said.path for said in scripted.heard if said.method == "POST"] == [
        f"/predictions/{request.prediction_id}/cancel"
    ]


@pytest.mark.parametrize(
    ("status", "detail", "words"),
    [
        (422, {"detail": [{"loc": ["body", "input", "seed"], "msg": "too big"}]}, "seed: too big"),
        (422, {"detail": "no"}, "no"),
        (422, {"error": "bad thing", "status": "failed"}, "bad thing"),
        (422, {"detail": [{"loc": ["body", "input", "prompt"], "msg": CANARY}]}, "prompt: [input]"),
        (422, None, "no reason given"),
    ],
)
async def test_refusals_in_every_form(
    status: int,
    detail: object,
    words: str,
    provider: CogProvider,
    scripted: ScriptedServer,
    make_request: MakeRequest,
) -> None:
    scripted.script = [Reply(status, detail)]
    prediction = await provider.predict(make_request(scripted.url, prompt=CANARY))
    assert prediction.error == f"the model refused the input: {words}"
    assert not prediction.retryable


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>canary</html>", "not a prediction"),
        (200, b'{"status": "succeeded"', "not a prediction"),
        (200, b"[" * 100_000, "not a prediction"),
        (200, {"status": "splendid"}, "not a prediction"),
        (200, ["succeeded"], "not a prediction"),
        (404, {"detail": "Not Found"}, "HTTP status 404"),
        (301, b"", "HTTP status 301"),
    ],
)
async def test_what_is_no_cog_server_is_not_tried_again(
    status: int,
    body: object,
    words: str,
    provider: CogProvider,
    scripted: ScriptedServer,
    make_request: MakeRequest,
) -> None:
    scripted.script = [Reply(status, body)]
    with pytest.raises(ProviderError, match=words) as caught:
        await provider.predict(make_request(scripted.url))
    assert not caught.value.retryable
    assert len(scripted.puts()) == 1


async def test_an_answer_without_end_is_not_read(
    scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    provider = CogProvider(max_reply=100_000)
    scripted.script = [Reply(body=_good("x" * 200_000))]
    with pytest.raises(ProviderError, match="longer than 100,000 bytes") as caught:
        await provider.predict(make_request(scripted.url))
    await provider.close()
    assert not caught.value.retryable


async def test_a_large_answer_is_read_whole(
    provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    text = "word " * 400_000
    scripted.script = [Reply(body=_good(text))]
    assert (await provider.predict(make_request(scripted.url))).output == text


async def test_a_cancel_that_the_server_does_not_know_is_fine(
    provider: CogProvider, scripted: ScriptedServer, make_request: MakeRequest
) -> None:
    scripted.cancel_status = 404
    await provider.cancel(make_request(scripted.url))
    scripted.cancel_status = 500
    with pytest.raises(ProviderError, match="HTTP status 500") as caught:
        await provider.cancel(make_request(scripted.url))
    assert caught.value.retryable
    assert len(scripted.heard) == 2


# --- building the call -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", [None, 7, "", "localhost:5000", "ftp://host/", "http://", "http://["]
)
def test_a_model_without_a_usable_address_is_refused(url: object) -> None:
    with pytest.raises(ProviderError, match="no usable server address") as caught:
        build_call(PredictionRequest(UUID(int=7), "m", {"url": url}, {}, 1.0))
    assert not caught.value.retryable


def test_an_address_is_told_without_its_secrets() -> None:
    request = PredictionRequest(
        UUID(int=7), "m", {"url": "https://me:secret@gpu.example:8443/base/"}, {"a": [1]}, 1.0
    )
    call = build_call(request)
    assert call.url == f"https://me:secret@gpu.example:8443/base/predictions/{UUID(int=7)}"
    assert call.server == "https://gpu.example:8443"
    assert "secret" not in repr(call)
    assert json.dumps(call.body) == json.dumps({"id": str(UUID(int=7)), "input": {"a": [1]}})
