"""How figures become results: pure code."""

from __future__ import annotations

import pytest
from benchmarks.report import render
from benchmarks.result import Mark, Result, compared, quartiles


def test_a_mark_says_which_side_is_right() -> None:
    assert Mark("ratio", "at least", 0.7).met_by(0.7)
    assert not Mark("ratio", "at least", 0.7).met_by(0.69)
    assert Mark("figure", "at most", 30).met_by(30)
    assert not Mark("figure", "at most", 30).met_by(30.1)
    assert str(Mark("ratio", "at most", 1.2)) == "ratio ≤ 1.2"


def test_a_mark_looks_at_what_it_names() -> None:
    of_ratio = Result("a", 100, "x/s", floor=200, ratio=0.5, wanted=Mark("ratio", "at least", 0.6))
    of_figure = Result("b", 100, "MB", floor=10, ratio=10, wanted=Mark("figure", "at most", 200))
    assert of_ratio.met is False
    assert of_figure.met is True
    assert Result("c", 1, "s").met is None


def test_the_ratio_is_the_median_over_pairs() -> None:
    # The second pair ran on a busy machine: both halves of it are slow, so its ratio counts.
    result = compared("a", "x/s", [80, 8, 90], [100, 10, 100])
    assert result.ratio == pytest.approx(0.8)
    assert result.figure == 80
    assert result.floor == 100


def test_pairs_must_be_whole() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compared("a", "x/s", [1.0, 2.0], [1.0])


def test_quartiles_need_two_values() -> None:
    assert quartiles([1.0]) is None
    assert quartiles([1.0, 2.0, 3.0]) == (1.5, 2.5)


@pytest.mark.parametrize(("ratio", "word"), [(0.5, "NO"), (0.9, "yes")])
def test_the_table_says_whether_a_mark_is_met(ratio: float, word: str) -> None:
    result = Result("a", 1000, "x/s", ratio=ratio, wanted=Mark("ratio", "at least", 0.6))
    text = render(
        {
            "conditions": {
                "machine": "m",
                "load": 0.1,
                "python": "3",
                "packages": {"vsl": "1"},
                "settings": {"fsync": "on"},
                "commits_per_second": 1,
            },
            "quick": False,
            "load": 0.2,
            "results": [{**result.as_json(), "load_before": 0.1, "load_after": 0.2}],
        }
    )
    (line,) = [line for line in text.splitlines() if line.startswith("| a ")]
    assert line.rstrip("| ").endswith(word)
    assert "1,000 x/s" in line
