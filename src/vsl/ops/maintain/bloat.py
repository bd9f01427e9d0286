"""How much of a B-tree index is empty, estimated from statistics.

The estimate compares the pages that an index has with those that its entries would fill if it
were built anew. It is good to about 15 % either way, so only clear cases count. Numbers of the
layout are PostgreSQL's own: src/include/access/nbtree.h, src/include/storage/bufpage.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vsl.db.statements_care import IndexMeasures

#: An index is rebuilt when more than half of it is empty, or 100 MB and more than 30 % are; one of
#: under 100 pages or with under 1 MB to be had never is. (pgdoctor's thresholds, and our floor.)
SHARE = 0.50
LARGE_BYTES = 100 * 1024 * 1024
LARGE_SHARE = 0.30
LEAST_PAGES = 100
LEAST_BYTES = 1024 * 1024

_PAGE_HEADER = 24
_SPECIAL = 16  # a B-tree page's own links
_ENTRY_HEADER = 8
_LINE_POINTER = 4
_ROW_ADDRESS = 6  # of each row, where equal keys share an entry
_ALIGNMENT = 8
#: A new index keeps as many rows in one shared entry as fit a tenth of a page.
_SHARED_PART = 10
_UPPER_FILL = 0.70


@dataclass(frozen=True, slots=True)
class Bloat:
    """share: of the index that is empty, from 0 to 1. bytes: what a rebuild would give back."""

    share: float
    bytes: int

    @property
    def matters(self) -> bool:
        """Whether a rebuild is worth its work, by size and share; see also ``LEAST_PAGES``."""
        large = self.bytes >= LARGE_BYTES and self.share > LARGE_SHARE
        return self.bytes >= LEAST_BYTES and (self.share > SHARE or large)


def bloat_of(index: IndexMeasures) -> Bloat | None:
    """What is empty of a valid B-tree index; None where that cannot be told."""
    expected = expected_pages(index)
    if expected is None or index.pages == 0:
        return None
    spare = max(index.pages - expected, 0)
    return Bloat(spare / index.pages, spare * index.page_size)


def is_bloated(index: IndexMeasures) -> Bloat | None:
    """The bloat of an index that is worth a rebuild, else None."""
    found = bloat_of(index) if index.pages >= LEAST_PAGES else None
    return found if found is not None and found.matters else None


def expected_pages(index: IndexMeasures) -> int | None:
    """Pages of the index if it were built anew; None for other methods and without statistics."""
    if index.method != "btree" or index.width is None or index.rows < 0:
        return None
    entry = _entry_bytes(index)
    room = index.page_size - _PAGE_HEADER - _SPECIAL
    leaves = math.ceil(_leaf_bytes(index, entry) / (room * index.fillfactor / 100))
    pages, level = 1 + leaves, leaves  # one page tells where the root is
    per_page = max(int(room * _UPPER_FILL / entry), 2)
    while level > 1:
        level = math.ceil(level / per_page)
        pages += level
    return pages


def _entry_bytes(index: IndexMeasures) -> int:
    header = _aligned(_ENTRY_HEADER + (4 if index.has_nulls else 0))
    return header + _aligned(math.ceil(index.width or 0)) + _LINE_POINTER


def _leaf_bytes(index: IndexMeasures, entry: int) -> float:
    plain = index.rows * entry
    if not index.may_deduplicate or index.different is None or index.rows < 1:
        return plain
    in_one = max((index.page_size // _SHARED_PART - entry) // _ROW_ADDRESS, 1)
    groups = min(index.different, index.rows)
    # Each group of equal keys begins an entry of its own, and so does each one that is full.
    entries = groups + index.rows / in_one
    return min(plain, entries * entry + index.rows * _ROW_ADDRESS)


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT
