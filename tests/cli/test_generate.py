"""``vsl generate``: what is printed, what is written, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.program import CANARY, Up
from tests.support.waiting import wait_until

from vsl.cli.generate import wait_for
from vsl.config import load
from vsl.errors import StoreError

SMALL = ("width=64", "height=64")


def count_jobs(up: Up) -> int:
    """How many rows there are."""
    return int(up.vsl("db", "psql", "-qAt", "-c", "SELECT count(*) FROM jobs").out)


def test_a_picture_with_a_copy(up: Up, tmp_path: Path) -> None:
    done = up.vsl("generate", "vsl-image", "--prompt", "a boat", *SMALL, "--out", str(tmp_path))
    assert done.status == 0
    submitted, *changes = done.err.splitlines()
    job = submitted.removeprefix("submitted ").removesuffix(", $0.00 held")
    assert set(changes) <= {f"{job} is pending", f"{job} is processing"}
    head, _, title, columns, row, _, copied = done.out.splitlines()
    assert head.startswith(f"{job} completed in ")
    assert head.endswith(", cost $0.00")
    assert title == "Files"
    assert columns.split() == ["file", "type", "size", "length", "pixels", "frames/s"]
    stored, *facts = row.split()
    assert facts[0] == "image/png"
    assert "64×64" in facts
    assert copied == f"copied to {tmp_path}/{job}.png"
    copy = tmp_path / f"{job}.png"
    assert copy.read_bytes() == Path(stored).read_bytes()
    with Image.open(copy) as image:
        assert image.size == (64, 64)
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_as_json(up: Up, tmp_path: Path) -> None:
    document = up.vsl.json(
        "generate", "vsl-video", "--prompt", "waves", *SMALL, "seconds=1", f"--out={tmp_path}"
    )
    job, (output,), (copy,) = document["job"], document["outputs"], document["copies"]
    assert job["status"] == "completed"
    assert job["user_id"] == "tester"
    assert job["parameters"] == {"width": 64, "height": 64, "seconds": 1}
    assert job["actual_cost"] == "0"
    assert job["created_at"].endswith("Z")
    assert (output["width"], output["height"], output["file_type"]) == (64, 64, "video/mp4")
    assert output["file_size"] == Path(copy).stat().st_size
    assert "copies" not in up.vsl.json("generate", "vsl-image", "--prompt", "a", *SMALL)


def test_without_waiting(up: Up) -> None:
    document = up.vsl.json("generate", "vsl-image", "--prompt", "a", *SMALL, "--no-wait")
    assert up.vsl("jobs", "watch", document["job_id"]).status == 0
    done = up.vsl("generate", "vsl-image", "--prompt", "a", *SMALL, "--no-wait")
    job = done.out.split()[1].rstrip(";")
    assert done.out == f"submitted {job}; see `vsl jobs watch {job}`.\n"
    assert up.vsl.json("jobs", "watch", job)["job"]["status"] == "completed"


def test_the_prompt_from_a_pipe(up: Up) -> None:
    prompt = "a tree,\nand \x1b[31m beside it [/red] :smile: a 'quoted' house"
    done = up.vsl("generate", "vsl-image", "--prompt", "-", *SMALL, "--json", stdin=prompt + "\n")
    assert done.document["job"]["prompt"] == prompt
    shown = up.vsl("jobs", "show", done.document["job"]["job_id"])
    assert shown.status == 0
    # As it was written, but for what would speak to the terminal.
    assert r"and \x1b[31m beside it [/red] :smile: a 'quoted' house" in shown.out


def test_everything_that_is_wrong_at_once(up: Up) -> None:
    before = count_jobs(up)
    typed = ("heigth=3", "width=1", "height=64.5", "seed=NaN", "output_format=gif", "style=flow")
    done = up.vsl("generate", "vsl-image", *typed, "--user", "a\tb", "--json")
    assert done.status == 2
    problems = {problem["field"]: problem for problem in done.error["problems"]}
    assert set(problems) == {
        "prompt",
        "heigth",
        "width",
        "height",
        "seed",
        "output_format",
        "user",
    }
    assert problems["heigth"]["accepted"] == "did you mean height?"
    assert problems["width"] == {
        "field": "width",
        "reason": "is too small",
        "accepted": "at least 64",
    }
    assert problems["output_format"]["accepted"] == "one of png, webp, jpeg"
    words = up.vsl("generate", "vsl-image", *typed)
    assert words.status == 2
    assert len(words.err.splitlines()) == 7
    assert words.err.startswith("error: ")
    assert words.err.endswith("See `vsl models show vsl-image` for what it accepts.\n")
    assert count_jobs(up) == before


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["vsl-imag"], "Did you mean vsl-image"),
        (["x" * 10_000], "there is no model 'xxx"),
        (["sdxl"], "runs at replicate, which is not configured here"),
        (["vsl-image", "--user", "u" * 10_000], "user: has 10000 characters (1 to 255"),
        (["vsl-image", "--user", "a\x1bb"], "user: has control characters"),
        (["vsl-image", "--user", ""], "user: is empty"),
        (["vsl-image", "seed=1", "seed=2"], "seed: is given twice"),
        (["vsl-image", "prompt=x"], "prompt: is given twice"),
    ],
)
def test_what_is_refused(up: Up, typed: list[str], said: str) -> None:
    before = count_jobs(up)
    done = up.vsl("generate", *typed, "--prompt", CANARY)
    assert (done.status, done.out) == (1 if typed == ["sdxl"] else 2, "")
    assert said in done.err
    assert len(done.err) < 1000
    assert count_jobs(up) == before


def test_a_prompt_of_a_megabyte(up: Up) -> None:
    done = up.vsl("generate", "vsl-image", "--prompt", "-", stdin=CANARY * 30_000)
    assert done.status == 2
    assert "prompt: has more than 100,000 characters" in done.err
    wide = up.vsl("generate", "vsl-image", "--prompt", "-", stdin="ä" * 100_001)
    assert "prompt: has 100,001 characters (at most 100,000)" in wide.err


def test_a_user_with_slashes(up: Up) -> None:
    for user in ("a/../../b", "ünï cödé", "100%", "."):
        document = up.vsl.json("generate", "vsl-image", "--prompt", "x", *SMALL, "--user", user)
        assert document["job"]["user_id"] == user
        (output,) = document["outputs"]
        kind, owner, year, *_ = output["s3_key"].split("/")
        assert (kind, year.isdecimal()) == ("images", True)
        assert owner not in ("", ".", "..")
        assert (up.vsl.home / "media" / output["s3_key"]).is_file()


@pytest.mark.parametrize(
    ("in_the_way", "said"),
    [("folder", "Is a directory"), ("full", "No space left on device")],
)
def test_a_copy_that_cannot_be_written_is_said_after_the_result(
    up: Up, tmp_path: Path, capsys: pytest.CaptureFixture[str], in_the_way: str, said: str
) -> None:
    job = up.vsl.json("generate", "vsl-image", "--prompt", "x", *SMALL, "--no-wait")["job_id"]
    if in_the_way == "folder":
        (tmp_path / f"{job}.png").mkdir()
    else:
        (tmp_path / f".{job}.png.partial").symlink_to("/dev/full")
    before = sorted(tmp_path.glob("*.png"))
    # As `vsl generate` does it, for a job whose name is known before.
    config = load({"VSL_HOME": str(up.vsl.home)})
    with pytest.raises(StoreError, match=said):
        wait_for(config, job, tmp_path, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["job"]["status"] == "completed"
    assert document["copies"] == []
    assert sorted(tmp_path.iterdir()) == before  # no half file


def test_a_store_that_refuses_fails_the_job_with_the_reason(up: Up) -> None:
    place = up.vsl.home / "media" / "audio" / "blocked"
    place.parent.mkdir(exist_ok=True)
    place.touch()  # where the user's folder would be
    done = up.vsl("generate", "vsl-speech", "--prompt", CANARY, "--user", "blocked")
    assert done.status == 1
    job = done.out.split()[0]
    assert done.out == f"{job} failed, cost $0.00\n"
    reason = done.err.splitlines()[-1]
    assert reason.startswith(f"error: folder {up.vsl.home}/media: cannot write audio/blocked/")
    assert reason.endswith("(store_error)")
    assert place.stat().st_size == 0


def test_on_a_terminal(up: Up, tmp_path: Path) -> None:
    terminal = up.vsl.terminal(
        "generate", "vsl-video", "--prompt", "x", *SMALL, "seconds=1", "--out", str(tmp_path)
    )
    assert terminal.wait() == 0
    assert "vsl-video: " in terminal.text  # the line that shows how far it is
    lines = [line.rstrip() for line in terminal.lines]
    start = lines.index("Files")
    assert lines[start + 1].split() == ["type", "size", "length", "pixels", "frames/s"]
    assert lines[start + 2].split()[0] == "video/mp4"
    # The path stands on a line of its own, whole: the terminal folds it, the program does not.
    path = lines[start + 4]
    assert path.startswith(f"{up.vsl.home}/media/videos/tester/")
    assert Path(path).is_file()
    (copy,) = tmp_path.iterdir()
    assert lines[start + 6] == f"copied to {copy}"
    wide = up.vsl.terminal("generate", "vsl-image", "--prompt", "x", *SMALL, columns=200)
    assert wide.wait() == 0
    assert any("/original.png  image/png" in line for line in wide.lines)


def test_ctrl_c_lets_the_job_go_on(up: Up) -> None:
    terminal = up.vsl.terminal("generate", "vsl-video", "--prompt", "x", *SMALL, "seconds=5")
    terminal.wait_for("vsl-video: processing")
    terminal.type("\x03")
    assert terminal.wait() == 130
    job = terminal.text.split("submitted ")[1].split(",")[0]
    assert f"error: interrupted; {job} goes on" in terminal.text
    wait_until(lambda: up.vsl.json("jobs", "show", job)["job"]["status"] == "completed", within=30)
