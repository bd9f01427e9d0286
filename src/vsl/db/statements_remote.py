"""Statements about jobs whose predictions run at a provider that remembers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from vsl.db.statement import FOREIGN, Rows, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseJobs(Rows[UUID]):
    """Let go of jobs that have to wait, each for so many seconds; those that were still held."""

    jobs: Sequence[UUID]
    epochs: Sequence[int]
    seconds: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferJob(Value[str]):
    """Let go of a job that something holds up; deferred, cancelled or stale.

    withdraw: the provider said that nothing was made, so the attempt is taken back.
    unknown: a person may have to resolve the attempt.
    """

    job: UUID
    epoch: int
    seconds: float
    code: str
    message: str = field(metadata=FOREIGN)
    withdraw: bool = False
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FreePredictions(Rows[str]):
    """Which of these predictions belong to no other attempt."""

    attempt: UUID
    provider_ids: Sequence[str] = field(metadata=FOREIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveJob(Value[str]):
    """A person's decision: adopt, absent or give-up; what became of the job."""

    job_id: str
    decision: str
    provider_id: str | None = None
