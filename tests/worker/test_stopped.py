"""Stopping a worker process: what it finishes, what it hands back, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.waiting import wait_until_async
from tests.worker import media
from tests.worker.child import Child, started, worker_process
from tests.worker.kit import ON_18, Lab

from vsl.testing import FakeProvider, Succeed

STOPPING = "stopping: waiting for"


async def logged(child: Child, words: str) -> None:
    async def found() -> bool:
        return words in child.said()

    await wait_until_async(found, within=30, what=words)


async def test_sigterm_lets_jobs_end(disk_lab: Lab) -> None:
    lab = disk_lab
    async with worker_process(lab, hangs=True, tell=["begun"]) as child:
        first, second = lab.submit(), lab.submit()
        assert {await child.told("begun"), await child.told("begun")} == {first, second}
        child.send(signal.SIGTERM)
        await logged(child, STOPPING)
        late = lab.submit()
        child.send(signal.SIGUSR1)
        assert await child.ended() == 0
    for job in (first, second):
        lab.check_completed_once(job)
    assert lab.job(late)["status"] == "pending"
    assert not any(lab.spool.glob("worker-*"))
    await lab.check_only_rows()


async def test_what_does_not_end_in_time_is_handed_back(disk_lab: Lab) -> None:
    lab = disk_lab
    provider = FakeProvider(otherwise=Succeed((media.image(),)))
    async with worker_process(lab, hangs=True, tell=["begun"], grace=0.1) as child:
        job = lab.submit()
        await child.told("begun")
        child.send(signal.SIGTERM)
        assert await child.ended() == 0
    held = lab.row("SELECT worker, rescues, due_at <= now() AS due FROM vsl.dispatch")
    assert held == {"worker": None, "rescues": 0, "due": True}
    # No lease has to run out first.
    async with lab.worker(provider):
        await lab.ended(job)
    lab.check_completed_once(job)
    assert len(lab.attempts(job)) == 1


@ON_18
@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_hands_back_at_once(disk_lab: Lab, again: signal.Signals) -> None:
    lab = disk_lab
    async with worker_process(lab, hangs=True, tell=["begun"], grace=600) as child:
        lab.submit()
        await child.told("begun")
        child.send(signal.SIGTERM)
        await logged(child, STOPPING)
        child.send(again)
        assert await child.ended() == 0
    assert lab.row("SELECT worker FROM vsl.dispatch") == {"worker": None}
    assert "handed 1 jobs back" in child.said()


@ON_18
@pytest.mark.parametrize("step", ["predicted", "spooled", "stored"])
async def test_handed_back_in_the_middle_of_collecting(disk_lab: Lab, step: str) -> None:
    lab = disk_lab
    async with worker_process(lab, hold=step, grace=0) as child:
        job = lab.submit()
        await child.told(step)
        child.send(signal.SIGTERM)
        assert await child.ended() == 0
    assert not any(lab.spool.glob("worker-*"))
    stored = await lab.objects()
    assert len(stored) == (step == "stored")
    assert {row["storage_key"] for row in lab.rows("SELECT * FROM vsl.doomed_objects")} == stored
    async with lab.worker(FakeProvider(otherwise=Succeed((media.image(),)))):
        await lab.ended(job)
    await lab.clean()
    await lab.check_only_rows()


# --- the program itself ---------------------------------------------------------------------


def environment(lab: Lab, folder: Path) -> Mapping[str, str]:
    return {
        "DATABASE_URL": lab.worker_url,
        "VSL_HOME": str(folder),
        "VSL_STORAGE": str(folder / "store"),
        "VSL_LOG_FORMAT": "json",
    }


@ON_18
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_vsl_worker_stops(lab: Lab, tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    argv = ("-m", "vsl", "worker")
    async with started(*argv, log=log, environment=environment(lab, tmp_path)) as child:
        await logged(child, "worker started")
        child.send(number)
        assert await child.ended() == 0
    assert "worker stopped" in child.said()


@ON_18
async def test_it_stops_when_its_input_closes(lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = ("-m", "vsl", "worker", "--until-stdin-closes")
    async with started(*argv, log=log, environment=environment(lab, tmp_path)) as child:
        await logged(child, "worker started")
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert await child.ended() == 0
    assert "worker stopped" in child.said()


PARENT = """
import subprocess, sys
worker = subprocess.Popen(
    [sys.executable, "-m", "vsl", "worker", "--until-stdin-closes"],
    stdin=subprocess.PIPE, start_new_session=True,
)
print(worker.pid, flush=True)
worker.wait()
"""


def lives(pid: int) -> bool:
    """Whether a process that may not be our child runs, and is not only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@ON_18
async def test_it_stops_when_its_parent_is_killed(lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with started("-c", PARENT, log=log, environment=environment(lab, tmp_path)) as parent:
        assert parent.process.stdout is not None
        pid = int(await parent.process.stdout.readline())
        try:
            await logged(parent, "worker started")
            await parent.kill()
            await logged(parent, "worker stopped")

            async def gone() -> bool:
                return not lives(pid)

            await wait_until_async(gone, within=30)
        finally:
            if lives(pid):
                os.kill(pid, signal.SIGKILL)
