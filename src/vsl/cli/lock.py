"""Locks in VSL's home, so that two of a kind do not get in each other's way."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsl.errors import NotAllowed, ServerError

#: The name of the lock that ``vsl up`` and ``vsl demo`` hold in the home.
UP_LOCK = "up.lock"


class AlreadyRunning(NotAllowed):
    """Another process does this for the same home."""


@contextmanager
def held(path: Path, what: str, *, hint: str) -> Iterator[None]:
    """Hold a lock file; the kernel drops the lock however this process ends.

    Raises ``AlreadyRunning`` when another process holds it: ``what`` names what that one does.
    Raises ``ServerError`` when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.open("a+")
    except OSError as error:
        raise unwritable(path.parent, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"{what} runs already (process {_owner(path)})", hint=hint
            ) from None
        try:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        except OSError as error:
            raise unwritable(path.parent, error) from error
        yield


def holder(path: Path) -> str | None:
    """The process that holds a lock file, as far as it is known; None when nobody does."""
    try:
        with path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner(path)
    except OSError:
        return None
    return None


def unwritable(folder: Path, error: OSError) -> ServerError:
    """The error that says that a folder of VSL's home cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ServerError(
            f"the disk of {folder} is full", hint="Free space, or set VSL_HOME to another disk."
        )
    return ServerError(
        f"cannot write to {folder}: {error.strerror}", hint="Set VSL_HOME to another folder."
    )


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except OSError:
        return "unknown"
