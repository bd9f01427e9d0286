"""``vsl db``: migrations and what the schema is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vsl.cli.asking import DryRunOption, YesOption, agreed
from vsl.cli.assembly import addresses, embedded
from vsl.cli.output import JsonOption, err, out, print_json, say
from vsl.cli.schema_tables import Edit, show_plan, show_status, status_document
from vsl.cli.stopping import run
from vsl.config import Config, load
from vsl.db.migrate import (
    Options,
    SchemaState,
    difference_of,
    plan,
    run_migrations,
    schema_state,
    script_for_psql,
)
from vsl.db.migration.state import Allowed
from vsl.db.pool import connect
from vsl.errors import MigrationEdited

#: How long to wait for another runner, as the option has it.
WAIT = "10m"

WaitOption = Annotated[
    str,
    typer.Option("--wait", metavar="TIME", help="How long to wait for another runner, as in 30s."),
]
AllowMissingOption = Annotated[
    bool,
    typer.Option("--allow-missing", help="Go on although files of applied versions are gone."),
]
AllowOrderOption = Annotated[
    bool,
    typer.Option(
        "--allow-out-of-order", help="Apply files with lower versions than applied ones, too."
    ),
]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="As in `vsl db status`.")]


def status(as_json: JsonOption = False) -> None:
    """What runs, and how its schema compares with this program. The status is 1 unless current."""
    config = load()
    described: dict[str, Any] = {"server": "yours"}
    if config.database_url is None:
        server = embedded(config).status()
        described = {
            "server": "embedded",
            "state": server.state,
            "data": server.data,
            "version": server.version,
            "pid": server.pid,
            "port": server.port,
        }
        if server.state != "running":
            if as_json:
                print_json({**described, "schema": None})
            else:
                show_status(described, None, ())
            raise typer.Exit(1)
    state, edits = run(_state(addresses(config).url, config.migrations_folder))
    if as_json:
        print_json({**described, "schema": status_document(state, edits)})
    else:
        show_status(described, state, edits)
    raise typer.Exit(0 if state.current and state.sound else 1)


async def _state(url: str, folder: Path) -> tuple[SchemaState, list[Edit]]:
    async with connect(url, application="vsl cli") as connection:
        # A pooler gives each transaction another session, so prepared statements would get lost.
        connection.prepare_threshold = None
        state = await schema_state(connection, folder)
        edits = [
            Edit(
                known.row.version,
                known.migration.path.name,
                await difference_of(connection, known.row.version, known.migration),
            )
            for known in state.edited
        ]
        return state, edits


def migrate(
    wait: WaitOption = WAIT,
    allow_missing: AllowMissingOption = False,
    allow_out_of_order: AllowOrderOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the schema to this program's version, then apply your own migrations.

    Those are the files V{version}__description.sql of the folder VSL_MIGRATIONS. A file that fails
    leaves nothing behind, and the same command goes on from there; so does one whose statements
    cannot run in a transaction, at the statement that is not done yet.
    """
    config = load()
    options = _options(config, wait, allow_missing, allow_out_of_order, quiet=as_json)
    outcome = run(_with_diff(run_migrations(addresses(config).direct_url, options), as_json))
    applied = [applied.version for applied in outcome.applied]
    if as_json:
        print_json({"applied": applied, "reapplied": outcome.reapplied})
    elif not applied and not outcome.reapplied:
        say("The schema is up to date.")
    else:
        if applied:
            say(f"Applied {', '.join(applied)}.")
        if outcome.reapplied:
            say(f"Applied again: {len(outcome.reapplied)} functions, views and grants.")


def plan_(
    execute: Annotated[
        bool,
        typer.Option(
            "--execute",
            help="Run what runs in a transaction for real, list the locks it takes, and roll back.",
        ),
    ] = False,
    wait: WaitOption = WAIT,
    allow_missing: AllowMissingOption = False,
    allow_out_of_order: AllowOrderOption = False,
    as_json: JsonOption = False,
) -> None:
    """What `vsl db migrate` would do; with --execute also which locks it would take.

    While --execute runs, it holds these locks for real, all of them to its end.
    """
    config = load()
    options = _options(config, wait, allow_missing, allow_out_of_order, quiet=as_json)
    url = addresses(config).direct_url
    planned = run(_with_diff(plan(url, options, execute=execute), as_json))
    show_plan(planned, as_json=as_json)


def sql(
    allow_missing: AllowMissingOption = False,
    allow_out_of_order: AllowOrderOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print what is pending as a script for psql, for where programs may not migrate.

    Run it with `psql -f`: it stops at the first error with status 3, and records what it did, so
    that `vsl db migrate` has nothing to do after it.
    """
    config = load()
    options = _options(config, WAIT, allow_missing, allow_out_of_order, quiet=True)
    text = run(_with_diff(script_for_psql(addresses(config).direct_url, options), as_json))
    if as_json:
        print_json({"script": text})
    else:
        out.file.write(text + "\n")


def new(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What it does: 'add tags'.")],
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="Its version.", show_default="the next"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the next file of your own migrations, with a template to fill in."""
    from vsl.db.migration.wording import write_new

    path = write_new(load().migrations_folder, words, version)
    if as_json:
        print_json({"file": path})
    else:
        say(path.as_posix(), whole=True)


def accept_edit(
    version: Version,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let an edited file count as applied as it stands now. Nothing of it is run."""
    _amend("accept-edit", version, yes=yes, dry_run=dry_run, as_json=as_json)


def mark_applied(
    version: Version,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a pending file count as applied. Nothing of it is run."""
    _amend("mark-applied", version, yes=yes, dry_run=dry_run, as_json=as_json)


def forget_failed(
    version: Version,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a file that was begun and not ended, so that it begins anew. What it did stays."""
    _amend("forget-failed", version, yes=yes, dry_run=dry_run, as_json=as_json)


def _amend(act: str, version: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    from vsl.db.migration import amend

    config = load()
    url, folder = addresses(config).direct_url, config.migrations_folder
    wanted = run(amend.plan(url, folder, act, version))
    if not as_json:
        if wanted.diff:
            out.file.write(wanted.diff + "\n")
        for line in wanted.says:
            say(line)
    done = not dry_run and agreed("Do it?", yes=yes)
    if done:
        run(amend.carry_out(url, folder, wanted, _options(config, WAIT, quiet=as_json)))
    if as_json:
        described = {"act": act, "version": wanted.version, "says": wanted.says}
        print_json({**described, "diff": wanted.diff, "done": done})
    else:
        say("Done." if done else "Nothing was changed.")
    if not done and not dry_run:
        raise typer.Exit(1)


def _options(
    config: Config,
    wait: str,
    allow_missing: bool = False,
    allow_out_of_order: bool = False,
    *,
    quiet: bool,
) -> Options:
    from vsl.ops.durations import read_duration

    return Options(
        folder=config.migrations_folder,
        wait=read_duration("--wait", wait),
        allowed=Allowed(missing=allow_missing, out_of_order=allow_out_of_order),
        tell=(lambda _: None) if quiet else (lambda words: say(words, to=err, style="dim")),
    )


async def _with_diff(work: Any, as_json: bool) -> Any:
    """What work answers; when a file was edited, its diff is shown before that is said."""
    try:
        return await work
    except MigrationEdited as error:
        if error.diff and not as_json:
            err.file.write(error.diff + "\n")
        raise


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {
    "status": status,
    "migrate": migrate,
    "plan": plan_,
    "new": new,
    "sql": sql,
    "accept-edit": accept_edit,
    "mark-applied": mark_applied,
    "forget-failed": forget_failed,
}
