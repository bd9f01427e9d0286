"""Workers killed with SIGKILL: whatever the moment, each job ends once and with its files."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.worker import media
from tests.worker.child import started, worker_process
from tests.worker.kit import ALL_STEPS, ON_18, Lab

from vsl.models.catalogue import SHIPPED
from vsl.models.serve import ModelServer
from vsl.providers.cog import CogProvider
from vsl.testing import FakeProvider, Succeed
from vsl.worker.steps import Step

IMAGES = Succeed((media.image(0), media.image(1)))


@pytest.mark.parametrize("step", ALL_STEPS)
async def test_killed_at_a_step(disk_lab: Lab, step: Step) -> None:
    lab = disk_lab
    async with worker_process(lab, hold=step, outputs=2) as child:
        job = lab.submit()
        assert await child.told(step) == job
        assert len(list(lab.spool.glob("worker-*"))) == 1
        await child.kill()
    assert lab.job(job)["status"] == {"claimed": "pending", "finished": "completed"}.get(
        step, "processing"
    )
    lab.expire()
    provider = FakeProvider(otherwise=IMAGES)
    async with lab.worker(provider):
        # What the dead one had on its own disk went when this one started.
        assert len(list(lab.spool.glob("worker-*"))) == 1
        await lab.ended(job)
    assert len(provider.requests) == (step != "finished")
    lab.check_completed_once(job, outputs=2)
    assert len(lab.attempts(job)) == 1
    await lab.clean()
    await lab.check_only_rows()
    assert len(await lab.objects()) == 2


async def test_killed_twice_then_at_the_very_end(disk_lab: Lab) -> None:
    """What the first one stored is not forgotten when the second dies after the job's end."""
    lab = disk_lab
    async with worker_process(lab, hold="stored") as child:
        job = lab.submit()
        await child.told("stored")
        await child.kill()
    lab.expire()
    async with worker_process(lab, hold="finished") as child:
        await child.told("finished")
        await child.kill()
    lab.check_completed_once(job)
    assert len(await lab.objects()) == 2
    await lab.clean()
    await lab.check_only_rows()


async def test_killed_between_a_failure_and_its_record(disk_lab: Lab) -> None:
    """The second of two files is no image: the first one lies in the store already."""
    lab = disk_lab
    wrong = FakeProvider(otherwise=Succeed((media.image(), media.sound())))
    async with worker_process(lab, hold="spooled", count=2, outputs=2) as child:
        job = lab.submit()
        await child.told("spooled")
        await child.kill()
    lab.expire()
    async with lab.worker(wrong):
        await lab.ended(job, as_="failed")
    assert len(await lab.objects()) == 2
    await lab.clean()
    assert await lab.objects() == set()


async def test_twenty_jobs_with_a_kill_in_the_middle(disk_lab: Lab) -> None:
    lab = disk_lab
    jobs = lab.submit_many(20)
    async with worker_process(lab, hold="stored", count=10) as child:
        await child.told("stored")
        # The others went on meanwhile: some have ended, some are under way.
        await lab.until("count(*) >= 9 FROM jobs WHERE status = 'completed'")
        await child.kill()
    assert lab.row("SELECT count(*) AS n FROM vsl.dispatch")["n"] > 0
    lab.expire()
    async with worker_process(lab):
        await lab.ended(*jobs, within=30)
    for job in jobs:
        lab.check_completed_once(job)
    assert lab.row("SELECT count(*) AS n FROM usage_tracking")["n"] == 20
    await lab.clean()
    await lab.check_only_rows()
    assert len(await lab.objects()) == 20


async def test_a_job_that_kills_its_workers_ends(disk_lab: Lab) -> None:
    """After six workers it is taken for the reason."""
    lab = disk_lab
    job = lab.submit()
    lab.rows("UPDATE vsl.dispatch SET rescues = 5")
    async with worker_process(lab, hold="predicted") as child:
        await child.told("predicted")
        await child.kill()
    lab.expire()
    async with lab.worker(FakeProvider(otherwise=IMAGES)):
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_code"] == "worker_lost"


@pytest.fixture(scope="module")
def image_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """The real Cog server of the image model."""
    (model,) = [m for m in SHIPPED if m.media_type == "image"]
    folder = tmp_path_factory.mktemp("cog")
    server = ModelServer(model, scratch=folder / "scratch", log=folder / "log")
    # A loop of its own, in a thread: the fixture may be asked for while a test's loop runs.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, server.start()).result()
        yield server
        thread.submit(asyncio.run, server.stop()).result()


def serve_images(lab: Lab, server: ModelServer) -> None:
    lab.rows(
        "UPDATE model_configurations SET configuration = jsonb_build_object('url', %s::text)"
        " WHERE model_id = 'vsl-image'",
        server.url,
    )


@ON_18
@pytest.mark.parametrize("step", ["begun", "recorded"])
async def test_killed_beside_a_real_model_server(
    disk_lab: Lab, image_server: ModelServer, step: Step
) -> None:
    lab = disk_lab
    serve_images(lab, image_server)
    async with worker_process(lab, hold=step, provider="cog", lane="cog") as child:
        job = lab.submit("vsl-image", parameters={"width": 64, "height": 64})
        await child.told(step)
        await child.kill()
    lab.expire()
    provider = CogProvider()
    async with lab.worker(provider, lanes=("cog",)):
        await lab.ended(job)
    await provider.close()
    lab.check_completed_once(job)
    (output,) = lab.outputs(job)
    assert (output["file_type"], output["width"], output["height"]) == ("image/png", 64, 64)
    await lab.clean()
    await lab.check_only_rows()


@ON_18
async def test_vsl_worker_takes_on_lost_jobs_by_itself(
    disk_lab: Lab, image_server: ModelServer, tmp_path: Path
) -> None:
    """The program as a user starts it, with no option at all."""
    lab = disk_lab
    serve_images(lab, image_server)
    job = lab.submit("vsl-image", parameters={"width": 64, "height": 64})
    lab.rows("SELECT id FROM vsl.claim_jobs('a dead worker', '{cog}', 1, 60)")
    lab.expire()
    environment = {
        "DATABASE_URL": lab.worker_url,
        "VSL_HOME": str(tmp_path),
        "VSL_STORAGE": str(tmp_path / "store"),
    }
    log = tmp_path / "log"
    async with started("-m", "vsl", "worker", log=log, environment=environment) as child:
        await lab.ended(job, within=30)
        child.send(signal.SIGTERM)
        assert await child.ended() == 0
    assert "rescued a job of a dead worker: freed" in child.said()
    lab.check_completed_once(job)
    assert lab.outputs(job)[0]["s3_url"].startswith("file://")
