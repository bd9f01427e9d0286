"""A process of its own that starts an embedded server, run by the tests of it.

``python -m tests.db.child_server HOME [option …]``, options as ``name=value``:

    bin       the folder of the PostgreSQL programs; the wheel's if not given
    uid       become this user first (and leave all groups)
    wait      print "ready" and start the server only after a line came on the input
    die       end with SIGKILL at a step: one of the names in ``STEPS``
    zombies   adopt orphans and never collect them, as a container without an init does

It prints one line of JSON: ``pid``, ``started`` and ``url`` of the server, or ``error``.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import vsl.db.embedded.setup
import vsl.db.server
from vsl.db.embedded.account import run_as
from vsl.db.embedded.launch import launch
from vsl.db.embedded.setup import set_up
from vsl.db.server import EmbeddedServer, find_binaries
from vsl.errors import ServerError

_PR_SET_CHILD_SUBREAPER = 36


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def _then_die(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    def run(*args: Any, **options: Any) -> NoReturn:
        function(*args, **options)
        _die()

    return run


# At each step: the module or class, the name in it, and what takes its place.
STEPS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "before-initdb": (vsl.db.embedded.setup, "run_as", _die),
    "after-initdb": (
        vsl.db.embedded.setup,
        "run_as",
        _then_die(run_as),
    ),
    "after-rename": (vsl.db.server, "set_up", _then_die(set_up)),
    "after-launch": (vsl.db.server, "launch", _then_die(launch)),
    "before-createdb": (EmbeddedServer, "_create_database", _die),
}


def main(home: Path, options: dict[str, str]) -> None:
    """Do what the options say."""
    if "uid" in options:
        os.setgroups([])
        os.setgid(int(options["uid"]))
        os.setuid(int(options["uid"]))
    if "die" in options:
        place, name, replacement = STEPS[options["die"]]
        setattr(place, name, replacement)
    if "zombies" in options:
        assert ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    binaries = find_binaries(Path(options["bin"]) if "bin" in options else None)
    server = EmbeddedServer(home, binaries)
    if "wait" in options:
        _say("ready")
        sys.stdin.readline()
    try:
        info = server.start()
        if "zombies" in options:
            os.kill(info.pid, signal.SIGKILL)
            info = server.start()
    except ServerError as error:
        _say(json.dumps({"error": error.message, "hint": error.hint}))
    else:
        _say(json.dumps({"pid": info.pid, "started": info.started, "url": info.url}))
    if "wait" in options:
        sys.stdin.readline()


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(argument.split("=", 1) for argument in sys.argv[2:]))
