"""A job's input: put together, read from text, and checked against its model's schema.

The schema is JSON Schema, as a model's server states it; or the whole OpenAPI document around it,
as Replicate keeps it for each version, where choices are references to schemas beside it. Messages
name fields and what would be accepted, never the value that was given: it may be a prompt.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing.exceptions import Unresolvable

from vsl.errors import Problem

#: Seeds fit a signed 32-bit integer, which every model with a seed takes.
_LARGEST_SEED = 2**31 - 1
_MAX_REFERENCES = 20  # that are followed one after the other


def input_schema(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a model's input, out of a whole OpenAPI document where it is one.

    The document's components stay with it, so that references into them still hold.
    """
    components = document.get("components")
    schemas = components.get("schemas") if isinstance(components, Mapping) else None
    if "properties" in document or not isinstance(schemas, Mapping) or "Input" not in schemas:
        return document
    return {**_resolved(schemas["Input"], document), "components": components}


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or the one that it refers to; an empty one when that is not there."""
    for _ in range(_MAX_REFERENCES):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = root
        for step in reference[2:].split("/"):
            schema = schema.get(step) if isinstance(schema, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}


def build_input(
    prompt: str | None, parameters: Mapping[str, Any], schema: Mapping[str, Any], *, job: UUID
) -> dict[str, Any]:
    """What a model gets: the parameters, the prompt, and a seed when the model takes one.

    A seed that was not given follows from the job's id, so that every attempt of a job makes the
    same and two jobs do not. It also tells the job's prediction from others in a provider's list.
    """
    schema = input_schema(schema)
    built = dict(parameters)
    if prompt is not None:
        built["prompt"] = prompt
    properties = schema.get("properties", {})
    if "seed" in properties and built.get("seed") is None:
        lowest, highest = _seed_range(properties["seed"], schema)
        built["seed"] = lowest + job.int % max(highest - lowest, 1)
    return built


def _seed_range(schema: Any, root: Mapping[str, Any]) -> tuple[int, int]:
    """The least seed that a model takes, and the largest that this program gives it."""
    schema = _resolved(schema, root)
    parts = [schema, *schema.get("anyOf", ()), *schema.get("allOf", ())]
    limits = [_resolved(part, root) for part in parts]
    lowest = max((part["minimum"] for part in limits if "minimum" in part), default=0)
    highest = min((part["maximum"] for part in limits if "maximum" in part), default=_LARGEST_SEED)
    lowest = max(math.ceil(lowest), 0)
    return lowest, max(min(math.floor(highest), _LARGEST_SEED), lowest)


def check_input(
    prompt: str | None, parameters: Mapping[str, Any], schema: Mapping[str, Any]
) -> list[Problem]:
    """Everything that is wrong with an input. A model without a schema takes anything."""
    if not schema:
        return []
    schema = input_schema(schema)
    built = dict(parameters)
    problems = []
    if prompt is not None:
        if "prompt" in parameters:
            problems.append(Problem("prompt", "is given twice", "as the prompt or as a parameter"))
        built["prompt"] = prompt
    try:
        for error in sorted(Draft202012Validator(schema).iter_errors(built), key=_place):
            problems += _problems(error, schema)
    except Unresolvable:
        reason = "cannot be checked: the model's schema refers to what is not in it"
        problems.append(Problem("input", reason))
    # The validator reports each missing name, and each report names all of them.
    return list(dict.fromkeys(problems))


def parse_parameters(
    pairs: Sequence[str], schema: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Problem]]:
    """Read ``key=value`` texts as the schema's types; the parameters, and what could not be read.

    A text that the schema has no type for is taken as JSON when it is JSON, else as it is.
    """
    schema = input_schema(schema)
    parameters: dict[str, Any] = {}
    problems: list[Problem] = []
    for number, pair in enumerate(pairs, start=1):
        name, separator, text = pair.partition("=")
        if not separator or not name:
            # Its text is not repeated: it may be a prompt that lacks its --prompt.
            accepted = "name=value; a prompt goes after --prompt"
            problems.append(Problem(f"argument {number}", "is not a parameter", accepted))
        elif name in parameters:
            problems.append(Problem(name, "is given twice"))
        else:
            parameters[name] = _read(text, schema.get("properties", {}).get(name, {}), schema)
    return parameters, problems


def _read(text: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    kinds = _types(schema, root)
    if "string" in kinds:
        return text
    try:
        # NaN and Infinity are no JSON: neither the database nor a model takes them.
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text  # The check against the schema will name what would be accepted.


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _types(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 10) -> set[str]:
    """The JSON types that a schema names, also in its alternatives."""
    schema = _resolved(schema, root)
    named = schema.get("type", [])
    kinds = {named} if isinstance(named, str) else set(named)
    for alternative in (*schema.get("anyOf", ()), *schema.get("allOf", ())) if depth else ():
        kinds |= _types(alternative, root, depth - 1)
    if "enum" in schema and all(isinstance(value, str) for value in schema["enum"]):
        kinds.add("string")
    return kinds


def _place(error: ValidationError) -> str:
    return "/".join(str(part) for part in error.absolute_path)


def _problems(error: ValidationError, schema: Mapping[str, Any]) -> list[Problem]:
    """An error of the validator in our words, without the value."""
    names: list[str] = sorted(schema.get("properties", {}))
    field = ".".join(str(part) for part in error.absolute_path) or "input"
    rule, limit = error.validator, error.validator_value
    instance = cast(Mapping[str, Any], error.instance)
    here = cast(Mapping[str, Any], error.schema)
    if rule == "required":
        missing = [name for name in cast(list[str], limit) if name not in instance]
        return [Problem(_below(error, name), "is missing") for name in missing]
    if rule == "additionalProperties":
        known = sorted(here.get("properties", {}))
        unknown = [name for name in instance if name not in known]
        return [Problem(_below(error, name), *_unknown(name, known or names)) for name in unknown]
    reason, accepted = _REASONS.get(str(rule), (f"does not meet the rule {rule}", ""))
    if rule == "anyOf":
        accepted = ", ".join(sorted(_types(here, schema)))
    elif isinstance(limit, list):
        accepted = accepted.format(", ".join(str(value) for value in limit))
    else:
        accepted = accepted.format(limit)
    return [Problem(field, reason, accepted or None)]


#: What a broken rule means, and what would be accepted; ``{}`` is the rule's own value.
_REASONS = {
    "type": ("has the wrong type", "{}"),
    "enum": ("is not a choice", "one of {}"),
    "const": ("is not a choice", "{}"),
    "minimum": ("is too small", "at least {}"),
    "exclusiveMinimum": ("is too small", "more than {}"),
    "maximum": ("is too large", "at most {}"),
    "exclusiveMaximum": ("is too large", "less than {}"),
    "multipleOf": ("does not fit", "a multiple of {}"),
    "minLength": ("is too short", "at least {} characters"),
    "maxLength": ("is too long", "at most {} characters"),
    "minItems": ("has too few items", "at least {}"),
    "maxItems": ("has too many items", "at most {}"),
    "pattern": ("does not have the form asked for", "{}"),
    "format": ("does not have the form asked for", "{}"),
    "anyOf": ("fits none of the forms asked for", ""),
}


def _below(error: ValidationError, name: str) -> str:
    return ".".join([*(str(part) for part in error.absolute_path), name])


def _unknown(name: str, known: Sequence[str]) -> tuple[str, str]:
    near = difflib.get_close_matches(name, known, n=1)
    accepted = f"did you mean {near[0]}?" if near else "one of " + ", ".join(known)
    return "is not a parameter of this model", accepted
