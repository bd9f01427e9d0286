"""One exchange with Replicate's API, and what an answer that is no success means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from vsl.errors import AnswerLost, ProviderError, Throttled
from vsl.providers.replicate_reply import (
    problem_words,
    read_http_date,
    read_retry_after,
    says_nothing_made,
)
from vsl.providers.source import is_http_url, shown_address

MAX_REPLY = 256 * 1024 * 1024  # a page of the list holds a hundred inputs and logs
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
LARGE = 1_000_000  # bytes of JSON that are read beside the loop
NO_CREDIT_WAIT = 300.0  # seconds; nobody pays money in faster than that


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. body: its JSON, or None. date: the server's clock, when it told it."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: Any = field(repr=False)
    date: datetime | None

    @property
    def good(self) -> bool:
        """Whether the call did what it was for."""
        return 200 <= self.status < 300


class NoAnswerError(Exception):
    """No whole answer came. sent: whether any of the request can have reached the server."""

    def __init__(self, *, sent: bool, reason: str) -> None:
        super().__init__(reason)
        self.sent = sent
        self.reason = reason


class ReplicateApi:
    """Speaks with one account's API. The token goes to this address and nowhere else.

    Nothing is ever sent twice by itself, and no redirect is followed.
    """

    def __init__(self, token: str, base_url: str, *, max_reply: int = MAX_REPLY) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ProviderError(
                "the token for Replicate is not one", hint="set REPLICATE_API_TOKEN"
            )
        if not is_http_url(base_url):
            raise ProviderError(
                "the address of Replicate's API is not an http address",
                hint="leave it at https://api.replicate.com/v1",
            )
        self.base_url = base_url.rstrip("/")
        self.place = shown_address(base_url)
        self.authorization = {"Authorization": f"Bearer {token}"}
        self._token = token
        self._max_reply = max_reply
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                trust_env=False,
                retries=0,
            ),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"ReplicateApi({self.place!r})"

    async def send(self, method: str, path: str, **how: Any) -> Answer:
        """One exchange. how: ``json``, ``params``, ``files``, ``data``, ``headers`` of httpx.

        Raises ``NoAnswerError``, and ``ProviderError`` for an address that cannot be called.
        """
        headers = {**self.authorization, "Accept": "application/json", **how.pop("headers", {})}
        try:
            request = self._client.build_request(
                method, f"{self.base_url}{path}", headers=headers, **how
            )
        except (TypeError, ValueError):
            # NaN, half of a surrogate pair, a value of Python's own.
            raise ProviderError("the input cannot be written as JSON") from None
        except httpx.InvalidURL:
            raise ProviderError(f"{self.place} is not an address that can be called") from None
        try:
            response = await self._client.send(request, stream=True)
            try:
                content = await self._read(response)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise NoAnswerError(sent=False, reason="it cannot be reached") from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError):
            # Without its cause: that one can hold a header.
            raise ProviderError(f"{self.place} is not an address that can be called") from None
        except httpx.TimeoutException:
            raise NoAnswerError(sent=True, reason="it does not answer") from None
        except httpx.HTTPError:
            raise NoAnswerError(sent=True, reason="the connection was lost") from None
        large = len(content) > LARGE
        body = await asyncio.to_thread(_parse, content) if large else _parse(content)
        date = read_http_date(response.headers.get("date"))
        return Answer(response.status_code, response.headers, body, date)

    async def _read(self, response: httpx.Response) -> bytearray:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self._max_reply:
                raise NoAnswerError(
                    sent=True, reason=f"its answer is longer than {self._max_reply:,} bytes"
                )
        return content

    async def ask(
        self,
        method: str,
        path: str,
        words: tuple[str, ...] = (),
        *,
        missing: str | None = None,
        over: frozenset[int] = frozenset(),
        **how: Any,
    ) -> Answer:
        """An exchange that does no harm when it is repeated: everything but a creation.

        words: to be kept out of an error. missing: what a 404 says is not there. over: statuses
        that are as good as a success. Raises ``ProviderError`` for all others, ``Throttled`` as
        well.
        """
        try:
            answer = await self.send(method, path, **how)
        except NoAnswerError as error:
            raise ProviderError(
                f"Replicate at {self.place}: {error.reason}", retryable=True
            ) from None
        if answer.status == httpx.codes.NOT_FOUND and missing and 404 not in over:
            raise ProviderError(f"Replicate does not know {missing}")
        if not answer.good and answer.status not in over:
            raise self.refusal(answer, words)
        return answer

    async def close(self) -> None:
        """Give back connections."""
        await self._client.aclose()

    # --- what a refusal means -------------------------------------------------------------------

    def refusal(self, answer: Answer, words: tuple[str, ...] = ()) -> ProviderError:
        """The error for an answer that is no success, where repeating does no harm."""
        said = problem_words(answer.body, (*words, self._token))
        if answer.status == httpx.codes.TOO_MANY_REQUESTS:
            return self._throttled(answer, said)
        known = _KNOWN.get(answer.status)
        if known is None:
            words_of = f": {said}" if said else ""
            return ProviderError(
                f"Replicate answered with HTTP status {answer.status}{words_of}",
                hint=_ELSEWHERE if 300 <= answer.status < 400 else None,
                retryable=answer.status in (408, 425) or answer.status >= 500,
            )
        message, hint = known
        message = f"{message}: {said}" if said else message
        if answer.status == httpx.codes.PAYMENT_REQUIRED:
            # The whole account has to wait, as with any other throttle, only longer.
            return Throttled(message, retry_after=NO_CREDIT_WAIT, hint=hint)
        return ProviderError(message, hint=hint)

    def refused_creation(self, answer: Answer, words: tuple[str, ...]) -> ProviderError:
        """The error for a creation's answer: ``AnswerLost`` where it may have been made.

        A 5xx can come from something in front of the API that passed the request on, and so can
        a 408; only a body that says so is believed.
        """
        doubtful = answer.good or answer.status >= 500 or answer.status == 408
        if doubtful and not says_nothing_made(answer.body):
            return AnswerLost(
                f"Replicate answered a creation with HTTP status {answer.status}, which does not"
                " tell whether a prediction was made",
            )
        return self.refusal(answer, words)

    def _throttled(self, answer: Answer, said: str | None) -> Throttled:
        # Dates are in the server's time, so its clock is the one to count from.
        now = answer.date or datetime.now(UTC)
        return Throttled(
            f"Replicate throttles this account: {said}"
            if said
            else "Replicate throttles this account",
            retry_after=read_retry_after(answer.headers, answer.body, now),
        )


_ELSEWHERE = "is it the address of Replicate's API?"
_KNOWN: Mapping[int, tuple[str, str | None]] = {
    401: ("Replicate does not accept the token", "set REPLICATE_API_TOKEN to a valid one"),
    402: (
        "the Replicate account is out of credit",
        "add credit at https://replicate.com/account/billing; jobs wait and go on by themselves",
    ),
    403: ("Replicate does not allow this with the token", "check the token's account"),
    404: (
        "Replicate does not know what is to run",
        "check the model's owner, name and version, and that the token may see them",
    ),
    413: ("Replicate takes no request as large as this", "give files as addresses"),
    422: ("Replicate refuses the request", "check the input against the model's schema"),
}


def _parse(content: bytes | bytearray) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
