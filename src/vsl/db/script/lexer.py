"""Tokens of a SQL script, cut where PostgreSQL cuts them.

Follows the server's own lexer (src/backend/parser/scan.l) with ``standard_conforming_strings`` on,
which is every supported server's default. Names that differ between servers, such as numbers with
underscores (16 and newer), are read as the newest reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

from vsl.errors import InvalidInput, Problem

#: ``word``: a keyword or unquoted identifier. ``name``: a quoted identifier. ``string``: any quoted
#: or dollar-quoted literal. ``parameter``: ``$1``. ``operator``: operators and punctuation.
Kind = Literal["word", "name", "string", "number", "parameter", "operator"]


@dataclass(frozen=True, slots=True)
class Token:
    """One token. start, end: its place in the text, in characters. line: counted from 1.

    value: what counts of it. A word in lower case; of a quoted literal its prefix in upper case,
    ``'`` or ``"``, and the characters between the quotes as written, those of continued strings
    joined; of a dollar quote ``$`` and the characters; of anything else the text.
    """

    kind: Kind
    text: str
    value: str
    start: int
    end: int
    line: int

    @property
    def word(self) -> str:
        """The text, in upper case when it is an unquoted word: for recognising statements."""
        return upper(self.text) if self.kind == "word" else self.text


_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_LOWER = {capital: small for small, capital in _UPPER.items()}


def upper(text: str) -> str:
    """ASCII letters in upper case. The server folds no others in a UTF-8 database."""
    return text.translate(_UPPER)


def lower(text: str) -> str:
    """ASCII letters in lower case, as the server folds unquoted identifiers."""
    return text.translate(_LOWER)


_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_LINE_COMMENT = re.compile(r"--[^\n\r]*")
_COMMENT_BEGIN = re.compile(r"--|/\*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# Every character outside ASCII may stand in a name, the no-break space included.
_WORD = re.compile("[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9$\x80-\U0010ffff]*")
_DOLLAR = re.compile("\\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9\x80-\U0010ffff]*)?\\$")
_PARAMETER = re.compile(r"\$[0-9]+")
_NUMBER = re.compile(
    r"0[xX](?:_?[0-9A-Fa-f])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+"
    # Two dots after digits are a range of PL/pgSQL, not a fraction.
    r"|(?:[0-9](?:_?[0-9])*(?:\.(?!\.)(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)"
    r"(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_QUOTED = re.compile(r"([eEbBxX]|[uU]&)?(['\"])")
# What may stand between the parts of one string: white space with a line end, and line comments.
# Possessive, so that no text makes it try again and again.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'")
_PUNCTUATION = re.compile(r"::|\.\.|:=|[,()\[\].;:]")
_OPERATOR = re.compile(r"[~!@#^&|`?+\-*/%<>=]+")
# An operator ends in + or - only if it holds one of these: so `=-1` is two tokens, `@-1` one.
_KEEPS_SIGN = frozenset("~!@#^&|`?%")
_QUOTE_END = {"'": re.compile("'"), '"': re.compile('"')}
_ESCAPED_QUOTE_END = re.compile(r"['\\]")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_META_COMMAND = re.compile(r"\\[A-Za-z_!?;]*\+?")


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a script, without comments and white space. A leading BOM is no part of it.

    Raises ``InvalidInput`` naming the line, when the token is reached, for a literal or comment
    that does not end, a psql meta-command, and characters that no SQL text can hold.
    """
    return _Lexer(text).tokens()


def refuse(line: int, reason: str, accepted: str | None = None) -> NoReturn:
    """Raise ``InvalidInput`` for a line of a script."""
    raise InvalidInput([Problem(f"line {line}", reason, accepted)])


