"""Every rule that counts: found in a bad example, not found in the good one."""

from __future__ import annotations

import subprocess

import pytest
from tests.lint.hazards import HAZARDS, Hazard
from tests.lint.kit import findings_of, rules

from vsl.ops.lint import find_squawk
from vsl.ops.lint.own_rules import OWN
from vsl.ops.lint.squawk_rules import ADOPTED, DROPPED

#: squawk's own check of its own comments, and what only a database can tell.
_ELSEWHERE = {"drop-unique-index"}


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: f"{hazard.rule}-{hazard.bad[:40]}")
def test_the_bad_example_is_found_and_the_good_one_is_not(hazard: Hazard) -> None:
    found = [one for one in findings_of(hazard.bad) if one.rule == hazard.rule]
    assert found, rules(findings_of(hazard.bad))
    for one in found:
        rule = {**ADOPTED, **OWN}[one.rule]
        assert one.level == rule.level
        assert one.breaks
        assert "{" not in one.breaks
        assert one.instead
    assert hazard.rule not in rules(findings_of(hazard.good))


def test_every_rule_has_an_example() -> None:
    assert {hazard.rule for hazard in HAZARDS} | _ELSEWHERE == set(OWN) | set(ADOPTED)


def test_every_rule_of_squawk_is_either_adopted_or_dropped_for_a_reason() -> None:
    assert not set(ADOPTED) & set(DROPPED)
    assert all(DROPPED.values())
    own = {"syntax-error", "unused-ignore"}
    for name in {*ADOPTED, *DROPPED} - own:
        command = [str(find_squawk()), "--config=/dev/null", f"--include={name}"]
        done = subprocess.run(command, input=b"SELECT 1;", capture_output=True, check=False)
        assert done.returncode == 0, f"squawk does not know {name}"


def test_levels_follow_from_what_a_rule_says() -> None:
    for rule in {**ADOPTED, **OWN}.values():
        assert rule.level in ("error", "warning", "note")
        assert rule.instead.endswith(".") or rule.instead.endswith(";") or " " in rule.instead
        assert not (rule.sized and rule.always), rule.name
