"""The models that the fake Replicate server knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

#: The form that Replicate gives schemas: a choice is a reference to a schema of its own.
PICTURE_INPUT: Mapping[str, Any] = {
    "type": "object",
    "title": "Input",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "title": "Prompt", "x-order": 0},
        "aspect_ratio": {
            "allOf": [{"$ref": "#/components/schemas/aspect_ratio"}],
            "default": "1:1",
            "x-order": 1,
        },
        "num_outputs": {
            "type": "integer",
            "title": "Num Outputs",
            "default": 1,
            "minimum": 1,
            "maximum": 4,
            "x-order": 2,
        },
        "seed": {"type": "integer", "title": "Seed", "x-order": 3},
        "image": {"type": "string", "title": "Image", "format": "uri", "x-order": 4},
    },
}
PICTURE_CHOICES: Mapping[str, Any] = {
    "aspect_ratio": {
        "type": "string",
        "title": "aspect_ratio",
        "description": "An enumeration.",
        "enum": ["1:1", "16:9", "9:16"],
    }
}
ANYTHING: Mapping[str, Any] = {"type": "object", "title": "Input"}
_OUTPUT: Mapping[str, Any] = {
    "type": "array",
    "title": "Output",
    "items": {"type": "string", "format": "uri"},
}


@dataclass(frozen=True)
class FakeVersion:
    """One version of a model. schema: its OpenAPI document."""

    id: str
    created_at: str
    schema: Mapping[str, Any] = field(repr=False)

    def problems(self, given: Any) -> list[str]:
        """What is wrong with an input, in the words of a validator, the input's own included."""
        components = self.schema["components"]
        schema = {"$ref": "#/components/schemas/Input", "components": components}
        found = Draft202012Validator(schema).iter_errors(given)
        return [f"- input.{error.json_path.removeprefix('$.')}: {error.message}" for error in found]

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "created_at": self.created_at,
            "cog_version": "0.23.1",
            "openapi_schema": self.schema,
        }


@dataclass
class FakeModel:
    """A model with its versions, newest first. Official ones run by their name."""

    owner: str
    name: str
    official: bool
    versions: list[FakeVersion]

    def add_version(
        self,
        created_at: str,
        input_schema: Mapping[str, Any] = PICTURE_INPUT,
        choices: Mapping[str, Any] = PICTURE_CHOICES,
    ) -> FakeVersion:
        """A new latest version."""
        version = make_version(
            f"{self.owner}/{self.name}/{len(self.versions)}", created_at, input_schema, choices
        )
        self.versions.insert(0, version)
        return version

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        latest = self.versions[0].body() if self.versions else None
        return {
            "url": f"https://replicate.com/{self.owner}/{self.name}",
            "owner": self.owner,
            "name": self.name,
            "description": "a model of the fake server",
            "visibility": "public",
            "is_official": self.official,
            "github_url": None,
            "paper_url": None,
            "license_url": None,
            "run_count": 0,
            "cover_image_url": None,
            "default_example": None,
            "latest_version": latest,
        }


def make_version(
    name: str,
    created_at: str,
    input_schema: Mapping[str, Any] = PICTURE_INPUT,
    choices: Mapping[str, Any] = PICTURE_CHOICES,
) -> FakeVersion:
    """A version whose id follows from a name."""
    schemas = {"Input": dict(input_schema), "Output": dict(_OUTPUT), **choices}
    return FakeVersion(
        id=hashlib.sha256(name.encode()).hexdigest(),
        created_at=created_at,
        schema={
            "openapi": "3.0.2",
            "info": {"title": "Cog", "version": "0.1.0"},
            "paths": {},
            "components": {"schemas": schemas},
        },
    )
