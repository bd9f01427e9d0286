"""What the shell offers after Tab: names out of the database, or nothing when it does not answer.

A shell asks at every press of the key, so nothing here waits long, prints or fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from vsl.cli.assembly import connected
from vsl.db.statement import fetch, fetch_one
from vsl.db.statements import GetModel, ListJobs, ListModels
from vsl.domain.jobs import JOB_STATUSES
from vsl.domain.media import MEDIA_TYPES
from vsl.models.catalogue import SHIPPED

#: Seconds that the database gets to answer.
PATIENCE = 2.0
#: As many of the newest jobs are offered.
JOBS = 50

Candidates = list[tuple[str, str]]


def models(incomplete: str) -> Candidates:
    """Models of the registry."""

    async def ask() -> Candidates:
        async with connected() as connection:
            found = await fetch(connection, ListModels())
        return [(model.model_id, model.description or model.media_type) for model in found]

    return _beginning(incomplete, ask)


def jobs(incomplete: str) -> Candidates:
    """The newest jobs."""

    async def ask() -> Candidates:
        async with connected() as connection:
            wanted = ListJobs(user_id=None, status=None, model_id=None, count=JOBS)
            found = await fetch(connection, wanted)
        return [(job.job_id, f"{job.model_id}, {job.status}") for job in found]

    return _beginning(incomplete, ask)


def parameters(ctx: typer.Context, incomplete: str) -> Candidates:
    """Names of the parameters of the model that was typed before."""
    model_id = ctx.params.get("model")

    async def ask() -> Candidates:
        async with connected() as connection:
            model = await fetch_one(connection, GetModel(model_id=str(model_id)))
        properties = model.supported_parameters.get("properties", {}) if model else {}
        return [
            (f"{name}=", str(about.get("description", "")))
            for name, about in properties.items()
            if name != "prompt"
        ]

    return _beginning(incomplete, ask) if model_id else []


def statuses(incomplete: str) -> list[str]:
    """The statuses of jobs."""
    return [status for status in JOB_STATUSES if status.startswith(incomplete)]


def media_types(incomplete: str) -> list[str]:
    """What a model can make."""
    return [kind for kind in MEDIA_TYPES if kind.startswith(incomplete)]


def shipped_models(incomplete: str) -> Candidates:
    """The models that come with VSL."""
    return [(m.model_id, m.description) for m in SHIPPED if m.model_id.startswith(incomplete)]


def _beginning(incomplete: str, ask: Callable[[], Coroutine[Any, Any, Candidates]]) -> Candidates:
    async def in_time() -> Candidates:
        async with asyncio.timeout(PATIENCE):
            return await ask()

    try:
        found = asyncio.run(in_time())
    except Exception:
        return []
    return [(name, about) for name, about in found if name.startswith(incomplete)]
