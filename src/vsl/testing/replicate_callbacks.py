"""The callbacks of the fake Replicate server: signed, sent again, and wrong on demand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from vsl.testing.clock import FakeClock
from vsl.testing.faults import Fault, Faults
from vsl.testing.replicate_predictions import FakePrediction

#: Seconds between the tries of the terminal event; the last is about a minute after the first.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback that was sent. status: of the answer, or None when there was none."""

    prediction_id: str
    event: str
    webhook_id: str
    status: int | None
    forged: bool = False


@dataclass(frozen=True, slots=True)
class _Message:
    prediction: FakePrediction
    event: str
    webhook_id: str
    body: bytes


def sign(key: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """One signature of Standard Webhooks: ``v1,`` and base64. key: with its ``whsec_``."""
    secret = base64.b64decode(key.removeprefix("whsec_"))
    message = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, message, hashlib.sha256)).decode()


class Callbacks:
    """Sends each prediction's events as they happen.

    late_seconds: by the server's clock. deliveries: everything that was sent.
    """

    def __init__(
        self, clock: FakeClock, faults: Faults, key: str, *, late_seconds: float = 30.0
    ) -> None:
        self.deliveries: list[Delivery] = []
        self.late_seconds = late_seconds
        self._clock = clock
        self._faults = faults
        self._key = key
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, prediction: FakePrediction, body: Callable[[], dict[str, Any]]) -> None:
        """Follow a prediction that has an address for callbacks. body: what it is now."""
        if prediction.webhook is not None:
            self._spawn(prediction, body)

    async def close(self) -> None:
        """Send nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def idle(self) -> None:
        """Wait until everything was sent that is to be sent."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _spawn(self, prediction: FakePrediction, body: Callable[[], dict[str, Any]]) -> None:
        self._keep(asyncio.create_task(self._follow(prediction, body)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, prediction: FakePrediction, body: Callable[[], dict[str, Any]]) -> None:
        told: set[str] = set()
        held: list[_Message] = []
        while "completed" not in told:
            now = self._clock.now()
            state = prediction.state(now)
            for event in _events(state.status, state.started_at, state.completed_at):
                if event not in told:
                    told.add(event)
                    if event in prediction.events:
                        await self._tell(_message(prediction, event, body()), held)
            if "completed" not in told:
                await self._clock.pause(prediction.next_change(now))
        for message in held:
            await self._send(message)

    async def _tell(self, message: _Message, held: list[_Message]) -> None:
        last = message.event == "completed"
        useless = {Fault.CALLBACK_REORDER} if last else set()
        fault = self._faults.take("callback", without=useless)
        if fault is Fault.CALLBACK_DROP:
            return
        if fault is Fault.CALLBACK_REORDER:
            held.append(message)
            return
        if fault is Fault.CALLBACK_LATE:
            due = self._clock.now() + self.late_seconds
            self._keep(asyncio.create_task(self._deliver(message, due)))
            return
        if fault is Fault.CALLBACK_FORGED:
            await self._send(_forged(message), forged=True)
        if fault is Fault.CALLBACK_DUPLICATE:
            await self._send(message)
        await self._deliver(message, self._clock.now())

    async def _deliver(self, message: _Message, due: float) -> None:
        """Send a message when it is due, the terminal one again until it is taken."""
        await self._clock.reach(due)
        pauses = PAUSES if message.event == "completed" else ()
        for pause in (*pauses, None):
            status = await self._send(message)
            if pause is None or (status is not None and 200 <= status < 300):
                return
            await self._clock.reach(self._clock.now() + pause)

    async def _send(self, message: _Message, *, forged: bool = False) -> int | None:
        if self._client is None:
            self._client = httpx.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=ANSWER_SECONDS
            )
        timestamp = int(self._clock.now())
        key = _FORGERS_KEY if forged else self._key
        headers = {
            "content-type": "application/json",
            "webhook-id": message.webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(key, message.webhook_id, timestamp, message.body),
        }
        try:
            answer = await self._client.post(
                str(message.prediction.webhook), content=message.body, headers=headers
            )
            status: int | None = answer.status_code
        except httpx.HTTPError:
            status = None
        self.deliveries.append(
            Delivery(message.prediction.id, message.event, message.webhook_id, status, forged)
        )
        return status


_FORGERS_KEY = "whsec_" + base64.b64encode(b"a key that was never given out!!").decode()


def _events(status: str, started_at: float | None, completed_at: float | None) -> list[str]:
    """The events that a prediction has had by now, in order."""
    events = ["start"] if started_at is not None else []
    if completed_at is not None:
        events += ["output", "completed"] if status == "succeeded" else ["completed"]
    return events


def _message(prediction: FakePrediction, event: str, body: dict[str, Any]) -> _Message:
    content = json.dumps(body).encode()
    return _Message(prediction, event, f"msg_{secrets.token_urlsafe(12)}", content)


def _forged(message: _Message) -> _Message:
    """The same event with an output that is not Replicate's."""
    body = json.loads(message.body)
    body |= {"status": "succeeded", "output": ["http://127.0.0.1:9/forged.png"], "error": None}
    return _message(message.prediction, message.event, body)
