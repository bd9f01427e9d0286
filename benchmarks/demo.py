"""How long the demonstration takes after the installation.

``vsl demo`` with an empty home: the embedded PostgreSQL is set up and started, the schema
installed, three model servers and a worker started, and three files made. The floor is the same
again in the home that is there by then.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.place import Place
from benchmarks.result import Mark, Result

WANTED = Mark("figure", "at most", 30.0)


async def measure(place: Place) -> list[Result]:
    """Seconds."""
    folder = place.scratch / "demo"
    cold = await _demo(folder)
    warm = await _demo(folder)
    return [
        Result(
            name="vsl demo, empty home (floor: home there)",
            figure=cold,
            unit="s",
            floor=warm,
            ratio=cold / warm,
            wanted=WANTED,
        )
    ]


async def _demo(folder: Path) -> float:
    """Seconds of one run. Raises ``RuntimeError`` unless all three jobs completed."""
    own = ("DATABASE_URL", "VSL_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vsl",
        "demo",
        "--json",
        f"--out={folder / 'out'}",
        env={**environment, "VSL_HOME": str(folder / "home")},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"vsl demo ended with status {process.returncode}")
    states = [entry["job"]["status"] for entry in json.loads(said)]
    if states != ["completed"] * 3:
        raise RuntimeError(f"vsl demo made {states}")
    return seconds
