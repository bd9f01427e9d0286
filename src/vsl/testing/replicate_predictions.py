"""The predictions of the fake Replicate server: what they are to become, and what they are now.

A prediction is never changed by time passing: what it is follows from its plan and the clock.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from PIL import Image

FINAL_EVENTS = ("start", "output", "logs", "completed")
_ENDINGS = {
    "image/png": "png",
    "image/webp": "webp",
    "image/jpeg": "jpg",
    "video/mp4": "mp4",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of a prediction.

    status: how it ends, in any word. starting, running: seconds in these two states, by the
    server's clock. files: its outputs; None makes one picture, different for each prediction.
    shape: what the output looks like, made from the files' addresses. data_urls: whether these
    are data URLs. running_status: the word while it runs. metrics: beside the usual ones.
    """

    status: str = "succeeded"
    starting: float = 0.0
    running: float = 0.0
    files: tuple[bytes, ...] | None = field(default=None, repr=False)
    mime: str = "image/png"
    shape: Callable[[list[str]], Any] = field(default=list, repr=False)
    data_urls: bool = False
    error: str | None = None
    logs: str = ""
    running_status: str = "processing"
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What a prediction is at some time. The times are seconds since 1970."""

    status: str
    started_at: float | None = None
    completed_at: float | None = None


@dataclass
class FakePrediction:
    """One prediction that was really made.

    number: in the order of being made. fault: what happened to the answer of its creation.
    deadline_at, cancelled_at: when it ends before its plan, by ``Cancel-After`` or by a person.
    """

    id: str
    number: int
    created_at: float
    model: str
    version: str
    deployment: str | None
    official: bool
    input: Mapping[str, Any] = field(repr=False)
    plan: Plan
    webhook: str | None = field(default=None, repr=False)
    events: tuple[str, ...] = FINAL_EVENTS
    deadline_at: float | None = None
    cancelled_at: float | None = None
    fault: str | None = None

    @property
    def files(self) -> tuple[bytes, ...]:
        """The contents of its outputs."""
        return (picture(self.id),) if self.plan.files is None else self.plan.files

    def state(self, at: float) -> State:
        """What it is at a time."""
        begins = self.created_at + self.plan.starting
        ends = begins + self.plan.running
        stops = [time for time in (self.deadline_at, self.cancelled_at) if time is not None]
        stop = min(stops, default=None)
        if stop is not None and stop < ends and at >= stop:
            aborted = stop < begins and stop == self.deadline_at
            started = begins if begins <= stop else None
            return State("aborted" if aborted else "canceled", started, stop)
        if at < begins:
            return State("starting")
        if at < ends:
            return State(self.plan.running_status, begins)
        started = None if self.plan.status == "aborted" else begins
        return State(self.plan.status, started, ends)

    def next_change(self, at: float) -> float | None:
        """When it becomes something else, if it will by itself."""
        begins = self.created_at + self.plan.starting
        times = (begins, begins + self.plan.running, self.deadline_at)
        return min((time for time in times if time is not None and time > at), default=None)

    def removed(self, at: float, retention: float) -> bool:
        """Whether input and outputs are gone by a time."""
        completed = self.state(at).completed_at
        return completed is not None and at >= completed + retention

    def body(self, at: float, *, origin: str, retention: float, echo: bool) -> dict[str, Any]:
        """As the API shows it. echo: with the callback's address."""
        state = self.state(at)
        removed = self.removed(at, retention)
        good = state.status == self.plan.status == "succeeded"
        body: dict[str, Any] = {
            "id": self.id,
            "model": self.model,
            "version": "hidden" if self.official else self.version,
            "input": {} if removed else self.input,
            "logs": "" if removed or state.started_at is None else self.plan.logs,
            "output": self._output(origin) if good and not removed else None,
            "data_removed": removed,
            "error": self._error(state),
            "source": "api",
            "status": state.status,
            "created_at": iso(self.created_at),
            "started_at": iso(state.started_at),
            "completed_at": iso(state.completed_at),
            "deadline": iso(self.deadline_at),
            "metrics": self._metrics(state, good=good),
            "urls": {
                "get": f"{origin}/v1/predictions/{self.id}",
                "cancel": f"{origin}/v1/predictions/{self.id}/cancel",
                "web": f"https://replicate.com/p/{self.id}",
            },
        }
        if self.deployment is not None:
            body["deployment"] = self.deployment
        if echo and self.webhook is not None:
            body |= {"webhook": self.webhook, "webhook_events_filter": list(self.events)}
        return body

    def _output(self, origin: str) -> Any:
        ending = _ENDINGS.get(self.plan.mime, "bin")
        addresses = [
            f"data:{self.plan.mime};base64,{base64.b64encode(content).decode()}"
            if self.plan.data_urls
            else f"{origin}/delivery/{self.id}/out-{number}.{ending}"
            for number, content in enumerate(self.files)
        ]
        return self.plan.shape(addresses)

    def _error(self, state: State) -> str | None:
        if state.completed_at is None or state.status in ("succeeded", "canceled", "aborted"):
            return None
        return self.plan.error or "the model failed"

    def _metrics(self, state: State, *, good: bool) -> dict[str, Any]:
        if state.completed_at is None or state.started_at is None:
            return {}
        metrics: dict[str, Any] = {
            "predict_time": round(state.completed_at - state.started_at, 6),
            "total_time": round(state.completed_at - self.created_at, 6),
        }
        if good and self.plan.mime.startswith("image/"):
            metrics["image_output_count"] = len(self.files)
        return metrics | dict(self.plan.metrics)


def iso(time: float | None) -> str | None:
    """A time as the API writes it."""
    if time is None:
        return None
    return (
        datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def picture(name: str) -> bytes:
    """A small PNG whose colours follow from a name."""
    digest = hashlib.sha256(name.encode()).digest()
    image = Image.frombytes("RGB", (2, 2), digest[:12]).resize((64, 64))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
