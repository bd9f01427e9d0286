"""A process that has loaded ``vsl`` and splits off a new one for each command.

Loading takes most of a short command's time, and the tests run a hundred of them. Each command
still is a process of its own, with its own arguments, environment, folder and files.

Started as ``python -m tests.cli.stem FD``; FD is one end of a stream socket. A request is a JSON
line with the three standard files beside it, an answer the exit status as a line.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]


class Stem:
    """The tests' end."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        self._socket.settimeout(120)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cli.stem", str(other.fileno())],
                cwd=ROOT,
                env={"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )

    def run(
        self,
        arguments: Sequence[str | bytes],
        environment: Mapping[str, str],
        folder: Path,
        files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    ) -> int:
        """Run one command to its end; its exit status."""
        words = [os.fsdecode(word) for word in arguments]
        request = json.dumps([words, dict(environment), str(folder)]) + "\n"
        socket.send_fds(
            self._socket, [f"{len(request):08}".encode()], [file.fileno() for file in files]
        )
        self._socket.sendall(request.encode())
        answer = self._socket.recv(64)
        assert answer, "the stem process has ended"
        return int(answer)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait(30)


def serve(channel: socket.socket) -> None:
    """The other end: run commands until the tests close theirs."""
    from vsl.cli import commands  # noqa: F401 - what takes the time

    while True:
        head, files, _, _ = socket.recv_fds(channel, 8, 3)
        if not head:
            return
        request = b""
        while len(request) < int(head):
            request += channel.recv(int(head) - len(request))
        child = os.fork()
        if child == 0:
            channel.close()
            arguments, environment, folder = json.loads(request)
            _become(arguments, environment, folder, files)
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        channel.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _become(
    arguments: list[str], environment: dict[str, str], folder: str, files: list[int]
) -> None:
    from vsl.cli.main import main

    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["vsl", *arguments]
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    finally:
        os._exit(70)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
