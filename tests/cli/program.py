"""The program as a user runs it: real processes of ``vsl`` with a home of their own."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tests.cli.stem import Stem
from tests.cli.terminal import Terminal
from tests.support.servers import binaries_for
from tests.support.waiting import wait_until

from vsl.db.server import EmbeddedServer

#: A prompt that must not turn up in any error.
CANARY = "canary-prompt-that-nobody-may-print"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that it wrote as JSON."""
        return json.loads(self.err)["error"]


@dataclass
class Vsl:
    """The program, as a user with this environment runs it."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    stem: Stem | None = None
    program: tuple[str, ...] = (sys.executable, "-m", "vsl")

    def environment(self, **variables: str) -> dict[str, str]:
        """All that the program sees: nothing of ours leaks in."""
        own = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LOGNAME": "tester",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "VSL_HOME": str(self.home),
        }
        return {**own, **self.variables, **variables}

    def with_variables(self, **variables: str) -> Vsl:
        """The same with more in the environment."""
        return dataclasses.replace(self, variables={**self.variables, **variables})

    def __call__(
        self, *arguments: str | bytes, stdin: str | bytes | None = None, **variables: str
    ) -> Done:
        """Run a command to its end."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode() if isinstance(stdin, str) else stdin or b"")
            given.seek(0)
            files, environment = (given, out, err), self.environment(**variables)
            if self.stem is not None:
                status = self.stem.run(arguments, environment, self.home, files)
            else:
                status = self._run(arguments, environment, files)
            for file in (out, err):
                file.seek(0)
            done = Done(status, out.read().decode(), err.read().decode())
        assert "Traceback" not in done.err, done.err
        assert CANARY not in done.err
        return done

    def _run(
        self,
        arguments: Sequence[str | bytes],
        environment: Mapping[str, str],
        files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    ) -> int:
        return subprocess.run(
            [*self.program, *arguments],
            env=environment,
            cwd=self.home,
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            timeout=120,
            check=False,
        ).returncode

    def json(self, *arguments: str, **variables: str) -> Any:
        """What a command that succeeds prints as JSON."""
        done = self(*arguments, "--json", **variables)
        assert done.status == 0, done.err
        return done.document

    def start(self, *arguments: str, stderr: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own."""
        return subprocess.Popen(
            [*self.program, *arguments],
            env=self.environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )

    def terminal(self, *arguments: str, columns: int = 80) -> Terminal:
        """Start a command in a terminal."""
        return Terminal([*self.program, *arguments], self.environment(), self.home, columns)


class Up:
    """A ``vsl up`` in the background."""

    def __init__(self, vsl: Vsl, *options: str) -> None:
        self.vsl = vsl
        self.log = vsl.home / "up.log"
        self._log = self.log.open("ab")
        self.process = vsl.start("up", "--json", *options, stderr=self._log)
        assert self.process.stdout is not None
        said = _read_document(self.process.stdout)
        assert said, self.log.read_text()
        self.said: Mapping[str, Any] = json.loads(said)

    @property
    def database_pid(self) -> int:
        """The postmaster's process; 0 while there is none."""
        postmaster = self.vsl.home / "postgres" / "data" / "postmaster.pid"
        try:
            return int(postmaster.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError):
            return 0

    def worker_pid(self) -> int:
        """The worker's process."""
        return next(pid for pid, line in self.children().items() if "worker" in line)

    def server_pid(self, model: str) -> int:
        """The process of a model's server."""
        folder = str(self.vsl.home / "models" / model)
        return next(pid for pid, line in self.children().items() if folder in " ".join(line))

    def children(self) -> dict[int, list[str]]:
        """The processes that ``vsl up`` started itself, with their command lines."""
        return {pid: line for pid, line in _processes().items() if _parent(pid) == self.process.pid}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop; its exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        status = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        return status

    def close(self) -> None:
        """Stop it, if it still runs."""
        if self.process.poll() is None:
            self.stop()


def processes_of(home: Path) -> dict[int, list[str]]:
    """Everything that runs for a home: by command line, environment's home or working folder."""
    found = {}
    for pid, line in _processes().items():
        try:
            place = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - may name a removed folder
            started_with = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            place, started_with = "", b""
        words = " ".join(line)
        own = f"VSL_HOME={home}\0".encode()
        if str(home) in words or place.startswith(str(home)) or own in started_with:
            found[pid] = line
    return found


def _processes() -> dict[int, list[str]]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found[int(entry.name)] = [os.fsdecode(word) for word in words if word]
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _read_document(stream: IO[bytes]) -> bytes:
    """The lines up to the one that closes an indented JSON document."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.rstrip() == b"}":
            break
    return b"".join(lines)


def new_home() -> Path:
    """A folder for a home: with a short path, for the socket, that the server's user can reach."""
    home = Path(tempfile.mkdtemp(prefix="vsl-cli-"))
    home.chmod(0o711)
    return home


def remove_home(home: Path) -> None:
    """Stop what still runs there, and remove it."""
    if (home / "postgres" / "data" / "PG_VERSION").is_file():
        EmbeddedServer(home, binaries_for(18)).stop()
    wait_until(lambda: not processes_of(home), within=30, what=f"all of {home} to end")
    shutil.rmtree(home)
