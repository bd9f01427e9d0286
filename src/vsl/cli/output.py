"""What people and programs see: lines, tables, JSON, errors."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from vsl.errors import InvalidInput, NotFound, VslError

#: The option that every command has.
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

#: Columns of what goes to a file or another program, where no terminal folds it.
_WIDE = 100_000


def _console(*, stderr: bool) -> Console:
    # What is printed comes from people and models: nothing in it is markup or the name of an emoji.
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if terminal else _WIDE
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


out = _console(stderr=False)
err = _console(stderr=True)

STATUS_STYLES = {
    "pending": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}

# Control characters, which can do anything to a terminal, and what writes text backwards; line
# ends and tabs are harmless. Halves of surrogate pairs cannot be written at all.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""A text that is safe to print: control characters become ``\x1b`` and the like."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def say(
    *parts: str | Text, to: Console | None = None, style: str = "", whole: bool = False
) -> None:
    """Print a line. A terminal gets it folded between words, never within one.

    whole: not even there, so that a path can be copied as one line.
    """
    line = Text(style=style)
    for number, part in enumerate(parts):
        line.append(" " if number else "")
        line.append(Text(visible(part)) if isinstance(part, str) else part)
    console = to or out
    folded = [line] if whole else _fold(line, console.width)
    for part in folded:
        console.print(part, soft_wrap=True)


def _fold(line: Text, width: int) -> list[Text]:
    """A text in lines that fit, broken between words only; a longer word keeps its line whole."""
    parts: list[Text] = []
    for paragraph in line.split("\n", allow_blank=True):
        breaks, used = [], 0
        for word in re.finditer(r"\s*\S+", paragraph.plain):
            if used and used + cell_len(word[0]) > width:
                breaks.append(word.start())
                used = cell_len(word[0].lstrip())
            else:
                used += cell_len(word[0])
        pieces = paragraph.divide(breaks)
        parts += [piece if n == 0 else _stripped(piece) for n, piece in enumerate(pieces)]
    return parts


def _stripped(piece: Text) -> Text:
    return piece[len(piece.plain) - len(piece.plain.lstrip()) :]


@dataclasses.dataclass
class Listing:
    """Rows below headings. right: columns aligned to the right.

    spare: columns that a terminal too narrow for all goes without, the first first; the reader
    is told.
    """

    columns: Sequence[str]
    right: Sequence[str] = ()
    spare: Sequence[str] = ()
    title: str | None = None
    rows: list[Sequence[str | Text]] = dataclasses.field(default_factory=list)

    def add(self, *cells: str | Text) -> None:
        """Add a row."""
        self.rows.append([Text(visible(c)) if isinstance(c, str) else c for c in cells])

    def fits(self) -> bool:
        """Whether all columns fit the terminal with each row on one line."""
        return _width(self._table(())) <= out.width

    def show(self) -> None:
        """Print it."""
        left_out: list[str] = []
        for column in self.spare:
            if _width(self._table(left_out)) <= out.width:
                break
            left_out.append(column)
        if self.title:
            say()
            say(self.title, style="bold")
        _print_table(self._table(left_out))
        if left_out:
            note = f"(a wider terminal also shows: {', '.join(left_out)})"
            say(note, style="dim")

    def _table(self, left_out: Sequence[str]) -> Table:
        made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        kept = [name for name in self.columns if name not in left_out]
        for name in kept:
            justify = "right" if name in self.right else "left"
            made.add_column(Text(name), justify=justify, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            made.add_row(
                *(c for name, c in zip(self.columns, row, strict=True) if name not in left_out)
            )
        return made


def show_facts(facts: dict[str, str | Text]) -> None:
    """Print names and values below each other."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in facts.items():
        made.add_row(Text(name), Text(visible(value)) if isinstance(value, str) else value)
    _print_table(made)


def _print_table(made: Table) -> None:
    if out.is_terminal:
        out.print(made)
        return
    # Without the blanks that fill up a table's lines.
    with out.capture() as captured:
        out.print(made)
    sys.stdout.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
    sys.stdout.flush()


def _width(made: Table) -> int:
    # A console's own width is a limit of what is measured.
    options = out.options.update(width=_WIDE)
    return Measurement.get(out, options, made).maximum


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    # Escapes are needed for other encodings, and for halves of surrogate pairs.
    document = json.dumps(plain(value), indent=2, ensure_ascii=False)
    try:
        document.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        document = json.dumps(plain(value), indent=2)
    sys.stdout.write(document + "\n")
    sys.stdout.flush()


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


def report(error: VslError, *, as_json: bool) -> int:
    """Say what went wrong, and what to do next; the exit status."""
    problems = error.problems if isinstance(error, InvalidInput) else ()
    lines = [str(problem) for problem in problems] or error.message.splitlines()
    described: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if problems:
        described["problems"] = [plain(problem) for problem in problems]
    complain(lines, error.hint, described if as_json else None)
    return 2 if isinstance(error, InvalidInput | NotFound) else 1


def complain(lines: Sequence[str], hint: str | None, described: dict[str, Any] | None) -> None:
    """Print an error on standard error: as JSON when it is ``described``, else as words."""
    if described is not None:
        sys.stderr.write(json.dumps({"error": described}) + "\n")
        return
    for number, line in enumerate(lines):
        _labelled("error:" if number == 0 else "", line, "bold red")
    if hint:
        _labelled("next:", hint, "bold")


def _labelled(label: str, line: str, style: str) -> None:
    """A line with a hanging indent, folded as ``say`` does: paths and commands stay whole."""
    room = max(err.width - 7, 20)
    for number, part in enumerate(_fold(Text(visible(line)), room)):
        say(Text(f"{label if number == 0 else '':<7}", style=style) + part, to=err, whole=True)


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


def short_moment(value: datetime) -> str:
    """A point in time in a narrow column: the clock alone for the last half day."""
    local = value.astimezone()
    age = (datetime.now(UTC) - local).total_seconds()
    return local.strftime("%H:%M:%S" if 0 <= age < 12 * 3600 else "%Y-%m-%d")


def place(url: str | None) -> str:
    """An output's address: a path when it is a local file."""
    if url is None:
        return "–"
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url
