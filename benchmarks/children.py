"""Processes of the benchmark's own, which talk in lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


class Child:
    """A Python module in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def hear(self) -> Any:
        """Its next line, which is JSON. Raises ``RuntimeError`` when it has ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended: {self.process.args!r}")
        return json.loads(line)

    def tell(self, word: str) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def end_input(self) -> None:
        """Close its input, which tells it to stop."""
        assert self.process.stdin is not None
        self.process.stdin.close()


def say(value: Any) -> None:
    """The other side of ``Child.hear``."""
    print(json.dumps(value), flush=True)


@contextmanager
def child(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run ``python -m module``; killed when the block ends and it has not ended by itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield Child(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def peak_memory(pid: int) -> int:
    """The most memory that a process has had so far, in bytes (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell the peak memory of a process")
