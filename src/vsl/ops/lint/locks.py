"""The locks of a statement that keep others from reading or writing.

As measured for ``pg_locks`` and described in PostgreSQL's documentation, "Explicit Locking".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vsl.ops.lint.reading import Name, Read, Words, has, name_at, top_level

EXCLUSIVE = "ACCESS EXCLUSIVE"  # nobody reads or writes
NO_WRITES = "SHARE ROW EXCLUSIVE"  # nobody writes
SHARE = "SHARE"  # nobody writes


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on a table."""

    table: Name
    mode: str


def hard_locks(read: Read) -> list[Lock]:
    """The locks on tables that the script did not make, which keep others from writing or more."""
    return [lock for lock in _locks(read) if not read.is_new(lock.table)]


def _locks(read: Read) -> Iterator[Lock]:
    if read.actions:
        yield from _of_alter(read)
    elif read.kind == "CREATE TABLE":
        yield from _of_create(read)
    elif read.kind in _MODES and not _harmless(read):
        # A DROP INDEX names no table.
        yield from (Lock(name, _MODES[read.kind]) for name in read.names)


_MODES = {
    "CREATE INDEX": SHARE,
    "CREATE TRIGGER": NO_WRITES,
    "CREATE POLICY": EXCLUSIVE,
    "ALTER POLICY": EXCLUSIVE,
    "DROP POLICY": EXCLUSIVE,
    "ALTER TRIGGER": EXCLUSIVE,
    "DROP TRIGGER": EXCLUSIVE,
    "CREATE RULE": EXCLUSIVE,
    "DROP RULE": EXCLUSIVE,
    "DROP TABLE": EXCLUSIVE,
    "TRUNCATE": EXCLUSIVE,
    "LOCK": EXCLUSIVE,
    "CLUSTER": EXCLUSIVE,
    "VACUUM": EXCLUSIVE,
    "REINDEX": SHARE,
    "REFRESH MATERIALIZED VIEW": EXCLUSIVE,
}


def _harmless(read: Read) -> bool:
    words = read.words
    if read.kind == "VACUUM":
        return not is_full(read)
    if read.kind == "LOCK":
        return any(has(words, *mode, "MODE") for mode in _SOFT_MODES)
    return "CONCURRENTLY" in words[: len(words) - len(read.rest)]


_SOFT_MODES = (("IN", "ACCESS", "SHARE"), ("ROW", "SHARE"), ("IN", "ROW", "EXCLUSIVE"))


def is_full(read: Read) -> bool:
    """Whether a VACUUM rewrites the table."""
    words = read.words
    return read.kind == "VACUUM" and (words[1:2] == ("FULL",) or _full_option(words))


def _full_option(words: Words) -> bool:
    for at in range(1, len(words) - 1):
        if words[at] == "FULL" and words[at - 1] in ("(", ","):
            return words[at + 1].upper() not in ("OFF", "FALSE", "0")
    return False


def _of_alter(read: Read) -> Iterator[Lock]:
    for action in read.actions:
        mode = _of_action(action)
        if mode is not None:
            yield from (Lock(name, mode) for name in read.names)
        yield from (Lock(name, NO_WRITES) for name in referenced(action))
        if action[:2] in (("ATTACH", "PARTITION"), ("DETACH", "PARTITION")):
            partition, _ = name_at(action, 2)
            if partition and "CONCURRENTLY" not in action:
                yield Lock(partition, EXCLUSIVE)


# Actions under SHARE UPDATE EXCLUSIVE, which stops neither reads nor writes.
_SOFT_ACTIONS = (
    ("VALIDATE", "CONSTRAINT"),
    ("ATTACH", "PARTITION"),
    ("CLUSTER", "ON"),
    ("SET", "WITHOUT", "CLUSTER"),
    ("SET", "("),
    ("RESET", "("),
)


def _of_action(action: Words) -> str | None:
    if any(action[: len(soft)] == soft for soft in _SOFT_ACTIONS):
        return None
    if action[:1] == ("ALTER",) and has(action, "SET", "STATISTICS"):
        return None
    if action[:2] == ("DETACH", "PARTITION") and action[-1] == "CONCURRENTLY":
        return None
    if action[1:2] == ("TRIGGER",) and action[0] in ("ENABLE", "DISABLE"):
        return NO_WRITES
    if action[:1] == ("ADD",) and action[1:2] != ("COLUMN",) and has(action, "FOREIGN", "KEY"):
        return NO_WRITES
    return EXCLUSIVE


def referenced(words: Words) -> list[Name]:
    """The tables that foreign keys among some words refer to."""
    found = (name_at(words, at + 1)[0] for at, word in enumerate(words) if word == "REFERENCES")
    return [name for name in found if name]


def _of_create(read: Read) -> Iterator[Lock]:
    own = set(read.names)
    for name in referenced(read.rest):
        if name not in own:
            yield Lock(name, NO_WRITES)
    parent = partition_parent(read)
    if parent:
        yield Lock(parent, EXCLUSIVE)


def partition_parent(read: Read) -> Name | None:
    """The table that a CREATE TABLE makes a partition of."""
    if read.kind != "CREATE TABLE" or read.rest[:2] != ("PARTITION", "OF"):
        return None
    return name_at(read.rest, 2)[0]


def data_work(read: Read) -> Name | None:
    """The existing table that a statement may write many rows of; None for VALUES and new ones."""
    if read.kind not in ("UPDATE", "DELETE", "MERGE", "INSERT") or not read.existing:
        return None
    if read.kind == "INSERT":
        copies = {"SELECT", "TABLE"} & {word for _, word in top_level(read.rest)}
        if not copies or "VALUES" in read.rest[:1]:
            return None
    return read.existing[0]
