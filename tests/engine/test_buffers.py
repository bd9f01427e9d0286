"""What a claim costs beside few finished jobs and beside many: the pages that it touches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conftest import Connect, NewDatabase
from tests.engine.crowd import add_finished, add_queued, analyze, stop_autovacuum
from tests.engine.kit import LANE, Engine

BATCH, CLAIMS = 10, 20


def buffers_per_claim(engine: Engine) -> float:
    """Pages touched for each claimed job, on average, once the session is warm."""
    total = 0
    for number in range(CLAIMS + 3):
        row = engine.connection.execute(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)"
            " SELECT * FROM vsl.claim_jobs('w1', %s, %s, 60)",
            [[LANE], BATCH],
        ).fetchone()
        assert row is not None
        found: Any = row[0] if not isinstance(row[0], str) else json.loads(row[0])
        plan = found[0]["Plan"]
        assert plan["Actual Rows"] == BATCH
        if number >= 3:
            total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return total / (CLAIMS * BATCH)


@pytest.mark.parametrize("with_statistics", [True, False])
def test_a_claim_costs_the_same_beside_a_hundred_times_more_finished_jobs(
    server: Any,
    new_database: NewDatabase,
    template_sql: Any,
    connect: Connect,
    with_statistics: bool,
) -> None:
    costs = []
    for finished in (2_000, 200_000):
        engine = Engine(connect(new_database(server, schema=template_sql)))
        stop_autovacuum(engine.connection)
        engine.add_model("painter", lane=LANE)
        add_finished(engine.connection, finished, rows_of_each_kind=False)
        add_queued(engine.connection, 1000)
        if with_statistics:
            analyze(engine.connection)
        costs.append(buffers_per_claim(engine))
    few, many = costs
    assert few < 40
    assert many / few <= 1.2, costs
