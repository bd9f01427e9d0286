"""``vsl up`` as a process: it comes up, mends what breaks, and leaves nothing behind."""

# ruff: noqa: S608 - the statements stand here as a person would type them

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.cli.program import Up, Vsl, processes_of
from tests.support.waiting import wait_until

from vsl.cli.stack import GRACE
from vsl.domain.jobs import FINAL_STATUSES


def insert_jobs(vsl: Vsl, count: int = 1, model: str = "vsl-image", **parameters: int) -> list[str]:
    """Submit jobs as a person does in psql; their identifiers."""
    pairs = ", ".join(f"'{name}', {value}" for name, value in parameters.items())
    statement = (
        "INSERT INTO jobs (user_id, model_id, prompt, parameters)"
        f" SELECT 'psql', '{model}', 'number ' || n, jsonb_build_object({pairs})"
        f" FROM generate_series(1, {count}) n RETURNING job_id"
    )
    done = vsl("db", "psql", "-qAt", "-c", statement)
    assert done.status == 0, done.err
    return done.out.split()


def wait_for_jobs(vsl: Vsl, jobs: list[str]) -> None:
    """Wait until all have completed, with the files that they should have."""
    names = ",".join(f"'{job}'" for job in jobs)
    ended = ",".join(f"'{status}'" for status in FINAL_STATUSES)
    count = f"SELECT count(*) FROM jobs WHERE status IN ({ended}) AND job_id IN ({names})"

    def done() -> bool:
        return vsl("db", "psql", "-qAt", "-c", count).out.strip() == str(len(jobs))

    wait_until(done, within=60, what=f"{len(jobs)} jobs")
    for job in jobs:
        shown = vsl.json("jobs", "show", job)
        assert shown["job"]["status"] == "completed", shown
        (output,) = shown["outputs"]
        file = Path(output["s3_url"].removeprefix("file://"))
        assert file.stat().st_size == output["file_size"]
    usage = "SELECT count(*) FROM usage_tracking u JOIN jobs j ON j.id = u.job_id"
    rows = vsl("db", "psql", "-qAt", "-c", f"{usage} WHERE j.job_id IN ({names})")
    assert rows.out.strip() == str(len(jobs))


def ready(up: Up) -> bool:
    """Whether all parts run and the registry has the addresses of the servers that run."""
    return up.vsl("models", "list").out.count("ready") >= 3 and len(up.children()) == 4


def test_it_says_what_runs_where(up: Up) -> None:
    assert up.said["database"] == f"embedded, in {up.vsl.home}"
    assert up.said["storage"] == f"{up.vsl.home}/media"
    models = {model["model_id"]: model for model in up.vsl.json("models", "list")}
    for name in ("vsl-speech", "vsl-image", "vsl-video"):
        assert up.said["models"][name].startswith("http://127.0.0.1:")
        assert models[name]["configuration"]["url"].startswith("http://127.0.0.1:")


def test_all_three_models_answer(up: Up) -> None:
    jobs = [
        *insert_jobs(up.vsl, model="vsl-image", width=64, height=64),
        *insert_jobs(up.vsl, model="vsl-speech"),
        *insert_jobs(up.vsl, model="vsl-video", width=64, height=64, seconds=1),
    ]
    wait_for_jobs(up.vsl, jobs)


def test_a_second_one_refuses(up: Up) -> None:
    for command in (["up"], ["up", "--json"], ["models", "serve"], ["db", "stop"]):
        done = up.vsl(*command)
        assert (done.status, done.out) == (1, ""), command
        assert f"process {up.process.pid}" in done.err, command
    assert up.vsl("up", "--json").error["code"] == "not_allowed"
    assert len(up.children()) == 4


def test_demo_uses_the_one_that_runs(up: Up) -> None:
    done = up.vsl("demo", "--out", "demo-of-up")
    assert done.status == 0, done.err
    assert "using the VSL that runs already" in done.err
    made = sorted(path.name for path in (up.vsl.home / "demo-of-up").iterdir())
    assert made == ["vsl-image.png", "vsl-speech.wav", "vsl-video.mp4"]
    for name in made:
        assert f"demo-of-up/{name}" in done.out
    assert up.process.poll() is None


