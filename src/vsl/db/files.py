"""Where the SQL files are, and what the manifest says of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from vsl.db.script import meaning

MIGRATION_NAME = re.compile(r"V(?P<version>[0-9]+(?:\.[0-9]+)*)__(?P<words>[\w-]+)\.sql")

_OWN_RECORD = re.compile(
    r"INSERT\s+INTO\s+(?:public\.)?schema_migrations\s*\(\s*version,\s*description\s*\)\s*VALUES\s*"
    r"\(\s*'(?P<version>[^']*)',\s*'(?P<description>(?:[^']|'')*)'",
    re.IGNORECASE,
)


@cache
def database_dir() -> Path:
    """The folder ``database``: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_database"
    return installed if installed.is_dir() else package.parents[1] / "database"


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file of the manifest. path: relative to ``database``, with forward slashes."""

    path: str
    text: str

    @property
    def repeatable(self) -> bool:
        """Whether it is applied again when its text changes; tables change by migrations only."""
        return not self.path.startswith("tables/")

    @property
    def sha256(self) -> str:
        """Digest of the text, as kept in ``vsl.repeatables``."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def manifest() -> list[SqlFile]:
    """The files of the current state, in load order."""
    root = database_dir()
    lines = (root / "manifest.txt").read_text(encoding="utf-8").splitlines()
    paths = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [SqlFile(path, (root / path).read_text(encoding="utf-8")) for path in paths]


@dataclass(frozen=True)
class Migration:
    """A file that changes the schema once. version: dotted numbers, such as ``1.10.0``.

    origin: ``vsl`` for the packaged ones, ``user`` for those of the user's folder.
    """

    version: str
    description: str
    path: Path
    text: str
    origin: str = "vsl"

    @property
    def order(self) -> tuple[int, ...]:
        """The version as numbers, so that 1.10 comes after 1.9; trailing zeros do not count."""
        return version_key(self.version)

    @cached_property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def meaning(self) -> str:
        """Digest of what the text says, without comments and white space.

        Raises ``InvalidInput`` for a text that cannot be read as SQL.
        """
        return meaning(self.text)


def version_key(version: str) -> tuple[int, ...]:
    """A dotted version as numbers to compare by. Raises ``ValueError`` when it is none."""
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version!r} is not a version")
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def migrations() -> list[Migration]:
    """The packaged migrations, oldest first."""
    found = []
    for path in (database_dir() / "migrations").glob("*.sql"):
        match = MIGRATION_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path.name} is not named V{{version}}__description.sql")
        found.append(migration_of(match, path, path.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.order)


def migration_of(name: re.Match[str], path: Path, text: str, origin: str = "vsl") -> Migration:
    """A migration from its file. name: as ``MIGRATION_NAME`` matched it."""
    return Migration(name["version"], _description(name, text), path, text, origin)


def _description(name: re.Match[str], text: str) -> str:
    """What a file that records itself says it is; else the words of its name."""
    own = _OWN_RECORD.search(text)
    if own is not None and own["version"] == name["version"]:
        return own["description"].replace("''", "'")
    words = name["words"].replace("_", " ")
    return words[:1].upper() + words[1:]
