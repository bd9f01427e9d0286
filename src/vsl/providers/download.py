"""Fetching files from addresses that others wrote: only from where it is allowed, and whole.

An address comes out of a provider's answer, so it may name anything. A host is checked against
the list of those allowed, then its name is resolved, the addresses are checked, and one of those
very addresses is connected to: a name that means something else a moment later changes nothing.

A connection that is cut is taken up again where it ended when the server says that it is the same
file (``If-Range``), and otherwise from the beginning, past what was handed on already; a digest of
that part tells whether it is still the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

import httpx

from vsl.errors import ProviderError
from vsl.providers.guard import DownloadRules, GuardedTransport, Resolver, resolve
from vsl.providers.source import shown_address

__all__ = ["DownloadRules", "Downloader", "Resolver", "resolve"]

MAX_REDIRECTS: Final = 3
MAX_FRUITLESS = 5  # tries in a row that brought nothing new
MAX_TRIES = 100
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class _CutError(Exception):
    """A try ended before the file did."""


@dataclass
class _Progress:
    """How far a file has come. total: its size, when it is known. validator: what says that a
    later answer is of the same file."""

    place: str
    done: int = 0
    total: int | None = None
    validator: str | None = None
    digest: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)

    def add(self, chunk: bytes) -> None:
        self.done += len(chunk)
        self.digest.update(chunk)


class _Known:
    """The part of an answer that was handed on already: left out, and checked to be the same."""

    def __init__(self, size: int, progress: _Progress) -> None:
        self._left = size
        self._expected = progress.digest.digest()
        self._digest = hashlib.sha256()
        self._progress = progress

    def cut_off(self, chunk: bytes) -> bytes:
        """What of a chunk is new. Raises ``ProviderError`` when the known part is another."""
        if not self._left:
            return chunk
        head = chunk[: self._left]
        self._left -= len(head)
        self._digest.update(head)
        if not self._left and self._digest.digest() != self._expected:
            raise _changed(self._progress)
        return chunk[len(head) :]

    def check_over(self) -> None:
        """Raise ``ProviderError`` when the answer ended before the known part did."""
        if self._left:
            raise _changed(self._progress)


class Downloader:
    """Streams files under one set of rules; one instance serves any number of downloads.

    resolver: names to addresses, in place of the system's.
    """

    def __init__(self, rules: DownloadRules, *, resolver: Resolver = resolve) -> None:
        self._rules = rules
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(rules, resolver),
            timeout=httpx.Timeout(rules.idle_seconds, connect=rules.connect_seconds),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Give back connections."""
        await self._client.aclose()

    async def read(self, url: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file, in chunks.

        Raises ``ProviderError``: not retryable when the address is not allowed, the file has
        expired (404, 410) or is larger than the rules allow; retryable when it did not come.
        """
        progress = _Progress(shown_address(url))
        deadline = asyncio.get_running_loop().time() + self._rules.total_seconds
        fruitless = 0
        for _ in range(MAX_TRIES):
            before = progress.done
            try:
                async with aclosing(self._one_try(url, progress, deadline)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except _CutError as error:
                fruitless = fruitless + 1 if progress.done == before else 0
                if fruitless >= MAX_FRUITLESS:
                    words = f"the output at {progress.place} {error}"
                    raise ProviderError(words, retryable=True) from None
            pause = min(FIRST_PAUSE * 2**fruitless, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            _check_deadline(progress, deadline, self._rules.total_seconds)
        raise ProviderError(
            f"the output at {progress.place} was cut {MAX_TRIES} times", retryable=True
        )

    async def _one_try(
        self, url: str, progress: _Progress, deadline: float
    ) -> AsyncGenerator[bytes, None]:
        """What one connection gives of the file beyond ``progress``. Raises ``_CutError``."""
        with _faults_as_errors(progress.place):
            async with self._opened(url, progress) as response:
                known = _Known(_begin(response, progress, self._rules), progress)
                chunks = response.aiter_bytes()
                while (chunk := await self._next(chunks, progress, deadline)) is not None:
                    fresh = known.cut_off(chunk)
                    if fresh:
                        self._check_size(progress, progress.done + len(fresh))
                        progress.add(fresh)
                        yield fresh
                known.check_over()
        if progress.total is not None and progress.done < progress.total:
            raise _CutError(f"was cut short: {progress.done} bytes of {progress.total}")

    async def _next(
        self, chunks: AsyncIterator[bytes], progress: _Progress, deadline: float
    ) -> bytes | None:
        """The next chunk, or None at the end; never later than the deadline."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(chunks, None)
        except TimeoutError:
            _check_deadline(progress, deadline, self._rules.total_seconds)
            raise _CutError("stopped coming") from None

    @asynccontextmanager
    async def _opened(self, url: str, progress: _Progress) -> AsyncIterator[httpx.Response]:
        """The answer at the end of the redirects, each of which the transport checks."""
        headers = {"Accept-Encoding": "identity"}
        if progress.done and progress.validator:
            headers |= {"Range": f"bytes={progress.done}-", "If-Range": progress.validator}
        target = url
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", target, headers=headers)
            response = await self._client.send(request, stream=True)
            try:
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or not location:
                    yield response
                    return
                following = urljoin(str(request.url), location)
                if request.url.scheme == "https" and not following.lower().startswith("https:"):
                    raise ProviderError(
                        f"the output at {progress.place} leads away from https, which is refused"
                    )
                target = following
            finally:
                await response.aclose()
        raise ProviderError(
            f"the output at {progress.place} is behind more than {MAX_REDIRECTS} redirects"
        )

    def _check_size(self, progress: _Progress, size: int) -> None:
        if size > self._rules.max_bytes:
            raise _too_large(progress, self._rules)


@contextmanager
def _faults_as_errors(place: str) -> Iterator[None]:
    """What httpx raises, as a ``ProviderError``, or as ``_CutError`` where a new try may help."""
    try:
        yield
    except httpx.DecodingError:
        raise ProviderError(f"the output at {place} is wrongly compressed") from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError):
        raise ProviderError(f"the output at {place} is not at an http address") from None
    except httpx.TimeoutException:
        raise _CutError("stopped coming") from None
    except httpx.TransportError:
        raise _CutError("cannot be had: the connection was lost") from None


