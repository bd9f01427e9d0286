"""What providers say, made fit for a row."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.worker.clean import MAX_DEPTH, MAX_TEXT, clean_json, clean_seconds, clean_text

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner)
)


@given(VALUES)
def test_every_value_can_be_written(value: Any) -> None:
    text = json.dumps(clean_json(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    assert text.encode()


@given(st.recursive(st.none() | st.integers() | st.text("abc"), st.lists, max_leaves=10))
def test_what_was_fit_stays_as_it_was(value: Any) -> None:
    assert clean_json(value) == value


def test_what_does_not_fit() -> None:
    assert clean_text("a\0b\ud800") == "a\N{REPLACEMENT CHARACTER}b?"
    assert clean_json({1: math.nan, "x\0": (b"bytes", math.inf)}) == {
        "1": None,
        "x\N{REPLACEMENT CHARACTER}": [None, None],
    }
    assert len(clean_json("x" * (MAX_TEXT + 1))) == MAX_TEXT
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert json.dumps(clean_json(deep)).count("[") == MAX_DEPTH


@pytest.mark.parametrize(
    ("said", "kept"),
    [(None, None), (0, 0), (1.5, 1.5), (-0.1, None), (math.nan, None), (math.inf, None)],
)
def test_seconds(said: float | None, kept: float | None) -> None:
    assert clean_seconds(said) == kept
