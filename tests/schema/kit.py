"""What the tests of the database half share: plain SQL in, rows or a refusal out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "database" / "schema.sql"
CONTRACT = (
    "jobs",
    "media_outputs",
    "model_configurations",
    "schema_migrations",
    "usage_tracking",
    "user_preferences",
    "v_recent_jobs_with_outputs",
    "v_user_statistics",
)
SHA256 = "ab" * 32
MODELS = """
INSERT INTO model_configurations
    (model_id, media_type, provider, pricing_per_unit, is_free, is_active, estimated_time_seconds)
VALUES
    ('painter', 'image', 'cog', 0.25, false, true, 7),
    ('singer', 'audio', 'cog', NULL, true, true, 5),
    ('filmer', 'video', 'replicate', 1.5, false, true, 90),
    ('outside', 'image', 'external', NULL, false, true, NULL),
    ('unpriced', 'image', 'cog', NULL, false, true, NULL),
    ('nothing', 'image', 'cog', 0, false, true, NULL),
    ('off', 'image', 'cog', 0.25, false, false, NULL)
"""

Row = dict[str, Any]


class Session:
    """One connection, each statement its own transaction unless the connection says otherwise."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def all(self, query: str, *arguments: Any) -> list[Row]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(query.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *arguments: Any) -> Row:
        (row,) = self.all(query, *arguments)
        return row

    def value(self, query: str, *arguments: Any) -> Any:
        (value,) = self.one(query, *arguments).values()
        return value

    def count(self, table: str) -> int:
        return int(self.value(f"SELECT count(*) FROM {table}"))  # noqa: S608

    def run(self, query: str, *arguments: Any) -> int:
        """How many rows it was about."""
        return self.connection.execute(query.encode(), arguments or None).rowcount

    def refused(self, query: str, *arguments: Any) -> psycopg.Error:
        """The error of a statement that must fail."""
        with pytest.raises(psycopg.Error) as caught:
            self.run(query, *arguments)
        return caught.value

    def insert(self, table: str, columns: Mapping[str, Any]) -> Row:
        """Insert a row and return what it became. Objects and lists of a column travel as JSON."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        )
        values = [json.dumps(v) if isinstance(v, dict | list) else v for v in columns.values()]
        with self.connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(statement, values).fetchone()
        assert row is not None
        return row

    def add_job(self, model_id: str | None = "painter", **columns: Any) -> Row:
        """Insert a job; for ``painter`` a driven one."""
        return self.insert("jobs", {"user_id": "ada", "model_id": model_id, **columns})

    def add_output(self, job: Row, **columns: Any) -> Row:
        return self.insert("media_outputs", {"job_id": job["id"], **columns})

    def set(self, job: Row, **columns: Any) -> Row:
        """Update a job by hand and return what it became."""
        pairs = [
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in columns
        ]
        statement = sql.SQL("UPDATE jobs SET {} WHERE id = {} RETURNING *").format(
            sql.SQL(", ").join(pairs), sql.Placeholder()
        )
        values = [json.dumps(v) if isinstance(v, dict | list) else v for v in columns.values()]
        with self.connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(statement, [*values, job["id"]]).fetchone()
        assert row is not None
        return row

    def job(self, job: Row) -> Row:
        return self.one("SELECT * FROM jobs WHERE id = %s", job["id"])

    def claim(self, lane: str = "cog") -> Row:
        return self.one("SELECT * FROM vsl.claim_jobs('w', ARRAY[%s], 1, 60)", lane)

    def begin(self, claimed: Row) -> Row:
        query = "SELECT * FROM vsl.begin_attempts(ARRAY[%s]::uuid[], ARRAY[%s]::bigint[])"
        return self.one(query, claimed["id"], claimed["epoch"])

    def start(self, lane: str = "cog") -> tuple[Row, Row]:
        """Claim the due job of a lane and begin its attempt."""
        claimed = self.claim(lane)
        return claimed, self.begin(claimed)

    def finish(self, claimed: Row, begun: Row, outcome: str = "completed", **changed: Any) -> Row:
        """End a job as a worker does; a completed one with one output."""
        key = f"{claimed['media_type']}/{claimed['job_id']}.bin"
        result = {
            "job_id": str(claimed["id"]),
            "attempt_id": str(begun["attempt_id"]),
            "epoch": claimed["epoch"],
            "outcome": outcome,
            "processing_time": 2.5,
            "outputs": [output_of(claimed["media_type"], s3_key=key)],
            **changed,
        }
        return self.one("SELECT * FROM vsl.finish_jobs(%s)", json.dumps([result]))

    def run_job(self, outcome: str = "completed", lane: str = "cog", **changed: Any) -> Row:
        """Claim, begin and end the due job of a lane; the job's row then."""
        claimed, begun = self.start(lane)
        assert self.finish(claimed, begun, outcome, **changed)["result"] == "finished"
        return self.job(claimed)


def output_of(media_type: str, **changed: Any) -> Row:
    """An output as a worker records it, complete for its media type."""
    measures: dict[str, Row] = {
        "image": {"width": 64, "height": 48},
        "audio": {"duration": 1.5, "bitrate": 128000},
        "video": {"width": 64, "height": 48, "duration": 2, "fps": 24, "bitrate": 500000},
    }
    return {
        "ordinal": 0,
        "media_type": media_type,
        "s3_key": "k",
        "s3_bucket": "here",
        "s3_url": "file:///k",
        "file_type": f"{media_type}/x",
        "file_size": 10,
        "sha256": SHA256,
        **measures[media_type],
        **changed,
    }


def constraint(error: psycopg.Error) -> str | None:
    return error.diag.constraint_name


def read_statements(text: str) -> list[str]:
    """The statements of a block of SQL, without their comments; none holds a quoted semicolon."""
    lines = [line.split("--")[0].rstrip() for line in text.splitlines()]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
