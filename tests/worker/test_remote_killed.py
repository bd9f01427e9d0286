"""Workers killed with SIGKILL while they drive paid predictions: each is made once, paid once and
stored once. There are no callbacks here; everything is found by reading.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from tests.worker.child import worker_process
from tests.worker.kit import Lab
from tests.worker.remote import (
    HERE,
    LANE,
    TWO,
    add_models,
    check_once,
    folder,
    in_phase,
    make_due,
    provider,
    without_pauses,
)

from vsl.testing.remote import Make


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, disk_lab: Lab) -> None:
    add_models(disk_lab)
    without_pauses(monkeypatch)


def orders(lab: Lab, **more: Any) -> dict[str, Any]:
    return {
        "provider": "remote",
        "lane": LANE,
        "predictions": str(folder(lab)),
        "outputs": 2,
        **more,
    }


async def finished_by_another(lab: Lab, job: UUID) -> None:
    """Another worker takes over and ends the job; what the dead one left is removed."""
    made = provider(lab, otherwise=Make(TWO.files))
    lab.expire()
    async with lab.worker(made, **HERE):
        await lab.until("count(*) = 0 FROM vsl.dispatch WHERE worker IS NOT NULL")
        make_due(lab)
        if not made.made:
            await lab.until("count(*) = 1 FROM vsl.dispatch WHERE phase = 'backoff'")
            make_due(lab)
        await lab.ended(job)
    await lab.clean()
    await lab.check_only_rows()
    assert len(await lab.objects()) == 2


async def test_between_the_intent_and_the_request(disk_lab: Lab) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold="begun")) as child:
        job = lab.submit("flux")
        await child.told("begun")
        await child.kill()
    made = provider(lab)
    assert made.made == []
    await finished_by_another(lab, job)
    lab.check_completed_once(job, outputs=2)
    assert len(made.made) == 1
    found = [(a["outcome"], a["error_code"]) for a in lab.attempts(job)]
    assert found == [("failed", "absent"), ("completed", None)]


@pytest.mark.parametrize("step", ["made", "predicted", "recorded", "spooled", "stored"])
async def test_at_any_moment_after_the_request(disk_lab: Lab, step: str) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold=step)) as child:
        job = lab.submit("flux")
        await child.told(step)
        await child.kill()
    phase = "collect" if step in ("recorded", "spooled", "stored") else "submit"
    assert lab.row("SELECT phase FROM vsl.dispatch")["phase"] == phase
    await finished_by_another(lab, job)
    check_once(lab, provider(lab), job, outputs=2)


@pytest.mark.parametrize("step", ["predicted", "recorded", "waiting"])
async def test_of_a_prediction_that_is_at_work(disk_lab: Lab, step: str) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold=step, looks=3)) as child:
        job = lab.submit("flux")
        await child.told(step)
        await child.kill()
    await finished_by_another(lab, job)
    check_once(lab, provider(lab), job, outputs=2)


async def test_at_a_later_look(disk_lab: Lab) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold="claimed", count=2, looks=3)) as child:
        job = lab.submit("flux")
        await child.told("claimed")
        await child.kill()
    row = lab.row("SELECT phase, worker IS NOT NULL AS held FROM vsl.dispatch")
    assert row == {"phase": "wait", "held": True}
    await finished_by_another(lab, job)
    check_once(lab, provider(lab), job, outputs=2)


async def test_after_the_end(disk_lab: Lab) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold="finished")) as child:
        job = lab.submit("flux")
        await child.told("finished")
        await child.kill()
    check_once(lab, provider(lab), job, outputs=2)


async def test_a_job_that_loses_many_workers_is_not_given_up(disk_lab: Lab) -> None:
    """Its prediction is paid for: after six lost workers it is freed with a pause, and ends."""
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold="stored")) as child:
        job = lab.submit("flux")
        lab.rows("UPDATE vsl.dispatch SET rescues = 7")
        await child.told("stored")
        await child.kill()
    lab.expire()
    assert lab.row("SELECT result FROM vsl.rescue_jobs(10)")["result"] == "freed"
    assert lab.row("SELECT due_at > now() AS later FROM vsl.dispatch")["later"]
    await finished_by_another(lab, job)
    check_once(lab, provider(lab), job, outputs=2)


async def test_until_its_outputs_are_gone(disk_lab: Lab) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold="stored")) as child:
        job = lab.submit("flux")
        await child.told("stored")
        await child.kill()
    lab.rows("UPDATE vsl.dispatch SET rescues = 5")
    lab.rows("UPDATE vsl.attempts SET outputs_expire_at = now() - interval '1 second'")
    lab.expire()
    assert lab.row("SELECT result FROM vsl.rescue_jobs(10)")["result"] == "failed"
    assert lab.job(job)["error_code"] == "output_expired"
    assert lab.ledger(job) == ["hold", "settle"]
    # What it had stored is found by whoever cleans up the store: no row refers to it.
    async for key in lab.store.list(""):
        await lab.store.delete(key)


async def test_a_worker_that_stops_in_the_middle_of_a_request_hands_it_back(disk_lab: Lab) -> None:
    lab = disk_lab
    async with worker_process(lab, **orders(lab, hold="made", grace=0.0)) as child:
        job = lab.submit("flux")
        await child.told("made")
        child.process.terminate()
        assert await child.ended() == 0
    await in_phase(lab, job, "submit")
    await finished_by_another(lab, job)
    check_once(lab, provider(lab), job, outputs=2)
