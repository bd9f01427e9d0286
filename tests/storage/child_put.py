"""Puts one object into a folder store, in a process that may be limited, demoted or killed.

Arguments: the folder, the number of mebibytes, and any of ``nobody`` (give up root's rights),
``limit`` (no file above one mebibyte), ``hang`` (write ``waiting`` and stop when half is sent).
Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from vsl.errors import StoreError
from vsl.storage import FolderStore

MEBIBYTE = 1024 * 1024


async def chunks(count: int, *, hang: bool) -> AsyncIterator[bytes]:
    for number in range(count):
        if hang and number == count // 2:
            sys.stdout.write("waiting\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
        yield bytes([number % 256]) * MEBIBYTE


async def main(root: Path, count: int, words: set[str]) -> None:
    answer = {"code": "", "message": "", "retryable": False}
    try:
        store = FolderStore(root)
        await store.put(
            "a/b/object.bin", chunks(count, hang="hang" in words), content_type="video/mp4"
        )
    except StoreError as error:
        answer = {"code": error.code, "message": error.message, "retryable": error.retryable}
    sys.stdout.write(json.dumps(answer | {"files": files_below(root)}))


def files_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


async def warm() -> None:
    """Load every module that a put needs, while root's own folders may still be read."""
    with tempfile.TemporaryDirectory() as root:
        await FolderStore(Path(root)).put("a", chunks(1, hang=False), content_type="video/mp4")


if __name__ == "__main__":
    if "nobody" in sys.argv and os.geteuid() == 0:
        asyncio.run(warm())
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    if "limit" in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEBIBYTE, MEBIBYTE))
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3:])))