class _Lexer:
    """A place in a text, and the line that it is on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self._counted = 0
        self._line = 1
        self._signs_end = 0  # up to here, each character is an operator of its own

    def tokens(self) -> Iterator[Token]:
        bad = _UNREADABLE.search(self.text)
        if bad is not None:
            kind = "a NUL character" if bad[0] == "\x00" else "half of a surrogate pair"
            refuse(1 + self.text.count("\n", 0, bad.start()), f"holds {kind}", "SQL text in UTF-8")
        while self._to_next_token():
            start = self.at
            kind, value = self._read()
            yield Token(
                kind, self.text[start : self.at], value, start, self.at, self._line_of(start)
            )

    def _line_of(self, place: int) -> int:
        """The line of a place; places only go on."""
        self._line += self.text.count("\n", self._counted, place)
        self._counted = place
        return self._line

    def _refuse(self, start: int, reason: str, accepted: str | None = None) -> NoReturn:
        refuse(self._line_of(start), reason, accepted)

    def _to_next_token(self) -> bool:
        """Pass over white space and comments; whether anything is left."""
        while self.at < len(self.text):
            found = _SPACE.match(self.text, self.at) or _LINE_COMMENT.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
            elif self.text.startswith("/*", self.at):
                self._pass_comment()
            else:
                return True
        return False

    def _pass_comment(self) -> None:
        start, depth = self.at, 1
        self.at += 2
        while depth:
            edge = _COMMENT_EDGE.search(self.text, self.at)
            if edge is None:
                self._refuse(start, "a comment begins here that does not end", "close it with */")
            depth += 1 if edge[0] == "/*" else -1
            self.at = edge.end()

    def _read(self) -> tuple[Kind, str]:
        quoted = _QUOTED.match(self.text, self.at)
        if quoted is not None and (quoted[2] == "'" or (quoted[1] or "U&") in ("U&", "u&")):
            return self._read_quoted(upper(quoted[1] or ""), quoted[2])
        # An identifier takes the longest match, `e` of `e"x"` included.
        if self.text[self.at] == "$":
            return self._read_dollar()
        if self.text[self.at] == "\\":
            self._refuse_backslash()
        for kind, form in _SIMPLE:
            found = form.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
                return kind, lower(found[0]) if kind in ("word", "number") else found[0]
        return self._read_operator()

    def _read_quoted(self, prefix: str, quote: str) -> tuple[Kind, str]:
        start = self.at
        self.at += len(prefix) + 1
        parts = [self._to_quote(start, quote, escapes=prefix == "E")]
        while quote == "'":
            more = _CONTINUED.match(self.text, self.at)
            if more is None:
                break
            self.at = more.end()
            parts.append(self._to_quote(start, quote, escapes=prefix == "E"))
        return "string" if quote == "'" else "name", prefix + quote + "".join(parts)

    def _to_quote(self, start: int, quote: str, *, escapes: bool) -> str:
        """The characters up to the closing quote; a doubled one is a character."""
        begin = self.at
        end = _ESCAPED_QUOTE_END if escapes else _QUOTE_END[quote]
        while True:
            found = end.search(self.text, self.at)
            if found is None:
                what = "string" if quote == "'" else "quoted name"
                self._refuse(
                    start, f"a {what} begins here that does not end", f"close with {quote}"
                )
            self.at = found.end() + 1
            if found[0] != "\\" and not self.text.startswith(quote, found.end()):
                self.at = found.end()
                return self.text[begin : found.start()]

    def _read_dollar(self) -> tuple[Kind, str]:
        opening = _DOLLAR.match(self.text, self.at)
        if opening is not None:
            closing = self.text.find(opening[0], opening.end())
            if closing < 0:
                reason = f"a literal begins with {opening[0]} here that does not end"
                self._refuse(self.at, reason, f"close it with {opening[0]}")
            self.at = closing + len(opening[0])
            return "string", "$" + self.text[opening.end() : closing]
        parameter = _PARAMETER.match(self.text, self.at)
        self.at = parameter.end() if parameter else self.at + 1
        return ("parameter", parameter[0]) if parameter else ("operator", "$")

    def _read_operator(self) -> tuple[Kind, str]:
        found = None if self.at < self._signs_end else _OPERATOR.match(self.text, self.at)
        # A character that begins nothing is left to the server, which refuses it with its place.
        operator = _COMMENT_BEGIN.split(found[0], 1)[0] if found else self.text[self.at]
        if not _KEEPS_SIGN & set(operator):
            self._signs_end = max(self._signs_end, self.at + len(operator))
            operator = operator[0] + operator[1:].rstrip("+-")
        self.at += len(operator)
        return "operator", operator

    def _refuse_backslash(self) -> NoReturn:
        command = _META_COMMAND.match(self.text, self.at)
        shown = command[0] if command else "\\"
        if len(shown) == 1:
            self._refuse(self.at, "a backslash stands outside of a string", "SQL only")
        self._refuse(
            self.at,
            f"{shown} is a command of psql, which the server does not know",
            "a migration is SQL only; COPY data and variables of psql have no place in it",
        )


_SIMPLE: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("word", _WORD),
    ("number", _NUMBER),
    ("operator", _PUNCTUATION),
)
