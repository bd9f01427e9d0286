"""A server that hears what the store asks for, and answers what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from vsl.storage import S3Store
from vsl.storage.s3_address import read_s3_address


@dataclass(frozen=True)
class Heard:
    """A request. headers: by their names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Listener:
    """A server for one block. answers: status and body; the last one goes on for ever."""

    def __init__(self, answers: list[tuple[int, str]]) -> None:
        self.requests: list[Heard] = []
        remaining = list(answers)
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.rfile.read(int(headers.get("content-length", 0)))
                requests.append(Heard(self.command, self.path, headers))
                status, body = remaining[0] if len(remaining) == 1 else remaining.pop(0)
                self.send_response(status)
                self.send_header("ETag", '"0"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def store(self, url: str = "s3://bucket/p") -> S3Store:
        """A store there, which tries nothing again."""
        return S3Store(
            read_s3_address(url),
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id="key",
            secret_access_key="secret",
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
