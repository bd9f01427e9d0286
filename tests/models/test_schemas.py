"""From OpenAPI to JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from vsl.errors import ProviderError
from vsl.models.schemas import input_schema, openapi_document

COLOUR = {"title": "Colour", "description": "An enumeration.", "enum": ["red"], "type": "string"}


def _document(schema: object, **others: object) -> dict[str, object]:
    return {"openapi": "3.0.2", "components": {"schemas": {"Input": schema, **others}}}


def test_a_document_as_cog_writes_it() -> None:
    schema: dict[str, Any] = {
        "title": "Input",
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "seed": {"title": "Seed", "type": "integer", "nullable": True, "x-order": 2},
            "prompt": {"title": "Prompt", "type": "string", "x-order": 0, "maxLength": 9},
            "title": {"type": "string", "x-order": 3},
            "colour": {
                "allOf": [{"$ref": "#/components/schemas/Colour"}],
                "default": "red",
                "description": "Of the car",
                "x-order": 1,
            },
        },
    }
    found = input_schema(_document(schema, Colour=COLOUR))
    assert found == {
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "maxLength": 9},
            "colour": {
                "enum": ["red"],
                "type": "string",
                "default": "red",
                "description": "Of the car",
            },
            "seed": {"type": ["integer", "null"]},
            "title": {"type": "string"},
        },
        "additionalProperties": False,
    }
    assert list(found["properties"]) == ["prompt", "colour", "seed", "title"]
    assert "title" in schema["properties"]["seed"]  # the document itself is left alone


def test_openapi_words_become_json_schema_words() -> None:
    schema = {
        "properties": {
            "a": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "b": {"type": "number", "maximum": 9, "exclusiveMaximum": False},
            "c": {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/Colour"}]},
            "d": {"type": "array", "items": {"$ref": "#/components/schemas/Colour"}},
            "e": {"allOf": [{"$ref": "#/components/schemas/Colour"}], "nullable": True},
            "f": {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
        }
    }
    found = input_schema(_document(schema, Colour=COLOUR))
    jsonschema.Draft202012Validator.check_schema(found)
    check = jsonschema.Draft202012Validator(found)
    good = (
        {"a": 0.1},
        {"b": 9},
        {"c": "x"},
        {"d": ["red"]},
        {"e": None},
        {"e": "red"},
        {"f": None},
    )
    assert [check.is_valid(value) for value in good] == [True] * len(good)
    bad = ({"a": 0}, {"b": 10}, {"c": 1}, {"d": ["blue"]}, {"e": "blue"}, {"f": 1.5}, {"g": 1})
    assert [check.is_valid(value) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"error": "OpenAPI schema not available"},
        {"components": None},
        {"components": {"schemas": []}},
        _document(None),
        _document({"type": "string"}),
        _document({"properties": {"a": {"$ref": "#/components/schemas/Gone"}}}),
        _document({"properties": {"a": {"$ref": "http://elsewhere/"}}}),
        _document({"properties": {"a": {"$ref": "#/components/schemas/Input"}}}),
    ],
)
def test_what_cannot_be_used_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        input_schema(document)
    assert not caught.value.retryable


def test_a_model_without_input_takes_none() -> None:
    assert input_schema(_document({})) == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


def test_there_and_back() -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": ["integer", "null"], "description": "d", "multipleOf": 2}},
        "additionalProperties": False,
    }
    assert input_schema(openapi_document("words", schema)) == schema
