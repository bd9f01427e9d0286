"""The doctor stays quick however many jobs there are: no check reads a growing table whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.doctor.kit import Stage, add_models

from vsl.db.health import check_text
from vsl.ops.doctor.catalogue import CHECKS

GROWING = {"jobs", "attempts", "media_outputs", "ledger_entries", "usage_tracking"}

HISTORY = """
WITH made AS (
    INSERT INTO jobs (
        id, job_id, media_type, model_id, status, user_id, created_at, updated_at, completed_at,
        estimated_cost, actual_cost, driven
    )
    SELECT
        overlay(gen_random_uuid()::text PLACING
            substr(m.hex, 1, 8) || '-' || substr(m.hex, 9, 4) || '-7' FROM 1 FOR 15)::uuid,
        'j' || n, 'image', 'painter', CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END,
        'ada', at, at, CASE WHEN n % 20 <> 0 THEN at END,
        0.25, CASE WHEN n % 20 <> 0 THEN 0.25 ELSE 0 END, true
    FROM generate_series(1, 40000) n
    CROSS JOIN LATERAL (SELECT now() - n * interval '2 minutes' AS at) t
    CROSS JOIN LATERAL (
        SELECT lpad(to_hex((extract(epoch FROM t.at) * 1000)::bigint), 12, '0') AS hex
    ) m
    RETURNING *
), opened AS (
    INSERT INTO vsl.ledger_entries
        (job_id, run, closes, kind, held, public_job_id, user_id, model_id)
    SELECT id, 1, false, 'hold', 0.25, job_id, user_id, model_id FROM made
), closed AS (
    INSERT INTO vsl.ledger_entries
        (job_id, run, closes, kind, held, charged, public_job_id, user_id, model_id)
    SELECT id, 1, true, CASE status WHEN 'failed' THEN 'release' ELSE 'settle' END, -0.25,
        actual_cost, job_id, user_id, model_id
    FROM made
), tried AS (
    INSERT INTO vsl.attempts
        (job_id, run, number, provider, model_id, epoch, ended_at, outcome, cost)
    SELECT id, 1, 1, 'cog', model_id, 1, created_at, status, actual_cost FROM made
)
INSERT INTO usage_tracking (job_id, user_id, estimated_cost, actual_cost, public_job_id, run)
SELECT id, user_id, 0.25, actual_cost, job_id, 1 FROM made
"""


def test_no_check_reads_a_growing_table_as_a_whole(stage: Stage) -> None:
    session = add_models(stage)
    session.run("SET session_replication_role = replica")
    session.run(HISTORY)
    session.run("RESET session_replication_role")
    for _ in range(20):
        session.add_job()
    for _ in range(10):
        session.start()
    session.run("VACUUM ANALYZE")
    whole = {check.id: list(scans(session, check_text(check.name))) for check in CHECKS}
    assert {name: tables for name, tables in whole.items() if tables} == {}
    assert stage.look("ledger-balance").level == 0


def scans(session: Any, text: str) -> Iterator[str]:
    """The tables that a statement's plan reads from end to end."""
    (plan,) = session.value(f"EXPLAIN (FORMAT json) {text}")
    nodes = [plan["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING:
            yield node["Relation Name"]
