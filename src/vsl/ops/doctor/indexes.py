"""The checks of indexes."""

from __future__ import annotations

from vsl.ops.doctor.check import Check, Limits

# As in ``storage``: without limits, the SQL decides.
_DECIDED = Limits()

INDEXES: tuple[Check, ...] = (
    Check(
        id="invalid-indexes",
        title="Indexes that no query uses since their build failed",
        area="indexes",
        unit="bytes",
        limits=_DECIDED,
        why="Writes pay for it and reads get nothing; a unique one does not keep its promise.",
        next="Rebuild it with REINDEX INDEX CONCURRENTLY, or drop it.",
    ),
    Check(
        id="index-bloat",
        title="Indexes that are mostly empty",
        area="indexes",
        unit="percent",
        limits=_DECIDED,
        why="An index of twice the size takes twice the memory; vacuum does not make it smaller.",
        next="REINDEX INDEX CONCURRENTLY, one at a time.",
    ),
    Check(
        id="unused-indexes",
        title="Indexes that nothing reads",
        area="indexes",
        unit="bytes",
        limits=_DECIDED,
        why="Every write keeps it up, and it takes room in memory and in backups.",
        next="Make sure that no yearly report and no standby needs it, then drop it concurrently.",
    ),
    Check(
        id="duplicate-indexes",
        title="Indexes that another one makes needless",
        area="indexes",
        unit="bytes",
        limits=_DECIDED,
        why="Every write keeps both up, and one would do.",
        next="Drop the needless one concurrently.",
    ),
    Check(
        id="unindexed-foreign-keys",
        title="Foreign keys without an index",
        area="indexes",
        unit="rows",
        limits=_DECIDED,
        why="Each row that is deleted, as by retention, reads the whole table that refers to it.",
        next="Create an index on the key's columns, concurrently.",
    ),
    Check(
        id="cache-hit-indexes",
        title="Index blocks found in memory",
        area="indexes",
        unit="percent",
        limits=Limits(note=99, warn=95, fail=90, falling=True),
        why="An index that does not fit into memory makes every look-up wait for the disk.",
        next="See `vsl db tune` for shared_buffers and `vsl db bloat` for indexes to rebuild.",
    ),
)
