"""The protocol of a model provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

# What an attempt can be said to have come to. `processing` is the only one that is not final.
PredictionStatus = Literal["processing", "succeeded", "failed", "canceled"]


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """One attempt of a job, as a provider sees it.

    prediction_id: the attempt's id; a provider whose predictions are named by the caller uses it.
    configuration: the model's ``configuration`` column (for ``cog``: ``{"url": "http://…"}``).
    input: the checked input, ready to be sent. timeout: seconds the whole prediction may take.
    """

    prediction_id: UUID
    model_id: str
    configuration: Mapping[str, Any]
    input: Mapping[str, Any] = field(repr=False)
    timeout: float


@dataclass(frozen=True, slots=True)
class OutputSource:
    """Where the bytes of one output file are to be had: an http(s) address or a data URL."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a provider said about one attempt.

    raw_status: the provider's own word, kept as it came. outputs: its files, in order.
    output: the provider's output value with the bytes of data URLs left out, fit for a row.
    error: the provider's words for a failure. retryable: whether a failure may pass.
    processing_time: seconds that the model ran, as the provider measured it.
    """

    status: PredictionStatus
    raw_status: str
    provider_id: str | None = None
    outputs: Sequence[OutputSource] = ()
    output: Any = None
    error: str | None = None
    retryable: bool = False
    processing_time: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """Who runs models. Every method raises ``ProviderError`` when it gets no usable answer."""

    @property
    def name(self) -> str:
        """The word in ``model_configurations.provider``."""

    @property
    def can_poll(self) -> bool:
        """Whether the state of a prediction can be read after it was made."""

    @property
    def can_list(self) -> bool:
        """Whether past predictions can be listed, so that a lost one can be found."""

    @property
    def safe_to_repeat(self) -> bool:
        """Whether making the same prediction twice costs nothing and does no harm."""

    async def predict(self, request: PredictionRequest) -> Prediction:
        """Make a prediction and follow it to its end."""

    async def cancel(self, request: PredictionRequest) -> None:
        """Ask for a running prediction to be stopped; one that is not there is no error."""

    def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        """The bytes of one output file, in chunks."""

    async def close(self) -> None:
        """Give back connections."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a provider's list says of a prediction whose answer was lost.

    matches: predictions that can be this attempt's; more than one cannot be told apart. complete:
    whether the list was read back to before the attempt began, at a time when whatever was made by
    then is in it: only then does no match mean that nothing was made.
    """

    matches: Sequence[Prediction]
    complete: bool


class RemoteProvider(Protocol):
    """Who runs models and remembers predictions: they are made, and read until they end.

    Every method raises ``ProviderError`` when it gets no usable answer.
    """

    @property
    def name(self) -> str:
        """The word in ``model_configurations.provider``."""

    async def create(self, request: PredictionRequest) -> Prediction:
        """Make a prediction: one request, never sent again by itself.

        The answer has a ``provider_id`` and may be final already. Raises ``AnswerLost`` when it is
        not known whether one was made; any other ``ProviderError`` says that none was:
        ``Throttled`` when the account has to wait.
        """

    async def read(self, provider_id: str, request: PredictionRequest) -> Prediction:
        """The present state of a prediction. Raises ``Throttled`` as well."""

    async def find(self, request: PredictionRequest, *, since: datetime) -> Sweep:
        """Look for the prediction of an attempt that began at ``since`` and whose answer was lost.

        Raises ``Throttled`` as well.
        """

    async def stop(self, provider_id: str, request: PredictionRequest) -> None:
        """Ask for a prediction to be stopped; one that has ended is no error."""

    def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        """The bytes of one output file, in chunks."""

    async def close(self) -> None:
        """Give back connections."""
