"""A script cut into its statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from vsl.db.script.lexer import Token, refuse, tokens


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script.

    text: as written, from its first token to its last, without the semicolon. line: of its first
    token, counted from 1. words: its tokens; keywords and unquoted names in upper case, the others
    as written.
    """

    text: str
    line: int
    words: tuple[str, ...]
    start: int = field(default=0, compare=False)


def split(text: str) -> list[Statement]:
    """The statements of a script, cut at semicolons as the server cuts them; empty ones left out.

    Semicolons within parentheses (CREATE RULE) and within the ``BEGIN ATOMIC … END`` of a function
    do not cut. Raises ``InvalidInput`` naming the line for what ``tokens`` refuses, for parentheses
    and bodies that do not end, COPY from or to the client (its data is no SQL), and for switching
    off ``standard_conforming_strings``, which would change what a string is.
    """
    found: list[Statement] = []
    current = _Building()
    for token in tokens(text):
        if current.ends_with(token):
            found += current.finished(text)
            current = _Building()
        else:
            current.add(token)
    current.check_closed()
    return found + current.finished(text)


class _Building:
    """The statement being read."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.open: list[Token] = []  # parentheses
        self.body: Token | None = None  # the BEGIN of an open body

    def ends_with(self, token: Token) -> bool:
        """Whether a token is the semicolon that ends it."""
        return token.value == ";" and token.kind == "operator" and not self.open and not self.body

    def add(self, token: Token) -> None:
        if token.kind == "operator":
            if token.value == "(":
                self.open.append(token)
            elif token.value == ")" and self.open:
                self.open.pop()
        elif token.kind == "word" and self.tokens:
            self._follow_body(self.tokens[-1], token)
        self.tokens.append(token)

    def _follow_body(self, before: Token, token: Token) -> None:
        """A body begins with BEGIN ATOMIC; its END follows ATOMIC or a semicolon, a CASE's not."""
        if token.word == "ATOMIC" and before.word == "BEGIN" and not self.open:
            if not self.body and self._makes_routine():
                self.body = before
        elif token.word == "END" and self.body and (before.text == ";" or before.word == "ATOMIC"):
            self.body = None

    def _makes_routine(self) -> bool:
        words = [token.word for token in self.tokens[:4]]
        if words[1:3] == ["OR", "REPLACE"]:
            del words[1:3]
        return words[:1] == ["CREATE"] and words[1:2] in (["FUNCTION"], ["PROCEDURE"])

    def check_closed(self) -> None:
        """Raise ``InvalidInput`` when the script ends within parentheses or a body."""
        if self.body:
            refuse(self.body.line, "BEGIN ATOMIC is not closed", "END; after the last statement")
        if self.open:
            refuse(self.open[0].line, "a parenthesis is opened that is not closed")

    def finished(self, text: str) -> list[Statement]:
        if not self.tokens:
            return []
        first, last = self.tokens[0], self.tokens[-1]
        words = tuple(token.word for token in self.tokens)
        statement = Statement(text[first.start : last.end], first.line, words, first.start)
        _refuse_unsendable(statement)
        return [statement]


def _refuse_unsendable(statement: Statement) -> None:
    words = statement.words
    if words[0] == "COPY" and _client_data(words):
        refuse(
            statement.line,
            "COPY from or to the client is a conversation, not a statement",
            "INSERT ... VALUES, or load the data with psql",
        )
    if words[0] == "SET" and "STANDARD_CONFORMING_STRINGS" in words[1:3] and words[-1] in _OFF:
        refuse(statement.line, "standard_conforming_strings must stay on", "E'...' for escapes")


_OFF = frozenset({"OFF", "FALSE", "NO", "0", "'off'", "'false'", "'no'", "'0'"})


def _client_data(words: tuple[str, ...]) -> bool:
    depth = 0
    for word, following in pairwise(words):
        depth += (word == "(") - (word == ")")
        if depth == 0 and word in ("FROM", "TO") and following in ("STDIN", "STDOUT"):
            return True
    return False
