"""``vsl jobs``: tables and documents, and what can be done with a job."""

from __future__ import annotations

import os
import subprocess

import pytest
from tests.cli.program import Up, Vsl

SMALL = ("width=64", "height=64")
JOB = "job_" + "0" * 32


@pytest.fixture(scope="session")
def completed(up: Up) -> str:
    """A job that is done, of a user of its own."""
    document = up.vsl.json("generate", "vsl-image", "--prompt", "a hill", *SMALL, "--user=hill")
    return str(document["job"]["job_id"])


@pytest.fixture(scope="session")
def failed(up: Up) -> str:
    """A job that failed: what SQL cannot check, the worker does."""
    insert = (
        "INSERT INTO jobs (user_id, model_id, prompt, parameters)"
        " VALUES ('dale', 'vsl-image', 'x', '{\"width\": 1}') RETURNING job_id"
    )
    job = up.vsl("db", "psql", "-qAt", "-c", insert).out.strip()
    assert up.vsl("jobs", "watch", job).status == 1
    return job


def test_list_as_json(up: Up, completed: str) -> None:
    (job,) = up.vsl.json("jobs", "list", "--user", "hill")
    assert job["job_id"] == completed
    assert (job["status"], job["outputs"], job["model_id"]) == ("completed", 1, "vsl-image")
    assert up.vsl.json("jobs", "list", "--user", "hill", "--status", "failed") == []
    assert up.vsl.json("jobs", "list", "--user", "hill", "--model", "vsl-video") == []
    assert len(up.vsl.json("jobs", "list", "--limit", "1")) == 1


def test_list_as_a_table(up: Up, completed: str) -> None:
    heads, row = up.vsl("jobs", "list", "--user", "hill").out.splitlines()
    assert heads.split() == [
        "job", "status", "model", "user", "created", "files", "took", "cost",
    ]  # fmt: skip
    assert row.split()[:4] == [completed, "completed", "vsl-image", "hill"]
    assert up.vsl("jobs", "list", "--user", "nobody").out == "No such jobs.\n"


def test_list_on_a_terminal_of_80_columns(up: Up, completed: str) -> None:
    terminal = up.vsl.terminal("jobs", "list", "--user", "hill")
    assert terminal.wait() == 0
    heads, row, note = (line.rstrip() for line in terminal.lines)
    assert heads.split()[:3] == ["job", "status", "model"]
    assert row.split()[:3] == [completed, "completed", "vsl-image"]
    assert max(len(heads), len(row)) <= 80
    assert note.startswith("(a wider terminal also shows: took, files, user")
    assert "\x1b[32mcompleted" in terminal.raw


def test_list_for_a_reader_that_takes_one_line(up: Up, completed: str) -> None:
    command = f"set -o pipefail; {' '.join(up.vsl.program)} jobs list --json | head -c 1"
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        env=up.vsl.environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert completed
    assert (done.stdout, done.stderr) == (b"[", b"")
    assert done.returncode in (0, 1)  # 1 where the reader was gone before all was written


def test_a_reader_that_is_gone(up: Up) -> None:
    for options in ([], ["--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*up.vsl.program, "jobs", "list", *options],
            env=up.vsl.environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (1, b""), options


def test_show(up: Up, completed: str) -> None:
    document = up.vsl.json("jobs", "show", completed)
    assert document["job"]["prompt"] == "a hill"
    (attempt,) = document["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "completed")
    (output,) = document["outputs"]
    shown = up.vsl("jobs", "show", completed).out
    for words in ("prompt      a hill", "width=64, height=64", "Attempts", output["s3_key"]):
        assert words in shown, words


def test_show_a_failed_one(up: Up, failed: str) -> None:
    shown = up.vsl("jobs", "show", failed).out
    assert "error       width: is too small (at least 64) (invalid_input)" in shown
    watched = up.vsl("jobs", "watch", failed)
    assert watched.status == 1
    assert watched.out.startswith(f"{failed} failed")
    assert watched.err == "error: width: is too small (at least 64) (invalid_input)\n"
    document = up.vsl("jobs", "watch", failed, "--json")
    assert (document.status, document.document["job"]["status"]) == (1, "failed")


def test_a_long_prompt_is_shortened(up: Up) -> None:
    job = up.vsl.json("generate", "vsl-image", "--prompt", "p" * 3000, *SMALL, "--no-wait")[
        "job_id"
    ]
    shown = up.vsl("jobs", "show", job).out
    assert "p" * 1000 + " … (and 2,000 characters more)" in shown
    assert up.vsl.json("jobs", "show", job)["job"]["prompt"] == "p" * 3000


def test_a_job_that_there_is_not(up: Up) -> None:
    for verb in ("show", "watch", "cancel", "retry"):
        for name in (JOB, "x" * 10_000, "a\x1b[31mb", ""):
            done = up.vsl("jobs", verb, name)
            assert (done.status, done.out) == (2, ""), (verb, name)
            assert "no job" in done.err, (verb, name)
            assert "See `vsl jobs list`." in done.err, (verb, name)
            assert "\x1b[31m" not in done.err, (verb, name)
            assert len(done.err) < 400, (verb, name)
    assert up.vsl("jobs", "show", JOB, "--json").error["code"] == "not_found"


def test_cancel_a_running_job(up: Up) -> None:
    job = up.vsl.json(
        "generate", "vsl-video", "--prompt", "x", "seconds=10", "fps=60", "--no-wait"
    )["job_id"]
    terminal = up.vsl.terminal("jobs", "watch", job)
    terminal.wait_for("vsl-video: processing")
    answer = up.vsl.json("jobs", "cancel", job)
    assert answer == {"job_id": job, "cancel": "requested"}
    assert terminal.wait() == 1
    assert f"{job} cancelled" in terminal.text
    again = up.vsl("jobs", "cancel", job)
    assert (again.status, again.out) == (0, f"{job} is cancelled.\n")


def test_a_job_that_is_done_cannot_be_cancelled(up: Up, completed: str) -> None:
    done = up.vsl("jobs", "cancel", completed)
    assert (done.status, done.out) == (1, "")
    assert f"error: job {completed} is completed and can no longer be cancelled" in done.err


def test_retry(up: Up, completed: str) -> None:
    refused = up.vsl("jobs", "retry", completed)
    assert refused.status == 1
    assert "only failed and cancelled jobs can be retried" in refused.err
    insert = (
        "INSERT INTO jobs (user_id, model_id, prompt, parameters)"
        " VALUES ('u', 'vsl-image', 'x', '{\"width\": 2}') RETURNING job_id"
    )
    job = up.vsl("db", "psql", "-qAt", "-c", insert).out.strip()
    assert up.vsl("jobs", "watch", job).status == 1
    done = up.vsl("jobs", "retry", job)
    assert (done.status, done.out) == (
        0,
        f"{job} will run again; see `vsl jobs watch {job}`.\n",
    )
    assert up.vsl("jobs", "watch", job).status == 1
    assert len({attempt["run"] for attempt in up.vsl.json("jobs", "show", job)["attempts"]}) <= 2


@pytest.mark.parametrize("server", [18], indirect=True)
def test_no_jobs_yet(database: str, vsl: Vsl) -> None:
    done = vsl("jobs", "list", DATABASE_URL=database)
    assert done.out == (
        "No jobs. Make one: vsl generate vsl-image --prompt 'a lighthouse at dawn'\n"
    )
