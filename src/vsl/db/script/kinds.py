"""Which statements run inside a transaction, and so how a file of them is to be run.

What PostgreSQL refuses inside a transaction is decided by its own calls of
``PreventInTransactionBlock``; ``tests/script`` shows on real servers that each is recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from vsl.db.script.lexer import tokens
from vsl.db.script.names import identifier, is_name, qualified
from vsl.db.script.split import Statement
from vsl.errors import InvalidInput, Problem

#: How a file is run: all of it in one transaction, or each statement on its own.
Mode = Literal["transaction", "statements"]

_Words = tuple[str, ...]


def outside_transaction(statement: Statement) -> str | None:
    """The name of the command when it cannot run inside a transaction, else None.

    Some depend on the database, where a text cannot be enough:

    - REINDEX TABLE or INDEX, and CLUSTER (15 and newer), of a *partitioned* relation are refused
      inside a transaction; None here. Write REINDEX ... CONCURRENTLY, or one for each partition.
    - CALL is named always: a procedure that commits is refused (2D000), another is not.
    - DROP SUBSCRIPTION is named always: one without a replication slot is not refused.
    - ALTER TABLE ... DETACH ... FINALIZE runs inside; only CONCURRENTLY does not.
    - DO is named when its body holds COMMIT or ROLLBACK as a statement.
    """
    recognise = _BY_FIRST_WORD.get(statement.words[0])
    return recognise(statement.words) if recognise else None


def _create(words: _Words) -> str | None:
    index = words[2:4] if words[1:2] == ("UNIQUE",) else words[1:3]
    if index == ("INDEX", "CONCURRENTLY"):
        return "CREATE INDEX CONCURRENTLY"
    if words[1:2] in (("DATABASE",), ("TABLESPACE",)):
        return f"CREATE {words[1]}"
    if words[1:2] == ("SUBSCRIPTION",):
        slot = _option(words, "create_slot", default=_option(words, "connect", default=True))
        return "CREATE SUBSCRIPTION" if slot else None
    return None


def _drop(words: _Words) -> str | None:
    if words[1:3] == ("INDEX", "CONCURRENTLY"):
        return "DROP INDEX CONCURRENTLY"
    if words[1:2] in (("DATABASE",), ("TABLESPACE",), ("SUBSCRIPTION",)):
        return f"DROP {words[1]}"
    return None


def _reindex(words: _Words) -> str | None:
    rest = words[_after_options(words, 1) :]
    # Of what the parentheses say, the last mention counts; the word after TABLE only adds.
    if "CONCURRENTLY" in rest[1:2] or _option(words, "concurrently", default=False):
        return "REINDEX CONCURRENTLY"
    if rest[:1] in (("SCHEMA",), ("DATABASE",), ("SYSTEM",)):
        return f"REINDEX {rest[0]}"
    return None


def _vacuum(_: _Words) -> str | None:
    return "VACUUM"


def _cluster(words: _Words) -> str | None:
    rest = words[_after_options(words, 1) :]
    return "CLUSTER" if rest in ((), ("VERBOSE",)) else None


def _alter(words: _Words) -> str | None:
    if words[1:2] == ("SYSTEM",):
        return "ALTER SYSTEM"
    if words[1:2] == ("DATABASE",) and words[3:5] == ("SET", "TABLESPACE"):
        return "ALTER DATABASE SET TABLESPACE"
    if words[1:2] == ("TABLE",) and ("DETACH", "PARTITION") in pairwise(words):
        ends = words[-1] == "CONCURRENTLY"
        return "ALTER TABLE DETACH PARTITION CONCURRENTLY" if ends else None
    if words[1:2] == ("SUBSCRIPTION",):
        return _alter_subscription(words)
    return None


def _alter_subscription(words: _Words) -> str | None:
    if words[3:5] == ("REFRESH", "PUBLICATION"):
        return "ALTER SUBSCRIPTION REFRESH PUBLICATION"
    changes = words[3:4] in (("SET",), ("ADD",), ("DROP",)) and words[4:5] == ("PUBLICATION",)
    if changes and _option(words, "refresh", default=True):
        return f"ALTER SUBSCRIPTION {words[3]} PUBLICATION"
    return None


def _discard(words: _Words) -> str | None:
    return "DISCARD ALL" if words[1:] == ("ALL",) else None


def _call(_: _Words) -> str | None:
    return "CALL"


def _do(words: _Words) -> str | None:
    bodies = [word for word in words[1:] if word[0] == "$"]
    return "DO with COMMIT" if any(_commits(body) for body in bodies) else None


def _commits(body: str) -> bool:
    """Whether a dollar-quoted block of PL/pgSQL ends a transaction somewhere."""
    tag_end = body.index("$", 1) + 1
    try:
        inner = [token.word for token in tokens(body[tag_end:-tag_end])]
    except InvalidInput:
        return False
    before = [";", *inner]
    return any(
        word in ("COMMIT", "ROLLBACK") and previous in _STATEMENT_BEGINS_AFTER
        for previous, word in zip(before, inner, strict=False)
    )


_STATEMENT_BEGINS_AFTER = frozenset({";", "BEGIN", "THEN", "ELSE", "LOOP", ">>"})

_BY_FIRST_WORD: Mapping[str, Callable[[_Words], str | None]] = {
    "CREATE": _create,
    "DROP": _drop,
    "REINDEX": _reindex,
    "VACUUM": _vacuum,
    "CLUSTER": _cluster,
    "ALTER": _alter,
    "DISCARD": _discard,
    "CALL": _call,
    "DO": _do,
}


def _after_options(words: _Words, at: int) -> int:
    """The place after the parentheses of options that may stand there."""
    if words[at : at + 1] != ("(",):
        return at
    return words.index(")", at) + 1 if ")" in words[at:] else len(words)


_FALSE = frozenset({"false", "off", "0", "'false'", "'off'", "'0'"})


def _option(words: _Words, name: str, *, default: bool) -> bool:
    """A switch among options in parentheses: its last value, true when it stands alone."""
    value = default
    for place in range(1, len(words) - 1):
        if words[place - 1] in ("(", ",") and is_name(words[place]):
            if identifier(words[place]) != name:
                continue
            given = words[place + 1 : place + 3]
            value = given[-1 if given[0] == "=" else 0].lower() not in _FALSE
    return value


def transaction_control(statement: Statement) -> bool:
    """Whether it begins, ends or divides a transaction, which is the runner's business."""
    words = statement.words
    if words[0] == "PREPARE":
        return words[1:2] == ("TRANSACTION",)
    return words[0] in _CONTROLS or words[:2] == ("START", "TRANSACTION")


