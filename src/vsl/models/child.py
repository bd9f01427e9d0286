"""Runs the Cog server of one model, and ends with the process that started it.

Started by ``serve.py`` as a program of its own, by its path: it imports nothing of VSL, for it
runs with the model's environment only. Its standard input is a pipe whose other end the starter
holds and never writes to. The end of that pipe means that the starter is gone, however it went;
where a stray copy of the pipe keeps it open, the change of the parent's process id says the same.
Then the whole process group is killed: this server, and the worker that it keeps.

Usage: child.py PORT PREDICTOR
"""

from __future__ import annotations

import os
import runpy
import select
import signal
import sys
import threading

WATCH_SECONDS = 1.0


def main() -> None:
    """Run the server until it is told to stop."""
    port, predictor = sys.argv[1:3]
    threading.Thread(target=_follow_starter, args=(os.getppid(),), daemon=True).start()
    os.environ["PORT"], os.environ["COG_PREDICT_TYPE_STUB"] = port, predictor
    os.umask(0o077)  # inputs and outputs pass through files that are nobody else's business
    sys.argv = ["cog.server.http", "--host", "127.0.0.1"]
    runpy.run_module("cog.server.http", run_name="__main__", alter_sys=True)


def _follow_starter(starter: int) -> None:
    """Wait until the starter has gone, then kill the process group."""
    while os.getppid() == starter:
        readable, _, _ = select.select([0], [], [], WATCH_SECONDS)
        if readable and not os.read(0, 1):
            break
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
