"""squawk, the linter that is asked first: run, and read with what it cannot know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from vsl.db.script import tokens
from vsl.errors import NotAllowed
from vsl.ops.lint.finding import Draft, Rule
from vsl.ops.lint.locks import EXCLUSIVE, hard_locks
from vsl.ops.lint.reading import Name, Read, Script, Words, top_level
from vsl.ops.lint.squawk_rules import ADOPTED, DROPPED

# Seconds; a migration takes it milliseconds.
_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Said:
    """One finding of squawk's. offset: its place in the text, in characters."""

    rule: str
    message: str
    offset: int


def find_squawk() -> Path:
    """The program: beside this Python, else on the PATH. Raises ``NotAllowed`` without one."""
    beside = Path(sys.executable).parent
    found = shutil.which("squawk", path=str(beside)) or shutil.which("squawk")
    if found is None:
        raise NotAllowed(
            "squawk is not installed, which `vsl db lint` runs",
            hint="pip install 'vsl[lint]'",
        )
    return Path(found)


def run_squawk(program: Path, text: str, *, in_transaction: bool, version: int) -> list[Said]:
    """What squawk finds in a script. version: PostgreSQL's major one.

    It gets the text on standard input, an empty environment and no settings of its own, and does
    not use the network. Raises ``NotAllowed`` when it does not answer as version 2 does.
    """
    command = [str(program), "--reporter=json", f"--config={os.devnull}", f"--pg-version={version}"]
    if in_transaction:
        command.append("--assume-in-transaction")
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            cwd="/",
            env={},
        )
        lines = text.split("\n")
        starts = [0, *accumulate(len(line) + 1 for line in lines)]
        return [_said(found, lines, starts) for found in json.loads(done.stdout)]
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
        raise NotAllowed(
            f"squawk ({program}) did not answer as expected: {type(error).__name__}",
            hint="See what `squawk --version` says; pip install --upgrade 'vsl[lint]'",
        ) from error


def _said(found: dict[str, Any], lines: Sequence[str], starts: Sequence[int]) -> Said:
    # Lines and columns count from 0, columns in bytes.
    number = int(found["line"])
    before = lines[number].encode()[: int(found["column"])].decode(errors="ignore")
    return Said(str(found["rule_name"]), str(found["message"]), starts[number] + len(before))


def judge(script: Script, text: str, said: Sequence[Said]) -> Iterator[Draft]:
    """What squawk says, without its false alarms and in the words of our rules."""
    seen: set[tuple[str, int]] = set()
    for found in sorted(said, key=lambda one: one.offset):
        read = _read_at(script, found.offset)
        rule = ADOPTED.get(found.rule) or _unknown(found)
        if found.rule in DROPPED or rule is None:
            continue
        if read is None:
            line = 1 + text.count("\n", 0, found.offset)
            yield Draft(rule, line, line, breaks=found.message)
            continue
        if not _is_harmless(script, read, rule) and (rule.name, found.offset) not in seen:
            seen.add((rule.name, found.offset))
            yield from _in_our_words(read, rule, found, text)


def _unknown(found: Said) -> Rule | None:
    """A rule that a newer squawk has."""
    if found.rule in DROPPED:
        return None
    return Rule(found.rule, "note", found.message, "See squawk's documentation.", always=True)


def _read_at(script: Script, offset: int) -> Read | None:
    place = bisect_right(script.reads, offset, key=lambda read: read.statement.start)
    return script.reads[place - 1] if place else None


def _is_harmless(script: Script, read: Read, rule: Rule) -> bool:
    """Whether it is about what the script made itself, or makes again."""
    if rule.always:
        return False
    if read.names and not read.existing:
        return True
    if not read.kind.startswith("DROP "):
        return False
    again = read.kind.replace("DROP ", "CREATE ")
    made = {name for other in script.reads if other.kind == again for name in other.names}
    return bool(read.names) and made >= set(read.names) and again in _REPLACED


# Dropped to be made again with another signature.
_REPLACED = ("CREATE FUNCTION", "CREATE PROCEDURE", "CREATE VIEW", "CREATE MATERIALIZED VIEW")


def _in_our_words(read: Read, rule: Rule, found: Said, text: str) -> Iterator[Draft]:
    tables = _tables(read)
    line = 1 + text.count("\n", 0, found.offset)
    breaks = None
    if rule.name == "constraint-missing-not-valid":
        end = read.statement.start + len(read.statement.text)
        # An index cannot be NOT VALID; other rules speak of those.
        if {"UNIQUE", "EXCLUDE", "PRIMARY"} & set(_first_action(text[found.offset : end])):
            return
        if any(lock.mode == EXCLUSIVE for lock in hard_locks(read)):
            breaks = (
                "reads all of {table} to check the constraint, while nobody can read or write it"
            )
    elif rule.name == "syntax-error":
        breaks = f"squawk cannot read this: {found.message}"
    yield Draft(rule, line, read.line, tables, breaks)


def _tables(read: Read) -> tuple[Name, ...]:
    return read.existing or read.names


def _first_action(text: str) -> Words:
    words = tuple(token.word for token in tokens(text))
    for place, word in top_level(words):
        if word == ",":
            return words[:place]
    return words
