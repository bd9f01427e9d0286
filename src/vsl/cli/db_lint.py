"""``vsl db lint``: migrations judged before they run."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, out, print_json, say, size, visible
from vsl.cli.stopping import run
from vsl.config import Config, load
from vsl.db.files import database_dir, migrations
from vsl.db.migrate import schema_state
from vsl.db.migration.folder import read_folder
from vsl.db.pool import connect
from vsl.db.statement import Connection
from vsl.errors import DatabaseError, InvalidInput, Problem
from vsl.ops.lint import OLDEST_VERSION, File, Finding, find_squawk, lint, read_file

_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def lint_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files, or folders of *.sql. None: your pending migrations."),
    ] = None,
    packaged: Annotated[
        bool, typer.Option("--packaged", help="The migrations that come with VSL.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the database how large tables are.")
    ] = False,
    pg_version: Annotated[
        int | None,
        typer.Option(
            "--pg-version",
            metavar="N",
            min=OLDEST_VERSION,
            help="PostgreSQL to judge for. Unset: the database's, or 14 without one.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what in migrations blocks a running system, loses data, or breaks programs.

    Runs squawk and VSL's own rules. Where the database can be reached, tables below 10,000 rows and
    10 MB make what blocks a note. `-- vsl:ignore RULE: reason` on the line above a statement
    silences a rule there. The status is 1 when there are errors or warnings.
    """
    if files and packaged:
        raise InvalidInput([Problem("--packaged", "stands beside files", "one of the two")])
    asked = _Asked(load(), tuple(files or ()), packaged, pg_version)
    result = run(_lint(asked, offline=offline))
    if as_json:
        print_json(_described(result))
    else:
        _show(result)
    serious = any(found.level != "note" for found in result.findings)
    raise typer.Exit(1 if serious else 0)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What to judge, and for what."""

    config: Config
    files: tuple[Path, ...]
    packaged: bool
    pg_version: int | None


@dataclass(frozen=True, slots=True)
class _Result:
    """What was found. unreached: why sizes are not known; None when they are."""

    files: Sequence[str]
    findings: Sequence[Finding]
    version: int
    unreached: str | None


async def _lint(asked: _Asked, *, offline: bool) -> _Result:
    squawk = find_squawk()
    if offline:
        return await _judge(asked, squawk, None, "not asked (--offline)")
    # What is wrong with the files is said before anybody waits for a database.
    given = _given(asked)
    try:
        url = addresses(asked.config).direct_url
        async with connect(url, application="vsl cli") as connection:
            return await _judge(asked, squawk, connection, None, given)
    except DatabaseError as error:
        return await _judge(asked, squawk, None, error.message, given)


async def _judge(
    asked: _Asked,
    squawk: Path,
    connection: Connection | None,
    unreached: str | None,
    given: list[File] | None = None,
) -> _Result:
    files = given or _given(asked) or await _pending(asked.config, connection)
    live = connection.info.server_version // 10000 if connection else OLDEST_VERSION
    version = asked.pg_version or live
    findings = await lint(files, squawk, connection=connection, version=version)
    return _Result([file.name for file in files], findings, version, unreached)


def _given(asked: _Asked) -> list[File]:
    """The files that were named. Raises ``InvalidInput`` for all that cannot be read."""
    if asked.packaged:
        return [read_file(migration.path, own=True) for migration in migrations()]
    ours = database_dir() / "migrations"
    found: list[File] = []
    problems: list[Problem] = []
    for path in asked.files:
        try:
            found += [read_file(one, own=one.resolve().parent == ours) for one in _expanded(path)]
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems)
    return found


def _expanded(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = sorted(path.glob("*.sql"))
    if not inside:
        raise InvalidInput([Problem(str(path), "holds no .sql file", "a folder of migrations")])
    return inside


async def _pending(config: Config, connection: Connection | None) -> list[File]:
    """The user's migrations that the database lacks; without a database, all of them."""
    folder = config.migrations_folder
    found = read_folder(folder)
    if connection is not None:
        pending = (await schema_state(connection, folder)).pending
        found = [migration for migration in found if migration in pending]
    return [read_file(migration.path) for migration in found]


def _described(result: _Result) -> dict[str, Any]:
    return {
        "files": result.files,
        "findings": result.findings,
        "pg_version": result.version,
        "sizes": {"known": result.unreached is None, "because": result.unreached},
        **_counts(result.findings),
    }


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    counted = Counter(found.level for found in findings)
    return {
        "errors": counted["error"],
        "warnings": counted["warning"],
        "notes": counted["note"],
    }


def _show(result: _Result) -> None:
    if not result.files:
        say("No migration of yours is pending. Name files, or give --packaged.")
        return
    for found in result.findings:
        place = Text(f"{visible(found.file)}:{found.line}  ")
        say(place + Text(found.level, style=_STYLES[found.level]), found.rule)
        _paragraph(found.breaks + _sized(found))
        _paragraph(f"instead: {found.instead}")
        say()
    counts = _counts(result.findings)
    number = f"{len(result.files)} file{'s' if len(result.files) != 1 else ''}"
    said = [f"{count} {name if count != 1 else name[:-1]}" for name, count in counts.items()]
    say(f"{number}, for PostgreSQL {result.version}: {', '.join(said)}.")
    if result.unreached is not None:
        say(f"Sizes of tables are not known, so all count as large: {result.unreached}.")


def _sized(found: Finding) -> str:
    """What the database says of the table."""
    if found.rows is None or found.bytes is None:
        return ""
    return f" ({found.table}: about {found.rows:,} rows, {size(found.bytes)})"


def _paragraph(text: str) -> None:
    wrapped = textwrap.wrap(
        visible(text),
        max(out.width, 40),
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in wrapped:
        say(line, whole=True)


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {"lint": lint_}
