"""The settings of a process, read once from the environment.

Nothing else in VSL reads the environment, and nothing reads it at import.
"""

from __future__ import annotations

import difflib
import os
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
    "VSL_STORAGE": "Where outputs are stored: a folder. Unset: the folder `media` in VSL_HOME.",
    "VSL_PG_BIN": "Folder of PostgreSQL programs to use in place of the embedded ones.",
    "VSL_PG_PORT": "TCP port of the embedded server. Unset: a free one, kept from then on.",
    "VSL_LOG_FORMAT": "`text` or `json`. Unset: text.",
    "VSL_LOG_LEVEL": "`debug`, `info`, `warning` or `error`. Unset: info.",
    "REPLICATE_API_TOKEN": "Token of the Replicate account that runs hosted models.",
}

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a process. Secrets do not show in its representation.

    database_url, direct_url: None means the embedded server. storage: an address as
    ``vsl.storage.open_store`` takes it.
    """

    home: Path
    storage: str
    database_url: str | None = field(default=None, repr=False)
    direct_url: str | None = field(default=None, repr=False)
    pg_bin: Path | None = None
    pg_port: int | None = None
    log_format: str = "text"
    log_level: str = "info"
    replicate_token: str | None = field(default=None, repr=False)


def load(environment: Mapping[str, str] | None = None) -> Config:
    """The settings in the environment. Raises ``InvalidInput`` naming every bad variable."""
    env = os.environ if environment is None else environment
    problems = [*_unknown(env)]
    home = Path(env.get("VSL_HOME") or _default_home()).expanduser().absolute()
    for name in ("DATABASE_URL", "VSL_DIRECT_DATABASE_URL"):
        value = env.get(name)
        if value and urlsplit(value).scheme not in ("postgres", "postgresql"):
            problems.append(Problem(name, "is not a PostgreSQL address", "postgresql://…"))
    for name, accepted in (("VSL_LOG_FORMAT", LOG_FORMATS), ("VSL_LOG_LEVEL", LOG_LEVELS)):
        if env.get(name, accepted[0]) not in accepted:
            problems.append(Problem(name, "is not known", "one of " + ", ".join(accepted)))
    port = env.get("VSL_PG_PORT")
    if port and not (port.isdecimal() and 1 <= int(port) <= 65535):
        problems.append(Problem("VSL_PG_PORT", "is not a TCP port", "1 to 65535"))
    if problems:
        raise InvalidInput(problems)
    return Config(
        home=home,
        storage=env.get("VSL_STORAGE") or str(home / "media"),
        database_url=env.get("DATABASE_URL") or None,
        direct_url=env.get("VSL_DIRECT_DATABASE_URL") or env.get("DATABASE_URL") or None,
        pg_bin=Path(env["VSL_PG_BIN"]) if env.get("VSL_PG_BIN") else None,
        pg_port=int(port) if port else None,
        log_format=env.get("VSL_LOG_FORMAT", "text"),
        log_level=env.get("VSL_LOG_LEVEL", "info"),
        replicate_token=env.get("REPLICATE_API_TOKEN") or None,
    )


def _default_home() -> Path:
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib/vsl")
    return platformdirs.user_data_path("vsl", appauthor=False)


def _unknown(env: Mapping[str, str]) -> list[Problem]:
    """A misspelt variable would be ignored in silence; name the one that was meant."""
    problems = []
    for name in sorted(env):
        if name.startswith("VSL_") and name not in VARIABLES:
            near = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0)
            problems.append(Problem(name, "is not a setting of VSL", f"did you mean {near[0]}?"))
    return problems
