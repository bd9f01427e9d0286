"""What the running server has counted that speaks for or against a change. Pure but for ``gather``.

Counters since the last reset say little when that was a minute or a year ago. Snapshots that
`vsl db doctor` keeps give a better window; where there are none, the age is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Connection, fetch_one, fetch_value
from vsl.db.statements import RelationExists
from vsl.db.statements_care import (
    Counters,
    EarlierCounters,
    GetCounters,
    GetEarlierCounters,
    Host,
)
from vsl.db.tuning import Checkpoints, count_checkpoints, largest_spill
from vsl.errors import DatabaseError
from vsl.ops.tune.units import about

#: Blocks from which on a share of them means something (pgEdge's minimum).
LEAST_BLOCKS = 10_000
#: Checkpoints from which on the share of requested ones means something.
LEAST_CHECKPOINTS = 10
#: More than half of the checkpoints on request: max_wal_size is too small (postgres_exporter's).
REQUESTED_SHARE = 0.5
#: The share of blocks found in memory that is good enough.
GOOD_HITS = 0.99
#: Seconds after which "none" says that there are none.
LONG_ENOUGH = 86400.0
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was counted. window: seconds, of the database's counters. from_snapshot: since when.

    hit_rate: None when too little was read. spill: bytes that the statement with the largest
    temporary files writes each time, None when that is not known. requested: share of checkpoints,
    None when there were too few; checkpoints: how many. connected: clients now.
    """

    window: float
    from_snapshot: bool
    hit_rate: float | None
    temp_files: int
    temp_bytes: int
    spill: int | None
    requested: float | None
    checkpoints: int
    checkpoint_window: float
    connected: int

    @property
    def files_per_hour(self) -> float:
        """Temporary files an hour."""
        return self.temp_files * HOUR / max(self.window, 1.0)

    @property
    def since(self) -> str:
        """The window in words."""
        source = "by snapshots" if self.from_snapshot else "since the counters began"
        return f"in {span(self.window)} {source}"

    def of_temporary_files(self) -> str:
        """Temporary files, in a line."""
        if not self.temp_files:
            return f"no temporary files {self.since}"
        mean = about(round(self.temp_bytes / self.temp_files))
        largest = f"; the worst statement writes {about(self.spill)}" if self.spill else ""
        return (
            f"{self.temp_files:,} temporary files {self.since}, "
            f"{self.files_per_hour:,.1f} an hour, {mean} on average{largest}"
        )

    def of_checkpoints(self) -> str:
        """Checkpoints, in a line."""
        if self.requested is None:
            few = f"{self.checkpoints} checkpoints in {span(self.checkpoint_window)}"
            return f"{few} are too few to tell"
        share = f"{100 * self.requested:.0f} % of {self.checkpoints:,} checkpoints"
        return f"{share} were on request in {span(self.checkpoint_window)}"

    def of_cache(self) -> str:
        """Blocks found in memory, in a line."""
        if self.hit_rate is None:
            return f"too little was read {self.since} to tell"
        return f"{100 * self.hit_rate:.1f} % of blocks were found in shared_buffers {self.since}"


async def gather(connection: Connection, host: Host) -> Evidence:
    """Ask the server. Raises ``DatabaseError``."""
    now = await fetch_one(connection, GetCounters())
    if now is None:  # there is a row for each database
        raise DatabaseError("the server has no counters of this database")
    earlier = await _earlier(connection, now)
    checkpoints = await count_checkpoints(connection, host.major)
    spill = None
    if host.statements_schema is not None:
        spill = await largest_spill(connection, host.statements_schema)
    return weigh(host.at, now, checkpoints, earlier, spill)


async def _earlier(connection: Connection, now: Counters) -> EarlierCounters | None:
    try:
        if not await fetch_value(connection, RelationExists(relation="vsl.health_snapshots")):
            return None
        wished = GetEarlierCounters(commits=now.commits, hit=now.hit)
        return await fetch_one(connection, wished)
    except DatabaseError as error:
        if error.sqlstate is None:
            raise
        return None  # this role may not read the snapshots


def weigh(
    at: datetime,
    now: Counters,
    checkpoints: Checkpoints,
    earlier: EarlierCounters | None,
    spill: int | None,
) -> Evidence:
    """What the counters say between then and now."""
    before = earlier or EarlierCounters(at, 0, 0, 0, 0, 0, 0, 0)
    began = earlier.taken_at if earlier else (now.since or now.started_at)
    server_began = earlier.taken_at if earlier else (checkpoints.since or now.started_at)
    hit, read = now.hit - before.hit, now.read - before.read
    timed = checkpoints.timed - before.timed
    requested = checkpoints.requested - before.requested
    enough = timed + requested >= LEAST_CHECKPOINTS
    return Evidence(
        window=max((at - began).total_seconds(), 0.0),
        from_snapshot=earlier is not None,
        hit_rate=hit / (hit + read) if hit + read >= LEAST_BLOCKS else None,
        temp_files=now.temp_files - before.temp_files,
        temp_bytes=now.temp_bytes - before.temp_bytes,
        spill=spill,
        requested=requested / (timed + requested) if enough else None,
        checkpoints=timed + requested,
        checkpoint_window=max((at - server_began).total_seconds(), 0.0),
        connected=now.connected,
    )


def span(seconds: float) -> str:
    """A length of time in words."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
