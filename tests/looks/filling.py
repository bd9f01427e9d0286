"""Rows to look at."""

from __future__ import annotations

from tests.schema.kit import Session

JOBS = """
INSERT INTO jobs (user_id, model_id, status, prompt, metadata)
SELECT 'ada', 'outside', 'failed',
    (SELECT string_agg(md5((g * 1000 + x)::text), '') FROM generate_series(1, %s) x), '{}'
FROM generate_series(1, %s) g
"""


def fill_jobs(owner: Session, count: int, *, prompt: int = 1) -> None:
    """So many failed jobs of somebody else's code. prompt: its length, in units of 32 letters."""
    owner.run(
        "INSERT INTO model_configurations (model_id, media_type, provider)"
        " VALUES ('outside', 'image', 'external') ON CONFLICT DO NOTHING"
    )
    owner.run(JOBS, prompt, count)
    owner.run("VACUUM (ANALYZE) jobs")
