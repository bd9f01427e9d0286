"""Every statement of the program, prepared against the real schema and compared as declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any
from uuid import UUID

import pytest
from tests.engine.kit import Engine
from tests.engine.statement_check import kinds, mismatches

from vsl.db.files import database_dir
from vsl.db.statement import (
    Command,
    Json,
    Rows,
    Value,
    parameters,
    statement_name,
    statement_text,
)
from vsl.db.statements import ClaimJobs, FinishJobs, SubmitJob


def test_each_file_is_declared_and_each_declaration_has_its_file() -> None:
    files = {path.stem for path in (database_dir() / "queries").glob("*.sql")}
    assert {statement_name(kind) for kind in kinds()} == files


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: str(kind.__name__))
def test_each_file_says_first_what_it_is_for(kind: Any) -> None:
    lines = statement_text(kind).splitlines()
    comment = list(takewhile(lambda line: line.startswith("-- "), lines))
    assert comment
    assert comment[-1].endswith((".", ";"))
    assert any(line and not line.startswith("--") for line in lines[len(comment) :])
    assert kind.__doc__


def test_every_statement_agrees_with_the_schema(engine: Engine) -> None:
    found = {
        kind.__name__: mismatches(engine.connection, kind, statement_text(kind)) for kind in kinds()
    }
    assert {name: problems for name, problems in found.items() if problems} == {}


# The check itself can fail.


@dataclass(frozen=True)
class Pair:
    id: UUID
    status: str


@dataclass(frozen=True)
class Costs:
    actual_cost: Decimal
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Look(Rows[Pair]):
    """Statement with a parameter."""

    job_id: str


@dataclass(frozen=True, kw_only=True)
class LookAtCosts(Rows[Costs]):
    """Statement without a parameter."""


@dataclass(frozen=True, kw_only=True)
class Count(Value[int]):
    """Statement of one value."""


@dataclass(frozen=True, kw_only=True)
class Do(Command):
    """Statement that answers nothing."""

    items: list[Json]
    keys: Sequence[str]
    time: float | None


WHERE = "FROM jobs WHERE job_id = %(job_id)s::text"
WRONG = {
    "a wrong column": (Look, f"SELECT id, user_id {WHERE}", "column user_id is not declared"),
    "a missing column": (Look, f"SELECT id {WHERE}", "column status is not answered"),
    "a wrong column type": (Look, f"SELECT id, retry_count AS status {WHERE}", "status is int4"),
    "another column type": (Look, f"SELECT job_id AS id, status {WHERE}", "id is text"),
    "a column that may be NULL": (
        LookAtCosts,
        "SELECT actual_cost, created_at FROM jobs",
        "actual_cost may be NULL",
    ),
    "a wrong parameter type": (
        Look,
        "SELECT id, status FROM jobs WHERE id = %(job_id)s::uuid",
        "parameter job_id is uuid",
    ),
    "a parameter that is not declared": (
        Look,
        f"SELECT id, status {WHERE} AND user_id = %(user_id)s::text",
        "parameter user_id is not declared",
    ),
    "a parameter that is not used": (Look, "SELECT id, status FROM jobs", "is not in the SQL"),
    "two values": (Count, "SELECT 1, 2", "2 columns are answered"),
    "a value of another type": (Count, "SELECT 'x'::text AS n", "n is text"),
    "an answer of a command": (
        Do,
        "SELECT %(items)s::jsonb, %(keys)s::text[], %(time)s::float8",
        "3 columns are answered",
    ),
    "an array of another type": (
        Do,
        "DELETE FROM jobs WHERE %(items)s::jsonb IS NULL AND id = ANY (%(keys)s::uuid[])"
        " AND %(time)s::float8 > 0",
        "parameter keys is uuid[]",
    ),
    "a number where objects are declared": (
        Do,
        "DELETE FROM jobs WHERE %(items)s::integer > 0 AND job_id = ANY (%(keys)s::text[])"
        " AND %(time)s::float8 > 0",
        "parameter items is int4",
    ),
    "SQL that does not parse": (Count, "SELEC 1", "cannot be prepared"),
    "a table that is not there": (Count, "SELECT n FROM nowhere", "cannot be prepared"),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("server", [18], indirect=True)
def test_the_check_finds(engine: Engine, what: str) -> None:
    kind, text, expected = WRONG[what]
    found = mismatches(engine.connection, kind, text)
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize("server", [18], indirect=True)
def test_the_check_lets_right_ones_through(engine: Engine) -> None:
    assert mismatches(engine.connection, Look, f"SELECT status, id {WHERE}") == []
    assert mismatches(engine.connection, Count, "SELECT 1") == []


# How values travel.


def test_objects_and_lists_of_objects_travel_as_json() -> None:
    given = parameters(FinishJobs(results=[{"epoch": 1}]))
    assert type(given["results"]).__name__ == "Jsonb"
    submission = SubmitJob(model_id="m", user_id="u", prompt=None, parameters={"a": 1})
    given = parameters(submission)
    assert (given["prompt"], given["job_id"]) == (None, None)
    assert type(given["parameters"]).__name__ == "Jsonb"


def test_a_tuple_travels_as_an_array() -> None:
    given = parameters(ClaimJobs(worker="w", lanes=("a", "b"), count=1, lease=1))
    assert given["lanes"] == ["a", "b"]


def test_a_statement_does_not_print_a_prompt() -> None:
    statement = SubmitJob(model_id="m", user_id="u", prompt="canary", parameters={"x": "canary"})
    assert "canary" not in repr(statement)
