"""What people and programs see: tables, JSON, errors."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vsl.errors import InvalidInput, NotFound, VslError

#: The option that every command has.
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

#: Columns of a table that goes to a file or another program, where no terminal folds it.
_WIDE = 200

out = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDE)

STATUS_STYLES = {
    "pending": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """A value as JSON knows it. Amounts stay exact, as texts; times are ISO 8601 in UTC."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, UUID | Path):
        return str(value)
    return value


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table in the house style. right: columns that are aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def report(error: VslError, *, as_json: bool) -> int:
    """Say what went wrong, and what to do next; the exit status."""
    if as_json:
        problems = error.problems if isinstance(error, InvalidInput) else ()
        described: dict[str, Any] = {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
        }
        if problems:
            described["problems"] = [plain(problem) for problem in problems]
        sys.stderr.write(json.dumps({"error": described}, ensure_ascii=False) + "\n")
    else:
        lines = (
            [str(problem) for problem in error.problems]
            if isinstance(error, InvalidInput)
            else error.message.splitlines()
        )
        for number, line in enumerate(lines):
            label = Text("error: ", style="bold red") if number == 0 else Text("       ")
            err.print(label + Text(line), soft_wrap=True)
        if error.hint:
            err.print(Text("next:  ", style="bold") + Text(error.hint), soft_wrap=True)
    return 2 if isinstance(error, InvalidInput | NotFound) else 1


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=STATUS_STYLES.get(status, ""))


def money(amount: Decimal | None) -> str:
    """An amount in US dollars, with the digits that it has but at least two."""
    if amount is None:
        return "–"
    text = format(amount.normalize(), "f")
    whole, _, part = text.partition(".")
    return f"${whole}.{part.ljust(2, '0')}"


def seconds(value: Decimal | float | None) -> str:
    """A duration in seconds."""
    return "–" if value is None else f"{float(value):.1f} s"


def size(count: int | None) -> str:
    """A number of bytes in the unit that suits it."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def moment(value: datetime | None) -> str:
    """A point in time, in the reader's zone."""
    return "–" if value is None else value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def place(url: str | None) -> str:
    """An output's address: a path when it is a local file."""
    if url is None:
        return "–"
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url
