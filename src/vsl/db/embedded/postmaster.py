"""What can be known of a PostgreSQL server from its data folder, its processes and its port."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PID_FILE = "postmaster.pid"
# Outside the range from which systems take ports for outgoing connections.
_PORTS = range(15000, 30000)
# The shortest limit of the supported systems for a socket's path, less a margin of one byte.
_SOCKET_PATH_LIMIT = 103
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What ``postmaster.pid`` says. status: starting, ready, standby or stopping."""

    pid: int
    port: int
    socket_folder: Path | None
    status: str


def read_postmaster(data: Path) -> Postmaster | None:
    """The server that the pid file names, dead or alive; None without a whole file."""
    try:
        lines = (data / PID_FILE).read_text().splitlines()
    except FileNotFoundError:
        return None
    # The lines: pid, data folder, start time, port, socket folder, address, shared memory, status.
    if len(lines) < 8:
        return None
    if not (lines[0].isdecimal() and lines[3].isdecimal()):
        return None
    folder = Path(lines[4]) if lines[4] else None
    return Postmaster(int(lines[0]), int(lines[3]), folder, lines[7].strip())


def is_alive(postmaster: Postmaster, data: Path) -> bool:
    """Whether the named process lives and is a server of this data folder.

    A zombie does not live. A process that got the same number later, after a reboot for
    instance, is told apart where the system has a /proc.
    """
    if _PROC.joinpath("self", "stat").exists():
        return _serves(_PROC / str(postmaster.pid), data)
    try:
        os.kill(postmaster.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def living_postmaster(data: Path) -> Postmaster | None:
    """The server that runs on this data folder; None when there is none."""
    postmaster = read_postmaster(data)
    return postmaster if postmaster and is_alive(postmaster, data) else None


def serving_processes(data: Path) -> Iterator[int] | None:
    """The processes of any server of this data folder, orphans included; None without a /proc."""
    if not _PROC.joinpath("self", "stat").exists():
        return None
    return (int(entry.name) for entry in _PROC.glob("[0-9]*") if _serves(entry, data))


def _serves(process: Path, data: Path) -> bool:
    """Whether a process is PostgreSQL at work in ``data``, or cannot be told from it."""
    try:
        # "pid (name) state …"; the name may hold spaces and brackets.
        name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
        if rest.split()[0] in ("Z", "X") or name not in ("postgres", "postmaster"):
            return False
        owner = data.stat()
        if process.stat().st_uid != owner.st_uid:
            return False
        # Every process of PostgreSQL works in its data folder. What cannot be told counts as ours.
        folder = _working_folder(process, owner)
        return folder is None or folder == Path(os.path.realpath(data))
    except (FileNotFoundError, ProcessLookupError):
        return False


def _working_folder(process: Path, owner: os.stat_result) -> Path | None:
    """Where a process works; None when nobody may tell us."""
    try:
        return (process / "cwd").readlink()
    except PermissionError:
        if os.geteuid() != 0:
            return None
    # Root of a container, who may not look into others' processes, but may become their owner.
    try:
        asked = subprocess.run(
            ["/usr/bin/readlink", process / "cwd"],
            capture_output=True,
            timeout=30,
            check=False,
            user=owner.st_uid,
            group=owner.st_gid,
            extra_groups=[],
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(os.fsdecode(asked.stdout.rstrip(b"\n"))) if asked.returncode == 0 else None


def clear_remains(data: Path, socket_folder: Path) -> None:
    """Remove the pid and lock files of a dead server, if it is certain that nothing of it lives.

    PostgreSQL does that by itself unless the number lives on: as a zombie that nobody collects,
    or in another process after a reboot.
    """
    living = serving_processes(data)
    if living is None or any(True for _ in living):
        return
    (data / PID_FILE).unlink(missing_ok=True)
    for leftover in socket_folder.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def socket_path_fits(folder: Path) -> bool:
    """Whether a unix socket in this folder works on every system.

    Its path must be short, and free of the comma, at which libpq parts a list of hosts.
    """
    path = os.fsencode(folder / ".s.PGSQL.65535")
    return len(path) <= _SOCKET_PATH_LIMIT and b"," not in path


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this TCP port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As PostgreSQL does: connections that are fading away do not count, listeners do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def pick_port() -> int | None:
    """A free TCP port of 127.0.0.1, at random; None when a hundred tries found none."""
    tries = (secrets.choice(_PORTS) for _ in range(100))
    return next((port for port in tries if port_is_free(port)), None)
