"""The embedded PostgreSQL: set up, start, stop and find a server below VSL's home folder.

Everything here blocks; asynchronous callers go through ``asyncio.to_thread``. Below the home:

    postgres/data         the data folder, whole from the moment it exists
    postgres/run          the unix socket
    postgres/pgpass       the superuser's password, in libpq's form, for its owner only
    postgres/port         the TCP port, kept from start to start
    postgres/server.log   what the server says; the one before it in server.log.1
    postgres/programs     as root, if needed: a copy of the programs that the server's user can read
    postgres/lock         held while a server is set up, started or stopped

Root, as whom PostgreSQL refuses to run, lets a system user of its own run the server.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg

from vsl.db.embedded.account import (
    Account,
    can_enter,
    own_account,
    require_way,
    run_as,
    server_account,
)
from vsl.db.embedded.binaries import Binaries, copy_binaries, find_binaries, read_binaries
from vsl.db.embedded.home import SUPERUSER, ServerHome
from vsl.db.embedded.launch import START_PATIENCE, launch
from vsl.db.embedded.postmaster import Postmaster, is_alive, living_postmaster
from vsl.db.embedded.setup import set_up
from vsl.errors import ServerError

__all__ = [
    "DATABASE",
    "SUPERUSER",
    "Binaries",
    "EmbeddedServer",
    "PsqlCommand",
    "ServerInfo",
    "ServerStatus",
    "find_binaries",
    "read_binaries",
]

log = logging.getLogger(__name__)

DATABASE = "vsl"
_STOP_PATIENCE = 60.0  # seconds
_QUIT_PATIENCE = 15.0
_ANSWER_PATIENCE = 5.0
# What PostgreSQL answers before it is ready, and again while it recovers from a crash.
_UNSETTLED = re.compile("the database system is (starting up|in recovery|not (yet )?accepting)")
_STATES: Mapping[str, Literal["running", "stopping"]] = {
    "ready": "running",
    "standby": "running",
    "stopping": "stopping",
}


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A running server.

    url: for applications; without the password, which libpq reads from the file named in it.
    version: of the programs. pid: of the postmaster. port: TCP on 127.0.0.1. started: whether
    this very call started it.
    """

    url: str
    version: str
    pid: int
    port: int
    started: bool


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is there. version: the major version of the data. pid, port, url: of a living server."""

    state: Literal["absent", "stopped", "starting", "running", "stopping"]
    data: Path
    log: Path
    version: str | None = None
    pid: int | None = None
    port: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PsqlCommand:
    """How to run psql on the server: argv, and the variables to add to the environment."""

    argv: list[str]
    env: dict[str, str]


class EmbeddedServer:
    """The PostgreSQL server of one home folder. Every method may raise ServerError."""

    def __init__(
        self,
        home: Path,
        binaries: Binaries,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        initdb_options: Sequence[str] = (),
        account_name: str = "vsl",
    ) -> None:
        """Nothing is touched before a method is called.

        home: VSL's home folder. port: TCP port on 127.0.0.1 to insist on; None takes a free one
        and keeps it. settings: PostgreSQL settings beside or instead of VSL's. initdb_options:
        further options for a new data folder. account_name: whom root lets run the server.
        """
        self.home = ServerHome(home)
        self.binaries = binaries
        self._port = port
        self._settings = dict(settings or {})
        self._initdb_options = tuple(initdb_options)
        self._account_name = account_name

    def start(self) -> ServerInfo:
        """Have the server running and accepting connections, setting it up if there is none.

        Safe to call from several processes at once: all end with the same server. A server killed
        in any way, an interrupted set-up and a rebooted machine are put right.
        """
        with self.home.border():
            self._require_fitting_data()
            account = server_account(self.home.data, self._account_name)
            self.home.prepare(account)
            with self.home.locked():
                self._require_fitting_data()  # another process may just have set it up
                postmaster = self._await_running()
                if postmaster is not None:
                    self._require_wanted_port(postmaster)
                    if self._let_in(postmaster):
                        return self._info(postmaster, started=False)
                programs = self._readable_programs(account)
                if not self.home.data.is_dir():
                    set_up(self.home, account, programs, self._initdb_options)
                postmaster = launch(
                    self.home,
                    account,
                    programs,
                    wanted_port=self._port,
                    settings=self._settings,
                )
                if not self._let_in(postmaster):
                    raise ServerError(
                        "PostgreSQL ended right after its start.", hint=f"See {self.home.log}"
                    )
                return self._info(postmaster, started=True)

    def stop(self) -> bool:
        """End the server's connections, stop it and wait until it is gone.

        Returns whether there was a running one.
        """
        with self.home.border():
            if not self.home.data.is_dir():
                return False
            with self.home.locked():
                postmaster = living_postmaster(self.home.data)
                if postmaster is None:
                    return False
                # A PostgreSQL 18 that is told to stop while it recovers from a crash never ends.
                self._refusal(postmaster)
                self._end(postmaster)
                return True

    def status(self) -> ServerStatus:
        """What is there now. Changes nothing and waits for nothing."""
        data, log_file = self.home.data, self.home.log
        with self.home.border():
            version = self.home.data_version()
            if version is None:
                return ServerStatus("absent", data, log_file)
            postmaster = living_postmaster(data)
            if postmaster is None:
                return ServerStatus("stopped", data, log_file, version)
            return ServerStatus(
                _STATES.get(postmaster.status, "starting"),
                data,
                log_file,
                version,
                postmaster.pid,
                postmaster.port,
                self._url(postmaster),
            )

    @property
    def url(self) -> str:
        """The connection URL for applications; raises ServerError when no server runs."""
        return self._url(self._require_running())

    def psql(self, *args: str) -> PsqlCommand:
        """How to run the server's own psql with these arguments; the password stays in its file.

        Raises ServerError when no server runs or the programs have no psql.
        """
        postmaster = self._require_running()
        program = self.binaries.program("psql")
        if not os.access(program, os.X_OK):
            raise ServerError(f"There is no psql in {self.binaries.folder}.")
        return PsqlCommand([str(program), *args], self._libpq_variables(postmaster))

    def _require_running(self) -> Postmaster:
        with self.home.border():
            postmaster = living_postmaster(self.home.data)
        if postmaster is None:
            raise ServerError("The embedded PostgreSQL does not run.", hint="Run: vsl db start")
        return postmaster

    def _require_fitting_data(self) -> None:
        version = self.home.data_version()
        if version not in (None, str(self.binaries.major)):
            raise ServerError(
                f"The data in {self.home.data} were made by PostgreSQL {version}, but the programs "
                f"in {self.binaries.folder} are PostgreSQL {self.binaries.version}. "
                "Nothing was changed.",
                hint=f"Set VSL_PG_BIN to the bin folder of a PostgreSQL {version}. To move to "
                f"{self.binaries.major}: dump with the old one, move the folder away, restore.",
            )

    def _require_wanted_port(self, running: Postmaster) -> None:
        if self._port not in (None, running.port):
            raise ServerError(
                f"PostgreSQL runs already, on port {running.port} and not on {self._port}.",
                hint="Stop it first: vsl db stop",
            )

    def _readable_programs(self, account: Account) -> Binaries:
        """The programs, from a copy if the server's user cannot reach the originals."""
        initdb = self.binaries.program("initdb")
        if can_enter(account, initdb):
            return self.binaries
        if self.binaries.carrier is None:
            raise ServerError(
                f"The user {account.name}, who runs PostgreSQL for root, cannot run {initdb}.",
                hint="Set VSL_PG_BIN to a folder that this user can reach.",
            )
        programs = copy_binaries(self.binaries, self.home.programs)
        require_way(account, programs.program("initdb"))
        return programs

    def _await_running(self) -> Postmaster | None:
        """The server that runs already, once it is up; None when there is none."""
        deadline = time.monotonic() + START_PATIENCE
        while (postmaster := living_postmaster(self.home.data)) is not None:
            if postmaster.status == "ready":
                return postmaster
            if time.monotonic() > deadline:
                raise ServerError(
                    f"PostgreSQL (process {postmaster.pid}) has been {postmaster.status} for "
                    f"{START_PATIENCE:.0f} seconds.",
                    hint=f"It may be recovering after a crash: see {self.home.log}, and try again.",
                )
            time.sleep(0.05)
        return None

    def _let_in(self, postmaster: Postmaster) -> bool:
        """See that the server lets us into VSL's database; make the database if it is missing.

        Returns False when the server is no more. Raises ServerError when it is, but refuses.
        """
        if not self.home.passfile.exists():
            raise ServerError(
                f"The server's password file {self.home.passfile} is missing.",
                hint="Put it back from a backup: the password is nowhere else.",
            )
        reason = self._refusal(postmaster)
        if reason is not None and f'"{DATABASE}" does not exist' in reason:
            self._create_database(postmaster)
            reason = self._refusal(postmaster)
        if reason is None:
            return True
        if not is_alive(postmaster, self.home.data):
            return False
        raise ServerError(
            f"PostgreSQL (process {postmaster.pid}) runs, but does not let VSL in: {reason}",
            hint=f"See {self.home.log}",
        )

    def _refusal(self, postmaster: Postmaster) -> str | None:
        """Why the server does not let us in; None when it does.

        Waits while it starts, recovers or dies: a killed process answers badly before it is gone.
        """
        since = time.monotonic()
        while True:
            try:
                psycopg.connect(self._url(postmaster), connect_timeout=10).close()
            except psycopg.OperationalError as error:
                lines = str(error).splitlines()
                reason = next((line for line in lines if "FATAL" in line), lines[0])
            else:
                return None
            patience = _ANSWER_PATIENCE
            if "FATAL" in reason:  # the server's own word, not a broken connection
                patience = START_PATIENCE if _UNSETTLED.search(reason) else 0
            over = time.monotonic() - since >= patience
            if over or not is_alive(postmaster, self.home.data):
                return reason
            time.sleep(0.02)

    def _create_database(self, postmaster: Postmaster) -> None:
        variables = {**self._libpq_variables(postmaster), "PGDATABASE": "postgres"}
        argv: list[str | Path] = [self.binaries.program("createdb"), DATABASE]
        made = run_as(own_account(), argv, cwd=Path("/"), timeout=60, variables=variables)
        if made.status != 0:
            raise ServerError(f"The database {DATABASE} cannot be created: {made.reason}")

    def _end(self, postmaster: Postmaster) -> None:
        """Stop the server the fast way, and if that takes too long the way that needs a recovery.

        Both lose nothing that was committed.
        """
        for way, patience in ((signal.SIGINT, _STOP_PATIENCE), (signal.SIGQUIT, _QUIT_PATIENCE)):
            with suppress(ProcessLookupError):  # gone already
                os.kill(postmaster.pid, way)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not is_alive(postmaster, self.home.data):
                    return
                time.sleep(0.01)
            log.warning("PostgreSQL did not stop within %.0f seconds after %s", patience, way.name)
        raise ServerError(
            f"PostgreSQL (process {postmaster.pid}) does not stop.", hint=f"See {self.home.log}"
        )

    def _info(self, postmaster: Postmaster, *, started: bool) -> ServerInfo:
        url = self._url(postmaster)
        return ServerInfo(url, self.binaries.version, postmaster.pid, postmaster.port, started)

    def _url(self, postmaster: Postmaster) -> str:
        """Through the socket where there is one: nobody else can sit there."""
        host, in_query = "127.0.0.1", ""
        port = f":{postmaster.port}"
        if postmaster.socket_folder is not None:
            in_query = f"host={quote(str(postmaster.socket_folder))}&port={postmaster.port}&"
            host = port = ""
        passfile = quote(str(self.home.passfile))
        # Loopback; and the shipped programs know no TLS, so that asking for it would fail.
        query = f"{in_query}passfile={passfile}&sslmode=disable"
        return f"postgresql://{SUPERUSER}@{host}{port}/{DATABASE}?{query}"

    def _libpq_variables(self, postmaster: Postmaster) -> dict[str, str]:
        return {
            "PGHOST": str(postmaster.socket_folder or "127.0.0.1"),
            "PGPORT": str(postmaster.port),
            "PGUSER": SUPERUSER,
            "PGDATABASE": DATABASE,
            "PGPASSFILE": str(self.home.passfile),
            "PGSSLMODE": "disable",
        }
