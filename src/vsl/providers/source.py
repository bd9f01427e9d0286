"""The bytes behind an output: data URLs, and http(s) addresses read as a stream.

Shared by every provider. An output of any size passes through in chunks, apart from data URLs,
whose text is in memory anyway because the provider's answer held it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import httpx

from vsl.domain.provider import OutputSource
from vsl.errors import ProviderError

CHUNK = 256 * 1024  # bytes; also a multiple of 4 and of 3, as base64 needs
MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
MAX_DEPTH = 50  # levels of an output value; a row keeps no more either

# data:[type][;parameter=value]*[;base64],payload (a type of its own when none is given)
_DATA_URL = re.compile(r"data:([^,;\s]*)((?:;[^,;\s]*)*),", re.IGNORECASE)
_DEFAULT_TYPE = "text/plain"

# Answers that may be another one when asked again.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class DataUrl:
    """A data URL, taken apart but not decoded. mime: without parameters, in lower case."""

    mime: str
    is_base64: bool
    payload: str = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes it decodes to; for base64, if it is well formed."""
        if not self.is_base64:
            return len(unquote_to_bytes(self.payload))
        digits = len(self.payload) - sum(map(self.payload.count, "=\r\n\t "))
        return digits * 3 // 4


def split_output(value: Any) -> tuple[Any, tuple[OutputSource, ...]]:
    """An output value fit for a row, and every file in it, in order.

    Values have any shape: a string, a list, an object, or these inside each other. The bytes of a
    data URL give way to its type and size; what lies deeper than ``MAX_DEPTH`` becomes None.
    """
    sources: list[OutputSource] = []
    return _without_bytes(value, sources, MAX_DEPTH), tuple(sources)


def _without_bytes(value: Any, sources: list[OutputSource], depth: int) -> Any:
    if isinstance(value, str):
        if not is_output_url(value):
            return value
        sources.append(OutputSource(value))
        data = parse_data_url(value)
        return value if data is None else {"data_url": data.mime, "bytes": data.size}
    if isinstance(value, Mapping):
        if not depth:
            return None
        parts = value.items()
        return {str(key): _without_bytes(part, sources, depth - 1) for key, part in parts}
    if isinstance(value, list):
        return [_without_bytes(part, sources, depth - 1) for part in value] if depth else None
    return value


def is_output_url(value: str) -> bool:
    """Whether a string is the address of a file, rather than words."""
    return is_http_url(value) or parse_data_url(value) is not None


def is_http_url(value: str) -> bool:
    """Whether a string is an http or https address with a host."""
    if not value[:8].lower().startswith(("http://", "https://")) or re.search(r"\s", value):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a broken IPv6 address, or a port that is none
        return False


def parse_data_url(url: str) -> DataUrl | None:
    """The parts of a data URL, or None when the string is none."""
    match = _DATA_URL.match(url)
    if match is None:
        return None
    parameters = match[2].lower().split(";")
    return DataUrl(
        mime=match[1].lower() or _DEFAULT_TYPE,
        is_base64=parameters[-1] == "base64",
        payload=url[match.end() :],
    )


def data_chunks(url: str) -> Iterator[bytes]:
    """The bytes of a data URL. Raises ``ProviderError`` when it is malformed."""
    data = parse_data_url(url)
    if data is None:
        raise ProviderError("an output is a malformed data URL: it has no comma, or no type")
    if data.is_base64:
        yield from _base64_chunks(data.payload)
        return
    # A percent escape must not be cut in two: three characters at most belong together.
    start, payload = 0, data.payload
    while start < len(payload):
        end = start + CHUNK
        while end < len(payload) and "%" in payload[end - 2 : end]:
            end += 1
        yield unquote_to_bytes(payload[start:end])
        start = end


def _base64_chunks(payload: str) -> Iterator[bytes]:
    if "%" in payload:
        payload = unquote_to_bytes(payload).decode("latin-1")
    if re.search(r"\s", payload):
        payload = "".join(payload.split())
    payload = payload.replace("-", "+").replace("_", "/")
    digits = payload.rstrip("=")
    padding = len(payload) - len(digits)
    # Padding may be left out, but what is there must be right.
    if len(digits) % 4 == 1 or (padding and (padding > 2 or len(payload) % 4)):
        raise ProviderError("an output is a malformed data URL: its base64 is cut short")
    digits += "=" * (-len(digits) % 4)
    for start in range(0, len(digits), CHUNK):
        piece = digits[start : start + CHUNK]
        try:
            yield binascii.a2b_base64(piece.encode("ascii"), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise ProviderError("an output is a malformed data URL: it is not base64") from error


def data_url(content: bytes, mime: str) -> str:
    """The data URL of some bytes."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


async def read_source(client: httpx.AsyncClient, url: str) -> AsyncIterator[bytes]:
    """The bytes of an output in chunks, from a data URL or an http(s) address.

    Follows at most ``MAX_REDIRECTS`` redirects. There is no limit on the time the whole takes,
    only on silence. Raises ``ProviderError``: retryable when the stream was cut short or the
    server may do better later, not retryable when the address or the data is no good.
    """
    if url[:5].lower() == "data:":
        for chunk in data_chunks(url):
            yield chunk
        return
    place = shown_address(url)
    if not is_http_url(url):
        raise ProviderError(f"the output at {place} is not at an http address")
    try:
        async with _opened(client, url) as response:
            _check_status(response, place)
            async for chunk in response.aiter_bytes(CHUNK):
                yield chunk
            _check_length(response, place)
    except httpx.TooManyRedirects as error:
        raise ProviderError(
            f"the output at {place} is behind more than {MAX_REDIRECTS} redirects"
        ) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise ProviderError(f"the output at {place} is not at an http address") from error
    except httpx.DecodingError as error:
        raise ProviderError(f"the output at {place} is wrongly compressed") from error
    except httpx.TimeoutException as error:
        raise ProviderError(f"the output at {place} stopped coming", retryable=True) from error
    except httpx.TransportError as error:
        raise ProviderError(
            f"the connection for the output at {place} was lost", retryable=True
        ) from error


@asynccontextmanager
async def _opened(client: httpx.AsyncClient, url: str) -> AsyncIterator[httpx.Response]:
    """A streamed GET with our own limits, whatever those of the client are."""
    target: httpx.URL | str = url
    for _ in range(MAX_REDIRECTS + 1):
        request = client.build_request(
            "GET",
            target,
            # Compressed media gain nothing, and sizes then mean what they say.
            headers={"Accept-Encoding": "identity"},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                yield response
                return
            target = response.next_request.url
        finally:
            await response.aclose()
    raise httpx.TooManyRedirects("too many redirects", request=request)


def _check_status(response: httpx.Response, place: str) -> None:
    if response.status_code == httpx.codes.OK:
        return
    raise ProviderError(
        f"the output at {place} cannot be had: HTTP status {response.status_code}",
        retryable=response.status_code in _PASSING,
    )


def _check_length(response: httpx.Response, place: str) -> None:
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and response.num_bytes_downloaded != int(announced):
        raise ProviderError(
            f"the output at {place} was cut short: {response.num_bytes_downloaded} bytes of"
            f" {announced}",
            retryable=True,
        )


def shown_address(url: str) -> str:
    """The part of an address that may be told: no credentials, no path, no signature."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unreadable address"
    if not parts.hostname:
        return "an unreadable address"
    return f"{parts.scheme}://{parts.hostname}{port}"
