"""Submitting a job: checked in full first, then one INSERT, then the workers are woken."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vsl.db.statement import Connection, fetch, fetch_one, storable
from vsl.db.statements import GetModel, ListModels, SubmitJob
from vsl.domain.jobs import Model, SubmittedJob
from vsl.errors import DatabaseError, InvalidInput, NotAllowed, NotFound, Problem
from vsl.jobs.inputs import check_input, parse_parameters

MAX_PROMPT = 100_000
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be: what a person asks for. prompt and parameters are the person's data."""

    model_id: str
    user_id: str
    prompt: str | None
    parameters: Mapping[str, Any]
    metadata: Mapping[str, Any]


async def find_model(connection: Connection, model_id: str) -> Model:
    """A model of the registry. Raises ``NotFound``, naming the nearest ones."""
    model = await fetch_one(connection, GetModel(model_id=model_id))
    if model is not None:
        return model
    known = [m.model_id for m in await fetch(connection, ListModels()) if m.is_active]
    near = difflib.get_close_matches(model_id, known, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else "See `vsl models list`."
    raise NotFound(f"there is no model {model_id[:MAX_NAME]!r}", hint=hint)


def check_model(model: Model, providers: Collection[str]) -> None:
    """Raise ``NotAllowed`` when a model cannot run now, saying what is missing.

    providers: the names of those that are configured here.
    """
    if model.provider == "external":
        return
    if not model.is_active:
        raise NotAllowed(
            f"model {model.model_id} is switched off",
            hint=f"Switch it on with `vsl models enable {model.model_id}`.",
        )
    if model.provider == "cog" and not model.configuration.get("url"):
        raise NotAllowed(
            f"model {model.model_id} has no server yet",
            hint="Start the models that come with VSL with `vsl up` or `vsl models serve`.",
        )
    if model.provider not in providers:
        raise NotAllowed(
            f"model {model.model_id} runs at {model.provider}, which is not configured here",
            hint="Set REPLICATE_API_TOKEN here and for the worker."
            if model.provider == "replicate"
            else f"Providers that are: {', '.join(sorted(providers))}. See `vsl models list`.",
        )
    if not model.is_free and not model.pricing_per_unit:
        raise NotAllowed(
            f"model {model.model_id} has no price, so its cost could not be held",
            hint="Set pricing_per_unit in model_configurations, or is_free.",
        )


async def prepare(
    connection: Connection,
    *,
    model_id: str,
    user_id: str,
    prompt: str | None,
    pairs: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    providers: Collection[str],
) -> tuple[Model, Submission]:
    """Check a request in full before anything is written.

    pairs: parameters as ``key=value`` texts. Raises ``NotFound``, ``NotAllowed``, or
    ``InvalidInput`` with everything that is wrong.
    """
    model = await find_model(connection, model_id)
    check_model(model, providers)
    read, problems = parse_parameters(pairs, model.supported_parameters)
    given = {**(parameters or {}), **read}
    problems += [*check_user(user_id), *_check_prompt(prompt)]
    problems += _check_storable({"prompt": prompt, **given})
    problems += check_input(prompt, given, model.supported_parameters)
    if problems:
        raise InvalidInput(
            problems, hint=f"See `vsl models show {model.model_id}` for what it accepts."
        )
    return model, Submission(model.model_id, user_id, prompt, given, {})


async def submit(connection: Connection, submission: Submission) -> SubmittedJob:
    """Insert a checked submission. The caller wakes the workers after its commit.

    Accepts the caller's transaction: nothing is committed here when one is open.
    """
    statement = SubmitJob(
        model_id=submission.model_id,
        user_id=submission.user_id,
        prompt=submission.prompt,
        parameters=dict(submission.parameters),
        metadata=dict(submission.metadata),
    )
    job = await fetch_one(connection, statement)
    if job is None:  # pragma: no cover - the function answers one row or raises
        raise DatabaseError("the database did not answer the submission")
    return job


def check_user(user_id: str) -> list[Problem]:
    """What is wrong with a user's identifier."""
    accepted = f"1 to {MAX_NAME} characters, no control characters"
    if not user_id:
        return [Problem("user", "is empty", accepted)]
    if len(user_id) > MAX_NAME:
        return [Problem("user", f"has {len(user_id)} characters", accepted)]
    # The Unicode categories that PostgreSQL's [[:cntrl:]] matches, and NUL, which it cannot store.
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in user_id):
        return [Problem("user", "has control characters", accepted)]
    return _check_storable({"user": user_id})


def _check_prompt(prompt: str | None) -> list[Problem]:
    if prompt is None:
        return []
    if len(prompt) > MAX_PROMPT:
        found = f"has {len(prompt):,} characters"
        return [Problem("prompt", found, f"at most {MAX_PROMPT:,}")]
    return []


def _check_storable(values: Mapping[str, Any]) -> list[Problem]:
    """Values that PostgreSQL cannot hold, by name."""
    accepted = "no NUL characters, whole Unicode characters, finite numbers"
    return [
        Problem(name, "cannot be stored", accepted)
        for name, value in values.items()
        if storable(value) != value
    ]
