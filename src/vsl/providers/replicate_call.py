"""Putting calls of Replicate together. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vsl.domain.provider import PredictionRequest
from vsl.errors import ProviderError
from vsl.providers.source import parse_data_url

# Bytes of a file that Replicate takes inside the input as a data URL; larger ones are uploaded.
LARGEST_INLINE = 256_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_VERSION = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to run: a deployment, else a version, else an official model by its name.

    model: ``owner/name``, when it is known. version: the 64 characters that name one.
    """

    deployment: str | None = None
    version: str | None = None
    model: str | None = None

    @property
    def path(self) -> str:
        """The path of the call, below the API's address."""
        if self.deployment is not None:
            return f"/deployments/{self.deployment}/predictions"
        return "/predictions"


@dataclass(frozen=True, slots=True)
class Call:
    """The creation of a prediction as HTTP."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(repr=False)


def read_target(request: PredictionRequest) -> Target:
    """What a model's configuration says is to run.

    Its keys are ``deployment`` (``owner/name``, or a name of ``owner``'s), ``version`` (64
    characters, with or without ``owner/name:`` before them), ``owner`` and ``name``.
    Raises ``ProviderError`` when they name nothing that Replicate can run.
    """
    given = {
        key: value if isinstance(value, str) and value else None
        for key, value in request.configuration.items()
    }
    owner, name = given.get("owner"), given.get("name")
    model = f"{owner}/{name}" if owner and name else None
    deployment, version = given.get("deployment"), given.get("version")
    if version and ":" in version:
        model, _, version = version.rpartition(":")
    if deployment and "/" not in deployment:
        deployment = f"{owner}/{deployment}" if owner else None
        if deployment is None:
            raise _unusable(request, "its deployment has no owner")
    if deployment and not _is_pair(deployment):
        raise _unusable(request, "its deployment is not owner/name")
    if version and not _VERSION.fullmatch(version):
        raise _unusable(request, "its version is not a version's id of 64 characters")
    if model and not _is_pair(model):
        raise _unusable(request, "its owner and name are not those of a model")
    if not (deployment or version or model):
        raise _unusable(request, "it names neither a model nor a version nor a deployment")
    return Target(deployment, version, model)


def _is_pair(text: str) -> bool:
    owner, _, name = text.partition("/")
    return bool(_NAME.fullmatch(owner) and _NAME.fullmatch(name))


def _unusable(request: PredictionRequest, reason: str) -> ProviderError:
    return ProviderError(
        f"the model {request.model_id} cannot run at Replicate: {reason}",
        hint="set the owner and name of an official model, or the id of a version",
    )


def webhook_of(request: PredictionRequest) -> str | None:
    """The address that this attempt's callbacks are to come to, when it has one."""
    webhook = request.configuration.get("webhook")
    return webhook if isinstance(webhook, str) and webhook else None


def build_call(request: PredictionRequest, sent: Mapping[str, Any]) -> Call:
    """The one POST of an attempt. sent: the input, with large files as their addresses.

    Raises ``ProviderError`` when the model's configuration names nothing that can run.
    """
    target = read_target(request)
    body: dict[str, Any] = {"input": dict(sent)}
    if target.deployment is None:
        # This call takes official models as well, by their name.
        body["version"] = target.version or target.model
    webhook = webhook_of(request)
    if webhook is not None:
        body |= {"webhook": webhook, "webhook_events_filter": ["start", "completed"]}
    return Call(target.path, {"Cancel-After": cancel_after(request.timeout)}, body)


def cancel_after(seconds: float) -> str:
    """The header that ends a prediction by itself, in whole seconds, rounded up."""
    return f"{max(math.ceil(seconds), 1)}s"


def is_too_large(value: str) -> bool:
    """Whether a string of the input is a data URL that has to be uploaded."""
    if len(value) <= LARGEST_INLINE or value[:5].lower() != "data:":
        return False
    data = parse_data_url(value)
    return data is not None and data.size > LARGEST_INLINE


def large_files(value: Any) -> Iterator[str]:
    """Every data URL in an input that has to be uploaded."""
    if isinstance(value, str):
        if is_too_large(value):
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from large_files(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from large_files(part)


def with_addresses(value: Any, addresses: Mapping[str, str]) -> Any:
    """An input with strings replaced, wherever in it they are."""
    if isinstance(value, str):
        return addresses.get(value, value)
    if isinstance(value, Mapping):
        return {key: with_addresses(part, addresses) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [with_addresses(part, addresses) for part in value]
    return value
