"""Fills a database with many jobs quickly: set-based, with the triggers switched off."""

from __future__ import annotations

from typing import Any

import psycopg


def _fill(connection: psycopg.Connection[Any], *statements: tuple[str, dict[str, Any]]) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for text, values in statements:
            connection.execute(text.encode(), values)


def add_queued(connection: psycopg.Connection[Any], count: int, *, start: int = 0) -> None:
    """Driven jobs of ``painter`` that wait in lane ``paint``, with their money held."""
    jobs = """
        INSERT INTO jobs
            (id, job_id, media_type, model_id, prompt, user_id, estimated_cost, driven)
        SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(%(start)s + n), 12, '0'))::uuid,
            'queued-' || (%(start)s + n), 'image', 'painter', repeat('a heron ', 25),
            'user-' || n %% 500, 0.25, true
        FROM generate_series(1, %(count)s) AS n"""
    dispatch = """
        INSERT INTO vsl.dispatch (job_id, lane, max_attempts, held, due_at)
        SELECT id, 'paint', 3, 0.25, now() - interval '1 minute'
            + interval '1 microsecond' * row_number() OVER (ORDER BY id)
        FROM jobs
        WHERE status = 'pending' AND driven
            AND NOT EXISTS (SELECT FROM vsl.dispatch d WHERE d.job_id = jobs.id)"""
    ledger = """
        INSERT INTO vsl.ledger_entries
            (job_id, run, closes, kind, held, public_job_id, user_id, model_id)
        SELECT id, 1, false, 'hold', 0.25, job_id, user_id, model_id
        FROM jobs WHERE status = 'pending'
        ON CONFLICT DO NOTHING"""
    _fill(connection, (jobs, {"start": start, "count": count}), (dispatch, {}), (ledger, {}))


def add_finished(
    connection: psycopg.Connection[Any], count: int, *, rows_of_each_kind: bool = True
) -> None:
    """Driven jobs that are completed, older than all others, with one row of each kind or alone."""
    jobs = """
        INSERT INTO jobs
            (id, job_id, media_type, model_id, status, prompt, user_id, estimated_cost,
            actual_cost, driven, created_at, completed_at)
        SELECT ('01800000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
            'finished-' || n, 'image', 'painter', 'completed', repeat('a heron ', 25),
            'user-' || n %% 500, 0.25, 0.25, true,
            now() - interval '30 days', now() - interval '30 days'
        FROM generate_series(1, %(count)s) AS n"""
    attempts = """
        INSERT INTO vsl.attempts
            (id, job_id, run, number, provider, model_id, epoch, ended_at, outcome, cost)
        SELECT id, id, 1, 1, 'cog', model_id, 0, completed_at, 'completed', 0.25
        FROM jobs WHERE status = 'completed'"""
    outputs = """
        INSERT INTO media_outputs (id, job_id, attempt_id, ordinal, media_type, s3_key)
        SELECT id, id, id, 0, 'image', 'images/' || job_id FROM jobs WHERE status = 'completed'"""
    ledger = """
        INSERT INTO vsl.ledger_entries
            (job_id, run, closes, kind, held, charged, public_job_id, user_id, model_id)
        SELECT id, 1, e.closes, e.kind, e.held, e.charged, job_id, user_id, model_id
        FROM jobs
        CROSS JOIN (VALUES (false, 'hold', 0.25, 0), (true, 'settle', -0.25, 0.25))
            AS e (closes, kind, held, charged)
        WHERE status = 'completed'"""
    usage = """
        INSERT INTO usage_tracking
            (id, job_id, user_id, run, estimated_cost, actual_cost, public_job_id)
        SELECT id, id, user_id, 1, 0.25, 0.25, job_id FROM jobs WHERE status = 'completed'"""
    rest: list[tuple[str, dict[str, Any]]] = [
        (text, {}) for text in (attempts, outputs, ledger, usage) if rows_of_each_kind
    ]
    _fill(connection, (jobs, {"count": count}), *rest)


def stop_autovacuum(connection: psycopg.Connection[Any]) -> None:
    """Nobody but the test gathers statistics."""
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)".encode())


def analyze(connection: psycopg.Connection[Any]) -> None:
    """Gather statistics of the tables as they are now."""
    connection.execute(f"ANALYZE {', '.join(TABLES)}".encode())


TABLES = (
    "jobs",
    "media_outputs",
    "usage_tracking",
    "vsl.dispatch",
    "vsl.attempts",
    "vsl.ledger_entries",
)
