"""``vsl db``: the database server and the schema."""

from __future__ import annotations

import os
from typing import Any

import typer

from vsl.cli.assembly import addresses, embedded, run
from vsl.cli.output import JsonOption, moment, out, print_json, table
from vsl.config import load
from vsl.db.migrate import SchemaState, migrate, schema_state
from vsl.db.pool import connect, libpq_variables
from vsl.db.statement import fetch
from vsl.db.statements import AppliedVersion, ListVersions
from vsl.errors import NotAllowed, ServerError

app = typer.Typer(no_args_is_help=True, help="The database server and the schema.")


@app.command()
def start(as_json: JsonOption = False) -> None:
    """Start the embedded PostgreSQL, making it first if need be, and install VSL's schema."""
    config = load()
    _only_embedded(config.database_url, "start")
    info = embedded(config).start()
    run(migrate(info.url))
    if as_json:
        print_json(info)
    else:
        said = "started" if info.started else "was running already"
        out.print(f"PostgreSQL {info.version} {said}: process {info.pid}, port {info.port}")
        out.print("See it with `vsl db psql`.")


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded PostgreSQL."""
    config = load()
    _only_embedded(config.database_url, "stop")
    stopped = embedded(config).stop()
    if as_json:
        print_json({"stopped": stopped})
    else:
        out.print("PostgreSQL is stopped." if stopped else "PostgreSQL was not running.")


@app.command()
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
            _show_status(described, None, [], as_json=as_json)
            raise typer.Exit(1)
    state, versions = run(_schema(addresses(config).url))
    _show_status(described, state, versions, as_json=as_json)
    raise typer.Exit(0 if state.current else 1)


@app.command("migrate")
def migrate_(as_json: JsonOption = False) -> None:
    """Bring the schema to this program's version."""
    before = run(migrate(addresses(load()).direct_url))
    applied = [migration.version for migration in before.pending]
    if as_json:
        print_json({"applied": applied, "reapplied": before.changed})
    elif before.current:
        out.print("The schema is up to date.")
    else:
        if applied:
            out.print(f"Applied {', '.join(applied)}.")
        out.print(f"Applied again: {len(before.changed)} functions, views and grants.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; further arguments go to psql."""
    config = load()
    if config.database_url is None:
        command = embedded(config).psql(*context.args)
        argv, environment = command.argv, {**os.environ, **command.env}
    else:
        # The address may hold a password, so it travels in the environment, not in the arguments.
        argv = ["psql", *context.args]
        environment = {**os.environ, **libpq_variables(config.database_url)}
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - psql takes this process's place
    except FileNotFoundError:
        raise ServerError("psql is not installed", hint="Install PostgreSQL's client.") from None


def _only_embedded(url: str | None, verb: str) -> None:
    if url is not None:
        raise NotAllowed(
            f"DATABASE_URL names a server of yours, which VSL does not {verb}",
            hint="Unset DATABASE_URL to use the embedded one.",
        )


async def _schema(url: str) -> tuple[SchemaState, list[AppliedVersion]]:
    async with connect(url, application="vsl cli") as connection:
        state = await schema_state(connection)
        versions = await fetch(connection, ListVersions()) if state.versions else []
        return state, versions


def _show_status(
    described: dict[str, Any],
    state: SchemaState | None,
    versions: list[AppliedVersion],
    *,
    as_json: bool,
) -> None:
    schema = None
    if state is not None:
        schema = {
            "versions": versions,
            "pending": [m.version for m in state.pending],
            "changed": state.changed,
            "unknown": state.unknown,
        }
    if as_json:
        print_json({**described, "schema": schema})
        return
    out.print("Server: " + ", ".join(f"{k} {v}" for k, v in described.items() if v is not None))
    if state is None:
        out.print("It is not running. Start it with `vsl db start` or `vsl up`.")
        return
    made = table("version", "description", "applied")
    for row in versions:
        made.add_row(row.version, row.description or "", moment(row.applied_at))
    out.print(made)
    if state.unknown:
        out.print(f"Newer than this program: {', '.join(state.unknown)}. Install a newer VSL.")
    elif state.current:
        out.print("[green]The schema is up to date.[/]")
    else:
        out.print("[yellow]The schema is not up to date.[/] Run `vsl db migrate`.")
