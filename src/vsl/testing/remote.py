"""A stand-in for a provider that remembers predictions, for tests.

``FakeRemoteProvider`` follows a script, and keeps what it made in a folder, so that several
processes can share one: what a killed worker had made is still there, and is counted.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

from vsl.domain.provider import (
    OutputSource,
    Prediction,
    PredictionRequest,
    PredictionStatus,
    Sweep,
)
from vsl.errors import AnswerLost, ProviderError, Throttled

CHUNK = 64 * 1024
Ending = Literal["succeeded", "failed", "canceled", "aborted"]
_STATUSES: dict[str, PredictionStatus] = {
    "starting": "processing",
    "processing": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
    "aborted": "canceled",
}


@dataclass(frozen=True, slots=True)
class Make:
    """A prediction is made.

    files: the contents of its outputs. looks: how many reads find it at work; 0: the answer to the
    request is the end; None: it works until it is stopped. ends: how. lost: whether the answer
    does not arrive. copies: how many are made: more than one cannot be told apart.
    """

    files: tuple[bytes, ...] = field(default=(), repr=False)
    looks: int | None = 0
    ends: Ending = "succeeded"
    error: str = "the model failed"
    retryable: bool = False
    lost: bool = False
    copies: int = 1


@dataclass(frozen=True, slots=True)
class LoseRequest:
    """The request is lost on its way: no answer, and nothing is made."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """No prediction is made: ``create`` raises."""

    error: ProviderError = field(default_factory=lambda: Throttled("wait", retry_after=1))


Step = Make | LoseRequest | Refuse


class FakeRemoteProvider:
    """A provider whose predictions come from a script: one step for each call of ``create``.

    When the script is at its end, ``otherwise`` goes on for ever. folder: where predictions are
    kept. unsettled: how many searches come too early to be complete. on_made: awaited once a
    prediction is made, before the answer; whoever never returns is a lost answer.
    What was asked is kept in ``created``, ``reads``, ``searches`` and ``stopped``. ``broken``:
    raised by every read and search while set. ``gone``: whether outputs have been removed.
    """

    def __init__(
        self,
        folder: Path,
        *script: Step,
        otherwise: Step | None = None,
        name: str = "replicate",
        unsettled: int = 0,
        on_made: Callable[[PredictionRequest], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.unsettled = unsettled
        self.created: list[PredictionRequest] = []
        self.reads: list[str] = []
        self.searches = 0
        self.stopped: list[str] = []
        self.broken: ProviderError | None = None
        self.gone = False
        self.closed = False
        self._on_made = on_made
        self._script = deque(script)
        self._otherwise = otherwise or Make((b"fake output",))
        folder.mkdir(parents=True, exist_ok=True)

    def then(self, *steps: Step) -> None:
        """Add steps to the end of the script."""
        self._script.extend(steps)

    @property
    def made(self) -> list[str]:
        """The ids of all predictions that were made, by any process, oldest first."""
        found = [self._load(path.stem) for path in self.folder.glob("*.json")]
        return [state["id"] for state in sorted(found, key=lambda state: state["created_at"])]

    async def create(self, request: PredictionRequest) -> Prediction:
        """Play the next step."""
        self.created.append(request)
        step = self._script.popleft() if self._script else self._otherwise
        if isinstance(step, Refuse):
            raise step.error
        if isinstance(step, LoseRequest):
            raise AnswerLost("the connection was lost before the request was sent")
        states = [self._make(step, request) for _ in range(step.copies)]
        if self._on_made is not None:
            await self._on_made(request)
        if step.lost:
            raise AnswerLost("the connection was lost before the answer came")
        return self._prediction(states[0])

    async def read(self, provider_id: str, request: PredictionRequest) -> Prediction:
        """The prediction, one look later."""
        del request
        if self.broken is not None:
            raise self.broken
        self.reads.append(provider_id)
        state = self._load(provider_id)
        if state["looks"]:
            state["looks"] -= 1
            state["status"] = "processing"
        elif state["looks"] == 0 and _STATUSES[state["status"]] == "processing":
            state["status"] = state["ends"]
        self._save(state)
        return self._prediction(state)

    async def find(self, request: PredictionRequest, *, since: datetime) -> Sweep:
        """Predictions with the input of a request, made since then."""
        if self.broken is not None:
            raise self.broken
        self.searches += 1
        same = [
            state
            for state in map(self._load, self.made)
            if state["input"] == dict(request.input)
            and datetime.fromisoformat(state["created_at"]) >= since
        ]
        settled = self.searches > self.unsettled
        return Sweep([self._prediction(state) for state in same], complete=settled)

    async def stop(self, provider_id: str, request: PredictionRequest) -> None:
        """End a prediction that is at work."""
        del request
        self.stopped.append(provider_id)
        state = self._load(provider_id)
        if _STATUSES[state["status"]] == "processing":
            state["status"] = "aborted" if state["status"] == "starting" else "canceled"
            state["looks"] = 0
            self._save(state)

    async def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        """The bytes of one output file."""
        path = self.folder / source.url.rpartition("/")[2]
        if self.gone or not path.exists():
            raise ProviderError("the output is not there: HTTP status 404")
        content = path.read_bytes()
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]

    async def close(self) -> None:
        """Remember that connections were given back."""
        self.closed = True

    def _make(self, step: Make, request: PredictionRequest) -> dict[str, Any]:
        provider_id = uuid4().hex
        files = []
        for number, content in enumerate(step.files):
            name = f"{provider_id}-{number}"
            (self.folder / name).write_bytes(content)
            files.append(f"https://delivery.invalid/{name}")
        state = {
            "id": provider_id,
            "attempt": str(request.prediction_id),
            "input": dict(request.input),
            "created_at": datetime.now(UTC).isoformat(),
            "status": step.ends if step.looks == 0 else "starting",
            "looks": step.looks,
            "ends": step.ends,
            "files": files,
            "error": step.error,
            "retryable": step.retryable,
        }
        self._save(state)
        return state

    def _prediction(self, state: dict[str, Any]) -> Prediction:
        status = _STATUSES[state["status"]]
        done = status == "succeeded"
        return Prediction(
            status,
            state["status"],
            provider_id=state["id"],
            outputs=tuple(OutputSource(url) for url in state["files"]) if done else (),
            output=state["files"] if done else None,
            error=state["error"] if status == "failed" else None,
            retryable=state["retryable"] and status == "failed",
            processing_time=1.5 if done else None,
            metrics={"predict_time": 1.5} if done else {},
        )

    def _load(self, provider_id: str) -> dict[str, Any]:
        path = self.folder / f"{provider_id}.json"
        if not path.exists():
            raise ProviderError("there is no such prediction: HTTP status 404")
        state: dict[str, Any] = json.loads(path.read_text())
        return state

    def _save(self, state: dict[str, Any]) -> None:
        # Whole or not at all: the process may be killed at any moment.
        path = self.folder / f"{state['id']}.json"
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(state))
        partial.replace(path)


def attempt_of(provider: FakeRemoteProvider, provider_id: str) -> UUID:
    """The attempt that a prediction was made for, however its answer fared."""
    return UUID(provider._load(provider_id)["attempt"])
