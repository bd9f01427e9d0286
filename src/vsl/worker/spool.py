"""A worker's folder for outputs on their way to the store."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vsl.errors import StoreError

_CHUNK = 1024 * 1024
_PREFIX = "worker-"


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """One whole file on the worker's own disk. size: bytes. sha256: hex digest."""

    path: Path
    size: int
    sha256: str


class Spool:
    """A folder of this process. Folders of workers that are gone are removed when one opens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def open(cls, parent: Path) -> Iterator[Spool]:
        """Make a folder below ``parent``, and remove it at the end.

        Raises ``StoreError`` when the disk does not allow it.
        """
        try:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One at a time: nobody takes a folder that is being made for an abandoned one.
            with (parent / "opening").open("w") as gate:
                fcntl.flock(gate, fcntl.LOCK_EX)
                _remove_abandoned(parent)
                folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
                # This lock says that its process lives; the kernel drops it however that ends.
                lock = (folder / "lock").open("w")
                fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise _refusal(parent, error) from error
        with lock:
            try:
                yield cls(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    async def take(self, name: str, chunks: AsyncIterable[bytes]) -> SpooledFile:
        """Write a stream to a new file, never holding it whole in memory.

        Raises ``StoreError`` when the disk is full; the stream's own errors pass through.
        """
        path = self._folder / name
        try:
            with path.open("xb") as file:
                try:
                    size, sha256 = await _write(file, chunks)
                    file.flush()
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise _refusal(self._folder, error) from error
        finally:
            # Not left to the garbage collector: a connection may hang on it.
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        return SpooledFile(path, size, sha256)


async def _write(file: BinaryIO, chunks: AsyncIterable[bytes]) -> tuple[int, str]:
    """Write a stream down; its size and its digest."""
    digest = hashlib.sha256()
    size = 0
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        await asyncio.to_thread(file.write, chunk)
    return size, digest.hexdigest()


async def read_chunks(path: Path) -> AsyncIterator[bytes]:
    """A file's bytes, a mebibyte at a time, read outside the event loop."""
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            with (folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # It is in use, or another user's.


def _refusal(folder: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"the disk of {folder} is full", hint="Free space, or set VSL_HOME to another disk."
        )
    reason = os.strerror(error.errno) if error.errno else "unknown reason"
    return StoreError(f"cannot write to {folder}: {reason}", hint="Check VSL_HOME.")
