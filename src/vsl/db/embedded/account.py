"""The system user who runs PostgreSQL: ourselves, or for root a user of its own."""

from __future__ import annotations

import logging
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsl.errors import ServerError

log = logging.getLogger(__name__)

_USERADD_TRIES = 10
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d .*?\[\d+\] ")
_ERROR = re.compile(r"FATAL|PANIC|error:")
# What comes before a FATAL that only says that there are errors in a file.
_WRONG_SETTING = re.compile(
    r"invalid value for parameter|unrecognized configuration|syntax error in"
)


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server's programs. switch: whether that is somebody else than this process."""

    uid: int
    gid: int
    name: str
    switch: bool


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """How a program ended. output: what it printed, both streams together."""

    status: int
    output: str

    @property
    def reason(self) -> str:
        """The line that says best why it failed: the last with an error word, else the last."""
        return error_line(self.output) or f"exit status {self.status}"


def error_line(text: str) -> str:
    """The line of a program's output or a server's log that says best what went wrong."""
    lines = [_LOG_PREFIX.sub("", line).strip() for line in text.splitlines()]
    lines = [line for line in lines if line and "hint:" not in line.lower()]
    for telling in (_WRONG_SETTING, _ERROR):
        for line in reversed(lines):
            if telling.search(line):
                return line[:300]
    return lines[-1][:300] if lines else ""


def own_account() -> Account:
    """The user of this process."""
    return Account(os.geteuid(), os.getegid(), _name_of(os.geteuid()), switch=False)


def server_account(data: Path, name: str) -> Account:
    """The user to run the server of the data folder ``data`` as.

    An ordinary user runs it as itself. Root, as whom PostgreSQL refuses to run, uses the owner of
    existing data, else the system user ``name``, which is created when it is missing. Raises
    ServerError when there is no fitting user.
    """
    me = os.geteuid()
    owner = data.stat() if data.is_dir() else None
    if me != 0:
        if owner is not None and owner.st_uid != me:
            raise ServerError(
                f"{data} belongs to the user {_name_of(owner.st_uid)}.",
                hint="Run VSL as that user or as root, or set VSL_HOME to a folder of your own.",
            )
        return own_account()
    if owner is None:
        entry = _system_user(name)
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, switch=True)
    if owner.st_uid == 0:
        raise ServerError(
            f"{data} belongs to root, as whom PostgreSQL cannot run.",
            hint=f"Give it to a system user: chown -R {name}: {data}",
        )
    return Account(owner.st_uid, owner.st_gid, _name_of(owner.st_uid), switch=True)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # containers run as numbers without names
        return str(uid)


def _system_user(name: str) -> pwd.struct_passwd:
    """The entry of the system user ``name``, made with useradd when it is not there."""
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    output = "there is no program useradd"
    for _ in range(_USERADD_TRIES):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            if useradd is None:
                break
        else:
            if entry.pw_uid == 0:
                raise ServerError(f"The user {name} is root, as whom PostgreSQL cannot run.")
            return entry
        log.info("creating the system user %s, who runs PostgreSQL for root", name)
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        made = subprocess.run(
            [useradd, *options, "--shell", "/usr/sbin/nologin", name],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # Somebody else may hold the lock of the user list, or make the same user right now.
        if made.returncode != 0:
            output = error_line(made.stderr)
            time.sleep(0.3)
    raise ServerError(
        f"The system user {name}, who would run PostgreSQL for root, cannot be created: {output}",
        hint=f"Create a system user called {name}, or run VSL as an ordinary user.",
    )


def run_as(
    account: Account,
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    timeout: float,
    variables: Mapping[str, str] | None = None,
) -> ProgramResult:
    """Run a program to its end as ``account``, in a clean environment. timeout: seconds.

    variables: environment to add. Raises ServerError when the program cannot be started or does
    not end in time.
    """
    name = Path(argv[0]).name
    # A file takes the output: a pipe would stay open as long as a server that was started lives.
    with tempfile.TemporaryFile() as output:
        try:
            ended = subprocess.run(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **(variables or {})},
                timeout=timeout,
                check=False,
                user=account.uid if account.switch else None,
                group=account.gid if account.switch else None,
                extra_groups=[] if account.switch else None,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"{name} did not end within {timeout:.0f} seconds.") from error
        except OSError as error:
            raise ServerError(f"{argv[0]} cannot be run as {account.name}: {error}") from error
        output.seek(0)
        return ProgramResult(ended.returncode, output.read().decode(errors="replace"))


def can_enter(account: Account, path: Path) -> bool:
    """Whether the account may enter the folder (or run the file) ``path``, all parents included."""
    if not account.switch:
        return os.access(path, os.X_OK)
    # Asked of the system as that user, so that access lists count too.
    return run_as(account, ["test", "-x", path], cwd=Path("/"), timeout=30).status == 0


def open_folder(account: Account, folder: Path) -> None:
    """Let the account pass through ``folder``, when that is a closed folder of root's own.

    Only its group is let in, only to pass, and only where nobody but root had any right before.
    """
    facts = folder.stat()
    closed = facts.st_uid == os.geteuid() and not stat.S_IMODE(facts.st_mode) & 0o077
    if not closed or can_enter(account, folder):
        return
    os.chown(folder, -1, account.gid)
    folder.chmod(0o710)


def require_way(account: Account, folder: Path) -> None:
    """Raise ServerError, naming the folder in the way, when the account cannot reach ``folder``."""
    for step in [*reversed(folder.parents), folder]:
        if not can_enter(account, step):
            raise ServerError(
                f"The user {account.name}, who runs PostgreSQL for root, may not enter {step}.",
                hint="Set VSL_HOME to a folder that this user can reach, such as /var/lib/vsl, "
                f"or let it pass: chmod o+x {step}",
            )
