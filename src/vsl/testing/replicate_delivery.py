"""The output files of the fake Replicate server, for as long as they are kept."""

from __future__ import annotations

import asyncio
import hashlib
import re

from vsl.testing.faults import Fault
from vsl.testing.replicate_http import Request, Response, refusal
from vsl.testing.replicate_world import Settings, World
from vsl.testing.serving import ConnectionDropped, Send

_PATH = re.compile(r"/delivery/([0-9a-f]+)/out-(\d+)\.\w+")
_RANGE = re.compile(r"bytes=(\d+)-")
PIECE = 64 * 1024
SLOW_PIECES = 8  # of a slow download


async def deliver(world: World, settings: Settings, request: Request, send: Send) -> None:
    """Answer a GET of an output file: ranges, an ETag, and 404 once it has expired."""
    found = _find(world, settings, request)
    fault = world.faults.take("download") if found is not None else None
    response = refusal(fault, world.clock) if fault is not None else None
    if response is None:
        response = _file(request, *found) if found else Response(404, b"not found")
    headers, content = response.encoded()
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    await send(start)
    if fault is Fault.DOWNLOAD_CUT:
        half = content[: len(content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        raise ConnectionDropped
    slow = fault is Fault.DOWNLOAD_SLOW
    size = max(len(content) // SLOW_PIECES, 1) if slow else PIECE
    for begin in range(0, len(content), size):
        piece = content[begin : begin + size]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if slow:
            await asyncio.sleep(settings.slow_pause)
    await send({"type": "http.response.body", "body": b""})


def _find(world: World, settings: Settings, request: Request) -> tuple[bytes, str] | None:
    match = _PATH.fullmatch(request.path)
    prediction = world.predictions.get(match[1]) if match else None
    if match is None or prediction is None or request.method != "GET":
        return None
    now = world.clock.now()
    if prediction.state(now).status != "succeeded" or prediction.removed(now, settings.retention):
        return None
    files, number = prediction.files, int(match[2])
    return (files[number], prediction.plan.mime) if number < len(files) else None


def _file(request: Request, content: bytes, mime: str) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"content-type": mime, "etag": etag, "accept-ranges": "bytes"}
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return Response(200, content, headers)
    begin = int(match[1])
    if begin >= len(content):
        return Response(416, b"", {**headers, "content-range": f"bytes */{len(content)}"})
    span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
    return Response(206, content[begin:], {**headers, "content-range": span})
