"""A reader's terminal: a shell, a psql and Python, each kept open from block to block."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tests.support.waiting import wait_until

PATIENCE = 60.0  # seconds for one block


class Session:
    """A program that reads commands from its standard input.

    ``mark`` is a command that prints ``{mark}`` and what became of the block.
    """

    def __init__(self, argv: list[str], mark: str, *, cwd: Path, env: Mapping[str, str]) -> None:
        self._mark = mark
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, text: str) -> tuple[str, str]:
        """What a block printed, and what the mark's command said after it."""
        assert self._process.stdin is not None
        mark = uuid4().hex
        self._process.stdin.write(f"{text}\n{self._mark.format(mark=mark)}\n".encode())
        self._process.stdin.flush()
        output = self._read_until(mark)
        before, _, after = output.partition(mark)
        return before, after.strip()

    def _read_until(self, mark: str) -> str:
        assert self._process.stdout is not None
        output = b""
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            # The mark, and the rest of its line.
            while b"\n" not in output.partition(mark.encode())[2]:
                left = deadline - time.monotonic()
                chunk = b""
                if left > 0 and ready.select(left):
                    chunk = os.read(self._process.stdout.fileno(), 65536)
                if not chunk:
                    raise AssertionError(f"a block did not end; so far: {output.decode()}")
                output += chunk
        return output.decode()

    def close(self) -> None:
        """End the program, and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


class Background:
    """A command in a terminal of its own, until the page ends."""

    def __init__(self, text: str, log: Path, *, cwd: Path, env: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["/bin/bash", "-c", f"exec env {text.strip()}"],
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, words: str) -> None:
        """Wait until it has printed some words."""

        def said() -> bool:
            return words in self.output() or self._process.poll() is not None

        wait_until(said, within=PATIENCE, what=words)
        assert words in self.output(), f"it ended and never said {words!r}: {self.output()}"

    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text("utf-8", "replace")

    def close(self) -> None:
        """Stop it as Ctrl-C in its terminal would."""
        try:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.kill(self._process.pid, signal.SIGINT)
                self._process.wait(PATIENCE)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
