"""Tokens, statements and meaning, for made-up scripts."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.script.strategies import GAPS, TOKENS, joined, token_lists

from vsl.db.script import concurrent_index, meaning, mode, outside_transaction, split, tokens
from vsl.errors import InvalidInput


@given(st.data())
def test_tokens_come_back_as_they_were_written(data: st.DataObject) -> None:
    parts = data.draw(token_lists())
    text = data.draw(joined(parts))
    found = list(tokens(text))
    assert [token.text for token in found] == parts
    assert [text[token.start : token.end] for token in found] == parts
    assert [token.line for token in found] == [1 + text.count("\n", 0, t.start) for t in found]


@given(st.data())
def test_what_was_joined_is_split(data: st.DataObject) -> None:
    written = [data.draw(joined(data.draw(token_lists()))) for _ in range(3)]
    text = "\ufeff" + "".join(f"{data.draw(GAPS)}{part} {data.draw(GAPS)};" for part in written)
    found = split(text)
    assert [statement.text for statement in found] == written
    for statement in found:
        before = text[: text.index(statement.text)]
        assert statement.line <= 1 + before.count("\n") or text.count(statement.text) > 1


@given(st.data())
def test_comments_and_white_space_do_not_change_the_meaning(data: st.DataObject) -> None:
    parts = data.draw(token_lists())
    shouted = [part.upper() if part.isidentifier() and part.isascii() else part for part in parts]
    one = data.draw(joined(parts))
    other = data.draw(GAPS) + data.draw(joined(shouted)) + data.draw(GAPS)
    assert meaning(one) == meaning(other) == meaning(f"\ufeff{other};\n;")


@given(st.data())
def test_another_token_is_another_meaning(data: st.DataObject) -> None:
    parts = data.draw(token_lists())
    place = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(TOKENS)
    changed = [*parts[:place], other, *parts[place + 1 :]]
    if [t.value for t in tokens(" ".join(parts))] != [t.value for t in tokens(" ".join(changed))]:
        assert meaning(" ".join(parts)) != meaning(" ".join(changed))
    dropped = parts[:place] + parts[place + 1 :]
    assert meaning(" ".join(dropped)) != meaning(" ".join(parts))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 'a'", "SELECT 'A'"),
        ("SELECT 'a b'", "SELECT 'a  b'"),
        ("SELECT 'a' AS b", 'SELECT "a" AS b'),
        ("SELECT a", 'SELECT "a"'),
        ("SELECT 'a'", "SELECT E'a'"),
        ("SELECT 'a'", "SELECT $$a$$"),
        ("SELECT ab", "SELECT a b"),
        ("SELECT 1; SELECT 2", "SELECT 1 SELECT 2"),
        ("SELECT '1', 2", "SELECT 1, '2'"),
        ("DO $$ SELECT 1 $$", "DO $$ SELECT  1 $$"),
        ("SELECT 'a', 'b'", "SELECT 'a,b'"),
        ("SELECT 1.0", "SELECT 1.00"),
        ("SELECT a-1", "SELECT a--1"),
        ("SELECT Ä", "SELECT ä"),
    ],
)
def test_these_differ(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a=-1", "select A = - 1 ;"),
        ("SELECT 'ab'", "SELECT 'a'\n'b'"),
        ("SELECT 'ab'", "SELECT 'a' -- and\r\n  'b'"),
        ("SELECT e'a'", "SELECT E'a'"),
        ("SELECT $$a$$", "SELECT $tag$a$tag$"),
        ("SELECT 1E5", "SELECT 1e5"),
        ("", "-- nothing\n;;"),
        ("A; B", "a;;\r\nb;"),
        ("\ufeffSELECT 1", "SELECT 1"),
    ],
)
def test_these_mean_the_same(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


def test_the_meaning_is_the_one_that_ledgers_hold() -> None:
    """Changing the serialisation would make every recorded migration look edited."""
    text = "CREATE TABLE T (a int DEFAULT E'x''y', \"B c\" numeric(1, 2)); -- end"
    assert meaning(text) == ("cd5dc2207a7e553ff03ba525fedc5428da534d2873ad4fbcbddd4c09a54794fc")


_NASTY = st.text(st.sampled_from("';\"\\$/*-+@ae&uU\n\r ().[]:=0x1,\x00\ufeff\udc80Ü"), max_size=60)
_BLOCKS = st.lists(
    st.sampled_from(
        ["CREATE ", "FUNCTION ", "BEGIN ", "ATOMIC ", "END ", "CASE ", ";", "(", ")", "COPY t ",
         "FROM STDIN ", "'", "$$", "$a$", "/*", "*/", "--", "\n", "\\", "REINDEX ", "DROP INDEX ",
         "CONCURRENTLY ", "ALTER ", "SET ", "DO ", "LOCAL ", "INSERT INTO ", "schema_migrations ",
         "WITH ", "connect ", "=", ",", "CLUSTER ", "SUBSCRIPTION ", '"', "1"]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(st.one_of(st.text(), _NASTY, _BLOCKS))
@example("'" * 5)
@example("$a$b$a")
def test_any_text_is_read_or_refused(text: str) -> None:
    found = []
    try:
        found = split(text)
        meaning(text)
        for statement in found:
            outside_transaction(statement)
            concurrent_index(statement)
        mode(found)
    except InvalidInput as error:
        named = {problem.field.split()[0] for problem in error.problems}
    else:
        named = {"line"}
    assert named == {"line"}
    for statement in found:
        assert [again.text for again in split(statement.text)] == [statement.text]
        assert statement.words


@pytest.mark.parametrize(
    "piece",
    ["'", "''", "'a'\n--x\n", "$", "$a$", "/*", "--", "--\n", "+", "+-", "*/", "E'\\'", "(", ";",
     "a", "1", ".", '"', "\n", "/**/", "@-", "$a", "BEGIN ATOMIC ", "1.", "CASE;END;", "--'"]
)  # fmt: skip
def test_a_long_text_takes_no_longer_than_its_length_asks(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    started = time.process_time()
    with contextlib.suppress(InvalidInput):
        split(text)
    # Seconds when it grows with the length, many minutes when with its square.
    assert time.process_time() - started < 30
