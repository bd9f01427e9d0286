"""The store in a folder.

Reading, listing, deleting and naming go through obstore. Writing does not: obstore's local
writer never calls fsync, and cannot be stopped at a known moment, so a failed put could not promise
that its temporary file is gone. A put returns when the bytes and every folder entry on the
way to them are on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Final

from obstore.store import LocalStore

from vsl.errors import StoreError
from vsl.storage.faults import INCOMING, check_key, faults
from vsl.storage.store import ObstoreStore, to_the_end

# Seconds. A temporary file that nobody has written to for a day belongs to a process that died.
LEFTOVER_AGE: Final = 24 * 60 * 60


class FolderStore(ObstoreStore):
    """Objects as files below ``root``, which is made (for its owner only) when it is missing.

    Temporary files of processes that died are removed on opening, once they are a day old.
    Raises ``StoreError`` when the folder cannot be made or is no folder.
    """

    def __init__(self, root: Path) -> None:
        with faults("open it", f"folder {root}"):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root = root.resolve()
            # Removing the last object of a folder removes the folder.
            client = LocalStore(self.root, automatic_cleanup=True)
        super().__init__(client, bucket="file", address=self.root.as_uri())
        # A reader may open a store that it cannot write to.
        with contextlib.suppress(OSError):
            self._sweep(LEFTOVER_AGE)

    async def sweep(self, older_than: float) -> int:
        """Remove temporary files not written to for ``older_than`` seconds; returns how many.

        A put that is still running loses its file, fails, and may be tried again.
        """
        with faults("remove temporary files", self._where):
            return await to_the_end(asyncio.to_thread(self._sweep, older_than))

    def url(self, key: str) -> str:
        """The file's ``file://`` URL."""
        check_key(key)
        return (self.root / key).as_uri()

    @property
    def _where(self) -> str:
        return f"folder {self.root}"

    def _check(self) -> None:
        # obstore would make the folder anew, on whatever disk lies below a lost mount.
        with faults("use it", self._where):
            there = self.root.is_dir()
        if not there:
            raise StoreError(
                f"{self._where}: the store's folder is missing",
                hint="mount or restore it, or set VSL_STORAGE",
            )

    async def _stage(
        self,
        staged: str,
        key: str,
        blocks: AsyncIterator[bytes],
        content_type: str,  # noqa: ARG002 - a file has no content type
    ) -> None:
        action = f"write {key}"
        with faults(action, self._where):
            file = self._create(self.root / staged)
        try:
            async for block in blocks:
                with faults(action, self._where):
                    await to_the_end(asyncio.to_thread(_write_all, file, block))
            with faults(action, self._where):
                await to_the_end(asyncio.to_thread(os.fsync, file.fileno()))
        finally:
            with faults(action, self._where):
                file.close()

    async def _settle(self, key: str) -> None:
        with faults(f"write {key}", self._where):
            await asyncio.to_thread(self._sync_folders, key)

    async def _undo(self, keys: Sequence[str]) -> None:
        def remove() -> None:
            for key in keys:
                with contextlib.suppress(OSError):
                    (self.root / key).unlink()

        await asyncio.to_thread(remove)

    def _create(self, path: Path) -> FileIO:
        while True:
            try:
                return FileIO(path, "xb")
            except FileNotFoundError:
                # Whoever deletes the last file of a folder removes the folder: make it again,
                # but never the root.
                path.parent.mkdir(exist_ok=True)

    def _sync_folders(self, key: str) -> None:
        """Put the entries from the file's folder up to the root on the disk.

        All of them, not only those that this put made: another process may have made one and not
        yet have got as far as this.
        """
        folder = (self.root / key).parent
        while True:
            # A folder that is gone held an object that was deleted meanwhile.
            with contextlib.suppress(FileNotFoundError):
                number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)
            if folder == self.root:
                return
            folder = folder.parent

    def _sweep(self, older_than: float) -> int:
        removed = 0
        oldest = time.time() - older_than
        with contextlib.suppress(FileNotFoundError), os.scandir(self.root / INCOMING) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime <= oldest:
                        Path(entry.path).unlink()
                        removed += 1
        return removed


def _write_all(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]
