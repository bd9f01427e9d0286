"""Starts and stops the Cog server of a shipped model on this machine.

What the server (package ``cog`` 0.23) needs outside of a container, learnt by trial:

- it looks for ``python`` on the PATH to start its worker with, and waits for ever if that one
  cannot import ``coglet``: so the PATH it gets holds one script, which runs our interpreter;
- it checks input by ``.cog/openapi_schema.json`` in its working folder, which ``cog build`` makes
  for containers; without it, it accepts anything and has no ``/openapi.json``;
- it keeps a folder for each prediction in ``/tmp/coglet/predictions``, wherever TMPDIR points, and
  never removes one: so that place is shared like /tmp itself, and swept;
- when its worker dies it lives on, answering "busy" to everybody: so it has to be watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import httpx

from vsl.errors import ServerError
from vsl.models.catalogue import ShippedModel
from vsl.models.schemas import openapi_document

HOST = "127.0.0.1"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
TRIES = 3
LOG_LINES = 12
PREDICTIONS = Path("/tmp/coglet/predictions")  # noqa: S108 - the Cog server's own choice
LEFTOVER_AGE = 24 * 3600.0
SWEEP_EVERY = 3600.0

# States in which a Cog server will never take a prediction again.
_BROKEN = frozenset({"UNHEALTHY", "DEFUNCT", "SETUP_FAILED"})


class ModelServer:
    """The Cog server of one model: a child process on the loopback address.

    scratch: a folder for this server alone (made when missing), where the model runs and puts
    its files. log: a file that the server's output is added to. start_timeout: seconds from the
    start to being ready. stop_timeout: seconds that a prediction under way gets at the stop.

    The server dies with the process that started it, even when that is killed; see ``child.py``.
    Nothing of the caller's environment reaches it. Methods are for one asyncio task at a time,
    though not bound to one event loop. Starting blocks the loop for some milliseconds (a few
    small files are copied, one process is started); all waiting is asynchronous.
    """

    def __init__(
        self,
        model: ShippedModel,
        *,
        scratch: Path,
        log: Path,
        start_timeout: float = START_TIMEOUT,
        stop_timeout: float = STOP_TIMEOUT,
    ) -> None:
        self.model = model
        self._scratch = scratch
        self._log = log
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The server's base address. Raises ``ServerError`` when it was not started."""
        self._started()
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The server's process id. Raises ``ServerError`` when it was not started."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the server's process lives; whether it is well, ``watch`` tells."""
        return self._process is not None and self._process.poll() is None

    async def __aenter__(self) -> ModelServer:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it takes predictions.

        It listens on the model's own port when that is free, and on any free one otherwise.
        Raises ``ServerError``, with the end of the log, when it dies or is not ready in time;
        then nothing of it is left running.
        """
        if self._process is not None:
            raise ServerError(f"the server of {self.model.model_id} was started already")
        deadline = time.monotonic() + self._start_timeout
        for attempt in range(TRIES):
            self._prepare()
            self._port = _free_port(self.model.port if attempt == 0 else 0)
            self._launch()
            try:
                problem = await self._until_ready(deadline)
            except BaseException:
                await self.stop()
                raise
            if problem is None:
                return
            taken = not self.running and not _is_free(self._port)
            await self.stop()
            if not taken:
                break
        raise ServerError(
            f"the server of {self.model.model_id} did not start: {problem}\n{self._last_lines()}",
            hint=f"its log is {self._log}",
        )

    async def stop(self) -> None:
        """Stop the server and its worker; one that is not running is no error.

        A prediction under way gets the stop's time to end, then everything is killed.
        """
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._stop_timeout):
                        await _ended(process)
        finally:
            # Whoever is left of the group: a worker amid a prediction outlives its server.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
            self._clear()

    async def watch(self, *, interval: float = 1.0) -> str:
        """Wait until the server has ended or is broken for good, and say which.

        A supervisor then calls ``stop`` and ``start``. interval: seconds between two looks.
        Also removes what old predictions left behind, at most once an hour.
        """
        process = self._started()
        swept = time.monotonic()
        async with self._client() as client:
            while True:
                if process.poll() is not None:
                    return f"the server ended with status {process.returncode}"
                state = await self._state(client)
                if state in _BROKEN:
                    return f"the server says it is {state}"
                if time.monotonic() - swept > SWEEP_EVERY:
                    swept = time.monotonic()
                    await asyncio.to_thread(sweep_predictions)
                await asyncio.sleep(interval)

    # --- parts of starting ------------------------------------------------------------------

    def _prepare(self) -> None:
        """Lay out the scratch folder: a copy of the model, its schema, and a PATH of one."""
        try:
            share_predictions()
            sweep_predictions()
            self._clear()
            self._log.parent.mkdir(parents=True, exist_ok=True)
            model, programs = self._scratch / "model", self._scratch / "bin"
            shutil.copytree(
                self.model.folder, model, ignore=shutil.ignore_patterns("__pycache__", ".*")
            )
            (self._scratch / "tmp").mkdir(mode=0o700)
            (model / ".cog").mkdir()
            document = openapi_document(self.model.description, self.model.schema)
            (model / ".cog" / "openapi_schema.json").write_text(json.dumps(document), "utf-8")
            programs.mkdir()
            python = programs / "python"
            python.write_text(f'#!/bin/sh\nexec {_quoted(sys.executable)} "$@"\n', "utf-8")
            python.chmod(0o755)
        except OSError as error:
            raise ServerError(
                f"cannot prepare the server of {self.model.model_id}: "
                f"{error.filename or self._scratch}: {error.strerror}"
            ) from error

    def _launch(self) -> None:
        model = self._scratch / "model"
        command = [
            sys.executable,
            "-P",  # the folder of child.py is not a place to import from
            str(Path(__file__).with_name("child.py")),
            str(self._port),
            f"{model.resolve() / 'predict.py'}:Runner",
        ]
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=model,
                    env=_environment(self._scratch.resolve()),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ServerError(
                f"cannot start the server of {self.model.model_id}: {error.strerror}"
            ) from error

    async def _until_ready(self, deadline: float) -> str | None:
        """None once the server takes predictions, otherwise what went wrong."""
        process = self._started()
        async with self._client() as client:
            while True:
                state = await self._state(client)
                # Asked after the answer: another server may sit on the port that ours wanted.
                if process.poll() is not None:
                    return f"it ended with status {process.returncode}"
                if state == "READY":
                    return None
                if state in _BROKEN:
                    return f"it says it is {state}"
                if time.monotonic() > deadline:
                    return f"it was not ready within {self._start_timeout:g} seconds"
                await asyncio.sleep(0.05)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://{HOST}:{self._port}", timeout=5.0, trust_env=False
        )

    async def _state(self, client: httpx.AsyncClient) -> str | None:
        """The server's own word for its state, or None when it gives none."""
        try:
            reply = (await client.get("/health-check")).json()
        except (httpx.HTTPError, ValueError):
            return None
        return reply.get("status") if isinstance(reply, dict) else None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerError(f"the server of {self.model.model_id} is not running")
        return self._process

    def _clear(self) -> None:
        for part in ("model", "bin", "tmp"):
            shutil.rmtree(self._scratch / part, ignore_errors=True)

    def _last_lines(self) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError as error:
            return f"(its log cannot be read: {error.strerror})"
        return "\n".join(lines[-LOG_LINES:]) or "(its log is empty)"


