"""A real PgBouncer in front of a test server, with the configuration that ``vsl db pool`` prints.

It runs as the user who runs PostgreSQL, for it refuses to run as root, on a port of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from psycopg import sql
from tests.support.servers import TestServer
from tests.support.waiting import wait_until

from vsl.db.embedded.account import Account, server_account
from vsl.db.embedded.postmaster import pick_port
from vsl.db.files import database_dir
from vsl.ops.pooling.pgbouncer import (
    AUTH_USER,
    PgBouncer,
    ServerAddress,
    client_name,
    configuration,
)

_TRIES = 5


def pgbouncer_program() -> str:
    """PgBouncer's program; AssertionError says how to get it."""
    found = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert found, "PgBouncer is missing: run `make system`, or `apt-get install pgbouncer`"
    return found


def address_of(server: TestServer, database: str) -> ServerAddress:
    """A database of a test server, as a configuration of PgBouncer names it."""
    (host,) = parse_qs(urlsplit(server.url(database)).query)["host"]
    return ServerAddress(host=host, port=server.port, database=database, tls="disable")


class RunningPgBouncer:
    """A PgBouncer in transaction mode in front of one database of a test server.

    pool_size: server connections per login. printed: makes the text of the configuration from the
    port and the path of the list of passwords, in place of ``configuration``. users: lines of that
    list beside the one of PgBouncer's own login. files: more to lay beside that list. changes:
    settings in place of those printed.
    """

    def __init__(
        self,
        server: TestServer,
        database: str,
        *,
        pool_size: int = 20,
        printed: Callable[[int, Path], str] | None = None,
        users: Sequence[str] | None = None,
        files: Mapping[str, str] | None = None,
        **changes: object,
    ) -> None:
        self.server = server
        self.database = database
        self._account = server_account(server.embedded.home.data, "vsl")
        # Beside the server's folder, so that it goes with it should this process be killed.
        beside = server.embedded.home.data.parents[2]
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=beside))
        self._log = self._folder / "log"
        self._password = server.embedded.home.password()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._let_it_ask()
        self._pool_size = pool_size
        self._printed = printed or self._print
        own, superuser = (f'"{name}" "{self._password}"' for name in (AUTH_USER, "vsl"))
        # No database is asked for superusers: what PgBouncer may ask tells nothing of them.
        self._users = [own, *([superuser] if users is None else users)]
        self._files = dict(files or {})
        self._changes = changes
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def url(
        self, user: str = "vsl", *, database: str | None = None, port: int | None = None
    ) -> str:
        """The address of the database through it, for a login of the server."""
        address = urlsplit(self.server.url(self.database, user))
        passfile = quote(parse_qs(address.query)["passfile"][0])
        name = quote(database or client_name(self.database))
        return (
            f"postgresql://{quote(user)}@127.0.0.1:{port or self.port}/{name}"
            f"?passfile={passfile}&sslmode=prefer"
        )

    def role_url(self, role: str) -> str:
        """Its address for a login with just this role's rights."""
        return self.url(self.server.login_for(role))

    def start(self) -> None:
        """Start it and wait until it lets a client in: at the same port, if it ran before."""
        for _ in range(_TRIES):
            port = self.port or pick_port()
            assert port, "no free port"
            self._write(port)
            self._process = self._launch()
            if self._is_ready(port):
                self.port = port
                return
            self.stop()
        raise AssertionError(f"PgBouncer does not start:\n{self.log()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, by default at once, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def restart(self) -> None:
        """Stop it at once, with all its connections, and start it at the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self._folder)

    def console(self, command: str) -> list[dict[str, object]]:
        """What a command of its console answers, such as ``SHOW POOLS``."""
        with psycopg.connect(
            self.url(AUTH_USER, database="pgbouncer"), autocommit=True, prepare_threshold=None
        ) as connection:
            # The console knows only the simple protocol.
            cursor = psycopg.ClientCursor(connection)
            cursor.execute(command.encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _let_it_ask(self) -> None:
        """Install what ``vsl db pool auth-sql`` prints, and give the login its password."""
        text = (database_dir() / "pooling" / "pgbouncer_auth.sql").read_text()
        with psycopg.connect(self.server.url(self.database), autocommit=True) as connection:
            connection.execute(text.encode())
            change = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(
                change.format(sql.Identifier(AUTH_USER), sql.Literal(self._password))
            )

    def _write(self, port: int) -> None:
        self._put("userlist.txt", "\n".join(self._users) + "\n")
        for name, text in self._files.items():
            self._put(name, text)
        printed = self._printed(port, self._folder / "userlist.txt").splitlines()
        lines = [line for line in printed if line.partition(" =")[0] not in self._changes]
        changed = (f"{name} = {value}" for name, value in self._changes.items())
        self._put("pgbouncer.ini", "\n".join([*lines, *changed, ""]))

    def _print(self, port: int, auth_file: Path) -> str:
        """What ``vsl db pool config`` prints for this server."""
        return configuration(
            PgBouncer(
                server=address_of(self.server, self.database),
                pool_size=self._pool_size,
                pairs=2,
                listen_port=port,
                auth_file=str(auth_file),
            )
        )

    def _put(self, name: str, text: str) -> None:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        if self._account.switch:
            os.chown(self._folder, self._account.uid, self._account.gid)
            os.chown(path, self._account.uid, self._account.gid)

    def _launch(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [
                    *_as(self._account),
                    pgbouncer_program(),
                    str(self._folder / "pgbouncer.ini"),
                ],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )

    def _is_ready(self, port: int) -> bool:
        """Whether it lets a client in; False when it has ended."""
        process = self._process
        assert process is not None

        def answer() -> bool | None:
            if process.poll() is not None:
                return False
            try:
                psycopg.connect(self.url(AUTH_USER, port=port), connect_timeout=5).close()
            except psycopg.OperationalError:
                return None
            return True

        answers = wait_until(
            lambda: [found for found in [answer()] if found is not None],
            within=20,
            what="PgBouncer to let a client in",
        )
        return answers[0]


def _as(account: Account) -> list[str]:
    """What starts a program as an account; it is ended with the process that started it."""
    words = ["setpriv", "--pdeathsig", "TERM"]
    if account.switch:
        words += [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    return [*words, "--"]
