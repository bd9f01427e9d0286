"""``vsl db adopt``: taking over a database with the original layout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, Listing, print_json, say
from vsl.cli.stopping import run
from vsl.cli.working import steps
from vsl.config import load
from vsl.db.adoption import KEPT
from vsl.errors import InvalidInput, Problem
from vsl.ops.adopt.run import Choices, look, require_ready
from vsl.ops.adopt.run import adopt as adopt_database
from vsl.ops.adopt.survey import Assessment

_FILLED = ("user_id", "model_id")


def adopt(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    leave_behind: Annotated[
        bool,
        typer.Option(
            "--leave-behind",
            help="Rows and columns that VSL has no place for stay with the original tables only.",
        ),
    ] = False,
    fill: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="A user_id or model_id for rows without one. May be given for each of the two.",
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of times that were stored without a zone."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Adopt a database that has VSL's original tables and none of its machinery.

    Shows how tables, columns and rows differ, asks, and then in one transaction: moves the original
    tables to schema vsl_original, installs the schema, copies every row, and compares counts and
    sums. Every model found there becomes `external`, so that no worker takes its jobs.
    """
    config = load()
    choices = Choices(time_zone=time_zone, leave=leave_behind, **_fillings(fill or []))
    if not dry_run and not yes and (as_json or not sys.stdin.isatty()):
        reason = "is needed where nobody can be asked"
        raise InvalidInput([Problem("--yes", reason, "or --dry-run, to see what would be done")])
    url = addresses(config).direct_url
    with steps() as show:
        found = run(look(url, choices, on_step=show))
    ready = not found.obstacles and (leave_behind or not found.undecided)
    if dry_run:
        _print(found, adopted=False, as_json=as_json)
        raise typer.Exit(0 if ready else 1)
    if not as_json:
        _show(found)
    require_ready(found, choices)
    if not yes:
        say()
        if not typer.confirm("Adopt this database?", err=True):
            say("Nothing was changed.")
            raise typer.Exit(1)
    with steps(lines=not as_json) as show:
        found = run(adopt_database(url, choices, on_step=show))
    if as_json:
        _print(found, adopted=True, as_json=True)
    else:
        _show_done(found)


def _fillings(given: Sequence[str]) -> dict[str, str]:
    fillings = {}
    for text in given:
        column, equals, value = text.partition("=")
        if column not in _FILLED or not equals or not value:
            accepted = "user_id=NAME or model_id=NAME"
            raise InvalidInput([Problem("--fill", "is not understood", accepted)])
        fillings[column] = value
    return fillings


def _print(found: Assessment, *, adopted: bool, as_json: bool) -> None:
    if as_json:
        print_json({"adopted": adopted, "kept_in": KEPT, "found": found})
    else:
        _show(found)


def _show(found: Assessment) -> None:
    ledger = ", ".join(found.versions) or "none recorded"
    say(
        f"Database {found.database}, PostgreSQL {found.server_version}, login {found.login}: "
        f"VSL's original layout, versions {ledger}."
    )
    _show_tables(found)
    _show_columns(found)
    _show_rows(found)
    _show_list("Foreign keys and views that are moved over to the new tables", found.carried)
    _show_list(f"Stays with the original tables in {KEPT}", found.left)
    _show_list("In the way", found.obstacles)
    _show_list("For you to decide", found.undecided)
    if found.models and not found.obstacles:
        say()
        models = "1 model becomes" if found.models == 1 else f"{found.models} models become"
        say(f"{models} external: no worker of VSL's takes their jobs.")


def _show_tables(found: Assessment) -> None:
    made = Listing(("table", "rows", "refused"), right=("rows", "refused"), title="Tables")
    for table in found.tables:
        made.add(table.name, str(table.rows), str(table.refused))
    if made.rows:
        made.show()


def _show_columns(found: Assessment) -> None:
    made = Listing(("column", "original", "VSL's", "what becomes of it"), title="Columns")
    missing: dict[str, list[str]] = {}
    for column in found.columns:
        if column.found is None:
            missing.setdefault(column.table, []).append(column.column)
            continue
        name = f"{column.table}.{column.column}"
        made.add(name, column.found, column.expected or "–", column.becomes)
    if made.rows:
        made.show()
    lines = [f"{table}: {', '.join(names)}" for table, names in missing.items()]
    _show_list("Missing columns, filled as for a new row or left empty", lines)


def _show_rows(found: Assessment) -> None:
    made = Listing(
        ("column", "rows", "what is wrong", "what it becomes"),
        right=("rows",),
        title="Rows that are mended",
    )
    for rule in found.mends:
        made.add(f"{rule.table}.{rule.column}", str(rule.rows), rule.wrong, rule.becomes or "")
    if made.rows:
        made.show()
    made = Listing(
        ("column", "rows", "what is wrong", "the first of them"),
        right=("rows",),
        title="Rows that VSL refuses",
    )
    for rule in found.refusals:
        made.add(f"{rule.table}.{rule.column}", str(rule.rows), rule.wrong, ", ".join(rule.first))
    if made.rows:
        made.show()


def _show_list(title: str, lines: Sequence[str]) -> None:
    if lines:
        say()
        say(f"{title}:", style="bold")
        for line in lines:
            say(f"  {line}")


def _show_done(found: Assessment) -> None:
    copied = sum(table.rows - table.refused for table in found.tables)
    say()
    rows = "1 row" if copied == 1 else f"{copied} rows"
    say(f"Adopted: {rows} copied and compared.", style="green")
    say(f"The original tables are in schema {KEPT}, as they were; nothing uses them.")
    say()
    say("Next:", style="bold")
    say("  vsl db verify     compare the schema with a fresh one")
    for role in found.grantees:
        say(f'  GRANT vsl_app TO "{role}";     it had rights on the original tables')
    say(
        "  To let VSL run a model: UPDATE model_configurations SET provider = 'cog', "
        "pricing_per_unit = … WHERE model_id = …;"
    )
    say(f"  When you no longer need the originals: DROP SCHEMA {KEPT} CASCADE;")


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {"adopt": adopt}
