"""From a Cog server's OpenAPI document to the JSON Schema of a model's input, and back.

Both functions are pure. The schema that ``input_schema`` makes stands alone: references are
put in place, OpenAPI 3.0's own words are said in JSON Schema's, and unknown names are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsl.errors import ProviderError

_PREFIX = "#/components/schemas/"

# Keywords whose value is one schema, a list of schemas, or schemas by name.
_ONE = ("items", "additionalProperties", "not")
_LISTS = ("allOf", "anyOf", "oneOf")

# "x-order" is spent on the order of the properties; a title only repeats the property's name.
_DROPPED = ("title", "x-order", "nullable")


def input_schema(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """The self-contained JSON Schema (2020-12) of a Cog model's input.

    openapi: the document that the model's server gives at ``/openapi.json``.
    Raises ``ProviderError`` when it describes no input or refers to what is not there.
    """
    schemas = _mapping(_mapping(openapi.get("components")).get("schemas"))
    found = schemas.get("Input")
    if not isinstance(found, Mapping) or found.get("type", "object") != "object":
        raise ProviderError(
            "the OpenAPI document does not say what input the model takes",
            hint="give the address of a Cog server that has finished its setup",
        )
    schema = _plain(found, schemas, ())
    schema.setdefault("type", "object")
    schema.setdefault("properties", {})
    schema.setdefault("additionalProperties", False)
    return schema


def openapi_document(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI document from which a Cog server checks input and which it shows to clients.

    In a container ``cog build`` writes it; outside of one, whoever starts the server does.
    """
    reply = {"content": {"application/json": {"schema": {"$ref": _PREFIX + "PredictionResponse"}}}}
    request = {"content": {"application/json": {"schema": {"$ref": _PREFIX + "PredictionRequest"}}}}
    call = {
        "summary": "Predict",
        "description": description,
        "requestBody": request,
        "responses": {"200": {"description": "The prediction", **reply}},
    }
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0", "description": description},
        "paths": {"/predictions": {"post": call}},
        "components": {
            "schemas": {
                "Input": {"title": "Input", **schema},
                "Output": {"title": "Output", "type": "string", "format": "uri"},
                "PredictionRequest": {
                    "type": "object",
                    "properties": {"input": {"$ref": _PREFIX + "Input"}},
                },
                "PredictionResponse": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "status": {"type": "string"},
                        "output": {"$ref": _PREFIX + "Output"},
                        "error": {"type": "string"},
                        "metrics": {"type": "object"},
                    },
                },
            }
        },
    }


def _plain(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    """One schema with everything it refers to in place. ``path``: the references being followed."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _plain(_follow(reference, schemas, path), schemas, (*path, reference))
    result = {key: value for key, value in schema.items() if key not in _DROPPED}
    for key in _ONE:
        if isinstance(result.get(key), Mapping):
            result[key] = _plain(result[key], schemas, path)
    for key in _LISTS:
        if isinstance(result.get(key), list):
            result[key] = [_plain(_mapping(part), schemas, path) for part in result[key]]
    if isinstance(result.get("properties"), Mapping):
        result["properties"] = {
            name: _plain(part, schemas, path) for name, part in _ordered(result["properties"])
        }
    # A choice is written as allOf with one reference; what stands beside it is nearer, and wins.
    if len(result.get("allOf", ())) == 1:
        result = {**result.pop("allOf")[0], **result}
    _reword_bounds(result)
    if schema.get("nullable") is True:
        result = _or_null(result)
    return result


def _follow(reference: str, schemas: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    target = schemas.get(reference.removeprefix(_PREFIX))
    if not reference.startswith(_PREFIX) or not isinstance(target, Mapping):
        raise ProviderError("the OpenAPI document refers to a schema that it does not have")
    if reference in path:
        raise ProviderError("the OpenAPI document has a schema that contains itself")
    return target


def _ordered(properties: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The properties in the order that the model's author wrote them."""
    pairs = [(name, _mapping(part)) for name, part in properties.items()]
    return sorted(pairs, key=lambda pair: pair[1].get("x-order", len(pairs)))


def _reword_bounds(schema: dict[str, Any]) -> None:
    """OpenAPI 3.0 has exclusive bounds as a flag beside the bound; JSON Schema has a number."""
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(flag), bool):
            exclusive = schema.pop(flag)
            if exclusive and bound in schema:
                schema[flag] = schema.pop(bound)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, accepting null as well."""
    kind = schema.get("type")
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
    elif "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
