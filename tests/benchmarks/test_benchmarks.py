"""Each benchmark runs, in small sizes, and reports what it should. No figure is judged here."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.__main__ import BENCHMARKS
from tests.support.servers import ServerPool

ROOT = Path(__file__).parents[2]
FIELDS = {
    "benchmark",
    "figure",
    "floor",
    "floor_spread",
    "load_after",
    "load_before",
    "met",
    "name",
    "notes",
    "ratio",
    "spread",
    "unit",
    "wanted",
}
#: How many results each reports, and how many of them have a mark to meet.
EXPECTED = {
    "submit": (1, 1),
    "drain": (4, 2),
    "claim_buffers": (1, 1),
    "pickup": (3, 2),
    "memory": (1, 1),
    "demo": (1, 1),
    "upkeep": (11, 11),
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def measured(servers: ServerPool, name: str) -> dict[str, Any]:
    done = run(name, "--quick", "--json", "--dsn", servers.get(18).url("postgres"))
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_it_runs_and_reports_every_field(servers: ServerPool, name: str) -> None:
    report = measured(servers, name)

    results = report["results"]
    marked = [result for result in results if result["wanted"] is not None]
    assert (len(results), len(marked)) == EXPECTED[name]
    for result in results:
        assert set(result) == FIELDS
        assert result["benchmark"] == name
        assert math.isfinite(result["figure"])
        assert result["figure"] > 0
        assert result["unit"]
    for result in marked:
        assert result["floor"] > 0
        assert result["ratio"] > 0
        assert result["met"] in (True, False)


def test_every_benchmark_is_expected_here() -> None:
    assert set(EXPECTED) == set(BENCHMARKS)


def test_the_conditions_are_told(servers: ServerPool) -> None:
    report = measured(servers, "submit")

    found = report["conditions"]
    assert {"fsync", "synchronous_commit", "server_version"} <= set(found["settings"])
    assert found["commits_per_second"] > 0
    assert {"machine", "python", "packages", "load"} <= set(found)
    assert report["quick"] is True


def test_people_get_a_table(servers: ServerPool) -> None:
    done = run("submit", "--quick", "--dsn", servers.get(18).url("postgres"))

    assert done.returncode == 0, done.stderr
    assert "| submit, one at a time" in done.stdout
    assert "ratio ≥ 0.7" in done.stdout
    assert "quick" in done.stdout


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    done = run("speed")

    assert done.returncode == 2
    assert "no benchmark speed" in done.stderr
    assert "pickup" in done.stderr
