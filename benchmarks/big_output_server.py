"""A model server whose one output is a sound of any size, made while it is read.

Speaks as much of Cog's HTTP interface as a worker needs.
"""

from __future__ import annotations

import json
import random
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HEADER = 44  # bytes of a plain WAV header
_RATE, _CHANNELS, _BYTES = 48_000, 2, 2
# Noise, which nothing on the way can pack.
_BLOCK = random.Random(7).randbytes(1024 * 1024)  # noqa: S311 - no secret


@contextmanager
def big_output_server(size: int) -> Iterator[str]:
    """Serve until the block ends; the address. size: bytes of the sound."""

    class Handler(_Handler):
        output_size = size

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _header(size: int) -> bytes:
    frame = _CHANNELS * _BYTES
    form = (16, 1, _CHANNELS, _RATE, _RATE * frame, frame, 8 * _BYTES)
    return b"".join(
        (
            b"RIFF" + struct.pack("<I", size - 8) + b"WAVE",
            b"fmt " + struct.pack("<IHHIIHH", *form),
            b"data" + struct.pack("<I", size - _HEADER),
        )
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    output_size = 0

    def do_PUT(self) -> None:
        """A prediction, which has ended as soon as it is asked for."""
        self.rfile.read(int(self.headers["Content-Length"]))
        host = self.headers["Host"]
        self._answer(
            {
                "id": self.path.rpartition("/")[2],
                "status": "succeeded",
                "output": f"http://{host}/sound.wav",
                "metrics": {"predict_time": 1.0},
            }
        )

    def do_GET(self) -> None:
        """The sound, or that the server is well."""
        if self.path != "/sound.wav":
            self._answer({"status": "READY"})
            return
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(self.output_size))
        self.end_headers()
        self.wfile.write(_header(self.output_size))
        left = self.output_size - _HEADER
        while left:
            left -= self.wfile.write(_BLOCK[:left])

    def _answer(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""
