"""The models that ship with VSL, as their real Cog servers run them."""

from __future__ import annotations

import importlib.util
import inspect
import io
import re
import sys
import typing
import wave
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image

from vsl.domain.provider import Prediction, PredictionRequest
from vsl.models.catalogue import SHIPPED, ShippedModel
from vsl.models.schemas import input_schema
from vsl.models.serve import ModelServer
from vsl.providers.cog import CogProvider

MODELS = {model.model_id: model for model in SHIPPED}
JSON_TYPES = {str: "string", int: "integer", float: "number"}
Servers = Mapping[str, ModelServer]
CANARY = "canary 7Qx of the purple mine"


class Maker:
    """Makes predictions with the shipped models."""

    def __init__(self, servers: Servers, provider: CogProvider) -> None:
        self._servers, self._provider = servers, provider

    async def predict(self, model_id: str, **given: Any) -> Prediction:
        request = PredictionRequest(
            prediction_id=uuid4(),
            model_id=model_id,
            configuration={"url": self._servers[model_id].url},
            input=given,
            timeout=60.0,
        )
        return await self._provider.predict(request)

    async def file(self, model_id: str, **given: Any) -> bytes:
        prediction = await self.predict(model_id, **given)
        assert prediction.status == "succeeded", prediction.error
        [source] = prediction.outputs
        return b"".join([chunk async for chunk in self._provider.fetch(source)])


@pytest.fixture
async def maker(shipped: Servers) -> AsyncIterator[Maker]:
    provider = CogProvider()
    yield Maker(shipped, provider)
    await provider.close()


def _runner(model: ShippedModel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class in a model's predict.py, imported as the Cog server does it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(model.folder))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")
    spec = importlib.util.spec_from_file_location(
        f"predict_{model.media_type}", model.folder / "predict.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Runner


def _property(annotation: Any, field: Any) -> dict[str, Any]:
    """What a schema says of one parameter of ``run``."""
    kinds = [k for k in typing.get_args(annotation) or (annotation,) if k is not type(None)]
    kind = JSON_TYPES[kinds[0]]
    nullable = typing.get_args(annotation) != ()
    said = {
        "description": field.description,
        "type": [kind, "null"] if nullable else kind,
        "enum": field.choices,
        "default": field.default,
        "minimum": field.ge,
        "maximum": field.le,
        "minLength": field.min_length,
        "maxLength": field.max_length,
    }
    return {key: value for key, value in said.items() if value is not None}


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.model_id)
class TestSchema:
    async def test_the_server_says_what_is_committed(
        self, model: ShippedModel, shipped: Servers
    ) -> None:
        async with httpx.AsyncClient(base_url=shipped[model.model_id].url) as client:
            document = (await client.get("/openapi.json")).json()
        assert input_schema(document) == model.schema
        assert document["info"]["description"] == model.description

    def test_the_code_says_what_is_committed(
        self, model: ShippedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signature = inspect.signature(_runner(model, monkeypatch).run)
        parameters = [p for name, p in signature.parameters.items() if name != "self"]
        said = {p.name: _property(p.annotation, p.default) for p in parameters}
        if model.media_type == "video":  # Cog has no word for it; predict.py checks it
            said["width"]["multipleOf"] = said["height"]["multipleOf"] = 2
        assert said == model.schema["properties"]
        assert list(said) == list(model.schema["properties"])
        assert model.schema["required"] == ["prompt"]

    def test_it_is_a_schema_and_refuses_what_it_does_not_know(self, model: ShippedModel) -> None:
        jsonschema.Draft202012Validator.check_schema(model.schema)
        check = jsonschema.Draft202012Validator(model.schema)
        assert check.is_valid({"prompt": "x", "seed": 7})
        assert check.is_valid({"prompt": "x", "seed": None})
        for wrong in ({}, {"prompt": ""}, {"prompt": "x", "sede": 7}, {"prompt": "x", "seed": -1}):
            assert not check.is_valid(wrong)


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.model_id)
async def test_the_seed_decides(model: ShippedModel, maker: Maker) -> None:
    small = {} if model.media_type == "audio" else {"width": 64, "height": 64}
    if model.media_type == "video":
        small["seconds"] = 1
    first = await maker.file(model.model_id, prompt="A quiet lake.", seed=7, **small)
    again = await maker.file(model.model_id, prompt="A quiet lake.", seed=7, **small)
    other = await maker.file(model.model_id, prompt="A quiet lake.", seed=8, **small)
    assert first == again
    assert first != other


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.model_id)
async def test_without_a_seed_one_is_chosen_and_told(model: ShippedModel, maker: Maker) -> None:
    small = {} if model.media_type == "audio" else {"width": 64, "height": 64}
    runs = [await maker.predict(model.model_id, prompt="Hello.", **small) for _ in range(2)]
    seeds = [run.metrics["seed"] for run in runs]
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.model_id)
async def test_refusals_do_not_repeat_the_prompt(
    model: ShippedModel, maker: Maker, shipped: Servers
) -> None:
    prediction = await maker.predict(model.model_id, prompt=CANARY * 200, seed=-1)
    assert prediction.status == "failed"
    assert prediction.error is not None
    assert "prompt: " in prediction.error
    assert "seed: " in prediction.error
    assert "canary" not in prediction.error
    await maker.predict(model.model_id, prompt=CANARY, seed=3)
    log = shipped[model.model_id]._log.read_text()
    assert "canary" not in log


