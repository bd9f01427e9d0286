"""Looking after a database with a long history: made once, then asked, checked and migrated."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from statistics import median

from benchmarks import answers, history, migration_locks
from benchmarks.place import Place
from benchmarks.result import Mark, Result, quartiles

JOBS = 2_000_000
DOCTOR = Mark("figure", "at most", 3.0)
NO_OP = Mark("figure", "at most", 0.5)


async def measure(place: Place) -> list[Result]:
    """A history of two million jobs, and what it costs to live with it."""
    jobs = place.size(JOBS, 40_000)
    async with place.database("upkeep") as url:
        results = [await history.make(url, jobs, compare=place.size(400_000, 40_000))]
        results += await asyncio.to_thread(answers.measure, url, place.size(20, 3))
        rounds = place.size(7, 2)
        results += [
            await _command(url, ("db", "doctor"), DOCTOR, rounds, good=(0, 1, 3)),
            await _command(url, ("db", "migrate"), NO_OP, rounds, good=(0,)),
            await migration_locks.measure(url, place.size(5.0, 0.5)),
        ]
    return results


async def _command(
    url: str, words: tuple[str, ...], wanted: Mark, rounds: int, *, good: tuple[int, ...]
) -> Result:
    """Seconds of a command, from the start of its process to the end; floor: ``--version``."""
    times = [await _seconds(url, words, good) for _ in range(rounds)]
    floors = [await _seconds(url, ("--version",), (0,)) for _ in range(rounds)]
    return Result(
        name=f"vsl {' '.join(words)} (floor: vsl --version)",
        figure=median(times),
        unit="s",
        spread=quartiles(times),
        floor=median(floors),
        floor_spread=quartiles(floors),
        ratio=median(times) / median(floors),
        wanted=wanted,
    )


async def _seconds(url: str, words: tuple[str, ...], good: tuple[int, ...]) -> float:
    own = ("DATABASE_URL", "VSL_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vsl",
        *words,
        env={**environment, "DATABASE_URL": url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode not in good:
        raise RuntimeError(f"vsl {' '.join(words)} ended with {process.returncode}: {said!r}")
    return time.perf_counter() - begun
