"""The steps of a job, where a test can hold a worker. Inert otherwise."""

from __future__ import annotations

from typing import Literal, Protocol
from uuid import UUID

Step = Literal[
    "claimed", "begun", "predicted", "recorded", "waiting", "spooled", "stored", "finished"
]


class Steps(Protocol):
    """Told of every step of every job, before the next one starts."""

    async def reached(self, step: Step, job: UUID) -> None:
        """A job came to a step."""


class NoSteps:
    """Nobody listens."""

    async def reached(self, step: Step, job: UUID) -> None:
        """Do nothing."""
