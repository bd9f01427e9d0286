"""What the looks at a database share: reaching it, and saying what stands out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.text import Text

from vsl.cli.assembly import addresses
from vsl.cli.output import say
from vsl.config import load
from vsl.db.pool import connect
from vsl.db.statement import Connection
from vsl.ops.doctor.check import show
from vsl.ops.looks import Remark

LimitOption = Annotated[
    int, typer.Option("--limit", min=1, max=10_000, metavar="COUNT", help="At most so many rows.")
]
AllSchemasOption = Annotated[
    bool, typer.Option("--all", help="Tables of all schemas, not only of public and vsl.")
]
NONE = "–"


@asynccontextmanager
async def reached() -> AsyncIterator[Connection]:
    """A connection for looking and for incidents, whatever schema the database has.

    Raises ``DatabaseError``.
    """
    async with connect(addresses(load()).url, application="vsl cli") as connection:
        # A pooler gives each transaction another session, so prepared statements would get lost.
        connection.prepare_threshold = None
        yield connection


def say_remarks(remarks: Sequence[Remark]) -> None:
    """Print what stands out, each with the command to go on with."""
    say()
    for remark in remarks:
        say(remark.says)
        if remark.next:
            say(Text("next:", style="bold"), remark.next, whole=True)


def bytes_text(count: int | None) -> str:
    """A number of bytes in PostgreSQL's units."""
    return NONE if count is None else show(float(count), "bytes")


def seconds_text(value: float | None) -> str:
    """A duration in the unit that suits it."""
    # A clock that was read a moment earlier may lie behind.
    return NONE if value is None else show(max(value, 0.0), "seconds")


def share_text(value: float | None) -> str:
    """A part of a whole, in percent."""
    return NONE if value is None else f"{value:.1%}".replace("%", " %")


def count_text(value: int | None) -> str:
    """A number with its thousands apart."""
    return NONE if value is None else f"{value:,}"


def left_out(shown: int, found: int) -> None:
    """Say how many rows a limit kept back."""
    if found > shown:
        say(f"(and {found - shown:,} more: --limit)", style="dim")


def many_sessions(count: int) -> str:
    """A number of sessions in words."""
    return "1 session" if count == 1 else f"{count} sessions"
