"""Runners of migrations in processes of their own, stopped at a statement so as to be killed there.

Started as ``python -m tests.migrations.child_runner``: reads one JSON request a line, splits off a
process that migrates, and that one prints ``stopped`` before its statement of a given number, and
waits there for ever, or ``done``, or what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg

ROOT = Path(__file__).parents[2]


@dataclass
class Child:
    """One runner. said: how it went on: ``stopped``, ``done`` or an error."""

    pid: int
    said: str

    def kill(self) -> None:
        """End it at once, as a crash does."""
        os.kill(self.pid, signal.SIGKILL)


class Runners:
    """The tests' end."""

    def __init__(self) -> None:
        self._heard: deque[tuple[int, str]] = deque()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.migrations.child_runner"],
            cwd=ROOT,
            env={"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, url: str, folder: Path, *, stop_before: int) -> Child:
        """A runner that stops before its statement of a number, from 1; when it has, or ended."""
        pid = self.launch(url, folder, stop_before=stop_before)
        return Child(pid, self.hear()[1])

    def launch(self, url: str, folder: Path, *, stop_before: int = 0) -> int:
        """Start a runner; its process. 0: it does not stop."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([url, str(folder), stop_before]) + "\n")
        self._process.stdin.flush()
        while True:
            pid, word = self._read()
            if word == "started":
                return pid
            self._heard.append((pid, word))

    def hear(self) -> tuple[int, str]:
        """The next word of any runner, with its process."""
        return self._heard.popleft() if self._heard else self._read()

    def _read(self) -> tuple[int, str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process of the runners has ended"
        pid, _, word = line.rstrip("\n").partition(" ")
        return int(pid), word

    def close(self) -> None:
        """End it."""
        stdin: IO[str] | None = self._process.stdin
        assert stdin is not None
        stdin.close()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _say(word: str) -> None:
    # In one piece, so that words of several processes do not mix.
    os.write(1, f"{os.getpid()} {word}\n".encode())


def _migrate(url: str, folder: str, stop_before: int) -> None:
    from vsl.db.migrate import Options, run_migrations

    sent = 0
    execute = psycopg.AsyncCursor.execute

    async def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == stop_before:
            _say("stopped")
            await asyncio.Event().wait()
        return await execute(self, *arguments, **named)

    psycopg.AsyncCursor.execute = counted  # type: ignore[method-assign]
    options = Options(folder=Path(folder), tell=lambda _: None)
    try:
        asyncio.run(run_migrations(url, options))
    except Exception as error:
        _say(f"{type(error).__name__}: {error}".replace("\n", " "))
    else:
        _say("done")


def main() -> None:
    """Serve requests until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    import vsl.db.migrate  # noqa: F401 - loaded once, for all

    for line in sys.stdin:
        url, folder, stop_before = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _say("started")
            _migrate(url, folder, stop_before)
            os._exit(0)


if __name__ == "__main__":
    main()
