"""What the tests of predictions at a remote provider share."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.worker import media
from tests.worker.kit import Lab

from vsl.testing.remote import FakeRemoteProvider, Make, Step
from vsl.worker import remote

LANE = "replicate"
IMAGE = Make((media.image(0),))
TWO = Make((media.image(0), media.image(1)))
#: A worker's options for these jobs.
HERE: dict[str, Any] = {"lanes": (LANE,)}


def add_models(lab: Lab) -> None:
    """A model at the remote provider, which is quick to be looked at."""
    lab.add_model(
        "flux",
        "image",
        provider="replicate",
        replicate_owner="acme",
        replicate_model="flux",
        configuration={"tier": "fast"},
        estimated_time_seconds=1,
        timeout_seconds=600,
    )


def provider(lab: Lab, *script: Step, **options: Any) -> FakeRemoteProvider:
    """A provider that keeps its predictions beside the lab's spool."""
    options.setdefault("otherwise", IMAGE)
    return FakeRemoteProvider(lab.spool.with_name("predictions"), *script, **options)


def dispatch(lab: Lab, job: UUID) -> dict[str, Any]:
    return lab.row("SELECT * FROM vsl.dispatch WHERE job_id = %s", job)


async def in_phase(lab: Lab, job: UUID, phase: str) -> None:
    """Wait until nobody holds a job and it is in a phase."""
    await lab.until(
        "count(*) = 1 FROM vsl.dispatch WHERE job_id = %s AND phase = %s AND worker IS NULL",
        job,
        phase,
    )


def make_due(lab: Lab) -> None:
    """Let every pause end, and wake the workers."""
    lab.rows("UPDATE vsl.dispatch SET due_at = now() WHERE worker IS NULL")
    lab.rows(f"NOTIFY vsl_work, '{LANE}'")


def age(lab: Lab, job: UUID, seconds: float) -> None:
    """Let a job's attempt have begun longer ago."""
    lab.rows(
        "UPDATE vsl.attempts SET started_at = started_at - make_interval(secs => %s)"
        " WHERE job_id = %s",
        seconds,
        job,
    )


def check_once(lab: Lab, made: FakeRemoteProvider, job: UUID, outputs: int = 1) -> None:
    """One prediction, one attempt, one charge, one set of files."""
    lab.check_completed_once(job, outputs=outputs)
    assert len(made.made) == 1
    (attempt,) = lab.attempts(job)
    assert attempt["provider_id"] == made.made[0] == lab.job(job)["replicate_id"]
    assert lab.job(job)["error_message"] is None


def without_pauses(patch: pytest.MonkeyPatch) -> None:
    """No look waits longer than a moment, until the patch is undone."""
    for name in ("SOONEST", "FIRST", "LONGEST", "SEARCH_FIRST", "SEARCH_LONGEST", "COLLECT_AGAIN"):
        patch.setattr(remote, name, 0.02)


def folder(lab: Lab) -> Path:
    return lab.spool.with_name("predictions")
