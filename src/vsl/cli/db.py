"""``vsl db``: the database server and the schema."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import typer

from vsl.cli.assembly import addresses, embedded
from vsl.cli.lock import UP_LOCK, holder
from vsl.cli.output import JsonOption, Listing, moment, print_json, say, show_facts
from vsl.cli.stopping import run
from vsl.config import Config, environment_with, load
from vsl.db.embedded.binaries import find_binaries
from vsl.db.migrate import SchemaState, migrate, schema_state
from vsl.db.pool import connect, libpq_variables
from vsl.db.statement import fetch
from vsl.db.statements import AppliedVersion, ListVersions
from vsl.errors import NotAllowed, ServerError


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
        say(f"PostgreSQL {info.version} {said}: process {info.pid}, port {info.port}")
        say("See it with `vsl db psql`.")


def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded PostgreSQL."""
    config = load()
    _only_embedded(config.database_url, "stop")
    user = holder(config.home / UP_LOCK)
    if user is not None:
        raise NotAllowed(
            f"`vsl up` (process {user}) uses this PostgreSQL and would start it again",
            hint=f"Stop that with Ctrl-C or `kill {user}`; it stops PostgreSQL too.",
        )
    stopped = embedded(config).stop()
    if as_json:
        print_json({"stopped": stopped})
    else:
        say("PostgreSQL is stopped." if stopped else "PostgreSQL was not running.")


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


def migrate_(as_json: JsonOption = False) -> None:
    """Bring the schema to this program's version."""
    before = run(migrate(addresses(load()).direct_url))
    applied = [migration.version for migration in before.pending]
    if as_json:
        print_json({"applied": applied, "reapplied": before.changed})
    elif before.current:
        say("The schema is up to date.")
    else:
        if applied:
            say(f"Applied {', '.join(applied)}.")
        say(f"Applied again: {len(before.changed)} functions, views and grants.")


def psql(context: typer.Context) -> None:
    """Open psql on the database; further arguments go to psql."""
    config = load()
    if config.database_url is None:
        if embedded(config).status().state != "running":
            addresses(config)  # says what to do
        command = embedded(config).psql(*context.args)
        argv, variables = command.argv, command.env
    else:
        # The address may hold a password, so it travels in the environment, not in the arguments.
        argv = [_find_psql(config), *context.args]
        variables = libpq_variables(addresses(config).url)
    os.execve(argv[0], argv, environment_with(variables))  # noqa: S606 - it takes our place


def _find_psql(config: Config) -> str:
    """The system's psql, else the one that comes with the embedded server."""
    found = shutil.which("psql")
    if found is not None:
        return found
    carried = find_binaries(config.pg_bin).program("psql")
    if os.access(carried, os.X_OK):
        return str(carried)
    raise ServerError("psql is not installed", hint="Install PostgreSQL's client.")


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
    show_facts({name: str(value) for name, value in described.items() if value is not None})
    if state is None:
        say("It does not run. Start it with `vsl db start`, or everything with `vsl up`.")
        return
    if versions:
        made = Listing(("version", "description", "applied"), title="Schema")
        for row in versions:
            made.add(row.version, row.description or "", moment(row.applied_at))
        made.show()
    say()
    if state.unknown:
        newer = ", ".join(state.unknown)
        say(f"The schema is newer than this program: {newer}. Install a newer VSL.", style="yellow")
    elif state.current:
        say("The schema is up to date.", style="green")
    elif versions:
        say("The schema is not up to date. Run `vsl db migrate`.", style="yellow")
    else:
        say("VSL is not installed in this database. Run `vsl db migrate`.", style="yellow")


#: The verbs of ``vsl db``; psql, which passes its arguments on, is beside them.
VERBS: Mapping[str, Callable[..., Any]] = {
    "start": start,
    "stop": stop,
    "status": status,
    "migrate": migrate_,
}
