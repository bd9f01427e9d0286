"""Own rules about tables and rights that are hard to change later."""

from __future__ import annotations

from collections.abc import Iterator

from vsl.db.script.names import identifier, is_name
from vsl.ops.lint.check_locks import draft
from vsl.ops.lint.finding import Draft
from vsl.ops.lint.locks import partition_parent
from vsl.ops.lint.reading import (
    Name,
    Read,
    Script,
    Words,
    closing,
    columns_of,
    has,
    is_temporary,
    name_at,
)


def check_statement(read: Read) -> Iterator[Draft]:
    """Columns, keys and rights of one statement."""
    yield from _columns(read)
    yield from _routine(read)
    yield from _rights(read)
    if read.kind == "CREATE EXTENSION":
        yield draft("create-extension", read)
    if read.kind == "CREATE INDEX" and "CONCURRENTLY" in read.words[:4]:
        yield from _concurrent(read)


def _parts(read: Read) -> Iterator[Words]:
    """Columns and constraints that a statement makes, each beginning with its name or kind."""
    yield from columns_of(read)
    for action in read.actions:
        if action[0] == "ADD":
            yield action[2:] if action[1:2] == ("COLUMN",) else action[1:]


_NARROW = frozenset({"INT", "INTEGER", "INT4", "SMALLINT", "INT2", "SERIAL", "SERIAL4",
                     "SMALLSERIAL", "SERIAL2"})  # fmt: skip


def _columns(read: Read) -> Iterator[Draft]:
    parts = [_plain(part) for part in _parts(read)]
    types = {part[0]: part[1] for part in parts if len(part) > 1 and is_name(part[0])}
    keys = {key for part in parts for key in _key_columns(part)}
    for part in parts:
        if part[1:2] == ("JSON",):
            yield draft("json-column", read, *read.names)
        if part[0] in keys and types[part[0]] in _NARROW:
            yield draft("narrow-key", read, *read.names)


def _plain(part: Words) -> Words:
    """A column without IF NOT EXISTS before its name."""
    return part[3:] if part[:3] == ("IF", "NOT", "EXISTS") else part


def _key_columns(part: Words) -> Iterator[str]:
    """The single column of a primary key; one of several may well be narrow."""
    for at in range(len(part) - 1):
        if part[at : at + 2] == ("PRIMARY", "KEY"):
            if part[at + 2 : at + 3] != ("(",):
                yield part[0]
            elif closing(part, at + 2) == at + 4:
                yield part[at + 3]


def check_keys(script: Script) -> Iterator[Draft]:
    """Tables that the script makes without a primary key, and foreign keys without an index."""
    led = {found for read in script.reads for found in _leading(read)}
    keyed = {
        name for read in script.reads for part in _parts(read) if _has_key(part)
        for name in read.names
    }  # fmt: skip
    for read in script.reads:
        if _is_plain_table(read) and read.names[0] not in keyed:
            yield draft("no-primary-key", read, *read.names)
        for column in _foreign(read):
            if (read.names[0], column) not in led:
                yield draft("foreign-key-without-index", read, *read.names)


def _has_key(part: Words) -> bool:
    return has(part, "PRIMARY", "KEY")


def _is_plain_table(read: Read) -> bool:
    """Whether it makes a table from a list of columns, to stay."""
    if read.kind != "CREATE TABLE" or is_temporary(read) or partition_parent(read):
        return False
    copies = any(part[:1] == ("LIKE",) for part in columns_of(read)) or "INHERITS" in read.rest
    return bool(columns_of(read)) and not copies


def _leading(read: Read) -> Iterator[tuple[Name, str]]:
    """Table and first column of each index that a statement makes."""
    if read.kind == "CREATE INDEX" and read.names:
        at = read.rest.index("(") if "(" in read.rest else len(read.rest)
        yield from ((read.names[0], word) for word in read.rest[at + 1 : at + 2])
    for part in _parts(read):
        part = _plain(part)
        for at, word in enumerate(part):
            if word == "UNIQUE" or part[at : at + 2] == ("PRIMARY", "KEY"):
                after = at + (1 if word == "UNIQUE" else 2)
                listed = part[after : after + 1] == ("(",)
                yield read.names[0], part[after + 1] if listed else part[0]


def _foreign(read: Read) -> Iterator[str]:
    """The first column of each foreign key that a statement makes."""
    for part in _parts(read):
        part = _plain(part)
        if "REFERENCES" in part and read.names:
            listed = has(part, "FOREIGN", "KEY", "(")
            yield part[part.index("KEY") + 2] if listed else part[0]


def _routine(read: Read) -> Iterator[Draft]:
    definer = read.kind in _ROUTINES and has(read.words, "SECURITY", "DEFINER")
    if definer and not has(read.words, "SET", "SEARCH_PATH"):
        yield draft("definer-search-path", read, *read.names)


_ROUTINES = ("CREATE FUNCTION", "CREATE PROCEDURE")


def _rights(read: Read) -> Iterator[Draft]:
    words = read.words
    if "GRANT" in (words[0], *words[1:]) and words[0] in ("GRANT", "ALTER"):
        granted = words[words.index("GRANT") :]
        if has(granted, "TO", "PUBLIC"):
            yield draft("grant-to-public", read)
        if granted[1:2] == ("ALL",):
            yield draft("grant-all", read)
    if read.kind in _WITH_PASSWORDS and any(_is_password(words, at) for at in range(len(words))):
        yield draft("password-literal", read)


_WITH_PASSWORDS = frozenset(
    f"{verb} {kind}"
    for verb in ("CREATE", "ALTER")
    for kind in ("ROLE", "USER", "GROUP", "SUBSCRIPTION")
)


def _is_password(words: Words, at: int) -> bool:
    word = words[at]
    if word.lower() == "password":
        return "'" in "".join(words[at + 1 : at + 2])
    return word[-1] == "'" and "password=" in word.replace(" ", "").lower()


def _concurrent(read: Read) -> Iterator[Draft]:
    if has(read.words, "IF", "NOT", "EXISTS"):
        yield draft("hidden-invalid-index", read)
    elif name_at(read.words, read.words.index("CONCURRENTLY"))[0] is None or (
        has(read.words, "CONCURRENTLY", "ON")
    ):
        yield draft("unnamed-concurrent-index", read)


def check_row_security(script: Script) -> Iterator[Draft]:
    """Policies without row security, and the other way round, on tables that the script makes."""
    policies: dict[Name, Read] = {}
    enabled: dict[Name, Read] = {}
    for read in script.reads:
        for name in read.names:
            if not read.is_new(name):
                continue
            if read.kind == "CREATE POLICY":
                policies.setdefault(name, read)
            if any(action[:4] == _ENABLE for action in read.actions):
                enabled.setdefault(name, read)
    for name, read in {**policies, **enabled}.items():
        if (name in policies) != (name in enabled):
            yield draft("row-security-half", read, name)


_ENABLE = ("ENABLE", "ROW", "LEVEL", "SECURITY")


def column_of(action: Words) -> str | None:
    """The column that an ALTER COLUMN is about."""
    at = 2 if action[1:2] == ("COLUMN",) else 1
    return identifier(action[at]) if action[:1] == ("ALTER",) and action[at:] else None
