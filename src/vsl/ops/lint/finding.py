"""What the linter says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vsl.ops.lint.reading import Name

#: ``error``: it will stop the system for long, lose data, or fail. ``warning``: it can, or it
#: breaks a program that runs. ``note``: worth knowing; no reason to stop.
Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule says of every place that it finds.

    breaks: what is locked, lost or broken; ``{table}`` stands for the relation. instead: how to do
    it. sized: whether the harm grows with the table, so that a small one makes it a note. always:
    whether it counts for what the same file has made, too.
    """

    name: str
    level: Level
    breaks: str
    instead: str
    sized: bool = False
    always: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. line: counted from 1.

    table: the relation that it is about. rows, bytes: of it in the live database, estimated; None
    when not known.
    """

    file: str
    line: int
    rule: str
    level: Level
    breaks: str
    instead: str
    table: str | None = None
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A finding before the ignores and the live database are asked.

    line: where it is. statement: the line that its statement begins on. tables: what it is about;
    the first one is named. breaks: in place of the rule's own text.
    """

    rule: Rule
    line: int
    statement: int
    tables: tuple[Name, ...] = ()
    breaks: str | None = None


def shown(name: Name | None) -> str:
    """A relation as a finding names it."""
    if name is None:
        return "the table"
    return name[1] if name[0] == "public" else f"{name[0]}.{name[1]}"