def test_a_killed_worker_is_replaced_and_its_jobs_are_finished(up: Up) -> None:
    worker = up.worker_pid()
    jobs = insert_jobs(up.vsl, 6, width=256, height=256)
    running = "SELECT count(*) FROM jobs WHERE status = 'processing'"
    wait_until(lambda: up.vsl("db", "psql", "-qAt", "-c", running).out.strip() != "0", within=20)
    os.kill(worker, signal.SIGKILL)
    # Brought forward: the lease of a worker that cannot extend it any more lasts half a minute.
    lapse = f"UPDATE vsl.dispatch SET lease_until = now() WHERE worker LIKE '%:{worker}:%'"
    up.vsl("db", "psql", "-qAt", "-c", lapse)
    wait_until(lambda: worker not in up.children() and ready(up), within=20)
    wait_for_jobs(up.vsl, jobs)


def test_a_killed_model_server_is_replaced_and_registered(up: Up) -> None:
    server = up.server_pid("vsl-image")
    os.kill(server, signal.SIGKILL)
    jobs = insert_jobs(up.vsl, 2, width=64, height=64)
    wait_until(lambda: server not in up.children() and ready(up), within=30)
    wait_for_jobs(up.vsl, jobs)
    assert "vsl-image: the server ended with status -9; starting it again" in up.log.read_text()


def test_a_killed_postgres_is_started_again(up: Up) -> None:
    before = up.database_pid
    terminal = up.vsl.terminal("generate", "vsl-video", "--prompt", "x", "seconds=5")
    terminal.wait_for("processing")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: up.database_pid not in (0, before), within=30, what="a new postmaster")
    assert terminal.wait() == 0, terminal.text  # following waits for a database that comes back
    wait_for_jobs(up.vsl, insert_jobs(up.vsl, width=64, height=64))
    assert "PostgreSQL has ended; starting it again" in up.log.read_text()


def test_the_log_holds_no_prompt(up: Up) -> None:
    jobs = insert_jobs(up.vsl, width=64, height=64)
    wait_for_jobs(up.vsl, jobs)
    assert jobs[0] in up.log.read_text()
    assert "number 1" not in up.log.read_text()


def test_its_life_and_its_ends(vsl: Vsl) -> None:
    """Interrupted, killed, told to end, and interrupted again before it is up."""
    first = vsl.terminal("up")
    first.wait_for("Stop with Ctrl-C.")
    shown = first.text
    steps = ["starting PostgreSQL …", "starting the servers of vsl-speech", "starting a worker …"]
    places = [shown.index(step) for step in [*steps, "VSL is up.", "Try    vsl generate"]]
    assert places == sorted(places)
    assert f"  database     embedded, in {vsl.home}" in shown
    assert len(processes_of(vsl.home)) > 5
    first.type("\x03")
    first.wait_for("Stopping.")
    assert first.wait() == 0
    wait_until(lambda: not processes_of(vsl.home), what="everything to end")

    second = Up(vsl)
    database, children = second.database_pid, second.children()
    second.process.kill()
    assert second.wait() == -signal.SIGKILL
    wait_until(lambda: not set(children) & set(processes_of(vsl.home)), what="its children to end")
    assert database in processes_of(vsl.home)
    assert vsl.json("db", "status")["pid"] == database

    third = Up(vsl)
    assert third.database_pid == database
    wait_for_jobs(vsl, insert_jobs(vsl, width=64, height=64))
    insert_jobs(vsl, model="vsl-video", seconds=10, fps=60, width=1920, height=1080)
    running = ("jobs", "list", "--status", "processing")
    wait_until(lambda: vsl.json(*running), what="the video to be in the making")
    third.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping: waiting for 1 jobs" in third.log.read_text())
    begun = time.monotonic()
    assert third.stop(signal.SIGTERM) == 0  # told twice, it does not wait
    assert time.monotonic() - begun < GRACE
    # It was there before, so it goes on.
    assert vsl.json("db", "stop") == {"stopped": True}
    assert not processes_of(vsl.home)

    fourth = vsl.terminal("up")
    fourth.wait_for("starting the servers of")
    fourth.type("\x03")
    assert fourth.wait() == 130
    assert "error: interrupted" in fourth.text
    wait_until(lambda: not processes_of(vsl.home), what="everything to end")
