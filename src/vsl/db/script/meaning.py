"""What a script says, as one number: alike for scripts that differ in comments and layout only."""

from __future__ import annotations

import hashlib

from vsl.db.script.lexer import Token, tokens


def meaning(text: str) -> str:
    """SHA-256, in lower-case hex, over a script's tokens.

    Comments, white space, a BOM, the case of unquoted words and empty statements do not count;
    everything else does. A dollar-quoted body is a literal and counts whole, its comments and line
    ends included. Each token enters as its kind, the length of its value in bytes, and its value,
    so that no two streams of tokens have the same serialisation. Raises ``InvalidInput`` as
    ``tokens`` does.
    """
    digest = hashlib.sha256()
    waiting: Token | None = None
    begun = False
    for token in tokens(text):
        if token.kind == "operator" and token.value == ";":
            # Counts once something follows it: the last one and doubled ones say nothing.
            waiting = token if begun else None
            continue
        if waiting is not None:
            digest.update(_serialised(waiting))
            waiting = None
        digest.update(_serialised(token))
        begun = True
    return digest.hexdigest()


def _serialised(token: Token) -> bytes:
    value = token.value.encode()
    return b"%s %d %s\n" % (token.kind.encode(), len(value), value)
