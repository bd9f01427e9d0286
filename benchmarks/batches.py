"""Two ways to take a batch of jobs from the queue to its end: VSL's functions, and the floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from benchmarks.place import Connection, text
from vsl.db.statement import Rows, parameters, row_type, statement_text
from vsl.db.statements import BeginAttempts, ClaimJobs, FinishJobs

MODEL = "bench-drain"
LANE = "bench"
SHA256 = "5f" * 32

#: Takes a connection and the size of the batch; answers how many jobs it ended.
Batch = Callable[[Connection, int], int]


def run_functions(connection: Connection, count: int) -> int:
    """Claim, begin and finish through the functions, each its own transaction, as workers do."""
    claim = ClaimJobs(worker="bench", lanes=[LANE], count=count, lease=30.0)
    jobs = _fetch(connection, claim)
    if not jobs:
        return 0
    begin = BeginAttempts(jobs=[job.id for job in jobs], epochs=[job.epoch for job in jobs])
    attempts = {begun.id: begun.attempt_id for begun in _fetch(connection, begin)}
    results = [
        {
            "job_id": str(job.id),
            "attempt_id": str(attempts[job.id]),
            "epoch": job.epoch,
            "outcome": "completed",
            "processing_time": 1.25,
            "outputs": [_output(job.id)],
        }
        for job in jobs
    ]
    finished = _fetch(connection, FinishJobs(results=results))
    assert all(answer.result == "finished" for answer in finished)
    return len(finished)


def _fetch(connection: Connection, statement: Rows[Any]) -> list[Any]:
    kind: Any = type(statement)
    with connection.cursor(row_factory=class_row(row_type(kind))) as cursor:
        cursor.execute(statement_text(kind).encode(), parameters(statement))
        return cursor.fetchall()


def _output(job: UUID) -> dict[str, Any]:
    key = f"images/user/2026/11/23/{job}/1-1-0/original.png"
    return {
        "ordinal": 0,
        "media_type": "image",
        "s3_key": key,
        "s3_url": f"file:///srv/media/{key}",
        "s3_bucket": "file",
        "file_type": "image/png",
        "file_size": 123_456,
        "width": 1024,
        "height": 768,
        "codec": "png",
        "sha256": SHA256,
        "metadata": {"mode": "RGB"},
    }


def run_floor(connection: Connection, count: int) -> int:
    """The same row writes as plain statements over whole batches, in one transaction.

    Statements that need no answer of each other travel together.
    """
    with connection.transaction():
        claimed = connection.execute(text("floor_claim"), {"count": count}).fetchall()
        if not claimed:
            return 0
        jobs, epochs, costs = (list(column) for column in zip(*claimed, strict=True))
        begun = {"jobs": jobs, "epochs": epochs, "model": MODEL}
        rows = connection.execute(text("floor_begin_attempts"), begun).fetchall()
        attempt_of = {job: attempt for attempt, job in rows}
        values: dict[str, Any] = {
            **_columns([_output(job) for job in jobs]),
            "jobs": jobs,
            "attempts": [attempt_of[job] for job in jobs],
            "costs": costs,
            "times": [1.25] * len(jobs),
        }
        with connection.pipeline():
            for name in ("begin_jobs", "begin_dispatch", "outputs", "end_attempts"):
                connection.execute(text(f"floor_{name}"), values)
            ended = connection.execute(text("floor_end_jobs"), values).fetchall()
            names: Sequence[Any]
            ids, names, users = (list(column) for column in zip(*ended, strict=True))
            money = {
                "model": MODEL,
                "ended": ids,
                "names": names,
                "users": users,
                "costs": costs,
                "times": values["times"],
            }
            for name in ("ledger", "usage"):
                connection.execute(text(f"floor_{name}"), money)
            connection.execute(text("floor_delete"), values)
    return len(jobs)


def _columns(outputs: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = {
        "ordinals": "ordinal",
        "media_types": "media_type",
        "keys": "s3_key",
        "urls": "s3_url",
        "buckets": "s3_bucket",
        "file_types": "file_type",
        "sizes": "file_size",
        "widths": "width",
        "heights": "height",
        "codecs": "codec",
        "digests": "sha256",
    }
    columns = {name: [row[field] for row in outputs] for name, field in names.items()}
    return {**columns, "details": [Jsonb(row["metadata"]) for row in outputs]}