_CONTROLS = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"})


def mode(statements: Sequence[Statement]) -> Mode:
    """How a file of these statements is to be run.

    A SET or RESET of the session, and an INSERT INTO schema_migrations, go with either kind.
    Raises ``InvalidInput`` for a file that mixes statements of both kinds, and for one that
    controls transactions itself.
    """
    controls = [found for found in statements if transaction_control(found)]
    if controls:
        problems = [
            Problem(f"line {found.line}", f"{found.words[0]} controls transactions itself")
            for found in controls
        ]
        raise InvalidInput(problems, hint="Remove it: the runner begins and ends transactions.")
    outside = [(found, outside_transaction(found)) for found in statements]
    alone = [(found, name) for found, name in outside if name]
    if not alone:
        return "transaction"
    together = [found for found, name in outside if not name and not _goes_with_either(found)]
    if together:
        raise InvalidInput(_mixture(alone, together), hint=_SPLIT)
    return "statements"


_SPLIT = (
    "Split the file: what cannot run in a transaction into a migration of its own, "
    "the rest into another before or after it."
)


def _mixture(
    alone: Sequence[tuple[Statement, str | None]], together: Sequence[Statement]
) -> list[Problem]:
    problems = [
        Problem(f"line {found.line}", f"{name} cannot run inside a transaction")
        for found, name in alone
    ]
    for found in together:
        reason = "would run without the protection of a transaction beside it"
        if found.words[:2] == ("SET", "LOCAL"):
            reason = "lasts for a transaction only, and there is none beside it; write SET"
        shown = " ".join(found.words[:2]) if found.words[0] in _TWO_WORDS else found.words[0]
        problems.append(Problem(f"line {found.line}", f"{shown} {reason}"))
    return problems


_TWO_WORDS = frozenset({"CREATE", "ALTER", "DROP", "INSERT", "SET", "COMMENT", "DELETE"})


def _goes_with_either(statement: Statement) -> bool:
    words = statement.words
    if words[0] == "RESET":
        return True
    if words[0] == "SET":
        return words[1:2] not in (("LOCAL",), ("TRANSACTION",), ("CONSTRAINTS",))
    if words[:2] != ("INSERT", "INTO"):
        return False
    return qualified(words, 2) in (
        (None, "schema_migrations"),
        ("public", "schema_migrations"),
    )


def concurrent_index(statement: Statement) -> tuple[str | None, str] | None:
    """Schema and name of the index that a CREATE INDEX CONCURRENTLY builds.

    The schema is the table's, None when that is not written. None when the statement is another, or
    leaves the name to the server.
    """
    words = statement.words
    if _create(words) != "CREATE INDEX CONCURRENTLY":
        return None
    at = words.index("CONCURRENTLY") + 1
    if words[at : at + 3] == ("IF", "NOT", "EXISTS"):
        at += 3
    name, table = words[at : at + 1], at + 2
    if name == ("ON",) or words[at + 1 : table] != ("ON",) or not is_name(name[0]):
        return None
    if words[table : table + 1] == ("ONLY",):
        table += 1
    found = qualified(words, table)
    return (found[0] if found else None), identifier(name[0])