def share_predictions() -> None:
    """Make the Cog servers' common folder usable by every user of this machine, like /tmp.

    Raises ``ServerError`` when another user made it for himself alone.
    """
    for folder in (PREDICTIONS.parent, PREDICTIONS):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            raise ServerError(f"{folder} is not a folder, and the Cog server needs it to be one")
        if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) != 0o1777:
            folder.chmod(0o1777)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ServerError(
                f"{folder} belongs to another user, and the Cog server must write there",
                hint=f"as that user or as root: chmod 1777 {PREDICTIONS.parent} {PREDICTIONS}",
            )


def sweep_predictions() -> None:
    """Remove the empty folders that predictions of ours left more than a day ago."""
    limit = time.time() - LEFTOVER_AGE
    with contextlib.suppress(OSError), os.scandir(PREDICTIONS) as entries:
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            if facts.st_uid != os.geteuid() or facts.st_mtime > limit:
                continue
            with contextlib.suppress(OSError):  # not empty: somebody still has a use for it
                for part in ("inputs", "outputs"):
                    with contextlib.suppress(FileNotFoundError):
                        (Path(entry.path) / part).rmdir()
                Path(entry.path).rmdir()


def _environment(scratch: Path) -> dict[str, str]:
    """All that the server and its worker get to see: no secrets, no telemetry, no proxies."""
    return {
        "PATH": str(scratch / "bin"),
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "COG_LOG_LEVEL": "warning",
        "OTEL_SDK_DISABLED": "true",
        "ORT_DISABLE_TELEMETRY": "1",  # else onnxruntime reports to its maker from 1.29 on
    }


async def _ended(process: subprocess.Popen[bytes]) -> None:
    # Polled: a waiting thread could not be called off, and would hold up the loop's own end.
    while process.poll() is None:  # noqa: ASYNC110 - the end of a process is no event of ours
        await asyncio.sleep(0.02)


def _free_port(preferred: int) -> int:
    """The preferred port when it is free, otherwise one that the system picks."""
    if preferred and _is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does it: a connection that was closed lately does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
