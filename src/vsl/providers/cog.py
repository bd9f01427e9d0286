"""The provider ``cog``: any server that speaks the Cog HTTP interface.

A prediction is one ``PUT /predictions/{id}``, held open until the server answers with the
output. What was learnt from the real server (package ``cog`` 0.23):

- there is no way to ask for a prediction later (GET answers 405), so ``can_poll`` is False;
- it stops a prediction whose connection is lost, and forgets every prediction that ended: so
  putting the same id again runs it again. That costs nothing here, so ``safe_to_repeat`` is True;
- an id that still runs is answered 202 ``processing`` at once, without running it twice;
- one that is busy with another prediction answers 409, and so does, for ever, one whose worker
  has died: only ``/health-check`` tells the two apart;
- a failure of the model is a 200 whose status is ``failed``; wrong input is a 422 whose words
  repeat the input, so they are cleaned before anybody sees them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from vsl.domain.hiding import hidden_words
from vsl.domain.provider import OutputSource, Prediction, PredictionRequest
from vsl.errors import ProviderError
from vsl.providers.cog_reply import read_refusal, read_reply
from vsl.providers.source import is_http_url, read_source, shown_address

MAX_REPLY = 256 * 1024 * 1024
UNREACHABLE_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.05, 0.5  # seconds between two puts
CONNECT_SECONDS = 5.0
ASIDE_SECONDS = 5.0  # for the small questions: health, cancel

# States in which a Cog server will never take a prediction again without being restarted.
_BROKEN = frozenset({"UNHEALTHY", "DEFUNCT", "SETUP_FAILED"})


@dataclass(frozen=True, slots=True)
class CogCall:
    """One prediction as HTTP. url: of the prediction. server: its address, fit to be told."""

    url: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    server: str


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Any = field(repr=False)


class _LostError(Exception):
    """No whole answer came. connected: whether the server was there at all."""

    def __init__(self, *, connected: bool) -> None:
        super().__init__()
        self.connected = connected


def build_call(request: PredictionRequest) -> CogCall:
    """The HTTP call for an attempt.

    Raises ``ProviderError`` when the model's configuration has no usable ``url``.
    """
    url = request.configuration.get("url")
    if not isinstance(url, str) or not is_http_url(url):
        raise ProviderError(
            f"the model {request.model_id} has no usable server address",
            hint='its configuration needs "url", such as {"url": "http://127.0.0.1:5000"}',
        )
    return CogCall(
        url=f"{url.rstrip('/')}/predictions/{request.prediction_id}",
        body={"id": str(request.prediction_id), "input": dict(request.input)},
        server=shown_address(url),
    )


class CogProvider:
    """Runs predictions on Cog servers; one instance serves any number of them.

    max_reply: bytes of the longest answer that is read (outputs can be inside of it).
    unreachable_seconds: how long a server may refuse connections before an attempt is given up.
    """

    name: Final = "cog"
    can_poll: Final = False
    can_list: Final = False
    safe_to_repeat: Final = True

    def __init__(
        self, *, max_reply: int = MAX_REPLY, unreachable_seconds: float = UNREACHABLE_SECONDS
    ) -> None:
        self._max_reply = max_reply
        self._unreachable_seconds = unreachable_seconds
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                # A held connection is silent; this notices a machine that went away meanwhile.
                socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)],
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                trust_env=False,
            ),
            timeout=httpx.Timeout(ASIDE_SECONDS),
            trust_env=False,
        )

    async def predict(self, request: PredictionRequest) -> Prediction:
        """Put the prediction, again where needed, until the server gives its final word.

        Raises ``ProviderError``: retryable when the server cannot be reached, is broken or takes
        longer than ``request.timeout``; not retryable when it does not speak Cog's language.
        """
        call = build_call(request)
        try:
            async with asyncio.timeout(request.timeout):
                return await self._follow(call, request)
        except TimeoutError as error:
            # The server stops by itself when the connection goes; older ones have to be told.
            with contextlib.suppress(ProviderError):
                await self.cancel(request)
            raise ProviderError(
                f"the model {request.model_id} at {call.server} did not finish within"
                f" {request.timeout:g} seconds",
                retryable=True,
            ) from error

    async def cancel(self, request: PredictionRequest) -> None:
        """Ask the server to stop a prediction; one that it does not know is no error."""
        call = build_call(request)
        try:
            response = await self._client.post(f"{call.url}/cancel")
        except httpx.HTTPError as error:
            raise ProviderError(
                f"cannot cancel at {call.server}: it does not answer", retryable=True
            ) from error
        if response.status_code >= 400 and response.status_code != httpx.codes.NOT_FOUND:
            raise ProviderError(
                f"{call.server} refuses to cancel: HTTP status {response.status_code}",
                retryable=response.status_code >= 500,
            )

    def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        """The bytes of one output, in chunks; see ``read_source``."""
        return read_source(self._client, source.url)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.aclose()

    # --- following one prediction -------------------------------------------------------------

    async def _follow(self, call: CogCall, request: PredictionRequest) -> Prediction:
        loop = asyncio.get_running_loop()
        words = hidden_words(request.input)
        reached, wait = loop.time(), FIRST_WAIT
        while True:
            try:
                answer = await self._put(call)
            except _LostError as lost:
                if lost.connected:
                    reached = loop.time()
                elif loop.time() - reached > self._unreachable_seconds:
                    raise ProviderError(
                        f"the server of {request.model_id} at {call.server} cannot be reached",
                        hint="start it, or correct the model's url",
                        retryable=True,
                    ) from lost
            else:
                reached = loop.time()
                prediction = _final(call, answer, words)
                if prediction is not None:
                    return prediction
                if answer.status in (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE):
                    await self._check_health(call, request)
            # Jitter keeps the waiting ones apart: several workers may want one server.
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            wait = min(wait * 2.0, LONGEST_WAIT)

    async def _put(self, call: CogCall) -> _Answer:
        """One put, held until it is answered. Raises ``_LostError`` when it is not."""
        # Only the caller's timeout ends a silent connection: a model may take an hour.
        patience = httpx.Timeout(None, connect=CONNECT_SECONDS)
        try:
            async with self._client.stream(
                "PUT",
                call.url,
                json=call.body,
                headers={"Accept-Encoding": "identity"},
                timeout=patience,
            ) as response:
                content = await self._read(call, response)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _LostError(connected=False) from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            raise ProviderError(f"{call.server} is not an address that can be called") from error
        except httpx.HTTPError as error:
            raise _LostError(connected=True) from error
        try:
            # A large answer would stop the whole loop for as long as it takes to be read.
            large = len(content) > 1_000_000
            body = await asyncio.to_thread(json.loads, content) if large else json.loads(content)
        except (ValueError, RecursionError):
            body = None
        return _Answer(response.status_code, body)

    async def _read(self, call: CogCall, response: httpx.Response) -> bytearray:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self._max_reply:
                raise ProviderError(
                    f"the answer of {call.server} is longer than {self._max_reply:,} bytes",
                    hint="let the server upload large outputs and answer with their addresses",
                )
        return content

    async def _check_health(self, call: CogCall, request: PredictionRequest) -> None:
        """Raise ``ProviderError`` when a server that takes no prediction never will again."""
        base = call.url.removesuffix(f"/predictions/{request.prediction_id}")
        try:
            body = (await self._client.get(f"{base}/health-check")).json()
        except (httpx.HTTPError, ValueError):
            return  # the next put will show it
        state = body.get("status") if isinstance(body, dict) else None
        if state in _BROKEN:
            raise ProviderError(
                f"the server of {request.model_id} at {call.server} says it is {state}",
                hint="restart it",
                retryable=True,
            )


def _final(call: CogCall, answer: _Answer, words: tuple[str, ...]) -> Prediction | None:
    """The prediction's end, or None when it has to be put again."""
    status = answer.status
    if status == httpx.codes.UNPROCESSABLE_ENTITY:
        return read_refusal(answer.body, words)
    if status == httpx.codes.CONFLICT or status >= 500:
        return None
    if status not in (httpx.codes.OK, httpx.codes.CREATED, httpx.codes.ACCEPTED):
        raise ProviderError(
            f"{call.server} does not take predictions: HTTP status {status}",
            hint="is it the address of a Cog server?",
        )
    prediction = read_reply(answer.body, words)
    return None if prediction.status == "processing" else prediction
