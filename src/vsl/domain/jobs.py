"""Jobs and models as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args
from uuid import UUID

JobStatus = Literal["pending", "processing", "completed", "failed", "cancelled"]
JOB_STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
FINAL_STATUSES: frozenset[str] = frozenset({"completed", "failed", "cancelled"})

Phase = Literal["submit", "wait", "unknown", "collect", "backoff"]


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the registry. pricing_per_unit: US dollars for one job; None when not known."""

    model_id: str
    media_type: str
    provider: str
    is_active: bool
    is_beta: bool
    is_free: bool
    pricing_per_unit: Decimal | None
    estimated_time_seconds: int | None
    description: str | None
    tags: list[str]
    configuration: dict[str, Any]
    supported_parameters: dict[str, Any]
    lane: str
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """What a submission became. estimated_cost: US dollars held. estimated_time: seconds."""

    id: UUID
    job_id: str
    media_type: str
    estimated_cost: Decimal | None
    estimated_time: int | None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job as a worker holds it, under the claim numbered ``epoch``.

    The fields from ``attempt_number`` on are about the attempt under way, and None without one.
    attempt_seconds: how long ago it began. provider_id, provider_status, output: what was recorded
    of its prediction. output_seconds_left: until the provider may remove its files. edited: whether
    the job or its model was changed since its unanswered attempt began: what was sent is not known.
    """

    id: UUID
    job_id: str
    epoch: int
    phase: str
    run: int
    attempt_id: UUID | None
    attempts: int
    rescues: int
    cancel_requested: bool
    media_type: str
    model_id: str
    user_id: str
    prompt: str | None = field(repr=False)
    parameters: dict[str, Any] = field(repr=False)
    created_at: datetime
    provider: str
    configuration: dict[str, Any]
    supported_parameters: dict[str, Any] = field(repr=False)
    timeout_seconds: int
    estimated_time: int | None
    attempt_number: int | None
    attempt_started_at: datetime | None
    attempt_seconds: float | None
    provider_id: str | None
    provider_status: str | None
    output: dict[str, Any] | None = field(repr=False)
    output_seconds_left: float | None
    edited: bool


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One line of a list of jobs. Costs in US dollars, times in seconds."""

    job_id: str
    status: str
    model_id: str
    media_type: str
    user_id: str
    created_at: datetime
    completed_at: datetime | None
    actual_processing_time: Decimal | None
    estimated_cost: Decimal | None
    actual_cost: Decimal | None
    retry_count: int
    error_code: str | None
    error_message: str | None
    outputs: int


@dataclass(frozen=True, slots=True)
class JobDetail:
    """Everything about one job but its outputs and attempts."""

    id: UUID
    job_id: str
    status: str
    model_id: str
    media_type: str
    user_id: str
    driven: bool
    prompt: str | None = field(repr=False)
    parameters: dict[str, Any] = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    estimated_time: int | None
    actual_processing_time: Decimal | None
    estimated_cost: Decimal | None
    actual_cost: Decimal | None
    retry_count: int
    error_code: str | None
    error_message: str | None
    replicate_id: str | None


@dataclass(frozen=True, slots=True)
class Output:
    """One stored file of a job. Units as in the table ``media_outputs``."""

    ordinal: int | None
    media_type: str
    s3_key: str | None
    s3_url: str | None
    s3_bucket: str | None
    file_type: str | None
    file_size: int | None
    duration: Decimal | None
    width: int | None
    height: int | None
    fps: Decimal | None
    bitrate: int | None
    codec: str | None
    sha256: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission of a job to a provider. cost: US dollars. processing_time: seconds."""

    number: int
    run: int
    provider: str
    provider_id: str | None
    provider_status: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    processing_time: Decimal | None
    cost: Decimal | None
    error_code: str | None
    error_message: str | None
