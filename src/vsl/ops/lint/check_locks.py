"""Own rules about what blocks: rewrites, scans, locks held together or for long."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vsl.ops.lint.finding import Draft
from vsl.ops.lint.locks import data_work, hard_locks, is_full, partition_parent
from vsl.ops.lint.own_rules import OWN
from vsl.ops.lint.reading import Name, Read, Script, Words, has


def draft(rule: str, read: Read, *tables: Name, breaks: str | None = None) -> Draft:
    """A finding of a rule of ours at a statement."""
    return Draft(OWN[rule], read.line, read.line, tables or read.existing, breaks)


def check_statement(read: Read) -> Iterator[Draft]:
    """What one statement blocks. A table that the script made itself is no matter."""
    if read.actions:
        yield from _alter(read)
        return
    parent = partition_parent(read)
    if parent and not read.is_new(parent):
        yield draft("partition-of", read, parent)
    if not read.existing:
        return
    if is_full(read):
        yield draft("vacuum-full", read)
    elif read.kind == "CLUSTER":
        yield draft("cluster", read)
    elif read.kind == "LOCK" and hard_locks(read):
        yield draft("lock-table", read)
    elif read.kind == "CREATE TRIGGER":
        yield draft("create-trigger", read)
    elif read.kind in ("CREATE POLICY", "ALTER POLICY", "DROP POLICY"):
        yield draft("row-security", read)
    elif read.kind == "REFRESH MATERIALIZED VIEW" and _blocks_readers(read):
        yield draft("refresh-view", read)


def check_vacuum_of_all(read: Read) -> Iterator[Draft]:
    """VACUUM FULL and CLUSTER without a table take all of them, one after the other."""
    if not read.names and (is_full(read) or read.kind == "CLUSTER"):
        rule = "cluster" if read.kind == "CLUSTER" else "vacuum-full"
        yield Draft(OWN[rule], read.line, read.line, breaks=_EVERY)


_EVERY = "copies every table, one after the other, while nobody can read or write it"


def _blocks_readers(read: Read) -> bool:
    return "CONCURRENTLY" not in read.words and not has(read.words, "NO", "DATA")


def _alter(read: Read) -> Iterator[Draft]:
    if not read.existing:
        return
    for action in read.actions:
        rule = _rule_of_action(action)
        if rule is not None:
            yield draft(rule, read)


def _rule_of_action(action: Words) -> str | None:
    first = action[0]
    if first == "SET" and action[1:2] in (("LOGGED",), ("UNLOGGED",)):
        return "set-logged"
    if action[:2] == ("SET", "TABLESPACE"):
        return "set-tablespace"
    if first == "DISABLE" and action[1:2] == ("TRIGGER",):
        return "disable-trigger"
    if has(action, "ROW", "LEVEL", "SECURITY"):
        return "row-security"
    if action[:2] == ("ATTACH", "PARTITION"):
        return "attach-partition"
    if first == "ADD" and _adds_column(action):
        return _rule_of_column(action)
    return "add-exclude" if first == "ADD" and "EXCLUDE" in action[1:4] else None


_CONSTRAINTS = frozenset({"CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE"})
_NOT_NULL = ("NOT", "NULL")


def _adds_column(action: Words) -> bool:
    # ADD NOT NULL column is a constraint since 18.
    return action[1:2] == ("COLUMN",) or (
        action[1] not in _CONSTRAINTS and action[1:3] != _NOT_NULL if len(action) > 1 else False
    )


_SERIALS = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8", "SERIAL2"})


def _rule_of_column(action: Words) -> str | None:
    if _SERIALS & set(action):
        return "add-serial-column"
    return "add-column-constraint" if "CHECK" in action else None


def check_transaction(script: Script) -> Iterator[Draft]:
    """What statements do to each other in one transaction."""
    if script.mode != "transaction":
        return
    yield from _validated_at_once(script)
    yield from _many_locks(script)
    yield from _data_beside_ddl(script)


def _validated_at_once(script: Script) -> Iterator[Draft]:
    added: set[tuple[Name, str]] = set()
    for read in script.reads:
        for action in read.actions:
            for table in read.existing:
                if action[:2] == ("ADD", "CONSTRAINT") and has(action, "NOT", "VALID"):
                    added.add((table, action[2]))
                if action[:2] == ("VALIDATE", "CONSTRAINT") and (table, action[2]) in added:
                    yield draft("validate-with-not-valid", read, table)


def _many_locks(script: Script) -> Iterator[Draft]:
    """At the first statement that locks a second table; the tables are told apart once."""
    held: dict[Name, Read] = {}
    for read in script.reads:
        for lock in hard_locks(read):
            if lock.table in held:
                continue
            if held:
                yield draft("many-locks", read, lock.table, *held)
            held[lock.table] = read


def _data_beside_ddl(script: Script) -> Iterator[Draft]:
    locked: list[Name] = []
    for read in script.reads:
        table = data_work(read)
        if table is not None and locked and not read.is_new(table):
            yield draft("data-beside-ddl", read, table)
        locked += [lock.table for lock in hard_locks(read)]


_UNITS = {"": 1, "us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 10_000  # ms: what strong_migrations refuses to go beyond
_DURATION = re.compile(r"'?\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*'?")


def check_lock_timeout(script: Script) -> Iterator[Draft]:
    """Whether a short lock_timeout is in force before the first lock that others feel."""
    limited = False
    for read in script.reads:
        setting = _lock_timeout(read.words)
        if setting is not None:
            limited = True
            if not 0 < setting <= _LONGEST:
                yield draft("long-lock-timeout", read)
        locks = hard_locks(read)
        if locks and not limited:
            yield draft("no-lock-timeout", read, *(lock.table for lock in locks))
            return


def _lock_timeout(words: Words) -> float | None:
    """Milliseconds that a SET gives; 0 for no limit; None when it is about something else."""
    if words[0] != "SET" or "LOCK_TIMEOUT" not in words[1:3]:
        return None
    found = _DURATION.fullmatch("".join(words[words.index("LOCK_TIMEOUT") + 2 :]).lower())
    if found is None or found[2] not in _UNITS:
        return 0
    return float(found[1]) * _UNITS[found[2]]
