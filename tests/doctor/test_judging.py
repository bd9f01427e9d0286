"""How a measure is judged: limits on both sides, the SQL's own decisions, order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.domain.health import Measure
from vsl.ops.doctor.catalogue import CHECKS
from vsl.ops.doctor.check import Check, Level, Limits, exit_status, judge, show

REAL = st.floats(allow_nan=False, allow_infinity=False, width=64)
UNDECIDED = [check for check in CHECKS if check.limits != Limits()]
STEPS = (("note", Level.note), ("warn", Level.warn), ("fail", Level.fail))


def a_check(limits: Limits) -> Check:
    return Check(
        id="x", title="X", area="a", unit="count", limits=limits, why="Because.", next="do this"
    )


def level_of(check: Check, value: float | None, **more: str) -> Level:
    return judge(check, [Measure(subject="s", value=value, **more)]).level


@pytest.mark.parametrize("check", UNDECIDED, ids=lambda check: str(check.id))
def test_each_limit_of_each_check_on_both_sides(check: Check) -> None:
    reached = Level.ok
    for name, level in STEPS:
        limit = getattr(check.limits, name)
        if limit is None:
            continue
        if check.limits.falling:
            inside, outside = math.nextafter(limit, -math.inf), limit
        else:
            inside, outside = limit, math.nextafter(limit, -math.inf)
        assert level_of(check, inside) is level
        assert level_of(check, outside) is reached
        reached = level


@given(st.lists(REAL, min_size=3, max_size=3), REAL, st.booleans())
def test_a_worse_value_is_never_judged_better(
    given_limits: list[float], value: float, falling: bool
) -> None:
    note, warn, fail = sorted(given_limits, reverse=falling)
    check = a_check(Limits(note=note, warn=warn, fail=fail, falling=falling))
    level = level_of(check, value)
    worse = math.nextafter(value, -math.inf if falling else math.inf)
    if math.isfinite(worse):
        assert level_of(check, worse) >= level
    beyond = [
        step
        for name, step in STEPS
        if (
            value < getattr(check.limits, name) if falling else value >= getattr(check.limits, name)
        )
    ]
    assert level is max(beyond, default=Level.ok)


@given(REAL)
def test_a_limit_that_is_none_is_never_reached(value: float) -> None:
    assert level_of(a_check(Limits()), value) is Level.ok
    assert level_of(a_check(Limits(note=-math.inf)), value) is Level.note


def test_limits_out_of_order_are_refused() -> None:
    Limits(note=1, fail=1)
    with pytest.raises(ValueError, match="not in order"):
        Limits(warn=2, fail=1)
    with pytest.raises(ValueError, match="not in order"):
        Limits(note=0.9, warn=0.95, falling=True)


def test_no_rows_are_good_and_no_value_is_too() -> None:
    check = a_check(Limits(fail=1))
    assert judge(check, []).level is Level.ok
    assert level_of(check, None) is Level.ok


def test_what_cannot_be_told_is_never_ok() -> None:
    check = a_check(Limits(fail=1))
    assert level_of(check, 0, unknown="hidden") is Level.unknown
    assert level_of(check, 0, unknown="hidden", level="ok") is Level.unknown
    assert level_of(check, math.nan) is Level.unknown
    assert level_of(check, math.inf) is Level.unknown


@pytest.mark.parametrize("word", ["ok", "note", "warn", "fail"])
def test_the_sql_may_decide(word: str) -> None:
    (finding,) = judge(a_check(Limits(warn=1)), [Measure(value=1, level=word)]).findings
    assert (finding.level.name, finding.limit) == (word, None)


@pytest.mark.parametrize("word", ["unknown", "bad", ""])
def test_the_sql_may_not_make_up_levels(word: str) -> None:
    with pytest.raises(ValueError, match="is not a level"):
        level_of(a_check(Limits()), 1, level=word)


def test_findings_stand_worst_first_and_say_what_to_do() -> None:
    rows = [
        Measure(subject="fine", value=0),
        Measure(subject="b", value=3, next="SELECT b"),
        Measure(subject="hidden", unknown="no"),
        Measure(subject="a", value=3),
        Measure(subject="some", value=1),
    ]
    result = judge(a_check(Limits(note=1, warn=2, fail=3)), rows)
    found = [(f.subject, f.level.name, f.limit, f.next) for f in result.findings]
    assert found == [
        ("a", "fail", 3, "do this"),
        ("b", "fail", 3, "SELECT b"),
        ("hidden", "unknown", None, "do this"),
        ("some", "note", 1, "do this"),
        ("fine", "ok", None, None),
    ]
    assert result.level is Level.fail


def test_the_exit_status_is_of_the_worst() -> None:
    check = a_check(Limits(note=1, warn=2, fail=3))
    ok, note, warn, fail = (judge(check, [Measure(value=value)]) for value in range(4))
    unknown = judge(check, [Measure(unknown="hidden")])
    assert [exit_status([ok, one]) for one in (ok, note, warn, fail, unknown)] == [0, 0, 1, 3, 1]
    assert exit_status([fail, unknown]) == 3
    assert exit_status([]) == 0


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "seconds", "0 s"),
        (0.25, "seconds", "0.2 s"),
        (299, "seconds", "299 s"),
        (300, "seconds", "5 min"),
        (7199, "seconds", "120 min"),
        (7200, "seconds", "2 h"),
        (172800, "seconds", "2 days"),
        (1023, "bytes", "1023 B"),
        (1024, "bytes", "1.0 kB"),
        (5 * 1024**3, "bytes", "5.0 GB"),
        (84.96, "percent", "85.0 %"),
        (1e6, "transactions", "1,000,000 transactions"),
        (3, "count", "3"),
        (0.5, "count", "0.5"),
        (20, "milliseconds", "20 ms"),
    ],
)
def test_measures_are_shown_with_their_unit(value: float, unit: str, expected: str) -> None:
    assert show(value, unit) == expected
