"""A provider that follows a script."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vsl.domain.provider import OutputSource, Prediction, PredictionRequest
from vsl.errors import ProviderError

CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Succeed:
    """A prediction that ends well.

    files: the contents of its outputs. mime: what the provider says they are. output: the value
    for the row; None makes one up. breaks_after: fetching stops with a retryable
    ``ProviderError`` after so many bytes of each file.
    """

    files: tuple[bytes, ...] = field(default=(), repr=False)
    mime: str = "application/octet-stream"
    output: Any = None
    processing_time: float = 0.01
    metrics: Mapping[str, Any] = field(default_factory=dict)
    breaks_after: int | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """A prediction that the model ends with an error."""

    error: str = "the model failed"
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """No prediction at all: ``predict`` raises."""

    error: BaseException = field(
        default_factory=lambda: ProviderError("the fake server cannot be reached", retryable=True)
    )


@dataclass(frozen=True, slots=True)
class Hang:
    """A prediction that runs until it is released, and then ends as ``then`` says.

    started: set once the prediction runs. released: to be set by the test.
    Cancelling it ends it as canceled; so does nothing else.
    """

    then: Succeed | Fail | Refuse = field(default_factory=Succeed)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


Step = Succeed | Fail | Refuse | Hang


class FakeProvider:
    """A provider whose predictions come from a script: one step for each call of ``predict``.

    When the script is at its end, ``otherwise`` goes on for ever. What was asked is kept in
    ``requests`` and ``cancelled`` (the requests, in order), and ``closed`` tells the rest.
    """

    def __init__(
        self,
        *script: Step,
        otherwise: Step | None = None,
        name: str = "fake",
        can_poll: bool = False,
        can_list: bool = False,
        safe_to_repeat: bool = True,
    ) -> None:
        self.name = name
        self.can_poll = can_poll
        self.can_list = can_list
        self.safe_to_repeat = safe_to_repeat
        self.requests: list[PredictionRequest] = []
        self.cancelled: list[PredictionRequest] = []
        self.closed = False
        self._script = deque(script)
        self._otherwise = otherwise or Succeed((b"fake output",))
        self._running: dict[Any, asyncio.Event] = {}
        self._breaks: dict[str, int] = {}

    def then(self, *steps: Step) -> None:
        """Add steps to the end of the script."""
        self._script.extend(steps)

    async def predict(self, request: PredictionRequest) -> Prediction:
        """Play the next step."""
        self.requests.append(request)
        step = self._script.popleft() if self._script else self._otherwise
        if isinstance(step, Hang):
            if await self._hang(step, request):
                return Prediction("canceled", "canceled", provider_id=str(request.prediction_id))
            step = step.then
        if isinstance(step, Refuse):
            raise step.error
        if isinstance(step, Fail):
            return Prediction(
                "failed",
                "failed",
                provider_id=str(request.prediction_id),
                error=step.error,
                retryable=step.retryable,
            )
        return self._succeed(step, request)

    async def cancel(self, request: PredictionRequest) -> None:
        """End a hanging prediction as canceled; any other call is only remembered."""
        self.cancelled.append(request)
        if request.prediction_id in self._running:
            self._running[request.prediction_id].set()

    async def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        """The bytes of one output, as its step says."""
        head, comma, payload = source.url.partition(",")
        if not comma or not head.startswith("data:") or not head.endswith(";base64"):
            raise ProviderError("the fake provider never made this output")
        content = base64.b64decode(payload)
        end = self._breaks.get(source.url, len(content))
        for start in range(0, end, CHUNK):
            yield content[start : min(start + CHUNK, end)]
        if end < len(content):
            raise ProviderError("the connection for the output was lost", retryable=True)

    async def close(self) -> None:
        """Remember that connections were given back."""
        self.closed = True

    async def _hang(self, step: Hang, request: PredictionRequest) -> bool:
        """Wait for the release or for a cancel; whether it was a cancel."""
        cancelled = self._running[request.prediction_id] = asyncio.Event()
        step.started.set()
        waits = [asyncio.ensure_future(event.wait()) for event in (step.released, cancelled)]
        try:
            async with asyncio.timeout(request.timeout):
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            raise ProviderError(
                f"the model {request.model_id} did not finish within {request.timeout:g} seconds",
                retryable=True,
            ) from error
        finally:
            del self._running[request.prediction_id]
            for wait in waits:
                wait.cancel()
        return cancelled.is_set()

    def _succeed(self, step: Succeed, request: PredictionRequest) -> Prediction:
        sources = [
            OutputSource(f"data:{step.mime};base64,{base64.b64encode(content).decode('ascii')}")
            for content in step.files
        ]
        for source, content in zip(sources, step.files, strict=True):
            if step.breaks_after is not None and step.breaks_after < len(content):
                self._breaks[source.url] = step.breaks_after
        made_up = [{"data_url": step.mime, "bytes": len(content)} for content in step.files]
        return Prediction(
            "succeeded",
            "succeeded",
            provider_id=str(request.prediction_id),
            outputs=tuple(sources),
            output=made_up if step.output is None else step.output,
            processing_time=step.processing_time,
            metrics={"predict_time": step.processing_time, **step.metrics},
        )
