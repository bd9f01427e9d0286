"""Starting a server on a data folder that exists."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from vsl.db.embedded.account import Account, error_line, run_as
from vsl.db.embedded.binaries import Binaries
from vsl.db.embedded.home import ServerHome
from vsl.db.embedded.postmaster import (
    Postmaster,
    clear_remains,
    living_postmaster,
    pick_port,
    port_is_free,
    socket_path_fits,
)
from vsl.db.embedded.setup import SETTINGS_FILE
from vsl.errors import ServerError

log = logging.getLogger(__name__)

START_PATIENCE = 60.0  # seconds
_REMAINS_PATIENCE = 20.0  # seconds for a killed server's zombie and orphans to go away
_LOG_LIMIT = 10 * 1024 * 1024  # bytes

# For the rest PostgreSQL's own defaults fit a laptop; fsync stays on.
_SETTINGS: Mapping[str, str] = {
    "cluster_name": "vsl",
    "jit": "off",  # VSL's statements are short: compiling them costs more than it gives
    # The superuser and the machinery's schema are both called vsl, so "$user" in the default path
    # would put a person's new tables among the private ones.
    "search_path": "public",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # A failed statement's text, and the DETAIL of its error, can hold a prompt.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "listen_addresses": "127.0.0.1",
}


def launch(
    home: ServerHome,
    account: Account,
    programs: Binaries,
    *,
    wanted_port: int | None,
    settings: Mapping[str, str],
) -> Postmaster:
    """Start the server, with patience for what a killed one left behind, and wait until it is up.

    wanted_port: the only TCP port that will do; None takes the last one or another free one.
    settings: beside or instead of VSL's own. Raises ServerError that says why it did not start.
    """
    if home.log.exists() and home.log.stat().st_size > _LOG_LIMIT:
        home.log.replace(home.log.with_name(f"{home.log.name}.1"))
    home.make_log(account)
    deadline = time.monotonic() + _REMAINS_PATIENCE
    while True:
        clear_remains(home.data, home.run)
        port = _choose_port(home, wanted_port)
        _write_settings(home, account, programs, {"port": str(port), **settings})
        said_before = home.log.stat().st_size
        output = _pg_ctl_start(home, account, programs)
        postmaster = living_postmaster(home.data)
        if postmaster is not None and postmaster.status == "ready":
            return postmaster
        with home.log.open(errors="replace") as file:
            file.seek(said_before)
            said = file.read()
        remains = "lock file" in said or "shared memory block" in said
        taken = "TCP/IP" in said and not port_is_free(port)
        if taken and wanted_port is not None:
            raise port_taken(port)
        if not (remains or taken) or time.monotonic() > deadline:
            if "No space left" in said:
                raise home.disk_full()
            reason = error_line(said) or error_line(output)
            raise ServerError(f"PostgreSQL did not start: {reason}", hint=f"See {home.log}")
        time.sleep(0.25)


def port_taken(port: int) -> ServerError:
    """The error that names the port."""
    return ServerError(
        f"Port {port} on 127.0.0.1 is in use by another program.",
        hint="End that program, give another port, or give none: then a free one is taken.",
    )


def _choose_port(home: ServerHome, wanted: int | None) -> int:
    port = wanted or home.port
    if port is None or not port_is_free(port):
        if wanted is not None:
            raise port_taken(wanted)
        free = pick_port()
        if free is None:
            raise ServerError("No free TCP port was found on 127.0.0.1.")
        if port is not None:
            log.warning("port %s is in use by another program; PostgreSQL takes %s", port, free)
        port = free
    home.port = port
    return port


def _write_settings(
    home: ServerHome, account: Account, programs: Binaries, settings: Mapping[str, str]
) -> None:
    sockets = ""  # none: TCP only
    if socket_path_fits(home.run):
        # The setting is a list of names that may be quoted.
        sockets = '"{}"'.format(str(home.run).replace('"', '""'))
    values = {**_SETTINGS, "unix_socket_directories": sockets}
    if programs.has_library("pg_stat_statements"):
        values["shared_preload_libraries"] = "pg_stat_statements"
    lines = ["# Written at every start. Change settings with ALTER SYSTEM, which wins.\n"]
    for name, value in (values | dict(settings)).items():
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    path = home.data / SETTINGS_FILE
    home.write(path, "".join(lines))
    if account.switch:
        os.chown(path, account.uid, account.gid)


def _pg_ctl_start(home: ServerHome, account: Account, programs: Binaries) -> str:
    """What pg_ctl said. It makes the server a process of its own, in a session of its own."""
    # Relative names: pg_ctl hands them to a shell, and a home's path may hold any character.
    argv: list[str | Path] = [
        programs.program("pg_ctl"),
        "start",
        "--wait",
        "--silent",
        "--pgdata=data",
        f"--log={home.log.name}",
        f"--timeout={START_PATIENCE:.0f}",
    ]
    return run_as(account, argv, cwd=home.folder, timeout=START_PATIENCE + 30).output