def _begin(response: httpx.Response, progress: _Progress, rules: DownloadRules) -> int:
    """Read the head of an answer; how many bytes of its body were handed on already."""
    status = response.status_code
    if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise ProviderError(
            f"the output at {progress.place} has expired: HTTP status {status}",
            hint="providers keep files for a while only",
        )
    if status in _PASSING:
        raise _CutError(f"cannot be had: HTTP status {status}")
    if status == httpx.codes.PARTIAL_CONTENT and progress.done:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != progress.done:
            raise _changed(progress)
        if match[3] != "*":
            _set_total(progress, int(match[3]), rules)
        return 0
    if status != httpx.codes.OK:
        raise ProviderError(f"the output at {progress.place} cannot be had: HTTP status {status}")
    encoded = response.headers.get("content-encoding", "identity").lower() != "identity"
    length = response.headers.get("content-length", "")
    if length.isdecimal() and not encoded:
        _set_total(progress, int(length), rules)
    if not progress.done:
        # A decoded stream has no byte that a range could begin at.
        progress.validator = None if encoded else _validator(response)
    return progress.done


def _set_total(progress: _Progress, total: int, rules: DownloadRules) -> None:
    if progress.done and progress.total is not None and total != progress.total:
        raise _changed(progress)
    if total > rules.max_bytes:
        raise _too_large(progress, rules)
    progress.total = total


def _validator(response: httpx.Response) -> str | None:
    """What a range may be asked for with: a strong ETag. A date is too coarse to be sure."""
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') else None


def _changed(progress: _Progress) -> ProviderError:
    return ProviderError(
        f"the output at {progress.place} is another file than when it began to come",
        retryable=True,
    )


def _too_large(progress: _Progress, rules: DownloadRules) -> ProviderError:
    return ProviderError(
        f"the output at {progress.place} is larger than {rules.max_bytes:,} bytes",
        hint="raise the limit if it is to be kept",
    )


def _check_deadline(progress: _Progress, deadline: float, seconds: float) -> None:
    if asyncio.get_running_loop().time() >= deadline:
        raise ProviderError(
            f"the output at {progress.place} took longer than {seconds:g} seconds", retryable=True
        )
