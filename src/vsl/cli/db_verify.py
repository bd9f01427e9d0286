"""``vsl db verify``: whether the schema is what it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, print_json, say
from vsl.cli.stopping import run
from vsl.cli.working import steps
from vsl.config import load
from vsl.ops.verify.compare import Difference
from vsl.ops.verify.run import Report
from vsl.ops.verify.run import verify as compare_installations


def verify(
    scratch: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A server of the same major version for the installations to compare with.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Compare with a fresh installation only, not a migrated one."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the live schema with a fresh and a migrated one, and name each difference.

    These two are made in scratch databases and dropped again. What others added to VSL's tables is
    told apart and does not count; tables of your own are not looked at. The status is 1 when
    something is missing or changed.
    """
    config = load()
    with steps() as show:
        report = run(
            compare_installations(
                addresses(config).direct_url,
                scratch=scratch,
                pg_bin=config.pg_bin,
                quick=quick,
                on_step=show,
            )
        )
    if as_json:
        print_json({**_described(report), "clean": report.clean})
    else:
        _show(report)
    raise typer.Exit(0 if report.clean else 1)


def _described(report: Report) -> dict[str, Any]:
    return {
        "database": report.database,
        "server_version": report.server_version,
        "place": report.place,
        "quick": report.quick,
        "differences": report.differences,
        "notes": report.notes,
    }


def _show(report: Report) -> None:
    wrong = [d for d in report.differences if d.level == "difference" and d.where == "live"]
    package = [d for d in report.differences if d.where == "package"]
    added = [d for d in report.differences if d.level == "added"]
    beside = "a fresh installation" if report.quick else "a fresh and a migrated installation"
    say(
        f"Database {report.database}, PostgreSQL {report.server_version}, beside {beside} "
        f"({_PLACES[report.place]})."
    )
    _show_part("Differences", wrong)
    _show_part("A fresh and a migrated installation differ; please report this", package)
    _show_part("Added by others, which VSL leaves alone", added)
    for note in report.notes:
        say()
        say(f"Note: {note}")
    say()
    if report.clean:
        say("The schema is what it should be.", style="green")
    elif wrong:
        names = "1 difference" if len(wrong) == 1 else f"{len(wrong)} differences"
        say(f"The schema is not what it should be: {names}.", style="yellow")
        say(_advice(wrong))
    elif report.unseen:
        say("The schema could not be compared completely.", style="yellow")
    else:
        say("The live schema is as one of the two.", style="yellow")


_PLACES = {
    "same server": "made on the same server",
    "scratch": "made on the scratch server",
    "embedded": "made in a temporary server",
}


def _show_part(title: str, differences: list[Difference]) -> None:
    if differences:
        say()
        say(f"{title}:", style="bold")
        for difference in differences:
            say(f"  {difference}")


def _advice(differences: list[Difference]) -> str:
    if any(
        d.name.startswith(("version ", "text ")) and d.kind != "not expected" for d in differences
    ):
        return "Next: `vsl db migrate`, then `vsl db verify` again."
    return (
        "Next: undo what was changed, or find in database/ how each is made; "
        "then `vsl db verify` again."
    )


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {"verify": verify}
