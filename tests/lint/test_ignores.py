"""``-- vsl:ignore RULE: reason``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lint.hazards import HAZARDS
from tests.lint.kit import findings_of, rules

from vsl.errors import InvalidInput

REASON = "all of it was copied elsewhere"


def test_an_ignore_silences_one_rule_at_one_statement() -> None:
    text = f"-- vsl:ignore truncate: {REASON}\nTRUNCATE jobs2;\nTRUNCATE jobs3;"
    found = [(one.rule, one.line) for one in findings_of(text) if one.level == "error"]
    assert found == [("truncate", 3)]


def test_several_ignores_stand_above_one_statement() -> None:
    text = f"""
    -- What follows has been looked at.
    -- vsl:ignore truncate: {REASON}
    -- vsl:ignore no-lock-timeout: {REASON}

    /* and a word about it */
    TRUNCATE t"""
    assert findings_of(text) == []


def test_an_ignore_silences_squawk_too_also_within_a_statement_of_many_lines() -> None:
    text = "ALTER TABLE t\n  ADD COLUMN a text,\n  DROP COLUMN b"
    assert "ban-drop-column" in rules(findings_of(text))
    said = findings_of(f"-- vsl:ignore ban-drop-column: nothing reads it since 3.2\n{text}")
    assert rules(said) == {"no-lock-timeout"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("-- vsl:ignore truncate\nTRUNCATE t", 1, "no reason"),
        ("-- vsl:ignore truncate:   \nTRUNCATE t", 1, "no reason"),
        ("-- vsl:ignore: why\nTRUNCATE t", 1, "names no rule"),
        ("-- vsl:ignore\nTRUNCATE t", 1, "names no rule"),
        ("-- vsl:ignore truncate, drop-cascade: x\nTRUNCATE t", 1, "names truncate, drop-cascade"),
        ("--vsl:ignore all\nTRUNCATE t", 1, "names all, which is no rule"),
        ("-- vsl:ignore trunkate: x\nTRUNCATE t", 1, "names trunkate, which is no rule"),
        ("-- vsl:ignore prefer-robust-stmts: x\nTRUNCATE t", 1, "which is no rule"),
        ("SELECT 1; -- vsl:ignore truncate: x\nTRUNCATE t", 1, "stands beside something"),
        ("TRUNCATE\n-- vsl:ignore truncate: x\nt", 2, "stands inside a statement"),
        ("TRUNCATE t;\n-- vsl:ignore truncate: x\n", 2, "stands above no statement"),
    ],
)
def test_an_ignore_that_cannot_work_is_found(text: str, line: int, words: str) -> None:
    found = findings_of(text)
    assert "truncate" in rules(found)
    (said,) = [one for one in found if one.rule == "bad-ignore"]
    assert said.line == line
    assert words in said.breaks
    assert said.level == "warning"


def test_an_unused_ignore_is_found_where_it_stands() -> None:
    found = findings_of("SELECT 1;\n\n-- vsl:ignore truncate: x\nSELECT 2")
    assert [(one.rule, one.line, one.level) for one in found] == [("unused-ignore", 3, "warning")]


def test_an_ignore_in_a_string_is_none() -> None:
    assert findings_of("SELECT '\n-- vsl:ignore truncate: x\n', $$\n-- vsl:ignore y\n$$") == []


def test_what_is_wrong_with_ignores_cannot_be_ignored() -> None:
    found = findings_of("-- vsl:ignore unused-ignore: x\nSELECT 1")
    assert rules(found) == {"unused-ignore"}


_PIECES = [piece for hazard in HAZARDS for text in (hazard.bad, hazard.good)
           for piece in text.split(" ")]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join))
def test_any_text_is_judged_or_refused(text: str) -> None:
    try:
        found = findings_of(text)
    except InvalidInput as error:
        named = {problem.field.partition(":")[0] for problem in error.problems}
    else:
        named = {one.file for one in found}
    assert named <= {"V9__made_up.sql"}
