"""``pip install .`` somewhere else gives a working ``vsl``: everything is in the wheel."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer
from PIL import Image
from tests.cli.program import Done, Vsl, processes_of
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, folder: Path) -> None:
    """Run a step of the installation."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    # With the build system of the environment where it has one, else pip fetches it.
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps")
    run(*pip, *here, "--wheel-dir", folder, ROOT, folder=folder)
    (made,) = folder.glob("vsl-*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel.

    The dependencies are those of this environment: not fetched again, but seen through a path
    file. This checkout, installed here in place, is not seen through it.
    """
    place = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", place, folder=place)
    python = place / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", wheel, folder=place)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / "lib" / version / "site-packages"
    dependencies = Path(str(typer.__file__)).parents[1]
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return place / "bin"


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sql = {path.relative_to(ROOT) for path in (ROOT / "database").rglob("*") if path.is_file()}
    assert {f"vsl/_database/{path.relative_to('database')}" for path in sql} <= names
    for model in ("speech", "image", "video"):
        assert {f"vsl/models/{model}/{part}" for part in ("predict.py", "schema.json")} <= names
    assert "vsl/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_the_demo_of_an_installed_vsl(vsl: Vsl, installed: Path) -> None:
    vsl.stem, vsl.program = None, (str(installed / "vsl"),)
    done: Done = vsl("demo", "--json", "--out", "made here")
    assert done.status == 0, done.err
    assert done.err == ""
    files = {}
    for ended in json.loads(done.out):
        assert ended["job"]["status"] == "completed"
        assert len(ended["outputs"]) == len(ended["copies"]) == 1
        files[ended["job"]["model_id"]] = vsl.home / ended["copies"][0]
    assert {name: file.name for name, file in files.items()} == {
        "vsl-speech": "vsl-speech.wav",
        "vsl-image": "vsl-image.png",
        "vsl-video": "vsl-video.mp4",
    }
    with Image.open(files["vsl-image"]) as image:
        assert image.size == (768, 512)
    assert files["vsl-speech"].read_bytes()[:4] == b"RIFF"
    assert files["vsl-video"].read_bytes()[4:8] == b"ftyp"
    # What it started, it has stopped.
    wait_until(lambda: not processes_of(vsl.home))
    assert vsl("--version").out.startswith("vsl ")
