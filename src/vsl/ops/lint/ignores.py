"""``-- vsl:ignore RULE: reason``, on a line of its own above a statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vsl.db.script import Statement, tokens
from vsl.ops.lint.finding import Draft
from vsl.ops.lint.own_rules import OWN
from vsl.ops.lint.squawk_rules import ADOPTED

_COMMENT = re.compile(r"--[^\n\r]*")
_IGNORE = re.compile(r"--\s*vsl:ignore\b(?P<rule>[^:]*):?(?P<reason>.*)")


@dataclass(frozen=True, slots=True)
class Ignore:
    """A rule silenced at the statement that begins on a line."""

    rule: str
    line: int
    statement: int


def read_ignores(text: str, statements: Sequence[Statement]) -> tuple[list[Ignore], list[Draft]]:
    """The ignores of a script, and what is wrong with those that cannot work."""
    ignores: list[Ignore] = []
    wrong: list[Draft] = []
    begins = [statement.line for statement in statements]
    for found, line, place in _comments(text, statements):
        rule = found["rule"].strip()
        problem = _problem(rule, found["reason"].strip(), place)
        if problem:
            wrong.append(Draft(OWN["bad-ignore"], line, line, breaks=problem))
        else:
            ignores.append(Ignore(rule, line, min(b for b in begins if b > line)))
    return ignores, wrong


def _problem(rule: str, reason: str, place: str | None) -> str | None:
    if rule not in OWN and rule not in ADOPTED:
        return f"names {rule or 'no rule'}, which is no rule" if rule else "names no rule"
    if not reason:
        return f"gives no reason for silencing {rule}"
    return place


def _comments(
    text: str, statements: Sequence[Statement]
) -> Iterator[tuple[re.Match[str], int, str | None]]:
    """Comments of ours between tokens: the line, and what is wrong with the place."""
    starts = {statement.start for statement in statements}
    end = 0
    line = 1
    for start, finish in [*((t.start, t.end) for t in tokens(text)), (len(text), len(text))]:
        for comment in _COMMENT.finditer(text, end, start):
            found = _IGNORE.fullmatch(comment[0])
            if found is None:
                continue
            at = line + text.count("\n", end, comment.start())
            beside = text[text.rfind("\n", 0, comment.start()) + 1 : comment.start()].strip()
            place = None
            if start == len(text):
                place = "stands above no statement"
            elif beside.strip("\ufeff"):
                place = "stands beside something, not above a statement"
            elif start not in starts:
                place = "stands inside a statement, not above it"
            yield found, at, place
        line += text.count("\n", end, finish)
        end = finish


def apply(ignores: Sequence[Ignore], drafts: Sequence[Draft]) -> list[Draft]:
    """The findings that no ignore silences, and one for each ignore that silences nothing."""
    silenced = {(ignore.rule, ignore.statement) for ignore in ignores}
    kept = [draft for draft in drafts if (draft.rule.name, draft.statement) not in silenced]
    present = {(draft.rule.name, draft.statement) for draft in drafts}
    for ignore in ignores:
        if (ignore.rule, ignore.statement) not in present:
            said = f"{ignore.rule} finds nothing in the statement below"
            kept.append(Draft(OWN["unused-ignore"], ignore.line, ignore.line, breaks=said))
    return kept
