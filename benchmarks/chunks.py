"""Two ways of doing the same, measured in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.place import Connection
from benchmarks.result import Mark, Result, compared


@dataclass(frozen=True, slots=True)
class Chunk:
    """rate: pieces a second. cpu: microseconds of the server's session for each, or None.

    The second is what other programs on the machine hardly change, so it is told beside the first;
    it leaves out the client and the waiting for the disk.
    """

    rate: float
    cpu: float | None


#: Does a number of pieces of work.
Way = Callable[[Connection, int], None]


def in_turn(
    connection: Connection, figure: Way, floor: Way, *, count: int, rounds: int
) -> tuple[list[Chunk], list[Chunk]]:
    """Chunks of ``count`` pieces; the order changes, so that neither always comes last."""
    done: dict[Way, list[Chunk]] = {figure: [], floor: []}
    for number in range(rounds):
        for way in (floor, figure) if number % 2 else (figure, floor):
            done[way].append(_timed(connection, way, count))
    return done[figure], done[floor]


def compared_chunks(
    name: str,
    unit: str,
    figures: list[Chunk],
    floors: list[Chunk],
    *,
    wanted: Mark | None,
    notes: dict[str, Any],
) -> Result:
    """The result of chunks measured in turn."""
    return compared(
        name,
        unit,
        [chunk.rate for chunk in figures],
        [chunk.rate for chunk in floors],
        wanted=wanted,
        notes={
            **notes,
            "server_cpu_us": _middle(figures),
            "floor_server_cpu_us": _middle(floors),
        },
    )


def _middle(chunks: list[Chunk]) -> float | None:
    known = [chunk.cpu for chunk in chunks if chunk.cpu is not None]
    return round(median(known), 1) if known else None


def _timed(connection: Connection, way: Way, count: int) -> Chunk:
    before = _session_seconds(connection)
    begun = time.perf_counter()
    way(connection, count)
    seconds = time.perf_counter() - begun
    after = _session_seconds(connection)
    cpu = None if before is None or after is None else (after - before) / count * 1e6
    return Chunk(count / seconds, cpu)


def _session_seconds(connection: Connection) -> float | None:
    """CPU seconds that the session's process has used; None for a server elsewhere."""
    file = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    try:
        return int(file.read_text().split()[0]) / 1e9
    except OSError:
        return None
