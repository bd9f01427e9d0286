"""Own rules about what loses data or breaks programs that run."""

from __future__ import annotations

from collections.abc import Iterator

from vsl.ops.lint.check_locks import draft
from vsl.ops.lint.finding import Draft
from vsl.ops.lint.reading import Read, Script, Words, closing, has, name_at


def check_statement(read: Read) -> Iterator[Draft]:
    """What one statement destroys."""
    yield from _unbounded(read)
    if read.kind == "TRUNCATE" and read.existing:
        yield draft("truncate", read)
    dropped = read.kind.startswith("DROP ") and read.existing
    if dropped and read.rest[-1:] == ("CASCADE",):
        yield draft("drop-cascade", read)
    for action in read.actions:
        if action[0] == "DROP" and action[-1] == "CASCADE" and read.existing:
            yield draft("drop-cascade", read)


def _unbounded(read: Read) -> Iterator[Draft]:
    """UPDATE and DELETE of every row, alone or within WITH."""
    if read.words[0] not in ("UPDATE", "DELETE", "WITH"):
        return
    words = read.words
    for at, word in enumerate(words):
        begins = at == 0 or words[at - 1] in ("(", ")")
        if not begins or word not in ("UPDATE", "DELETE"):
            continue
        table, after = name_at(words, at + (2 if word == "DELETE" else 1))
        if table and not read.is_new(table) and not _bounded(words, after):
            yield draft(f"{word.lower()}-without-where", read, table)


def _bounded(words: Words, at: int) -> bool:
    """Whether a WHERE follows before the statement, or its parenthesis, ends."""
    while at < len(words) and words[at] != ")":
        if words[at] == "WHERE":
            return True
        at = closing(words, at) + 1 if words[at] == "(" else at + 1
    return False


def check_enum_values(script: Script) -> Iterator[Draft]:
    """A value that a later statement of the same transaction uses."""
    if script.mode != "transaction":
        return
    added: list[str] = []
    for read in script.reads:
        used = [value for value in added if value in read.words]
        if used and read.kind != "COMMENT TYPE":
            yield draft("new-enum-value", read, breaks=_enum_text(used[0]))
        if read.kind == "ALTER TYPE" and read.existing and has(read.words, "ADD", "VALUE"):
            at = read.words.index("VALUE") + 1
            at += 3 if read.words[at : at + 3] == ("IF", "NOT", "EXISTS") else 0
            # A place beside another value that is new here is no use of it.
            added += read.words[at : at + 1]


def _enum_text(value: str) -> str:
    return f"uses {value}, an enum value added in the same transaction: the server refuses (55P04)"
