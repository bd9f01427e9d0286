"""Whether the rows of outputs and the objects in the store agree, and mending what can be.

Both are listed to their ends, sorted on disk and walked through side by side, so that neither has
to fit into memory, and no transaction stays open meanwhile. Neither comes in an order to rely on:
S3 lists by bytes, some of its speakers folder by folder, and the database's index follows the
collation. Jobs go on while this runs, so each difference is looked at once more before it counts.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self
from uuid import UUID

from vsl.db.statement import Connection, fetch, fetch_value
from vsl.db.statements import DoomObjects
from vsl.db.statements_storage import (
    JudgeObjects,
    ListStored,
    MarkOutputs,
    NamedOutput,
    NameOutputs,
)
from vsl.domain.keys import FOLDERS, key_epoch
from vsl.domain.store import Store
from vsl.errors import DatabaseError, InvalidInput, NotAllowed
from vsl.ops.looks import quoted
from vsl.ops.sorting import Item, sort_on_disk

Tell = Callable[[str], None]
#: missing: a row's object is not there. damaged: it has another size. stray: no row refers to an
#: object. back: the object of a row that is marked is whole again.
Kind = Literal["missing", "damaged", "stray", "back"]
KINDS: Final[tuple[Kind, ...]] = ("missing", "damaged", "stray", "back")
#: Why an object to which no row refers is left alone. young: a worker may be about to write the
#: row. live: so may the live job whose claim it is. doomed: it is to be removed already. later: its
#: claim is none that this database has made, as after a restore. foreign: not where VSL stores.
LEFT_ALONE: Final = ("young", "live", "doomed", "later", "foreign")

PAGE: Final = 1000
#: Objects that are asked for at a time.
AT_ONCE: Final = 16
#: Seconds after which a writer that has not gone on is dead.
DEAD: Final = 24 * 60 * 60.0
REASON: Final = "nothing refers to it (vsl storage check)"
_NO_RIGHT: Final = "42501"  # PostgreSQL's insufficient_privilege
_FOLDERS: Final = tuple(f"{folder}/" for folder in FOLDERS.values())


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree.

    recorded, found: sizes in bytes. since: when it was first marked, as ISO 8601; the object's time
    for a stray one. output_id, job_id, ordinal: None for a stray one.
    """

    kind: Kind
    key: str
    job_id: str | None = None
    ordinal: int | None = None
    recorded: int | None = None
    found: int | None = None
    since: str | None = None
    output_id: str | None = None


