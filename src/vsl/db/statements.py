"""Every statement that the program sends.

Each one's SQL stands under its name in ``database/queries``. CI prepares all of them against the
real schema and compares parameters and columns with what is declared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from vsl.db.statement import FOREIGN, Command, Json, OneRow, Rows, Value
from vsl.domain.jobs import (
    Attempt,
    ClaimedJob,
    JobDetail,
    JobSummary,
    Model,
    Output,
    SubmittedJob,
)

# Submitting and reading jobs.


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJob(OneRow[SubmittedJob]):
    """Submit a job without waking the workers."""

    model_id: str
    user_id: str
    prompt: str | None = field(repr=False)
    parameters: Json = field(repr=False)
    metadata: Json = field(default_factory=dict, repr=False)
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyWork(Command):
    """Wake the workers of a lane."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(Value[str]):
    """Cancel a job; ``cancelled`` or ``requested``."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob(Command):
    """Run a failed or cancelled job again."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus(Value[str | None]):
    """A job's status; None when there is no such job."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetJob(OneRow[JobDetail]):
    """Everything about one job but its outputs and attempts."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs(Rows[JobSummary]):
    """The newest jobs, of all users or one, in any status or one."""

    user_id: str | None
    status: str | None
    model_id: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOutputs(Rows[Output]):
    """A job's stored files, in order."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAttempts(Rows[Attempt]):
    """A job's attempts, in order."""

    job_id: str


# The registry.


@dataclass(frozen=True, slots=True, kw_only=True)
class ListModels(Rows[Model]):
    """All models of the registry, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetModel(OneRow[Model]):
    """One model of the registry."""

    model_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddModel(Command):
    """Add a model to the registry, or change the one of that name."""

    model_id: str
    media_type: str
    provider: str
    configuration: Json
    supported_parameters: Json
    description: str | None
    pricing_per_unit: Decimal | None
    is_free: bool
    estimated_time_seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetModelActive(Value[bool]):
    """Switch a model on or off; whether there is such a model."""

    model_id: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetModelUrl(Command):
    """Record where a model's server answers."""

    model_id: str
    url: str | None


# The worker.


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimJobs(Rows[ClaimedJob]):
    """Claim due jobs. lease: seconds."""

    worker: str
    lanes: Sequence[str]
    count: int
    lease: float


@dataclass(frozen=True, slots=True)
class BegunAttempt:
    """result: begun, resumed or stale; the others are None when stale."""

    id: UUID
    result: str
    attempt_id: UUID | None
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginAttempts(Rows[BegunAttempt]):
    """Commit the intent to submit."""

    jobs: Sequence[UUID]
    epochs: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPrediction(Value[bool]):
    """Record what a provider said; whether the attempt was still under way.

    remembered: the provider can be asked for it by its id. kept_seconds: how long from now the
    provider keeps its files; None when that is not known.
    """

    attempt: UUID
    provider_id: str | None = field(metadata=FOREIGN)
    provider_status: str = field(metadata=FOREIGN)
    output: Json | None = field(metadata=FOREIGN, repr=False)
    metrics: Json | None = field(metadata=FOREIGN)
    processing_time: float | None = field(metadata=FOREIGN)
    collectable: bool
    remembered: bool = False
    kept_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """result: finished, repeated, stale or rejected. reason: of a rejection."""

    id: UUID
    result: str
    outcome: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishJobs(Rows[FinishedJob]):
    """End a batch of jobs."""

    results: list[Json] = field(metadata=FOREIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailJob(Value[str]):
    """End an attempt with a failure; retried, failed, cancelled, repeated or stale."""

    job: UUID
    epoch: int
    attempt: UUID | None
    code: str
    message: str = field(metadata=FOREIGN)
    retryable: bool
    processing_time: float | None = None


@dataclass(frozen=True, slots=True)
class ExtendedLease:
    """A claim that the worker still has."""

    id: UUID
    epoch: int
    cancel_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendLeases(Rows[ExtendedLease]):
    """A worker's heartbeat. lease: seconds."""

    jobs: Sequence[UUID]
    epochs: Sequence[int]
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBackJobs(Rows[UUID]):
    """Give claims back."""

    jobs: Sequence[UUID]
    epochs: Sequence[int]


@dataclass(frozen=True, slots=True)
class RescuedJob:
    """result: freed, or failed when it has lost too many workers."""

    id: UUID
    lost_worker: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueJobs(Rows[RescuedJob]):
    """Free jobs whose lease is past due."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NextDue(Value[float | None]):
    """Seconds until the next job of the lanes falls due; None when there is none."""

    lanes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomObjects(Value[int]):
    """Hand objects that were stored in vain to removal."""

    keys: Sequence[str]
    bucket: str
    reason: str


@dataclass(frozen=True, slots=True)
class DoomedObject:
    """An object to remove from the store."""

    id: int
    storage_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDoomed(Rows[DoomedObject]):
    """Objects to remove from the store."""

    bucket: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDoomed(Command):
    """Forget objects that were removed."""

    ids: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenForWork(Command):
    """Hear when a lane has work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenForCancels(Command):
    """Hear when a running job is asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Command):
    """Whether the connection still leads to a server."""


# The schema.


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePublic(Command):
    """Let unqualified names mean schema public for this transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationExists(Value[bool]):
    """Whether there is a table, view or sequence of a qualified name."""

    relation: str


@dataclass(frozen=True, slots=True)
class CatalogueObject:
    """An object of the schema, its owner, its comment or what a role may do with it.

    kind: ``object``, ``owner``, ``comment`` or ``grants``. thing: the name of what the last three
    are about; of an object, the table that it is a part of. role: the owner, or who is granted to.
    """

    kind: str
    name: str
    definition: str
    thing: str | None
    role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue(Rows[CatalogueObject]):
    """Every object of VSL's with its definition, its owner, its comment and its grants."""
