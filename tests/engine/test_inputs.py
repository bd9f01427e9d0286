"""vsl.jobs.inputs: a job's input, read from text and checked against its model's schema."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.errors import InvalidInput, Problem
from vsl.jobs.inputs import build_input, check_input, input_schema, parse_parameters

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["prompt", "width"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 4000},
        "width": {"type": "integer", "minimum": 64, "maximum": 2048, "multipleOf": 8},
        "scale": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
        "style": {"enum": ["ink", "oil", "pencil"]},
        "code": {"type": "string", "pattern": "^[a-z]+$"},
        "loop": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "camera": {
            "type": "object",
            "required": ["x"],
            "properties": {"x": {"type": "number"}},
            "additionalProperties": False,
        },
        "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
}
GOOD = {"width": 512}


def problems(prompt: str | None = "a heron", **parameters: Any) -> list[Problem]:
    return check_input(prompt, {**GOOD, **parameters}, SCHEMA)


def test_a_good_input_has_no_problems() -> None:
    assert problems(scale=1.5, style="ink", loop=True, tags=["a"], camera={"x": 1}, seed=None) == []


def test_everything_that_is_wrong_is_said_at_once_by_name() -> None:
    found = check_input(
        None,
        {
            "width": 60,
            "scale": 0,
            "style": "chalk",
            "code": "A1",
            "loop": "yes",
            "tags": [],
            "stlye": "ink",
            "camera": {"y": 1},
        },
        SCHEMA,
    )
    by_field: dict[str, set[str]] = {}
    for problem in found:
        by_field.setdefault(problem.field, set()).add(problem.reason)
    assert by_field == {
        "prompt": {"is missing"},
        "width": {"is too small", "does not fit"},
        "scale": {"is too small"},
        "style": {"is not a choice"},
        "code": {"does not have the form asked for"},
        "loop": {"has the wrong type"},
        "tags": {"has too few items"},
        "stlye": {"is not a parameter of this model"},
        "camera.x": {"is missing"},
        "camera.y": {"is not a parameter of this model"},
    }
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"width": 63}, Problem("width", "is too small", "at least 64")),
        ({"width": 4096}, Problem("width", "is too large", "at most 2048")),
        ({"width": 65}, Problem("width", "does not fit", "a multiple of 8")),
        ({"width": True}, Problem("width", "has the wrong type", "integer")),
        ({"scale": 10}, Problem("scale", "is too large", "less than 10")),
        ({"scale": 0}, Problem("scale", "is too small", "more than 0")),
        ({"style": "chalk"}, Problem("style", "is not a choice", "one of ink, oil, pencil")),
        ({"tags": ["a", "b", "c"]}, Problem("tags", "has too many items", "at most 2")),
        ({"tags": ["a", 1]}, Problem("tags.1", "has the wrong type", "string")),
        (
            {"seed": "x"},
            Problem("seed", "fits none of the forms asked for", "integer, null"),
        ),
    ],
)
def test_a_problem_says_what_would_be_accepted(
    parameters: dict[str, Any], expected: Problem
) -> None:
    found = problems(**parameters)
    assert expected in found
    assert {problem.field for problem in found} == {expected.field}


def test_two_missing_names_are_two_problems() -> None:
    found = check_input(None, {}, SCHEMA)
    assert sorted(problem.field for problem in found) == ["prompt", "width"]


def test_an_unknown_name_offers_the_nearest() -> None:
    (near,) = problems(widht=1)
    assert near == Problem("widht", "is not a parameter of this model", "did you mean width?")
    (far,) = problems(zzz=1)
    assert far.accepted == ("one of camera, code, loop, prompt, scale, seed, style, tags, width")


def test_a_prompt_given_twice_is_said() -> None:
    (problem,) = check_input("a heron", {**GOOD, "prompt": "a fox"}, SCHEMA)
    assert (problem.field, problem.reason) == ("prompt", "is given twice")


def test_a_model_without_a_schema_takes_anything() -> None:
    assert check_input("x", {"anything": [1, {}]}, {}) == []


# Reading.


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("width=512", 512),
        ("scale=1.5", 1.5),
        ("loop=true", True),
        ("prompt=42", "42"),
        ("prompt=a=b", "a=b"),
        ("prompt=", ""),
        ("style=ink", "ink"),
        ("code=null", "null"),
        ('tags=["a","b"]', ["a", "b"]),
        ('camera={"x": 1}', {"x": 1}),
        ("seed=null", None),
        ("seed=7", 7),
        ("width=wide", "wide"),
        ("loop=yes", "yes"),
        ("scale=NaN", "NaN"),
        ("scale=Infinity", "Infinity"),
        ("unknown=7", 7),
        ("unknown=seven", "seven"),
        ("tags=" + "[" * 100_000, "[" * 100_000),
    ],
)
def test_a_text_becomes_what_the_schema_asks_for(pair: str, value: Any) -> None:
    parameters, found = parse_parameters([pair], SCHEMA)
    assert found == []
    (read,) = parameters.values()
    assert read == value
    assert type(read) is type(value)


def test_types_are_found_in_alternatives_and_choices() -> None:
    schema = {
        "properties": {
            "a": {"type": ["integer", "string"]},
            "b": {"allOf": [{"enum": ["1", "2"]}]},
            "c": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "d": {"enum": [1, 2]},
        }
    }
    parameters, _ = parse_parameters(["a=1", "b=1", "c=null", "d=1"], schema)
    assert parameters == {"a": "1", "b": "1", "c": "null", "d": 1}


def test_what_is_no_pair_is_said() -> None:
    parameters, found = parse_parameters(["width=512", "=5", "width=9", "loop"], SCHEMA)
    assert parameters == {"width": 512}
    assert len(found) == 3
    assert [problem.reason for problem in found] == [
        "is not a parameter",
        "is given twice",
        "is not a parameter",
    ]


# Seeds.

JOB = UUID("01900000-0000-7000-8000-000000000001")
SEEDED = {"properties": {"seed": {"type": "integer"}}}


@given(st.uuids(), st.uuids())
def test_the_seed_follows_the_job(one: UUID, other: UUID) -> None:
    seed = build_input("x", {}, SEEDED, job=one)["seed"]
    assert 0 <= seed < 2**31
    assert build_input("y", {"width": 1}, SEEDED, job=one)["seed"] == seed
    if one.int % (2**31 - 1) != other.int % (2**31 - 1):
        assert build_input("x", {}, SEEDED, job=other)["seed"] != seed


def test_jobs_of_one_burst_have_seeds_of_their_own() -> None:
    seeds = {
        build_input(None, {}, SEEDED, job=UUID(int=JOB.int + number))["seed"]
        for number in range(1000)
    }
    assert len(seeds) == 1000


@pytest.mark.parametrize("given_seed", [0, 7])
def test_a_seed_that_was_given_is_kept(given_seed: int) -> None:
    assert build_input("x", {"seed": given_seed}, SEEDED, job=JOB)["seed"] == given_seed


def test_a_model_without_a_seed_gets_none() -> None:
    assert build_input("x", {"a": 1}, SCHEMA | {"properties": {}}, job=JOB) == {
        "a": 1,
        "prompt": "x",
    }
    assert build_input(None, {}, {}, job=JOB) == {}


def test_building_leaves_the_parameters_alone() -> None:
    parameters: dict[str, Any] = {"seed": None}
    build_input("x", parameters, SEEDED, job=JOB)
    assert parameters == {"seed": None}


# What was given stays out of messages.

CANARY = st.text(min_size=1).map(lambda text: f"canary-{text}")
ANY = st.recursive(
    CANARY | st.integers() | st.floats() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner, max_size=1),
    max_leaves=5,
)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


@given(
    prompt=st.none() | CANARY | CANARY.map(lambda text: text * 1000),
    parameters=st.dictionaries(
        st.sampled_from([*SCHEMA["properties"], "widht", "other"]), ANY, max_size=6
    ),
)
def test_no_message_ever_holds_a_given_value(
    prompt: str | None, parameters: dict[str, Any]
) -> None:
    found = check_input(prompt, parameters, SCHEMA)
    words = str(InvalidInput(found)) + repr(found)
    assert "canary" not in words
    for value in [*strings(parameters), *([prompt] if prompt else [])]:
        assert value not in words


@given(
    st.lists(
        st.tuples(st.sampled_from([*SCHEMA["properties"], "widht"]), CANARY).map("=".join),
        max_size=6,
    )
)
def test_nor_one_that_was_given_as_text(pairs: list[str]) -> None:
    parameters, found = parse_parameters(pairs, SCHEMA)
    found += check_input(None, parameters, SCHEMA)
    assert "canary" not in str(InvalidInput(found)) + repr(found)


# --- schemas as Replicate keeps them ------------------------------------------------------------

VERSION: dict[str, Any] = {
    "openapi": "3.0.2",
    "components": {
        "schemas": {
            "Input": {
                "type": "object",
                "title": "Input",
                "required": ["prompt"],
                "properties": {
                    "prompt": {"type": "string"},
                    "aspect_ratio": {
                        "allOf": [{"$ref": "#/components/schemas/aspect_ratio"}],
                        "default": "1:1",
                    },
                    "megapixels": {"allOf": [{"$ref": "#/components/schemas/megapixels"}]},
                    "seed": {"type": "integer", "title": "Seed"},
                },
            },
            "aspect_ratio": {"type": "string", "enum": ["1:1", "16:9"]},
            "megapixels": {"type": "string", "enum": ["1", "0.25"]},
            "Output": {"type": "array"},
        }
    },
}
JOB = UUID("0199f0f0-0000-7000-8000-00000000abcd")


@pytest.mark.parametrize("schema", [VERSION, input_schema(VERSION)])
def test_a_replicate_version_has_choices_and_a_seed(schema: dict[str, Any]) -> None:
    assert check_input("a heron", {"aspect_ratio": "16:9", "seed": 4}, schema) == []
    assert check_input("a heron", {"aspect_ratio": "2:1"}, schema) == [
        Problem("aspect_ratio", "is not a choice", "one of 1:1, 16:9")
    ]
    assert check_input(None, {}, schema) == [Problem("prompt", "is missing")]
    # A choice that looks like a number is still a word.
    assert parse_parameters(["megapixels=1", "seed=5"], schema) == (
        {"megapixels": "1", "seed": 5},
        [],
    )
    built = build_input("a heron", {}, schema, job=JOB)
    assert built == {"prompt": "a heron", "seed": JOB.int % (2**31 - 1)}
    assert build_input("a heron", {"seed": 5}, schema, job=JOB)["seed"] == 5


def test_a_version_without_a_seed_gets_none() -> None:
    schemas = VERSION["components"]["schemas"]
    plain = {**schemas["Input"], "properties": {"prompt": {"type": "string"}}}
    schema = {"components": {"schemas": {**schemas, "Input": plain}}}
    assert build_input("a heron", {}, schema, job=JOB) == {"prompt": "a heron"}


@pytest.mark.parametrize(
    "seed",
    [
        {"type": "integer", "minimum": 1, "maximum": 65_535},
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65_535}, {"type": "null"}]},
        {"allOf": [{"$ref": "#/components/schemas/seed"}]},
        {"type": "integer", "minimum": -1, "maximum": 4_294_967_295},
        {"type": "integer", "minimum": 5, "maximum": 5},
    ],
)
@given(job=st.uuids())
def test_a_seed_keeps_to_its_limits(seed: dict[str, Any], job: UUID) -> None:
    limited = {"type": "integer", "minimum": 1, "maximum": 65_535}
    schema = {
        "properties": {"seed": seed},
        "components": {"schemas": {"seed": limited}},
    }
    built = build_input(None, {}, schema, job=job)
    assert check_input(None, built, schema) == []
    assert 0 <= built["seed"] < 2**31


def test_a_schema_that_refers_to_nothing_is_said_to() -> None:
    schema = {"properties": {"size": {"$ref": "#/components/schemas/size"}}}
    assert check_input(None, {"size": 1}, schema) == [
        Problem("input", "cannot be checked: the model's schema refers to what is not in it")
    ]
    assert parse_parameters(["size=1"], schema) == ({"size": 1}, [])
    assert build_input(None, {}, schema, job=JOB) == {}
