"""Requests and answers of the fake Replicate server, and its problems as the API words them."""

from __future__ import annotations

import email.parser
import email.policy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from vsl.testing.clock import FakeClock
from vsl.testing.faults import Fault


@dataclass(frozen=True)
class Request:
    """One request. query: the last value of each name. origin: scheme and host, as asked for."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def origin(self) -> str:
        """The server's address as the client knows it."""
        return f"http://{self.headers.get('host', 'localhost')}"

    def json(self) -> Any:
        """The body's JSON. Raises ``Problem``."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Problem(400, "Bad request", "The request body is not valid JSON.") from None

    def parts(self) -> dict[str, tuple[str, str, bytes]]:
        """The parts of a form by name: file name, type, content. Raises ``Problem``."""
        head = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        message = parser.parsebytes(head + self.body)
        if not message.is_multipart():
            raise Problem(400, "Bad request", "The request body is not a form.")
        found: dict[str, tuple[str, str, bytes]] = {}
        for part in message.iter_parts():
            content = part.get_payload(decode=True)
            name = str(part.get_param("name", header="content-disposition"))
            file_name = part.get_filename("file")
            kind = part.get_content_type()
            found[name] = (file_name, kind, content if isinstance(content, bytes) else b"")
        return found


@dataclass(frozen=True)
class Response:
    """One answer: JSON, or bytes."""

    status: int
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and content."""
        raw = isinstance(self.body, bytes)
        content = self.body if raw else json.dumps(self.body).encode()
        headers = {"content-length": str(len(content)), **self.headers}
        if not raw:
            kind = "application/problem+json" if self.status >= 400 else "application/json"
            headers.setdefault("content-type", kind)
        return [(name.encode(), value.encode()) for name, value in headers.items()], content


class Problem(Exception):
    """A refusal, as RFC 7807 puts it. more: members beside title, detail and status."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(title)
        self.response = Response(
            status, {"title": title, "detail": detail, "status": status, **more}
        )


def not_found(what: str) -> Problem:
    """A 404."""
    return Problem(404, "Not found", f"The {what} could not be found.")


def unauthenticated() -> Problem:
    """A 401."""
    return Problem(401, "Unauthenticated", "You did not pass a valid authentication token")


def read_query(raw: bytes) -> dict[str, str]:
    """The query of an address."""
    return dict(parse_qsl(raw.decode()))


# --- refusals on demand ------------------------------------------------------------------------

_WORDS = "Request was throttled. Your rate limit resets in ~30s."
_LOW_CREDIT = (
    "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per"
    " minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit"
    " resets in ~5s."
)
_PROXY = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


def refusal(fault: Fault, clock: FakeClock) -> Response | None:
    """The answer of a fault that is an answer, or None."""
    throttled = _throttles(clock).get(fault)
    if throttled is not None:
        return throttled
    name = fault.value
    if name.startswith("create_proxy"):
        return Response(502, _PROXY, {"content-type": "text/html"})
    if name.startswith("create_error") or fault is Fault.READ_ERROR:
        return Problem(500, "Internal server error", "Something went wrong.").response
    if fault is Fault.CREATE_NOT_MADE:
        words = "The service is overloaded: no prediction was created."
        return Problem(503, "Service unavailable", words).response
    if fault is Fault.CREATE_NO_CREDIT:
        words = "You have insufficient credit to run this model."
        return Problem(402, "Insufficient credit", words).response
    if fault is Fault.DOWNLOAD_ERROR:
        return Response(503, b"unavailable", {"content-type": "text/plain"})
    return None


def _throttles(clock: FakeClock) -> dict[Fault, Response]:
    soon = clock.today().replace(microsecond=0) + timedelta(seconds=9)
    later = format_datetime(soon, usegmt=True)
    bare = {"detail": "Request was throttled."}
    return {
        Fault.CREATE_THROTTLE_WORDS: Response(429, {"detail": _WORDS}),
        Fault.CREATE_THROTTLE_BODY: Response(
            429, {"detail": _LOW_CREDIT, "status": 429, "retry_after": 5}
        ),
        Fault.CREATE_THROTTLE_HEADER: Response(429, bare, {"retry-after": "7"}),
        Fault.CREATE_THROTTLE_DATE: Response(429, bare, {"retry-after": later}),
        Fault.CREATE_THROTTLE_RESET: Response(
            429, bare, {"ratelimit-remaining": "0", "ratelimit-reset": "11"}
        ),
        Fault.CREATE_THROTTLE_BARE: Response(429, b"", {"content-type": "text/plain"}),
        Fault.READ_THROTTLE: Response(429, {"detail": _WORDS}),
    }
