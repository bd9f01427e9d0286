"""Pieces of SQL for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x00")
_ANY = st.text(st.one_of(st.sampled_from("';\"\\$/*- \n\r"), _CHARACTERS), max_size=12)

WORDS = st.sampled_from(
    ["select", "FROM", "a", "B2", "_x", "case", "End", "begin", "table", "größe", "a$b", "e", "u"]
)
STRINGS = st.one_of(
    _ANY.map(lambda body: "'" + body.replace("'", "''") + "'"),
    _ANY.map(lambda body: "E'" + body.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    _ANY.map(lambda body: "U&'" + body.replace("'", "''") + "'"),
    _ANY.map(lambda body: "$q$" + body.replace("$", "") + "$q$"),
    _ANY.map(lambda body: "$$" + body.replace("$", "") + "$$"),
    st.sampled_from(["B'01'", "x'1F'", "e''", "''"]),
)
NAMES = _ANY.map(lambda body: '"' + body.replace('"', '""') + '"')
OTHERS = st.sampled_from(
    ["1", "2.5", ".5", "1e10", "0x1F", "1_000", "$1", "$23", "+", "-", "=", "<>", "::", ":=", "..",
     "@>", "||", "->>", ",", ".", "[", "]", "*", "/", "%"]
)  # fmt: skip
#: One token.
TOKENS = st.one_of(WORDS, NAMES, STRINGS, OTHERS)
#: What stands between two tokens and says nothing.
GAPS = st.lists(
    st.one_of(
        st.sampled_from([" ", "\n", "\t", "\r\n", "\f", "/**/", "/* ; /* ' */ $$ */", "--\n"]),
        st.text("ab';$\"*", max_size=6).map(lambda said: f"--{said}\n"),
    ),
    min_size=1,
    max_size=3,
).map("".join)


@st.composite
def token_lists(draw: st.DrawFn, *, min_size: int = 1) -> list[str]:
    """Tokens of a statement; two strings never meet, for a line end between would join them."""
    drawn = draw(st.lists(TOKENS, min_size=min_size, max_size=10))
    apart: list[str] = []
    for token in drawn:
        if apart and token.endswith(("'", "$")) and apart[-1].endswith(("'", "$")):
            apart.append(",")
        apart.append(token)
    return apart


@st.composite
def joined(draw: st.DrawFn, parts: list[str]) -> str:
    """Tokens with something between each two."""
    text = parts[0]
    for part in parts[1:]:
        # A minus and two more would be a comment already.
        text += (" " if text.endswith("-") else "") + draw(GAPS) + part
    return text