@dataclass(slots=True)
class Comparison:
    """What was found; a context, for the differences lie in a temporary folder.

    objects, size: of the whole store, in number and bytes. outputs: rows that refer to this store.
    matched: objects to which a row refers. elsewhere: rows that name another store, by its name.
    """

    objects: int = 0
    size: int = 0
    outputs: int = 0
    matched: int = 0
    elsewhere: Counter[str] = field(default_factory=Counter)
    left_alone: Counter[str] = field(default_factory=Counter)
    counts: Counter[Kind] = field(default_factory=Counter)
    folder: Path = field(init=False)
    _file: IO[str] = field(init=False)
    _exits: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        temporary = tempfile.TemporaryDirectory(prefix="vsl-storage-check-")
        self.folder = Path(self._exits.enter_context(temporary))
        self._file = self._exits.enter_context(
            (self.folder / "differences").open("w+", encoding="utf-8")
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def add(self, difference: Difference) -> None:
        """Count and keep one."""
        self.counts[difference.kind] += 1
        self._file.write(json.dumps(asdict(difference)) + "\n")

    def differences(self) -> Iterator[Difference]:
        """All that were kept."""
        self._file.flush()
        self._file.seek(0)
        for line in self._file:
            yield Difference(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done. marked, unmarked: rows. doomed: objects. swept: leftovers of dead writers."""

    marked: int
    unmarked: int
    doomed: int
    swept: int


async def compare(
    connection: Connection,
    store: Store,
    comparison: Comparison,
    *,
    older_than: float,
    tell: Tell = lambda _: None,
) -> None:
    """Look at everything; nothing is changed.

    older_than: seconds; younger objects are left alone. Raises ``StoreError``, ``DatabaseError``,
    and ``NotAllowed`` for a login without the right.
    """
    await _require_right(connection)
    folder = comparison.folder
    objects = await sort_on_disk(_objects(store, comparison, tell), folder)
    rows = await sort_on_disk(_rows(connection, store, comparison, tell), folder)
    look = _Look(connection, store, comparison, datetime.now(UTC) - timedelta(seconds=older_than))
    for key, listed, stored in _side_by_side(objects, rows):
        await look.at(key, listed, stored)
    await look.close()


async def _require_right(connection: Connection) -> None:
    """Say it before a long listing, not after."""
    try:
        await fetch(connection, ListStored(after_key="", after_id=UUID(int=0), count=1))
    except DatabaseError as error:
        if error.sqlstate != _NO_RIGHT:
            raise
        raise NotAllowed(
            f"{connection.info.user} may not compare outputs with their files",
            hint=f"Use a worker's DATABASE_URL, or: "
            f"GRANT vsl_worker TO {quoted(connection.info.user)};",
        ) from None


async def mend(
    connection: Connection, store: Store, comparison: Comparison, *, tell: Tell = lambda _: None
) -> Mended:
    """Mark rows whose files are missing or damaged, and hand stray objects to removal.

    Nothing is removed here, and no row goes: a worker removes the objects, once the database has
    looked again whether a row refers to them. Raises ``NotAllowed`` when the store and the database
    do not seem to belong together.
    """
    if comparison.counts["stray"] and not comparison.matched:
        raise NotAllowed(
            "no row of this database refers to any object in this store, "
            "so none is taken for a stray one",
            hint="Check DATABASE_URL and VSL_STORAGE: they seem not to belong together.",
        )
    changed: Counter[str] = Counter()
    done = 0
    differences = comparison.differences()
    while batch := list(islice(differences, PAGE)):
        for kind in KINDS:
            some = [found for found in batch if found.kind == kind]
            if some:
                changed[kind] += await _mend_some(connection, store, kind, some)
        done += len(batch)
        tell(f"mending: {done:,}")
    swept = await store.sweep(DEAD)
    return Mended(
        marked=changed["missing"] + changed["damaged"],
        unmarked=changed["back"],
        doomed=changed["stray"],
        swept=swept,
    )


async def _mend_some(
    connection: Connection, store: Store, kind: Kind, some: Sequence[Difference]
) -> int:
    if kind == "stray":
        keys = [found.key for found in some]
        return await fetch_value(
            connection, DoomObjects(keys=keys, bucket=store.bucket, reason=REASON)
        )
    ids = [UUID(found.output_id) for found in some if found.output_id]
    state = "whole" if kind == "back" else kind
    return await fetch_value(connection, MarkOutputs(ids=ids, state=state))


async def _objects(store: Store, comparison: Comparison, tell: Tell) -> AsyncIterator[Item]:
    async for listed in store.survey(""):
        comparison.objects += 1
        comparison.size += listed.size
        if comparison.objects % PAGE == 0:
            tell(f"listing the store: {comparison.objects:,}")
        yield listed.key, listed.size, listed.modified.timestamp()


async def _rows(
    connection: Connection, store: Store, comparison: Comparison, tell: Tell
) -> AsyncIterator[Item]:
    after_key, after_id, read = "", UUID(int=0), 0
    while True:
        wanted = ListStored(after_key=after_key, after_id=after_id, count=PAGE)
        page = await fetch(connection, wanted)
        for row in page:
            if row.bucket == store.bucket:
                comparison.outputs += 1
                yield row.storage_key, str(row.id), row.file_size, row.is_marked
            else:
                comparison.elsewhere[row.bucket or ""] += 1
        if len(page) < PAGE:
            return
        after_key, after_id = page[-1].storage_key, page[-1].id
        read += len(page)
        tell(f"reading rows: {read:,}")


def _side_by_side(
    objects: Iterator[Item], rows: Iterator[Item]
) -> Iterator[tuple[str, Item | None, list[Item]]]:
    """Each key with its object, if there is one, and the rows that refer to it."""
    groups = ((key, list(group)) for key, group in groupby(rows, key=lambda row: str(row[0])))
    listed, stored = next(objects, None), next(groups, None)
    while listed is not None or stored is not None:
        if stored is None or (listed is not None and listed[0] < stored[0]):
            assert listed is not None  # noqa: S101 - as the loop says
            yield listed[0], listed, []
            listed = next(objects, None)
        elif listed is None or stored[0] < listed[0]:
            yield stored[0], None, stored[1]
            stored = next(groups, None)
        else:
            yield stored[0], listed, stored[1]
            listed, stored = next(objects, None), next(groups, None)


class _Look:
    """Takes what does not seem to agree, in batches, and looks at each once more."""

    def __init__(
        self, connection: Connection, store: Store, comparison: Comparison, oldest: datetime
    ) -> None:
        self._connection = connection
        self._store = store
        self._comparison = comparison
        self._oldest = oldest.timestamp()
        self._rows: list[UUID] = []
        self._strays: list[Item] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def at(self, key: str, listed: Item | None, stored: Sequence[Item]) -> None:
        """Look at what there is of a key."""
        if listed is not None and stored:
            self._comparison.matched += 1
        for _, row_id, recorded, is_marked in stored:
            if listed is None or is_marked or recorded not in (None, listed[1]):
                self._rows.append(UUID(row_id))
        if listed is not None and not stored:
            if not key.startswith(_FOLDERS):
                self._comparison.left_alone["foreign"] += 1
            elif listed[2] > self._oldest:
                self._comparison.left_alone["young"] += 1
            else:
                self._strays.append(listed)
        if len(self._rows) >= PAGE:
            await self._confirm_rows()
        if len(self._strays) >= PAGE:
            await self._confirm_strays()

    async def close(self) -> None:
        """Look at the rest."""
        await self._confirm_rows()
        await self._confirm_strays()

    async def _confirm_rows(self) -> None:
        ids, self._rows = self._rows, []
        if not ids:
            return
        named = await fetch(self._connection, NameOutputs(ids=ids))
        sizes = await asyncio.gather(*(self._size(output.storage_key) for output in named))
        pairs = zip(named, sizes, strict=True)
        for output, size in sorted(pairs, key=lambda pair: pair[0].storage_key):
            kind, since = _state(output, size)
            if kind is not None:
                self._comparison.add(
                    Difference(
                        kind=kind,
                        key=output.storage_key,
                        job_id=output.job_id,
                        ordinal=output.ordinal,
                        recorded=output.file_size,
                        found=size,
                        since=since,
                        output_id=str(output.id),
                    )
                )

    async def _size(self, key: str) -> int | None:
        async with self._gate:
            try:
                return await self._store.stat(key)
            except InvalidInput:
                return None  # A key that this store cannot hold, in a row of somebody else's code.

    async def _confirm_strays(self) -> None:
        strays, self._strays = self._strays, []
        if not strays:
            return
        keys = [key for key, *_ in strays]
        wanted = JudgeObjects(
            keys=keys, epochs=[key_epoch(key) for key in keys], bucket=self._store.bucket
        )
        judged = {one.storage_key: one for one in await fetch(self._connection, wanted)}
        for key, size, modified in strays:
            known = judged[key]
            if known.is_recorded:
                self._comparison.matched += 1
            elif known.is_doomed:
                self._comparison.left_alone["doomed"] += 1
            elif known.is_live:
                self._comparison.left_alone["live"] += 1
            elif known.is_unknown:
                self._comparison.left_alone["later"] += 1
            else:
                since = datetime.fromtimestamp(modified, UTC).isoformat()
                self._comparison.add(Difference("stray", key, found=size, since=since))


def _state(output: NamedOutput, size: int | None) -> tuple[Kind | None, str | None]:
    if size is None:
        return "missing", output.missing_since
    if output.file_size not in (None, size):
        return "damaged", output.damaged_since
    since = output.missing_since or output.damaged_since
    return ("back", since) if since is not None else (None, None)
