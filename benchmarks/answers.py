"""What the seed asks of a database, on a long history.

Answers about one user, with at most ten rows, beside one row by its key; aggregates beside a bare
count of the same rows, by the same way to them: the count looks at each row, as the aggregate must.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import psycopg

from benchmarks.place import Connection, text
from benchmarks.result import Mark, Result, compared

QUICK = Mark("figure", "at most", 25.0)
NEAR = Mark("ratio", "at most", 1.5)
HEAVY = "bench-user-heavy"


def measure(url: str, rounds: int) -> list[Result]:
    """Milliseconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        # Compiling would be measured with some and not with others.
        connection.execute(b"SET jit = off")
        # A prepared plan would outlive the switch that the floor of the aggregates needs.
        connection.prepare_threshold = None
        return [
            *(
                _of_user(connection, name, user, rounds)
                for name in ("recent_jobs", "recent_outputs")
                for user in ("bench-user-17", HEAVY)
            ),
            _of_user(connection, "user_statistics", "bench-user-17", rounds),
            _aggregate(connection, "user_statistics", "count_of_user", rounds),
            _aggregate(connection, "by_model", "count_completed", max(3, rounds // 4)),
        ]


def _of_user(connection: Connection, name: str, user: str, rounds: int) -> Result:
    figures, floors = _in_turn(
        lambda: _ask(connection, name, user), lambda: _ask(connection, "one_job", user), rounds
    )
    who = "the heaviest user" if user == HEAVY else "an ordinary user"
    said = f"{name.replace('_', ' ')} of {who} (floor: one row by its key)"
    return compared(said, "ms", figures, floors, wanted=QUICK)


def _aggregate(connection: Connection, name: str, floor: str, rounds: int) -> Result:
    bare = [_ask(connection, floor, HEAVY) for _ in range(rounds)]
    connection.execute(text("visit_rows"))
    figures, floors = _in_turn(
        lambda: _ask(connection, name, HEAVY), lambda: _ask(connection, floor, HEAVY), rounds
    )
    connection.execute(text("only_index"))
    said = f"{name.replace('_', ' ')} (floor: count of the same rows)"
    # A count alone need not look at the rows where an index holds all that it asks.
    notes = {"count_by_an_index_alone_if_possible_ms": round(median(bare), 2)}
    return compared(said, "ms", figures, floors, wanted=NEAR, notes=notes)


def _in_turn(
    figure: Callable[[], float], floor: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    figure(), floor()
    pairs = [(figure(), floor()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _ask(connection: Connection, name: str, user: str) -> float:
    """Milliseconds until all rows are there."""
    begun = time.perf_counter()
    found = connection.execute(text(f"answers/{name}"), {"user": user, "job": "bench-1-1000"})
    assert found.fetchall()
    return (time.perf_counter() - begun) * 1000
