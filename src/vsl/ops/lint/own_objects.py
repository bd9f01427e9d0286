"""What VSL relies on, read from the files that make it, and the statements that would change it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vsl.db.files import manifest
from vsl.db.script import split
from vsl.ops.lint.check_locks import draft
from vsl.ops.lint.finding import Draft, shown
from vsl.ops.lint.reading import Name, Read, Words, columns_of, name_at, read_all


@dataclass(frozen=True, slots=True)
class OwnObjects:
    """Objects of VSL's in schema public.

    relations: tables and views. indexes: indexes and constraints. columns: table and column.
    """

    relations: frozenset[Name]
    indexes: frozenset[Name]
    columns: frozenset[tuple[Name, str]]


@cache
def own_objects() -> OwnObjects:
    """The objects that the files of the manifest make."""
    reads = [read for file in manifest() for read in read_all(split(file.text))]
    tables = [read for read in reads if read.kind == "CREATE TABLE"]
    relations = {read.names[0] for read in reads if read.kind in ("CREATE TABLE", "CREATE VIEW")}
    indexes = {(name[0], f"{name[1]}_pkey") for name in relations}
    columns = set()
    for read in reads:
        if read.kind == "CREATE INDEX":
            found, _ = name_at(read.words, read.words.index("INDEX") + 1)
            indexes |= {(read.names[0][0], found[1])} if found else set()
    for read in tables:
        for part in columns_of(read):
            indexes |= set(_constraints(read.names[0], part))
            column, _ = name_at(part, 0)
            columns |= {(read.names[0], column[1])} if column else set()
    return OwnObjects(frozenset(relations), frozenset(indexes), frozenset(columns))


def _constraints(table: Name, part: Words) -> Iterator[Name]:
    for at, word in enumerate(part):
        if word == "CONSTRAINT":
            found, _ = name_at(part, at + 1)
            if found:
                yield table[0], found[1]


def check_own(read: Read) -> Iterator[Draft]:
    """Whether a statement drops or changes what VSL relies on."""
    own = own_objects()
    for name in read.names:
        if _is_touched(own, read, name):
            yield _own(read, name)
        elif name in own.relations:
            changes = (_changed(own, name, action) for action in read.actions)
            yield from (_own(read, name, what) for what in changes if what)


def _is_touched(own: OwnObjects, read: Read, name: Name) -> bool:
    """Whether a statement drops or changes a whole object of ours."""
    if name[0] == "vsl" or (read.kind.endswith(" SCHEMA") and name[1] == "vsl"):
        return read.kind not in _HARMLESS
    if name in own.indexes:
        return read.kind in ("DROP INDEX", "ALTER INDEX")
    return name in own.relations and read.kind in ("DROP TABLE", "DROP VIEW", "ALTER VIEW")


def _own(read: Read, name: Name, what: str | None = None) -> Draft:
    return draft("vsl-own", read, name, breaks=f"changes what VSL relies on: {what or shown(name)}")


# Reading it, and indexes of one's own on it, change nothing that VSL relies on.
_HARMLESS = frozenset({"CREATE INDEX", "CREATE STATISTICS", "VACUUM", "REINDEX"})


def _changed(own: OwnObjects, table: Name, action: Words) -> str | None:
    """What an action of an ALTER TABLE on one of our tables changes that VSL relies on."""
    if action[:2] in (("RENAME", "TO"), ("SET", "SCHEMA")) or action[0] == "DISABLE":
        return f"{shown(table)} ({' '.join(action[:2])})"
    at = 2 if action[1:2] in (("COLUMN",), ("CONSTRAINT",)) else 1
    named, after = name_at(action, at)
    if named is None or action[0] not in ("DROP", "RENAME", "ALTER"):
        return None
    if action[1] == "CONSTRAINT":
        constraint = (table[0], named[1])
        return f"constraint {named[1]}" if constraint in own.indexes else None
    if action[0] == "ALTER" and "TYPE" not in action[after : after + 3]:
        return None
    return f"column {shown(table)}.{named[1]}" if (table, named[1]) in own.columns else None
