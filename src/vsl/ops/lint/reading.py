"""What a statement is about: its kind, the relations that it names, the actions of an ALTER TABLE.

Enough of the grammar to judge a migration, and no more: what is not recognised has no names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vsl.db.script import Mode, Statement
from vsl.db.script.names import qualified

#: Schema and name. A name without a schema is one of ``public``, as the runner has it.
Name = tuple[str, str]
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A statement with what it is about.

    kind: its command, such as ``CREATE INDEX`` or ``UPDATE``. names: the tables (or for DROP,
    whatever it drops) that it is about, the main one first. actions: of an ALTER TABLE, the words
    of each. rest: the words after the names. made: what the script made before it.
    """

    statement: Statement
    kind: str
    names: tuple[Name, ...]
    actions: tuple[Words, ...]
    rest: Words
    made: frozenset[Name]

    @property
    def words(self) -> Words:
        """The statement's tokens."""
        return self.statement.words

    @property
    def line(self) -> int:
        """The line that it begins on."""
        return self.statement.line

    @property
    def existing(self) -> tuple[Name, ...]:
        """The names that the script did not make itself."""
        return tuple(name for name in self.names if not self.is_new(name))

    def is_new(self, name: Name) -> bool:
        """Whether the script made a relation, or the schema that it is in, before."""
        return name in self.made or (name[0], "") in self.made


@dataclass(frozen=True, slots=True)
class Script:
    """A file: its statements in order. mode: None when it cannot be told. own: VSL's own file."""

    reads: tuple[Read, ...]
    mode: Mode | None
    own: bool = False


def read_all(statements: Sequence[Statement]) -> tuple[Read, ...]:
    """All statements of a script, each knowing what those before it made."""
    reads: list[Read] = []
    made: set[Name] = set()
    for statement in statements:
        read = _read(statement, frozenset(made))
        reads.append(read)
        made |= _makes(read)
    return tuple(reads)


def _read(statement: Statement, made: frozenset[Name]) -> Read:
    words = statement.words
    kind, at = _kind(words)
    find = _NAMES.get(kind) or (_listed if kind.startswith("DROP ") else None)
    names, rest = find(words, at) if find else ((), words[at:])
    actions = tuple(_actions(rest)) if kind in ("ALTER TABLE", "ALTER FOREIGN TABLE") else ()
    return Read(statement, kind, names, actions, rest, made)


def _makes(read: Read) -> set[Name]:
    if read.kind == "CREATE SCHEMA":
        return {(name, "") for _, name in read.names}
    if read.kind == "CREATE INDEX":
        return set(_index_name(read))
    return set(read.names[:1]) if read.kind in _MAKING else set()


def _index_name(read: Read) -> Iterator[Name]:
    at = read.words.index("INDEX") + 1
    at = _past(read.words, at, ("CONCURRENTLY",), ("IF", "NOT", "EXISTS"))
    found = qualified(read.words, at)
    if found and read.words[at] != "ON" and read.names:
        yield read.names[0][0], found[1]


_MAKING = frozenset(
    f"CREATE {kind}"
    for kind in ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW", "TYPE", "DOMAIN",
                 "SEQUENCE", "FUNCTION", "PROCEDURE")
)  # fmt: skip

_MODIFIERS = frozenset(
    {"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "CONSTRAINT",
     "RECURSIVE", "TRUSTED"}
)  # fmt: skip
_PAIRS = frozenset({("MATERIALIZED", "VIEW"), ("FOREIGN", "TABLE"), ("EVENT", "TRIGGER")})
_WITH_OBJECT = frozenset({"CREATE", "ALTER", "DROP", "REFRESH", "COMMENT"})


def _kind(words: Words) -> tuple[str, int]:
    """The command, and the place after it."""
    verb = words[0]
    if verb not in _WITH_OBJECT:
        return verb, 1
    at = 2 if verb == "COMMENT" else 1
    while verb == "CREATE" and words[at : at + 1] and words[at] in _MODIFIERS:
        at += 1
    taken = 2 if words[at : at + 2] in _PAIRS else 1
    return " ".join((verb, *words[at : at + taken])), at + taken


def is_temporary(read: Read) -> bool:
    """Whether it makes a temporary table."""
    return bool({"TEMP", "TEMPORARY"} & set(read.words[1:4]))


def _past(words: Words, at: int, *optional: Words) -> int:
    """The place after the optional words that stand there, in any order."""
    moved = True
    while moved:
        moved = False
        for some in optional:
            if words[at : at + len(some)] == some:
                at += len(some)
                moved = True
    return at


_IF = (("IF", "EXISTS"), ("IF", "NOT", "EXISTS"), ("CONCURRENTLY",), ("ONLY",))

_Found = tuple[tuple[Name, ...], Words]


