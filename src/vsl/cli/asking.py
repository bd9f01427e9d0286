"""Asking before something is done that cannot be undone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from vsl.errors import InvalidInput, Problem

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


def agreed(question: str, *, yes: bool) -> bool:
    """Whether the user agrees. yes: they said so on the command line.

    Raises ``InvalidInput`` where nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        problem = Problem("--yes", "is needed where nobody can be asked")
        raise InvalidInput([problem], hint="Look first with --dry-run.")
    # Not among the results, which may go to another program.
    return typer.confirm(question, err=True)
