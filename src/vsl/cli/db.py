"""``vsl db``: the database server and the schema."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import typer

from vsl.cli.assembly import addresses, embedded
from vsl.cli.lock import UP_LOCK, holder
from vsl.cli.output import JsonOption, print_json, say
from vsl.cli.stopping import run
from vsl.config import Config, environment_with, load
from vsl.db.embedded.binaries import find_binaries
from vsl.db.migrate import migrate
from vsl.db.pool import libpq_variables
from vsl.errors import NotAllowed, ServerError


def start(as_json: JsonOption = False) -> None:
    """Start the embedded PostgreSQL, making it first if need be, and install VSL's schema."""
    config = load()
    _only_embedded(config.database_url, "start")
    info = embedded(config).start()
    run(migrate(info.url, folder=config.migrations_folder))
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


#: The verbs of ``vsl db``; psql, which passes its arguments on, is beside them.
VERBS: Mapping[str, Callable[..., Any]] = {
    "start": start,
    "stop": stop,
}
