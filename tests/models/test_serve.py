"""The launcher of model servers: starting, stopping, dying, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.support.waiting import wait_until, wait_until_async

from vsl.errors import ServerError
from vsl.models import serve
from vsl.models.catalogue import ShippedModel
from vsl.models.serve import ModelServer

PREDICTOR = """
    import os, time
    from cog import BaseRunner

    class Runner(BaseRunner):
        def setup(self) -> None:
            {setup}

        def run(self, seconds: float = 0.0) -> list[str]:
            time.sleep(seconds)
            return [f"{{name}}={{value}}" for name, value in os.environ.items()]
"""

MakeModel = Callable[..., ShippedModel]
MakeServer = Callable[..., ModelServer]


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    def make(setup: str = "pass", port: int = 0, whole: str | None = None) -> ShippedModel:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        code = textwrap.dedent(PREDICTOR).format(setup=setup) if whole is None else whole
        (folder / "predict.py").write_text(code)
        schema = {"type": "object", "properties": {"seconds": {"type": "number"}}}
        return ShippedModel("mock", "image", folder, "for tests", 1, port, schema)

    return make


@pytest.fixture
def make_server(tmp_path: Path, make_model: MakeModel) -> MakeServer:
    def make(model: ShippedModel | None = None, **options: float) -> ModelServer:
        return ModelServer(
            model or make_model(), scratch=tmp_path / "scratch", log=tmp_path / "log", **options
        )

    return make


def _group(leader: int) -> set[int]:
    """The living processes of a process group; zombies that nobody reaps are not alive."""
    living = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader and fields[0] not in "ZX":
                living.add(int(entry.name))
    return living


async def test_it_starts_answers_and_stops(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    async with server:
        group = _group(server.pid)
        assert len(group) == 2  # the server and its worker
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            assert (await client.get("/health-check")).json()["status"] == "READY"
    wait_until(lambda: not _group(min(group)), what="processes are left")
    assert not server.running
    assert not list((tmp_path / "scratch").iterdir())
    await server.stop()  # once more is no error
    with pytest.raises(ServerError, match="not running"):
        _ = server.url


async def test_it_can_be_started_again(make_server: MakeServer) -> None:
    server = make_server()
    async with server:
        first = server.pid
        with pytest.raises(ServerError, match="started already"):
            await server.start()
    async with server:
        assert server.pid != first


async def test_the_models_own_port_when_it_is_free(
    make_model: MakeModel, make_server: MakeServer
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with make_server(make_model(port=port)) as server:
            assert server.url != f"http://127.0.0.1:{port}"
    async with make_server(make_model(port=port)) as server:
        assert server.url == f"http://127.0.0.1:{port}"


async def test_nothing_of_our_environment_reaches_the_model(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://canary")
    monkeypatch.setenv("REPLICATE_API_TOKEN", "canary")
    monkeypatch.setenv("HTTPS_PROXY", "http://canary")
    async with make_server() as server, httpx.AsyncClient(trust_env=False) as client:
        reply = await client.put(f"{server.url}/predictions/{uuid4()}", json={"input": {}})
    told = dict(line.partition("=")[::2] for line in reply.json()["output"])
    assert "canary" not in str(told)
    assert told["ORT_DISABLE_TELEMETRY"] == told["PYTHONDONTWRITEBYTECODE"] == "1"
    assert not {"SENTRY_DSN", "HTTPS_PROXY", "DATABASE_URL"} & told.keys()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ({"setup": "raise RuntimeError('no such weights')"}, "no such weights"),
        ({"setup": "os._exit(3)"}, "SETUP_FAILED|DEFUNCT|ended"),
        ({"whole": "import gone_for_ever"}, "gone_for_ever"),
        ({"whole": "class Other: pass"}, "Runner"),
    ],
)
async def test_a_model_that_cannot_start_says_why(
    make_model: MakeModel, make_server: MakeServer, code: dict[str, str], words: str
) -> None:
    server = make_server(make_model(**code), start_timeout=20)
    began = time.monotonic()
    with pytest.raises(ServerError, match=f"(?s)mock did not start.*({words})") as caught:
        await server.start()
    assert time.monotonic() - began < 15
    assert caught.value.hint is not None
    assert "log" in caught.value.hint
    assert not server.running


async def test_a_model_that_takes_for_ever_is_given_up(
    make_model: MakeModel, make_server: MakeServer
) -> None:
    server = make_server(make_model(setup="time.sleep(60)"), start_timeout=1, stop_timeout=0.3)
    with pytest.raises(ServerError, match="not ready within 1 seconds"):
        await server.start()
    assert not server.running


async def test_giving_up_the_start_leaves_nothing(
    make_model: MakeModel, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[int] = []
    popen = subprocess.Popen

    def remember(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        process = popen(*given, **named)
        launched.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", remember)
    server = make_server(make_model(setup="time.sleep(60)"), stop_timeout=0.3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await server.start()
    [leader] = launched
    wait_until(lambda: not _group(leader), what="processes are left")
    assert not server.running


async def test_a_scratch_folder_that_cannot_be_made(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = ModelServer(make_model(), scratch=tmp_path / "file" / "x", log=tmp_path / "log")
    with pytest.raises(ServerError, match=r"cannot prepare the server of mock: .*file"):
        await server.start()
    assert not server.running


async def test_stopping_does_not_wait_for_a_long_prediction(make_server: MakeServer) -> None:
    server = make_server(stop_timeout=0.3)
    await server.start()
    group = _group(server.pid)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        running = asyncio.create_task(
            client.put(f"/predictions/{uuid4()}", json={"input": {"seconds": 50}}, timeout=60)
        )

        async def busy() -> bool:
            return bool((await client.get("/health-check")).json()["status"] == "BUSY")

        await wait_until_async(busy)
        await server.stop()
        with pytest.raises(httpx.TransportError):
            await running
    wait_until(lambda: not _group(min(group)), what="processes are left")


async def test_the_end_of_the_server_is_seen(make_server: MakeServer) -> None:
    async with make_server() as server:
        watching = asyncio.create_task(server.watch(interval=0.01))
        os.kill(server.pid, signal.SIGKILL)
        assert await asyncio.wait_for(watching, 10) == "the server ended with status -9"


@pytest.mark.parametrize("amid", [False, True], ids=["idle", "amid a prediction"])
def test_a_killed_starter_takes_everything_along(
    make_model: MakeModel, tmp_path: Path, amid: bool
) -> None:
    starter = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("child_starter.py")),
            str(make_model().folder),
            str(tmp_path / "scratch"),
            str(tmp_path / "log"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert starter.stdout is not None
        pid, url = starter.stdout.readline().split()
        assert len(_group(int(pid))) == 2
        if amid:
            with pytest.raises(httpx.ReadTimeout):
                httpx.put(
                    f"{url}/predictions/{uuid4()}",
                    json={"input": {"seconds": 50}},
                    timeout=0.2,
                    trust_env=False,
                )
    finally:
        starter.kill()
        starter.communicate()
    wait_until(lambda: not _group(int(pid)), within=5, what="the server outlived its starter")
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


# --- the folder that all Cog servers share ------------------------------------------------------


def test_the_shared_folder_is_open_like_tmp(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictions = tmp_path / "coglet" / "predictions"
    monkeypatch.setattr(serve, "PREDICTIONS", predictions)
    serve.share_predictions()
    serve.share_predictions()
    for folder in (predictions, predictions.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o1777


def test_a_link_in_its_place_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "coglet").symlink_to(tmp_path)
    monkeypatch.setattr(serve, "PREDICTIONS", tmp_path / "coglet" / "predictions")
    with pytest.raises(ServerError, match="is not a folder"):
        serve.share_predictions()
    assert not (tmp_path / "predictions").exists()


def test_only_old_and_empty_leftovers_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve, "PREDICTIONS", tmp_path)
    for name in ("old", "used", "young"):
        for part in ("inputs", "outputs"):
            (tmp_path / name / part).mkdir(parents=True)
    (tmp_path / "used" / "inputs" / "spilled.json").write_text("{}")
    long_ago = time.time() - 2 * 24 * 3600
    for name in ("old", "used"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    serve.sweep_predictions()
    assert {entry.name for entry in tmp_path.iterdir()} == {"used", "young"}
    assert (tmp_path / "used" / "inputs" / "spilled.json").exists()
