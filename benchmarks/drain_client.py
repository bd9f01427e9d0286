"""One connection that drains the queue in a process of its own: see ``drain``."""

from __future__ import annotations

import sys
import time

import psycopg

from benchmarks.batches import run_functions
from benchmarks.children import say

#: Batches: as many as the driver and the server need to keep their plans.
WARM_UP = 6


def main(url: str, size: int) -> None:
    """Warm up with a batch, wait for the word, drain, and say how many in which time."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(WARM_UP):
            run_functions(connection, size)
        say("ready")
        sys.stdin.readline()
        begun, done = time.monotonic(), 0
        while ended := run_functions(connection, size):
            done += ended
        say({"jobs": done, "begun": begun, "ended": time.monotonic()})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
