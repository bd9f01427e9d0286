"""Making the data folder of a new embedded server."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vsl.db.embedded.account import Account, run_as
from vsl.db.embedded.binaries import Binaries
from vsl.db.embedded.home import SUPERUSER, ServerHome
from vsl.errors import ServerError

log = logging.getLogger(__name__)

# What VSL's own settings are read from. ALTER SYSTEM is read after it and wins.
SETTINGS_FILE = "vsl.conf"
_PATIENCE = 300.0  # seconds
_INCLUDE = f"\n# Written by VSL at every start.\ninclude_if_exists = '{SETTINGS_FILE}'\n"


def set_up(
    home: ServerHome, account: Account, programs: Binaries, options: Sequence[str] = ()
) -> None:
    """Make the data folder: aside first, then renamed, so that it is whole or not there.

    options: further ones for initdb. Raises ServerError when initdb fails, OSError when the
    folder cannot be written.
    """
    for leftover in home.folder.glob("setup-*"):
        # Its initdb may still be running when only VSL was killed; a later start gets the rest.
        shutil.rmtree(leftover, ignore_errors=True)
    password = home.password()
    aside = Path(tempfile.mkdtemp(dir=home.folder, prefix="setup-"))
    try:
        passwords = aside / "password"
        passwords.touch(mode=0o600)
        passwords.write_text(password)
        if account.switch:
            os.chown(passwords, account.uid, account.gid)
            os.chown(aside, account.uid, account.gid)
        argv: list[str | Path] = [
            programs.program("initdb"),
            *_initdb_options(programs.major, aside),
            *options,
        ]
        made = run_as(account, argv, cwd=aside, timeout=_PATIENCE)
        if "No space left" in made.output:
            raise home.disk_full()
        if made.status != 0:
            raise ServerError(f"The data folder {home.data} cannot be set up: {made.reason}")
        with (aside / "data" / "postgresql.conf").open("a") as conf:
            conf.write(_INCLUDE)
            conf.flush()
            os.fsync(conf.fileno())
        (aside / "data").rename(home.data)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    log.info("set up a PostgreSQL %s data folder in %s", programs.version, home.data)


def _initdb_options(major: int, aside: Path) -> list[str]:
    if major >= 17:  # this provider sorts alike on every machine
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
    return [
        f"--pgdata={aside / 'data'}",
        f"--username={SUPERUSER}",
        "--auth=scram-sha-256",
        f"--pwfile={aside / 'password'}",
        "--encoding=UTF8",
        "--data-checksums",
        *locale,
    ]
