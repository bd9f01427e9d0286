"""The longest lock that a migration of ours takes, while jobs are submitted and worked on.

An installation of the first version, with a long history, is brought to this one. A third session
looks every millisecond which locks the migration holds that stop somebody's work. Beside it: the
longest call of the load, with the migration and without.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from benchmarks.batches import MODEL, run_functions
from benchmarks.place import Connection, text
from benchmarks.result import Mark, Result
from vsl.db.migrate import migrate

WANTED = Mark("figure", "at most", 200.0)
#: A lock by its table and mode.
Lock = tuple[str, str]


async def measure(url: str, seconds: float) -> Result:
    """Milliseconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        values = {"model": MODEL, "media_type": "image", "provider": "replicate"}
        connection.execute(text("add_model"), values)
        alone = await asyncio.to_thread(_longest_call_for, url, seconds)
        connection.execute(text("back_to_first"))
    with _load(url) as longest, _watch(url) as locks:
        before = await migrate(url)
    held = max(locks().values(), default=0.0)
    return Result(
        name="longest lock of a migration (floor: longest call without one)",
        figure=held,
        unit="ms",
        floor=alone,
        ratio=held / alone,
        wanted=WANTED,
        notes={
            "migrations": len(before.pending),
            "longest_call_meanwhile_ms": round(longest(), 1),
            "on": ", ".join(sorted({table for table, _ in locks()})),
        },
    )


def _longest_call_for(url: str, seconds: float) -> float:
    with _load(url) as longest:
        time.sleep(seconds)
    return longest()


@contextmanager
def _load(url: str) -> Iterator[Callable[[], float]]:
    """Submit and finish jobs meanwhile; afterwards, the longest call in milliseconds."""
    longest = 0.0

    def work(connection: Connection) -> None:
        nonlocal longest
        begun = time.perf_counter()
        connection.execute(text("drain_fill"), {"model": MODEL, "count": 5})
        # This version's functions are there throughout; what they read may not be yet.
        with suppress(psycopg.errors.UndefinedColumn):
            run_functions(connection, 5)
        longest = max(longest, (time.perf_counter() - begun) * 1000)

    with _repeated(url, work):
        yield lambda: longest


@contextmanager
def _watch(url: str) -> Iterator[Callable[[], dict[Lock, float]]]:
    """Watch the migration's locks; afterwards, for how many milliseconds each was held at most."""
    since: dict[Lock, float] = {}
    most: dict[Lock, float] = {}

    def look(connection: Connection) -> None:
        rows = connection.execute(text("held_locks")).fetchall()
        now = time.perf_counter()
        held = {(table, mode) for table, mode in rows}
        for lock in held:
            begun = since.setdefault(lock, now)
            most[lock] = max(most.get(lock, 0.0), (now - begun) * 1000)
        for lock in since.keys() - held:
            # It went between two looks: until now at the latest.
            most[lock] = max(most.get(lock, 0.0), (now - since.pop(lock)) * 1000)
        time.sleep(0.001)

    with _repeated(url, look):
        yield lambda: most


@contextmanager
def _repeated(url: str, step: Callable[[Connection], None]) -> Iterator[None]:
    """Do something again and again in a session and a thread of its own."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                while not stop.is_set():
                    step(connection)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]