async def test_speech_is_a_wav_of_the_right_length(maker: Maker) -> None:
    sentence = "The harbour lights come on one after another."
    usual = await maker.file("vsl-speech", prompt=sentence, seed=1)
    quick = await maker.file("vsl-speech", prompt=sentence, seed=1, speed=2.0)
    with wave.open(io.BytesIO(usual)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (24_000, 1, 2)
        seconds = sound.getnframes() / 24_000
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    assert 1.5 < seconds < 6
    assert np.abs(samples.astype(int)).max() > 3000
    assert len(quick) < 0.7 * len(usual)


async def test_speech_without_words_fails_and_says_why(maker: Maker) -> None:
    prediction = await maker.predict("vsl-speech", prompt=" \n ", seed=1)
    assert (prediction.status, prediction.retryable) == ("failed", False)
    assert prediction.error == "ValueError: the prompt holds nothing that can be spoken"


@pytest.mark.parametrize("style", ["landscape", "flow", "nebula"])
@pytest.mark.parametrize("size", [(64, 64), (97, 301), (320, 64)])
async def test_images_have_their_size_and_something_on_them(
    maker: Maker, style: str, size: tuple[int, int]
) -> None:
    content = await maker.file(
        "vsl-image", prompt="dunes", seed=5, style=style, width=size[0], height=size[1]
    )
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size, image.mode) == ("PNG", size, "RGB")
        assert np.asarray(image).std() > 8


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
async def test_image_formats(maker: Maker, kind: str) -> None:
    content = await maker.file(
        "vsl-image", prompt="x", seed=5, width=64, height=64, output_format=kind
    )
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == kind.upper()
        image.load()


@pytest.mark.parametrize("style", ["horizon", "currents"])
async def test_a_video_is_what_was_asked_for_and_moves(maker: Maker, style: str) -> None:
    content = await maker.file(
        "vsl-video", prompt="sea", seed=2, style=style, seconds=1.5, fps=12, width=128, height=72
    )
    assert content.index(b"moov") < content.index(b"mdat")  # starts to play at once
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        assert len(container.streams) == 1
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (128, 72)
        assert float(stream.average_rate or 0) == 12.0
        assert context.colorspace == 1  # BT.709, and said so
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(stream)]
    assert len(frames) == 18
    assert frames[0].std() > 8
    assert np.abs(frames[0] - frames[-1]).mean() > 0.5


def test_the_catalogue_is_honest_and_whole() -> None:
    assert [model.media_type for model in SHIPPED] == ["audio", "image", "video"]
    assert len({model.port for model in SHIPPED}) == 3
    for model in SHIPPED:
        text = (model.folder / "predict.py").read_text("utf-8")
        if model.media_type == "audio":
            assert "neural" in model.description
        else:
            assert "not a neural network" in model.description
            assert "not a neural network" in text


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.model_id)
def test_a_model_is_a_cog_project_of_its_own(model: ShippedModel) -> None:
    known = {"cog", "numpy", "PIL", "av", "hibari"} | sys.stdlib_module_names
    beside = {file.stem for file in model.folder.glob("*.py")}
    for file in model.folder.glob("*.py"):
        names = re.findall(r"^(?:from|import) (\w+)", file.read_text("utf-8"), re.MULTILINE)
        assert set(names) <= known | beside, file
    assert 'run: "predict.py:Runner"' in (model.folder / "cog.yaml").read_text("utf-8")


def test_models_leave_only_their_own_file(shipped: Servers) -> None:
    for server in shipped.values():
        scratch = Path(server._scratch)
        # hibari's engine would keep its telemetry in the home folder, were it not switched off.
        assert {part.name for part in scratch.iterdir()} == {"bin", "model", "tmp"}
        assert not list(scratch.rglob("__pycache__"))
        assert len([f for f in (scratch / "tmp").rglob("*") if f.is_file()]) <= 1
        assert not list(server.model.folder.rglob("__pycache__"))
