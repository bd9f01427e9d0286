"""A small HTTP/1.1 server for ASGI applications in tests.

It does what such a server does, and one thing that others do not: an application that raises
``ConnectionDropped`` loses its connection there and then, as a crash or a network would do it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import h11

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_READ = 65_536


class ConnectionDropped(Exception):
    """Raised by an application: the connection ends, whatever was answered by then."""


class AsgiServer:
    """Serves an application on a port of its own; ``port`` 0 takes any that is free."""

    def __init__(self, app: Application, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address, without a slash at its end. Raises ``RuntimeError`` before ``start``."""
        if self._server is None:
            raise RuntimeError("the server was not started")
        return f"http://{self._host}:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Begin to take connections."""
        self._server = await asyncio.start_server(self._connected, self._host, self._port)

    async def stop(self) -> None:
        """End every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await _Connection(self._app, reader, writer).serve()
        except (ConnectionError, ConnectionDropped, h11.ProtocolError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class _Connection:
    """One connection: exchanges, one after the other."""

    def __init__(
        self, app: Application, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._app = app
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._body: bytes | None = None

    async def serve(self) -> None:
        """Answer requests until the client leaves."""
        while True:
            event = await self._event()
            if not isinstance(event, h11.Request):
                return
            self._body = await self._read_body()
            await self._app(self._scope(event), self._receive, self._send)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _event(self) -> Any:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                informed = h11.InformationalResponse(status_code=100, headers=[])
                await self._write(informed)
            self._http.receive_data(await self._reader.read(_READ))

    async def _read_body(self) -> bytes:
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        return bytes(body)

    def _scope(self, request: h11.Request) -> Scope:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "http",
            "path": path.decode(),
            "raw_path": path,
            "query_string": query,
            "headers": [(bytes(name), bytes(value)) for name, value in request.headers],
        }

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while await self._reader.read(_READ):
            pass  # nobody sends a second request before the first was answered
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            await self._write(h11.Response(status_code=message["status"], headers=headers))
            return
        if message.get("body"):
            await self._write(h11.Data(data=message["body"]))
        if not message.get("more_body"):
            await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()
