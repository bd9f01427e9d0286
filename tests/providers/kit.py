"""What the providers' tests have in common: a loopback server that says anything, and types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from vsl.domain.provider import PredictionRequest

MakeRequest = Callable[..., PredictionRequest]
UntilBusy = Callable[[str], Awaitable[None]]


@dataclass
class Said:
    """One request as the scripted server got it."""

    method: str
    path: str
    body: Any


@dataclass
class Reply:
    """A whole answer; or the first ``cut`` bytes of it, and then the end of the connection."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None

    def encoded(self) -> bytes:
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"Content-Length": str(len(raw)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Word", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


class ScriptedServer:
    """Answers each PUT or GET with the next reply of its script, and the last one for ever.

    /health-check has an answer of its own, and so do cancels. A ``None`` in the script holds the
    connection until the client gives it up.
    """

    def __init__(self) -> None:
        self.script: list[Reply | None] = []
        self.heard: list[Said] = []
        self.health: dict[str, Any] = {"status": "READY"}
        self.cancel_status = 200
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def puts(self) -> list[Said]:
        return [said for said in self.heard if said.method == "PUT"]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.heard.append(Said(method, path, json.loads(body) if body else None))
        reply = self._next(path)
        if reply is None:
            await reader.read(1)  # ends when the client hangs up
            return False
        raw = reply.encoded()
        writer.write(raw if reply.cut is None else raw[: reply.cut])
        await writer.drain()
        return reply.cut is None

    def _next(self, path: str) -> Reply | None:
        if path == "/health-check":
            return Reply(body=self.health)
        if path.endswith("/cancel"):
            return Reply(self.cancel_status, {})
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]
