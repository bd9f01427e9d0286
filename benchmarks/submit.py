"""Submitting jobs one at a time, beside a bare INSERT of the same row.

Both go through the same kind of connection, each statement its own transaction, each row with a
prompt and parameters of its own. The floor's table has the columns, defaults, checks and indexes of
``jobs`` and no triggers. A submission also writes the dispatch row and the hold.
"""

from __future__ import annotations

from uuid import uuid4

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from benchmarks.chunks import compared_chunks, in_turn
from benchmarks.place import Connection, Place, settle, text
from benchmarks.result import Mark, Result
from vsl.db.statement import parameters, statement_text
from vsl.db.statements import SubmitJob
from vsl.domain.jobs import SubmittedJob

WANTED = Mark("ratio", "at least", 0.7)
MODEL = "bench-submit"


async def measure(place: Place) -> list[Result]:
    """Submissions a second."""
    async with place.database("submit") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                text("add_model"), {"model": MODEL, "media_type": "image", "provider": "replicate"}
            )
            connection.execute(text("submit_floor_table"))
            chunk, rounds = place.size(200, 10), place.size(40, 2)
            in_turn(connection, _submit_many, _insert_many, count=chunk, rounds=1)
            settle(connection)
            figures, floors = in_turn(
                connection, _submit_many, _insert_many, count=chunk, rounds=rounds
            )
    return [
        compared_chunks(
            "submit, one at a time",
            "jobs/s",
            figures,
            floors,
            wanted=WANTED,
            notes={"jobs_a_chunk": chunk},
        )
    ]


def _submit_many(connection: Connection, count: int) -> None:
    for number in range(count):
        _submit(connection, number)


def _insert_many(connection: Connection, count: int) -> None:
    for number in range(count):
        _insert(connection, number)


def _submit(connection: Connection, number: int) -> None:
    statement = SubmitJob(
        model_id=MODEL,
        user_id=f"user-{number % 50}",
        prompt=_prompt(number),
        parameters=_parameters(number),
        metadata={},
    )
    with connection.cursor(row_factory=class_row(SubmittedJob)) as cursor:
        cursor.execute(statement_text(SubmitJob).encode(), parameters(statement))
        assert cursor.fetchone() is not None


def _insert(connection: Connection, number: int) -> None:
    values = {
        "job_id": f"job_{uuid4().hex}",
        "model_id": MODEL,
        "user_id": f"user-{number % 50}",
        "prompt": _prompt(number),
        "parameters": Jsonb(_parameters(number)),
        "metadata": Jsonb({}),
    }
    with connection.cursor(row_factory=class_row(SubmittedJob)) as cursor:
        cursor.execute(text("submit_floor"), values)
        assert cursor.fetchone() is not None


def _prompt(number: int) -> str:
    return (
        f"a lighthouse over a turquoise sea at dawn, picture {number} of a long series, oil on wood"
    )


def _parameters(number: int) -> dict[str, object]:
    return {"aspect_ratio": "16:9", "seed": number, "output_format": "png"}
