"""The settings of a process, read once from the environment.

Nothing else in VSL reads the environment, and nothing reads it at import.
"""

from __future__ import annotations

import difflib
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from vsl.errors import InvalidInput, Problem

#: Every variable of VSL's own, with its meaning, as the reference page prints them.
VARIABLES: Mapping[str, str] = {
    "DATABASE_URL": "PostgreSQL to use; a pooled address is fine. Unset: the embedded server.",
    "VSL_DIRECT_DATABASE_URL": "Unpooled address, for LISTEN and migrations. Unset: DATABASE_URL.",
    "VSL_HOME": "Folder for the embedded server's data, the default store, logs and locks.",
    "VSL_STORAGE": "Where outputs are stored: a folder, or `s3://bucket/prefix`. "
    "Unset: the folder `media` in VSL_HOME.",
    "REPLICATE_API_TOKEN": "Token of a Replicate account. Unset: no job runs at Replicate.",
    "VSL_REPLICATE_URL": "Address of Replicate's API. Unset: https://api.replicate.com/v1.",
    "VSL_MIGRATIONS": "Folder of your own migrations. Unset: the folder `migrations` in VSL_HOME.",
    "VSL_PG_BIN": "Folder of PostgreSQL programs to use in place of the embedded ones.",
    "VSL_PG_PORT": "TCP port of the embedded server. Unset: a free one, kept from then on.",
    "VSL_LOG_FORMAT": "`text` or `json`. Unset: text.",
    "VSL_LOG_LEVEL": "`debug`, `info`, `warning` or `error`. Unset: info.",
}

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")

# What Kubernetes sets in every container beside a service whose name begins with "vsl".
_OF_KUBERNETES = re.compile(
    r"VSL_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a process. Secrets do not show in its representation.

    database_url, direct_url: None means the embedded server. replicate_token: None means that no
    job runs at Replicate. replicate_url: None means the real one. storage: an address as
    ``vsl.storage.open_store`` takes it. migrations: None means the folder of that name in home.
    """

    home: Path
    storage: str
    database_url: str | None = field(default=None, repr=False)
    direct_url: str | None = field(default=None, repr=False)
    replicate_token: str | None = field(default=None, repr=False)
    replicate_url: str | None = None
    migrations: Path | None = None
    pg_bin: Path | None = None
    pg_port: int | None = None
    log_format: str = "text"
    log_level: str = "info"

    @property
    def migrations_folder(self) -> Path:
        """Where the user's own migrations are; it need not exist."""
        return self.migrations or self.home / "migrations"


def load(environment: Mapping[str, str] | None = None) -> Config:
    """The settings in the environment. An empty variable counts as unset.

    Raises ``InvalidInput`` naming every bad variable; values are not repeated, some are secrets.
    """
    given = os.environ if environment is None else environment
    env = {name: value for name, value in given.items() if value}
    problems = [*_unknown(env), *_bad_addresses(env)]
    home = _folder(env, "VSL_HOME", problems) or _default_home()
    migrations = _folder(env, "VSL_MIGRATIONS", problems)
    pg_bin = _folder(env, "VSL_PG_BIN", problems)
    for name, accepted in (("VSL_LOG_FORMAT", LOG_FORMATS), ("VSL_LOG_LEVEL", LOG_LEVELS)):
        if env.get(name, accepted[0]) not in accepted:
            problems.append(Problem(name, "is not known", "one of " + ", ".join(accepted)))
    port = env.get("VSL_PG_PORT")
    if port and not (port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
        problems.append(Problem("VSL_PG_PORT", "is not a TCP port", "1 to 65535"))
    if problems:
        raise InvalidInput(problems)
    return Config(
        home=home,
        storage=env.get("VSL_STORAGE") or str(home / "media"),
        database_url=env.get("DATABASE_URL"),
        direct_url=env.get("VSL_DIRECT_DATABASE_URL") or env.get("DATABASE_URL"),
        replicate_token=env.get("REPLICATE_API_TOKEN"),
        replicate_url=env.get("VSL_REPLICATE_URL"),
        migrations=migrations,
        pg_bin=pg_bin,
        pg_port=int(port) if port else None,
        log_format=env.get("VSL_LOG_FORMAT", "text"),
        log_level=env.get("VSL_LOG_LEVEL", "info"),
    )


def login_name(environment: Mapping[str, str] | None = None) -> str:
    """Who runs this process: by the variables that a login sets, else by the system's list.

    A container's user may be in neither; then it is the user's number.
    """
    env = os.environ if environment is None else environment
    for name in ("LOGNAME", "USER"):
        if env.get(name):
            return env[name]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """The whole environment and more, for a person's program that takes this process's place."""
    return {**os.environ, **variables}


def _default_home() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/vsl")
    return platformdirs.user_data_path("vsl", appauthor=False)


def _folder(env: Mapping[str, str], name: str, problems: list[Problem]) -> Path | None:
    if name not in env:
        return None
    try:
        return Path(env[name]).expanduser().absolute()
    except RuntimeError:
        problems.append(Problem(name, "names the home of a user that does not exist", "a folder"))
        return None


def _bad_addresses(env: Mapping[str, str]) -> list[Problem]:
    problems = []
    for name in ("DATABASE_URL", "VSL_DIRECT_DATABASE_URL"):
        if name in env and not _is_postgres(env[name]):
            accepted = "postgresql://user:password@host:port/database"
            problems.append(Problem(name, "is not a PostgreSQL address", accepted))
    if "VSL_DIRECT_DATABASE_URL" in env and "DATABASE_URL" not in env:
        reason = "stands alone and would not be used"
        problems.append(Problem("VSL_DIRECT_DATABASE_URL", reason, "set DATABASE_URL as well"))
    if not _is_http(env.get("VSL_REPLICATE_URL", "https://api.replicate.com/v1")):
        accepted = "an address such as https://api.replicate.com/v1"
        problems.append(Problem("VSL_REPLICATE_URL", "is not an http address", accepted))
    if not re.fullmatch(r"[!-~]*", env.get("REPLICATE_API_TOKEN", "")):
        reason = "has spaces or characters that no token has"
        problems.append(Problem("REPLICATE_API_TOKEN", reason, "the token as Replicate shows it"))
    return problems


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        return False


def _is_postgres(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("postgres", "postgresql") and "://" in address
    except ValueError:
        return False


def _unknown(env: Mapping[str, str]) -> list[Problem]:
    """A misspelt variable would be ignored in silence; name the one that was meant."""
    problems = []
    for name in sorted(env):
        if not name.startswith("VSL_") or name in VARIABLES or _is_of_kubernetes(name, env[name]):
            continue
        near = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.75)
        own = [known for known in VARIABLES if known.startswith("VSL_")]
        accepted = f"did you mean {near[0]}?" if near else "one of " + ", ".join(own)
        problems.append(Problem(name, "is not a setting of VSL", accepted))
    return problems


def _is_of_kubernetes(name: str, value: str) -> bool:
    if name.endswith("_PORT") and re.match(r"(tcp|udp|sctp)://", value):
        return True
    return _OF_KUBERNETES.fullmatch(name) is not None
