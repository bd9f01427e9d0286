"""Other queues on the same server in the same run, through a harness that is kept elsewhere.

The harness is a folder with ``run.sh``: it takes an address and options, and writes one JSON object
a line to ``peers.jsonl`` in the folder that ``PEERBENCH_OUT`` names.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from statistics import median
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from benchmarks.place import Place

PEERS = "procrastinate,pgqueuer"


async def drain_rates(place: Place, *, jobs: int) -> dict[str, float]:
    """Jobs a second that each peer drains, such as ``pgqueuer drain1``: with one worker.

    Raises ``RuntimeError`` when the harness fails.
    """
    assert place.peers is not None
    script = place.peers.resolve() / "run.sh"
    out = place.scratch / "peers"
    out.mkdir(exist_ok=True)
    options = ["--runs", "1", "--jobs", str(jobs), "--phases", "A,B", "--attempts", "1"]
    process = await asyncio.create_subprocess_exec(
        "bash",
        str(script),
        _through_tcp(place.url),
        *options,
        "--quiet-tries",
        "5",
        env={
            **os.environ,
            "PEERS": PEERS,
            "PEERBENCH_HOME": str(place.peers_home or place.scratch / "peers-home"),
            "PEERBENCH_OUT": str(out),
            "PYTHON": sys.executable,
        },
        stdout=sys.stderr.fileno(),
    )
    if await process.wait():
        raise RuntimeError(f"{script} failed with status {process.returncode}")
    rates = defaultdict(list)
    for line in (out / "peers.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["phase"] == "error":
            raise RuntimeError(f"{row['peer']} failed: {row['error']}")
        if row["phase"].startswith("drain"):
            rates[f"{row['peer']} {row['phase']}"].append(row["rate"])
    return {name: median(values) for name, values in rates.items()}


def _through_tcp(url: str) -> str:
    """The address as the peers' drivers understand it: host and port in their usual place."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if "port" not in query:
        return url
    query.pop("host", None)
    host = f"{quote(parts.username or '')}@127.0.0.1:{query.pop('port')}"
    return parts._replace(netloc=host, query=urlencode(query), path="/postgres").geturl()
