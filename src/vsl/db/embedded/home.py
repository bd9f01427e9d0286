"""The embedded server's place in VSL's home folder: paths, private files, the lock."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsl.db.embedded.account import Account, open_folder, require_way
from vsl.errors import ServerError

SUPERUSER = "vsl"
_LOCK_PATIENCE = 180.0  # seconds: longer than another process may take to set up and start


class ServerHome:
    """Where one server lives. Methods raise ServerError, or OSError inside ``border``."""

    def __init__(self, home: Path) -> None:
        self.root = home.expanduser().absolute()
        self.folder = self.root / "postgres"
        self.data = self.folder / "data"
        self.run = self.folder / "run"
        self.log = self.folder / "server.log"
        self.passfile = self.folder / "pgpass"
        self.programs = self.folder / "programs"
        self._port_file = self.folder / "port"

    @contextmanager
    def border(self) -> Iterator[None]:
        """Turn errors of the file system into ServerError."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self.disk_full() from error
            raise ServerError(
                f"Cannot use {error.filename or self.root}: {error.strerror or error}.",
                hint="VSL_HOME must name a folder that you may write in.",
            ) from error

    def disk_full(self) -> ServerError:
        """The error that says so."""
        return ServerError(
            f"No space is left on the disk of {self.root}.",
            hint="Make room there, or set VSL_HOME to a folder on another disk.",
        )

    def prepare(self, account: Account) -> None:
        """Make the folders and the log file, and see that the account can reach them."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account.switch:
            require_way(account, self.root.parent)
            open_folder(account, self.root)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if account.switch:
            open_folder(account, self.folder)
            require_way(account, self.folder)
        self.run.mkdir(mode=0o700, exist_ok=True)
        if account.switch:
            os.chown(self.run, account.uid, account.gid)
        self.make_log(account)

    def make_log(self, account: Account) -> None:
        """An empty log file that the account can write, if there is none."""
        if not self.log.exists():
            self.log.touch(mode=0o600)
            if account.switch:
                os.chown(self.log, account.uid, account.gid)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home's lock. The system gives it back however this process ends."""
        path = self.folder / "lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._give(path)
            deadline = time.monotonic() + _LOCK_PATIENCE
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ServerError(
                            "Another process has been starting or stopping the server in "
                            f"{self.folder} for {_LOCK_PATIENCE:.0f} seconds.",
                            hint="Look for a vsl that hangs, end it and try again.",
                        ) from None
                    time.sleep(0.02)
            yield
        finally:
            os.close(handle)

    def write(self, path: Path, text: str) -> None:
        """Write a small private file as a whole or not at all."""
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._give(Path(name))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _give(self, path: Path) -> None:
        """As root in somebody's home: let the file belong to whom the folder belongs to."""
        owner = self.folder.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    def password(self) -> str:
        """The superuser's password; made, and kept for libpq to find, when there is none."""
        try:
            return self.passfile.read_text().strip().rpartition(":")[2]
        except FileNotFoundError:
            password = secrets.token_urlsafe(32)
            self.write(self.passfile, f"*:*:*:{SUPERUSER}:{password}\n")
            return password

    @property
    def port(self) -> int | None:
        """The TCP port of the last start."""
        try:
            text = self._port_file.read_text().strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdecimal() else None

    @port.setter
    def port(self, port: int) -> None:
        if port != self.port:
            self.write(self._port_file, f"{port}\n")

    def data_version(self) -> str | None:
        """The major version that made the data folder; None when there is no such folder."""
        if not self.data.is_dir():
            return None
        try:
            return (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError as error:
            raise ServerError(
                f"{self.data} is not a PostgreSQL data folder: it has no PG_VERSION.",
                hint="VSL did not make it. Move it away, or set VSL_HOME to another folder.",
            ) from error
