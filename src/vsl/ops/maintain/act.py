"""Does one step, looks on meanwhile, and cleans up when it is interrupted."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vsl.db.maintenance import analyze, drop_index, reindex, vacuum
from vsl.db.statement import Connection, execute, fetch, fetch_one
from vsl.db.statements_care import (
    GetProgress,
    Hinderer,
    IndexMeasures,
    LimitMaintenance,
    ListLockHolders,
    ListWaitedFor,
    MeasureIndexes,
    MeasureTables,
    TableMeasures,
)
from vsl.errors import DatabaseError, VslError
from vsl.ops.maintain.bloat import bloat_of
from vsl.ops.maintain.outcome import Numbers, Sight, Spectator
from vsl.ops.maintain.plan import Step, qualified

#: Seconds between two looks at what a step does.
LOOK_EVERY = 0.5
#: Seconds that cleaning up after an interruption may take.
CLEAN_UP = 5.0
#: Seconds in which the server counts a table as vacuumed; before 15 that is not at once.
COUNTED_WITHIN = 5.0


class Stuck(Exception):
    """The same sessions were in the way for too long."""

    def __init__(self, hinderers: Sequence[Hinderer]) -> None:
        super().__init__()
        self.hinderers = tuple(hinderers)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step is about, as it is now; None for what is not there or may not be looked at."""

    table: TableMeasures | None = None
    index: IndexMeasures | None = None

    @property
    def numbers(self) -> Numbers:
        """The numbers of it that a step is to change."""
        if self.index is not None:
            bloat = bloat_of(self.index) if self.index.is_valid else None
            return Numbers(bytes=self.index.bytes, empty=bloat.share if bloat else None)
        if self.table is not None:
            return Numbers(self.table.dead + self.table.toast_dead, self.table.bytes)
        return Numbers()

    def count(self, step: Step) -> int:
        """How often the server has done to the table what the step does."""
        if self.table is None:
            return 0
        return self.table.vacuum_count if step.kind == "vacuum" else self.table.analyze_count


class Hands:
    """connection: what is due is done on it. second: looks on."""

    def __init__(self, connection: Connection, second: Connection, spectator: Spectator) -> None:
        self._connection = connection
        self._second = second
        self._spectator = spectator

    @property
    def lost(self) -> bool:
        """Whether the database is no longer reached."""
        return bool(self._connection.closed or self._second.closed)

    async def see(self, step: Step) -> Seen:
        """What the step is about. A size that somebody has locked is not known then."""
        try:
            if step.kind in ("vacuum", "analyze"):
                wished = MeasureTables(relation=step.relation, exact=True)
                return Seen(table=next(iter(await fetch(self._second, wished)), None))
            found = await fetch(self._second, MeasureIndexes(relation=step.relation, exact=True))
            named = (i for i in found if (i.schema, i.name) == (step.schema, step.name))
            return Seen(index=next(named, None))
        except DatabaseError:
            if self.lost:
                raise
            return Seen()

    async def who_locks(self, step: Step) -> list[Hinderer]:
        """Who has a lock on the step's table that would make it wait."""
        own = (self._connection.info.backend_pid, self._second.info.backend_pid)
        found = await fetch(self._second, ListLockHolders(relation=step.relation))
        return [holder for holder in found if holder.pid not in own]

    async def act(self, step: Step, *, left: float, patience: float) -> list[str]:
        """Run the step's command; what the server warned of.

        left: seconds that it may take. patience: seconds to wait for the same sessions. Raises
        ``Stuck``, ``Locked`` or ``DatabaseError``; whatever ends it, what it half built is dropped.
        """
        try:
            return await self._watched(step, self._command(step, left), patience)
        except BaseException:
            # Being cancelled as well: the person at the keyboard leaves nothing behind either.
            await self._clean(step)
            raise

    async def _command(self, step: Step, left: float) -> list[str]:
        waits = step.kind in ("reindex", "drop")
        limit = LimitMaintenance(lock="0" if waits else "1s", statement=f"{left * 1000:.0f}ms")
        await execute(self._connection, limit)
        if step.kind == "vacuum":
            return await vacuum(self._connection, step.schema, step.name, freeze=step.freeze)
        if step.kind == "analyze":
            return await analyze(self._connection, step.schema, step.name)
        run = reindex if step.kind == "reindex" else drop_index
        await run(self._connection, step.schema, step.name)
        return []

    async def _watched(
        self, step: Step, work: Coroutine[Any, Any, list[str]], patience: float
    ) -> list[str]:
        task = asyncio.create_task(work)
        pid = self._connection.info.backend_pid
        since: dict[tuple[int | None, ...], float] = {}
        try:
            while not (await asyncio.wait({task}, timeout=LOOK_EVERY))[0]:
                waits_for = await fetch(self._second, ListWaitedFor(pid=pid))
                progress = await fetch_one(self._second, GetProgress(pid=pid))
                self._spectator.progress(step, Sight(progress, tuple(waits_for)))
                key, now = tuple(hinderer.pid for hinderer in waits_for), time.monotonic()
                since = {key: since.get(key, now)} if key else {}
                if key and now - since[key] > patience:
                    raise Stuck(waits_for)
            return task.result()
        finally:
            if not task.done():
                task.cancel()  # has the server cancel it
                await asyncio.gather(task, return_exceptions=True)

    async def _clean(self, step: Step) -> None:
        """Drop what an interrupted REINDEX left. What cannot be dropped now, the next run finds."""
        if step.kind != "reindex" or self._connection.closed:
            return
        dropped: list[str] = []
        left: list[str] = []
        with suppress(VslError):
            limit = LimitMaintenance(lock="0", statement=f"{CLEAN_UP:.0f}s")
            await execute(self._connection, limit)
            for index in await self._leftovers(step):
                left.append(qualified(index.schema, index.name))
                await drop_index(self._connection, index.schema, index.name)
                dropped.append(left.pop())
        self._spectator.cleaned(step, dropped, left)

    async def _leftovers(self, step: Step) -> list[IndexMeasures]:
        # The server shortens a name that would become too long.
        stem = step.name.encode()[:50].decode(errors="ignore")
        ours = re.compile(re.escape(stem) + r".*_cc(?:new|old)\d*", re.DOTALL)
        found = await fetch(self._connection, MeasureIndexes(relation=step.relation))
        return [
            index
            for index in found
            if not (index.is_valid and index.is_live)
            and index.schema == step.schema
            and ours.fullmatch(index.name)
        ]

    async def counted(self, step: Step, before: Seen) -> Seen | None:
        """What the step is about once the server counts it as done; None when it never does."""
        until = time.monotonic() + COUNTED_WITHIN
        while True:
            after = await self.see(step)
            if step.kind in ("reindex", "drop") or after.table is None:
                return after
            if before.table is None or after.count(step) > before.count(step):
                return after
            if time.monotonic() > until:
                return None
            await asyncio.sleep(0.1)
