"""Draining a queue in batches, beside the same row writes as plain SQL.

A job is claimed, begun and finished through the functions, each its own transaction, and leaves its
attempt, one output, the settlement in the ledger and its usage row. The floor writes as many row
versions with statements over whole batches in one transaction: ``batches.run_floor``.

Then a queue is drained by one and by two connections at once, each in a process of its own; and
other queues, where their harness is given, drain as many jobs that do nothing on the same server.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from statistics import median

import psycopg

from benchmarks.batches import MODEL, Batch, run_floor, run_functions
from benchmarks.children import child
from benchmarks.chunks import compared_chunks, in_turn
from benchmarks.drain_client import WARM_UP
from benchmarks.peers import drain_rates
from benchmarks.place import Connection, Place, settle, text
from benchmarks.result import Mark, Result, quartiles

WANTED = Mark("ratio", "at least", 0.6)
#: Of the rate of the fastest peer.
WANTED_OF_PEERS = Mark("ratio", "at least", 1.0)
#: Size of a batch, and how many jobs a chunk has.
SIZES = {50: 2000, 1: 150, 10: 800, 200: 4000}
#: The jobs of a drain by several connections, and of the peers' drains.
JOBS = 20_000


async def measure(place: Place) -> list[Result]:
    """Jobs a second, by the size of the batch."""
    results = []
    for size, chunk in place.size(SIZES, {2: 4, 1: 2}).items():
        async with place.database("drain") as url:
            with psycopg.connect(url, autocommit=True) as connection:
                results.append(_compare(connection, size, chunk, place.size(10, 2)))
    return [*results, *await _beside_peers(place)]


def _compare(connection: Connection, size: int, chunk: int, rounds: int) -> Result:
    functions = partial(_in_batches, run_functions, size)
    floor = partial(_in_batches, run_floor, size)
    connection.execute(text("drain_floor_tables"))
    _fill(connection, chunk * (rounds + 1))
    connection.execute(text("drain_floor_fill"))
    settle(connection)
    # A chunk to warm up: plans, caches, the tables' first pages.
    in_turn(connection, functions, floor, count=chunk, rounds=1)
    settle(connection)
    figures, floors = in_turn(connection, functions, floor, count=chunk, rounds=rounds)
    return compared_chunks(
        f"drain, batches of {size}",
        "jobs/s",
        figures,
        floors,
        wanted=WANTED,
        notes={"jobs_a_chunk": chunk},
    )


def _in_batches(batch: Batch, size: int, connection: Connection, count: int) -> None:
    done = 0
    while done < count:
        ended = batch(connection, min(size, count - done))
        assert ended, "the queue ran dry"
        done += ended


def _fill(connection: Connection, count: int) -> None:
    connection.execute(
        text("add_model"), {"model": MODEL, "media_type": "image", "provider": "replicate"}
    )
    connection.execute(text("drain_fill"), {"model": MODEL, "count": count})
    settle(connection)


async def _beside_peers(place: Place) -> list[Result]:
    """Several connections at once, beside the peers with as many workers."""
    jobs = place.size(JOBS, 60)
    repeats = place.size(3, 1)
    found: dict[tuple[int, int], list[float]] = {}
    for _ in range(repeats):
        for size in place.size((50, 200), (5,)):
            for connections in (1, 2):
                async with place.database("drain") as url:
                    rate = _drain_at_once(url, connections, size, jobs)
                found.setdefault((connections, size), []).append(rate)
    peers = {} if place.peers is None else await drain_rates(place, jobs=JOBS)
    return [
        _result(connections, size, rates, peers)
        for (connections, size), rates in sorted(found.items())
    ]


def _drain_at_once(url: str, connections: int, size: int, jobs: int) -> float:
    """Jobs a second from the first claim to the last commit."""
    with psycopg.connect(url, autocommit=True) as connection:
        _fill(connection, jobs + WARM_UP * size * connections)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(child("benchmarks.drain_client", url, str(size)))
            for _ in range(connections)
        ]
        for client in clients:
            client.hear()
        for client in clients:
            client.tell("go")
        said = [client.hear() for client in clients]
    done = sum(int(each["jobs"]) for each in said)
    assert done == jobs, f"{done} of {jobs} jobs were drained"
    seconds: float = max(each["ended"] for each in said) - min(each["begun"] for each in said)
    return done / seconds


def _result(connections: int, size: int, rates: list[float], peers: dict[str, float]) -> Result:
    name = f"drain, {connections} connection{'s' * (connections > 1)}, batches of {size}"
    own = median(rates)
    beside = {peer: rate for peer, rate in peers.items() if peer.endswith(f" drain{connections}")}
    best = max(beside.values(), default=None)
    return Result(
        name=name if best is None else f"{name} (floor: the fastest peer)",
        figure=own,
        unit="jobs/s",
        spread=quartiles(rates),
        floor=best,
        ratio=None if best is None else own / best,
        wanted=None if best is None else WANTED_OF_PEERS,
        notes={"peers": beside or "not measured: give --peers"},
    )
