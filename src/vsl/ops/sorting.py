"""Sorting more than memory should hold."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

#: Values that JSON knows; the first is what is sorted by, then the others.
Item = tuple[Any, ...]
#: Items that are sorted in memory at a time: some 30 MB of keys with their facts.
RUN: Final = 100_000
#: Files that are open at a time.
FILES: Final = 64


async def sort_on_disk(
    items: AsyncIterator[Item], folder: Path, *, run: int = RUN, files: int = FILES
) -> Iterator[Item]:
    """The items in order, texts by their code points, as UTF-8 bytes sort.

    Sorted runs go to files in ``folder`` and are merged while they are read; fewer than ``run``
    items never leave memory.
    """
    kept: list[Path] = []
    waiting: list[Item] = []
    async for item in items:
        waiting.append(item)
        if len(waiting) >= run:
            kept.append(await asyncio.to_thread(_write, iter(sorted(waiting)), folder))
            waiting = []
            if len(kept) >= files:
                kept = [await asyncio.to_thread(_fold, kept, folder)]
    return heapq.merge(*map(_read, kept), sorted(waiting))


def _fold(kept: list[Path], folder: Path) -> Path:
    """Make one file of many."""
    made = _write(heapq.merge(*map(_read, kept)), folder)
    for path in kept:
        path.unlink()
    return made


def _write(items: Iterator[Item], folder: Path) -> Path:
    path = folder / uuid4().hex
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)
    return path


def _read(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield tuple(json.loads(line))
