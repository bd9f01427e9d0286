"""What the fake Replicate server knows: its models, its predictions, the files given to it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vsl.testing.clock import FakeClock
from vsl.testing.faults import Fault, Faults
from vsl.testing.replicate_models import (
    ANYTHING,
    PICTURE_CHOICES,
    PICTURE_INPUT,
    FakeModel,
    FakeVersion,
    make_version,
)
from vsl.testing.replicate_predictions import FakePrediction, Plan, iso

UPLOAD_SECONDS = 24 * 3600.0  # how long uploaded files are kept
_UPLOADED = re.compile(r"https?://[^/]+/v1/files/([A-Za-z0-9_-]+)")


@dataclass
class Settings:
    """What tests set; ``FakeReplicate`` says what each means."""

    token: str
    webhook_key: str
    retention: float
    list_lag: float
    echo_webhook: bool
    page_size: int
    slow_pause: float


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was given to the server."""

    id: str
    name: str
    mime: str
    created_at: float
    content: bytes = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def body(self, origin: str) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "content_type": self.mime,
            "size": len(self.content),
            "etag": hashlib.md5(self.content, usedforsecurity=False).hexdigest(),
            "checksums": {"sha256": hashlib.sha256(self.content).hexdigest()},
            "metadata": dict(self.metadata),
            "created_at": iso(self.created_at),
            "expires_at": iso(self.created_at + UPLOAD_SECONDS),
            "urls": {"get": f"{origin}/v1/files/{self.id}"},
        }


@dataclass
class World:
    """The server's state. The public class ``FakeReplicate`` says what each setting means."""

    clock: FakeClock
    faults: Faults
    plan: Plan = field(default_factory=Plan)
    plan_for: Callable[[Mapping[str, Any]], Plan] | None = None
    plans: deque[Plan] = field(default_factory=deque)
    any_model: bool = True
    models: dict[str, FakeModel] = field(default_factory=dict)
    predictions: dict[str, FakePrediction] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    # --- models ---------------------------------------------------------------------------------

    def add_model(
        self,
        model: str,
        *,
        official: bool = False,
        input_schema: Mapping[str, Any] = PICTURE_INPUT,
        choices: Mapping[str, Any] = PICTURE_CHOICES,
    ) -> FakeModel:
        """Let the server know a model, with one version."""
        owner, _, name = model.partition("/")
        if not owner or not name:
            raise ValueError("a model is owner/name")
        made = self.models[model] = FakeModel(owner, name, official, [])
        made.add_version(str(iso(self.clock.now())), input_schema, choices)
        return made

    def model_named(self, name: str, *, official: bool) -> FakeModel | None:
        """The model of that name, made up when the server takes any."""
        if name not in self.models and self.any_model and name.count("/") == 1:
            self.add_model(name, official=official, input_schema=ANYTHING, choices={})
        return self.models.get(name)

    def version_named(self, version_id: str) -> tuple[str, FakeVersion] | None:
        """A version and the name of its model, made up when the server takes any."""
        for name, model in self.models.items():
            for version in model.versions:
                if version.id == version_id:
                    return name, version
        if not self.any_model:
            return None
        made = make_version(version_id, str(iso(self.clock.now())), ANYTHING, {})
        version = replace(made, id=version_id)
        model = FakeModel("somebody", f"model-{version_id[:8]}", False, [version])
        self.models[f"{model.owner}/{model.name}"] = model
        return f"{model.owner}/{model.name}", version

    # --- predictions ----------------------------------------------------------------------------

    def make(self, **facts: Any) -> FakePrediction:
        """Make a prediction: this is what costs money. facts: of ``FakePrediction``."""
        prediction = FakePrediction(
            id=secrets.token_hex(13),
            number=len(self.predictions) + 1,
            # In whole microseconds, so that a time that was told compares as it should.
            created_at=self.clock.today().timestamp(),
            plan=self._plan(facts["input"]),
            **facts,
        )
        self.predictions[prediction.id] = prediction
        return prediction

    def _plan(self, given: Mapping[str, Any]) -> Plan:
        if self.plans:
            plan = self.plans.popleft()
        else:
            plan = self.plan_for(given) if self.plan_for is not None else self.plan
        outcome = self.faults.take("outcome")
        return plan if outcome is None else replace(plan, **_OUTCOMES[outcome])

    def cancel(self, prediction: FakePrediction) -> None:
        """End a prediction as a person does; one that has ended stays as it is."""
        now = self.clock.now()
        if prediction.state(now).completed_at is None:
            prediction.cancelled_at = now
            self.clock.stir()

    def made_per_input(self) -> Counter[str]:
        """How many predictions were really made of each thing that was asked for.

        The key is JSON: what ran and its input, uploaded files by their content.
        """
        return Counter(
            json.dumps([made.model, made.deployment, self._plain(made.input)], sort_keys=True)
            for made in self.predictions.values()
        )

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            match = _UPLOADED.fullmatch(value)
            upload = self.uploads.get(match[1]) if match else None
            return value if upload is None else hashlib.sha256(upload.content).hexdigest()
        if isinstance(value, Mapping):
            return {key: self._plain(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._plain(part) for part in value]
        return value

    # --- files ----------------------------------------------------------------------------------

    def upload(self, name: str, mime: str, content: bytes, metadata: Mapping[str, Any]) -> Upload:
        """Keep a file."""
        made = Upload(secrets.token_urlsafe(18), name, mime, self.clock.now(), content, metadata)
        self.uploads[made.id] = made
        return made

    def kept_upload(self, file_id: str) -> Upload | None:
        """A file that has not expired."""
        upload = self.uploads.get(file_id)
        expired = upload and self.clock.now() >= upload.created_at + UPLOAD_SECONDS
        return None if expired else upload


_OUTCOMES: Mapping[Fault, dict[str, Any]] = {
    Fault.OUTCOME_FAILED: {"status": "failed", "error": "CUDA out of memory (E1001)"},
    Fault.OUTCOME_ABORTED: {"status": "aborted"},
    Fault.OUTCOME_CANCELED: {"status": "canceled"},
    Fault.OUTCOME_STRANGE: {"status": "evaporated", "error": None},
}
