"""Starting worker processes from a test, and hearing of their steps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.worker.kit import CANARY, Lab

from vsl.storage.folder import FolderStore

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds


@dataclass(slots=True)
class Child:
    """A process. ``log`` is its standard error."""

    process: asyncio.subprocess.Process
    log: Path

    async def told(self, step: str) -> UUID:
        """Wait until the worker tells that it came to a step; the job."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        name, _, job = line.decode().strip().partition(" ")
        assert name == step, self.said()
        return UUID(job)

    def said(self) -> str:
        return self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; its status."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL


@asynccontextmanager
async def started(
    *argv: str, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """A process of this Python, killed at the end of the block if it is still there.

    At the end its log is looked through for the prompt.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *argv,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    child = Child(process, log)
    try:
        yield child
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        assert process.stdin is not None
        process.stdin.close()
    assert CANARY not in child.said()


@asynccontextmanager
async def worker_process(lab: Lab, **orders: Any) -> AsyncIterator[Child]:
    """A worker on the lab's database and store; ``process.Orders`` says what it can be told."""
    assert isinstance(lab.store, FolderStore)
    given = {
        "url": lab.worker_url,
        "store": str(lab.store.root),
        "spool": str(lab.spool),
        **orders,
    }
    log = lab.spool.with_name("worker.log")
    async with started("-m", "tests.worker.process", json.dumps(given), log=log) as child:
        yield child
