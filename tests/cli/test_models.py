"""``vsl models``: the registry, and models that others serve."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cli.program import Up, Vsl, processes_of
from tests.support.waiting import wait_until

from vsl.models.catalogue import SHIPPED
from vsl.models.serve import ModelServer


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Cog server that `vsl up` did not start."""
    model = next(model for model in SHIPPED if model.model_id == "vsl-image")
    folder = tmp_path_factory.mktemp("elsewhere")
    server = ModelServer(model, scratch=folder / "server", log=folder / "log")
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, server.start()).result()
        yield server.url
        thread.submit(asyncio.run, server.stop()).result()


def test_list(up: Up) -> None:
    models = {model["model_id"]: model for model in up.vsl.json("models", "list")}
    assert models["flux-schnell"]["pricing_per_unit"] == "0.003"
    assert models["vsl-video"]["supported_parameters"]["required"] == ["prompt"]
    lines = up.vsl("models", "list").out.splitlines()
    assert lines[0].split() == ["model", "makes", "runs", "at", "price", "usual", "time", "state"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert rows["vsl-image"].endswith("ready")
    assert rows["sdxl"].endswith("not configured")
    terminal = up.vsl.terminal("models", "list")
    assert terminal.wait() == 0
    assert len(terminal.lines) == len(lines)  # no row is folded at 80 columns


def test_show(up: Up) -> None:
    shown = up.vsl("models", "show", "vsl-image").out.splitlines()
    assert shown[0].startswith("vsl-image: Procedural art")
    assert shown[1] == "makes image, runs at cog, free: ready"
    rows = {line.split()[0]: line for line in shown[3:]}
    assert next(iter(rows)) == "parameter"
    assert "required" in rows["prompt"]
    assert "64 … 2048" in rows["width"]
    assert "auto, landscape, flow, nebula" in rows["style"]
    assert up.vsl.json("models", "show", "vsl-image")["media_type"] == "image"
    assert "not checked before it runs" in up.vsl("models", "show", "musicgen").out
    unknown = up.vsl("models", "show", "vsl-imge")
    assert (unknown.status, unknown.out) == (2, "")
    assert "Did you mean vsl-image" in unknown.err


def test_disable_and_enable(up: Up) -> None:
    job = ("generate", "flux-schnell", "--prompt", "x")
    assert "not configured" in up.vsl(*job).err
    assert up.vsl("models", "disable", "flux-schnell").out == "flux-schnell is off.\n"
    refused = up.vsl(*job)
    assert refused.status == 1
    assert "model flux-schnell is switched off" in refused.err
    assert "`vsl models enable flux-schnell`" in refused.err
    state = up.vsl.json("models", "enable", "flux-schnell")
    assert state == {"model_id": "flux-schnell", "is_active": True}
    for verb in ("enable", "disable"):
        assert up.vsl("models", verb, "vsl-imag").status == 2


def test_add_a_model_that_another_server_runs(up: Up, elsewhere: str) -> None:
    added = up.vsl(
        "models", "add", "painter", f"--url={elsewhere}/", "--makes=image", "--price=0.0125",
        "--usual-time=2", "--description=Paints",
    )  # fmt: skip
    assert (added.status, added.err) == (0, "")
    assert added.out == "painter is in the registry; see `vsl models show painter`.\n"
    model = up.vsl.json("models", "show", "painter")
    assert model["configuration"] == {"url": elsewhere}
    assert model["supported_parameters"]["properties"]["width"]["minimum"] == 64
    wrong = up.vsl("generate", "painter", "width=1", "--prompt", "x")
    assert "width: is too small (at least 64)" in wrong.err
    made = up.vsl.json("generate", "painter", "--prompt", "x", "width=64", "height=64")
    assert made["job"]["status"] == "completed"
    assert made["job"]["actual_cost"] == "0.0125"
    assert made["outputs"][0]["file_type"] == "image/png"
    changed = up.vsl.json("models", "add", "painter", f"--url={elsewhere}", "--makes=image")
    assert changed == {"model_id": "painter", "url": elsewhere}
    assert up.vsl.json("models", "show", "painter")["is_free"] is True


def test_add_with_a_name_that_cannot_be(up: Up, elsewhere: str) -> None:
    for name in ("", "x" * 300, "a\x1bb"):
        done = up.vsl("models", "add", name, f"--url={elsewhere}", "--makes=image")
        assert (done.status, done.out) == (2, ""), name
        assert "model_id" in done.err, name
        assert "\x1b" not in done.err, name


def _cannot_start(vsl: Vsl) -> None:
    """What is said when a place that the server needs is a file."""
    for place in (vsl.home / "logs", vsl.home / "models" / "vsl-image"):
        place.touch()
        done = vsl("models", "serve", "vsl-image")
        assert done.status == 1
        assert done.err.startswith("error: cannot ")
        assert str(place) in done.err
        place.unlink()


def test_serve_one_without_the_rest(vsl: Vsl) -> None:
    assert vsl("db", "start").out.startswith("PostgreSQL 18")
    again = vsl.json("db", "start")
    assert again["started"] is False
    _cannot_start(vsl)
    with (vsl.home / "serve.log").open("wb") as log:
        serving = vsl.start("models", "serve", "vsl-image", "vsl-image", "--json", stderr=log)
        assert serving.stdout is not None
        said = b"".join(serving.stdout.readline() for _ in range(5))
        (url,) = json.loads(said)["models"].values()
        model = vsl.json("models", "show", "vsl-image")
        assert model["configuration"]["url"] == url
        second = vsl("models", "serve", "vsl-image")
        assert second.status == 1
        assert f"the server of vsl-image runs already (process {serving.pid})" in second.err
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 0
        serving.stdout.close()
    assert (vsl.home / "serve.log").read_text() == ""
    assert vsl("db", "stop").out == "PostgreSQL is stopped.\n"
    assert vsl("db", "stop").out == "PostgreSQL was not running.\n"
    wait_until(lambda: not processes_of(vsl.home))
    state = vsl("db", "status")
    assert state.status == 1
    assert "It does not run. Start it with `vsl db start`" in state.out