def name_at(words: Words, at: int) -> tuple[Name | None, int]:
    """The name that stands at a place, ONLY and IF EXISTS before it left out; the place after."""
    at = _past(words, at, *_IF)
    found = qualified(words, at)
    if found is None:
        return None, at
    return (found[0] or "public", found[1]), at + (3 if found[0] is not None else 1)


def _single(words: Words, at: int) -> _Found:
    name, at = name_at(words, at)
    return ((name,) if name else ()), words[at:]


def _listed(words: Words, at: int) -> _Found:
    """Names with commas between them; arguments of functions are passed over."""
    names: list[Name] = []
    while True:
        name, at = name_at(words, at)
        if name is None:
            return tuple(names), words[at:]
        names.append(name)
        at = _past(words, at, ("*",))
        if words[at : at + 1] == ("(",):
            at = closing(words, at) + 1
        if words[at : at + 1] != (",",):
            return tuple(names), words[at:]
        at += 1


def closing(words: Words, at: int) -> int:
    """The place of the parenthesis that closes the one at a place."""
    depth = 0
    for place in range(at, len(words)):
        depth += (words[place] == "(") - (words[place] == ")")
        if depth == 0:
            return place
    return len(words)


def top_level(words: Words) -> Iterator[tuple[int, str]]:
    """The words outside of parentheses, with their places."""
    depth = 0
    for place, word in enumerate(words):
        depth -= word == ")"
        if depth == 0 and word not in ("(", ")"):
            yield place, word
        depth += word == "("


def _after(marker: str) -> Callable[[Words, int], _Found]:
    def find(words: Words, at: int) -> _Found:
        for place, word in top_level(words[at:]):
            if word == marker:
                return _single(words, at + place + 1)
        return (), words[at:]

    return find


def _optional(*optional: Words) -> Callable[[Words, int], _Found]:
    """Names after words that may be missing, and parentheses of options."""

    def find(words: Words, at: int) -> _Found:
        if words[at : at + 1] == ("(",):
            at = closing(words, at) + 1
        return _listed(words, _past(words, at, *optional))

    return find


def _cluster(words: Words, at: int) -> _Found:
    names, rest = _optional(("VERBOSE",))(words, at)
    # The old form: CLUSTER index ON table.
    return _single(rest, 1) if rest[:1] == ("ON",) else (names, rest)


def _with_reindex(words: Words, at: int) -> _Found:
    if words[at : at + 1] == ("(",):
        at = closing(words, at) + 1
    return _single(words, at + 1) if words[at : at + 1] in (("TABLE",), ("INDEX",)) else ((), ())


_NAMES: Mapping[str, Callable[[Words, int], _Found]] = {
    **{f"ALTER {kind}": _single for kind in ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW",
                                             "INDEX", "SEQUENCE", "TYPE", "DOMAIN", "FUNCTION",
                                             "PROCEDURE", "SCHEMA")},
    **{f"CREATE {kind}": _single for kind in ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW",
                                              "SEQUENCE", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE",
                                              "SCHEMA")},
    "CREATE INDEX": _after("ON"),
    "CREATE TRIGGER": _after("ON"),
    "CREATE POLICY": _after("ON"),
    "CREATE RULE": _after("TO"),
    "CREATE STATISTICS": _after("FROM"),
    "ALTER POLICY": _after("ON"),
    "ALTER TRIGGER": _after("ON"),
    "DROP TRIGGER": _after("ON"),
    "DROP POLICY": _after("ON"),
    "DROP RULE": _after("ON"),
    "TRUNCATE": _optional(("TABLE",)),
    "LOCK": _optional(("TABLE",)),
    "VACUUM": _optional(("FULL",), ("FREEZE",), ("VERBOSE",), ("ANALYZE",)),
    "CLUSTER": _cluster,
    "REINDEX": _with_reindex,
    "REFRESH MATERIALIZED VIEW": _single,
    "UPDATE": _single,
    "DELETE": lambda words, at: _single(words, at + 1),
    "INSERT": lambda words, at: _single(words, at + 1),
    "MERGE": lambda words, at: _single(words, at + 1),
}  # fmt: skip


def _actions(words: Words) -> Iterator[Words]:
    """The actions of an ALTER TABLE, between commas outside of parentheses."""
    words = words[_past(words, 0, ("*",)) :]
    begin = 0
    for place, word in top_level(words):
        if word == ",":
            yield words[begin:place]
            begin = place + 1
    if words[begin:]:
        yield words[begin:]


def columns_of(read: Read) -> tuple[Words, ...]:
    """The columns and constraints of a CREATE TABLE, each as its words."""
    if read.kind != "CREATE TABLE" or read.rest[:1] != ("(",):
        return ()
    return tuple(_actions(read.rest[1 : closing(read.rest, 0)]))


def has(words: Words, *some: str) -> bool:
    """Whether some words stand one after the other."""
    return any(words[at : at + len(some)] == some for at in range(len(words)))
