"""``python -m benchmarks [NAME …]``: measure, and print figures beside their floors."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import claim_buffers, demo, drain, memory, pickup, submit, upkeep
from benchmarks.machine import conditions, load
from benchmarks.place import Place, own_server, scratch_folder
from benchmarks.report import render
from benchmarks.result import Result

BENCHMARKS: Mapping[str, Callable[[Place], Awaitable[list[Result]]]] = {
    "submit": submit.measure,
    "drain": drain.measure,
    "claim_buffers": claim_buffers.measure,
    "pickup": pickup.measure,
    "memory": memory.measure,
    "demo": demo.measure,
    "upkeep": upkeep.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks; status 1 when a figure is not what was wanted, 0 always with ``--quick``."""
    options = _options(arguments)
    with ExitStack() as stack:
        url = options.dsn or stack.enter_context(own_server(options.server, quick=options.quick))
        scratch = scratch_folder()
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        place = Place(url, options.quick, scratch, options.peers, options.peers_home)
        found = conditions(url)
        results = asyncio.run(_run(place, options.names or list(BENCHMARKS)))
    report = {"conditions": found, "quick": options.quick, "results": results, "load": load()}
    print(json.dumps(report, indent=2) if options.json else render(report))
    missed = any(result["met"] is False for result in results)
    return 1 if missed and not options.quick else 0


async def _run(place: Place, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        before = load()
        print(f"{name} … (load {before})", file=sys.stderr, flush=True)
        results = await BENCHMARKS[name](place)
        around = {"benchmark": name, "load_before": before, "load_after": load()}
        rows += [{**around, **result.as_json()} for result in results]
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--server", default="embedded", help="`embedded`, or a folder of PostgreSQL programs"
    )
    parser.add_argument("--dsn", help="a running server instead; its user may create databases")
    parser.add_argument("--peers", type=Path, help="folder of the harness for peers (run.sh)")
    parser.add_argument("--peers-home", type=Path, help="where to keep what that harness installs")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
