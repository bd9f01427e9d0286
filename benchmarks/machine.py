"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

SETTINGS = (
    "server_version",
    "shared_buffers",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "wal_sync_method",
    "max_wal_size",
    "autovacuum",
    "jit",
)
PACKAGES = ("vsl", "psycopg", "psycopg-pool", "obstore", "av")


def conditions(url: str) -> dict[str, Any]:
    """Machine, versions, settings of the server, and how fast it commits at this moment."""
    with psycopg.connect(url, autocommit=True) as connection:
        settings = {name: _show(connection, name) for name in SETTINGS}
        commits = _commits_a_second(connection)
    return {
        "machine": f"{os.cpu_count()} × {_processor()}, {_memory()} GB, {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "settings": settings,
        "commits_per_second": commits,
        "load": load(),
    }


def load() -> float:
    """The load average of the last minute; the benchmark itself is part of it."""
    return round(os.getloadavg()[0], 2)


def _show(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute(b"SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _commits_a_second(connection: psycopg.Connection[Any], count: int = 300) -> int:
    """One row and one commit at a time: what this disk and driver give to anybody."""
    connection.execute(b"DROP TABLE IF EXISTS vsl_bench_canary")
    connection.execute(b"CREATE TABLE vsl_bench_canary (n integer)")
    try:
        begun = time.perf_counter()
        for n in range(count):
            connection.execute(b"INSERT INTO vsl_bench_canary VALUES (%s)", (n,))
        return round(count / (time.perf_counter() - begun))
    finally:
        connection.execute(b"DROP TABLE vsl_bench_canary")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
