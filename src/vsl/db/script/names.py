"""Names of objects as a statement writes them."""

from __future__ import annotations

from vsl.db.script.lexer import lower

_NAME_BYTES = 63  # NAMEDATALEN - 1; the server cuts longer names off


def identifier(word: str) -> str:
    """The name that a token of ``Statement.words`` means: folded, or without its quotes.

    Cut at 63 bytes, as the server does. Of ``U&"..."`` the escapes stay as they are.
    """
    quoted = word.endswith('"')
    name = word[word.index('"') + 1 : -1].replace('""', '"') if quoted else lower(word)
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")


def is_name(word: str) -> bool:
    """Whether a token of ``Statement.words`` can be a name, quoted or not."""
    return word[-1] == '"' or word[0].isalpha() or word[0] == "_" or word[0] > "\x7f"


def qualified(words: tuple[str, ...], at: int) -> tuple[str | None, str] | None:
    """The schema, if written, and the name that stand at a place; None when no name does."""
    if at >= len(words) or not is_name(words[at]):
        return None
    if at + 2 < len(words) and words[at + 1] == "." and is_name(words[at + 2]):
        return identifier(words[at]), identifier(words[at + 2])
    return None, identifier(words[at])
