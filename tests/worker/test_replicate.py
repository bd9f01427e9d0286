"""Jobs at the fake Replicate server, over real HTTP, with its faults."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.worker import media
from tests.worker.kit import ON_18, Lab
from tests.worker.remote import HERE, LANE, add_models, make_due, without_pauses

from vsl.providers.guard import DownloadRules
from vsl.providers.replicate import ReplicateProvider
from vsl.testing import FakeReplicate, Fault, Plan

LOST_AFTER = (Fault.CREATE_DROP_AFTER, Fault.CREATE_CUT_AFTER, Fault.CREATE_PROXY_AFTER)
LOST_BEFORE = (Fault.CREATE_DROP_BEFORE, Fault.CREATE_ERROR_BEFORE)


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> AsyncIterator[FakeReplicate]:
    """The server, and the lab with a model that takes seeds."""
    add_models(lab)
    lab.rows(
        'UPDATE model_configurations SET supported_parameters = \'{"properties": {"seed": {}}}\''
        " WHERE model_id = 'flux'"
    )
    without_pauses(monkeypatch)
    async with FakeReplicate() as fake:
        fake.add_model("acme/flux", official=True)
        fake.plan = Plan(files=(media.image(),))
        yield fake


@pytest.fixture
async def replicate(fake: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    """The provider, which looks at the list sooner than the real one could be relied on."""
    provider = ReplicateProvider(
        fake.token,
        base_url=fake.url,
        rules=DownloadRules(hosts=(), private_hosts=(fake.host,)),
        create_seconds=0.4,
        horizon_seconds=0.5,
    )
    yield provider
    await provider.close()


@ON_18
async def test_a_picture(lab: Lab, fake: FakeReplicate, replicate: ReplicateProvider) -> None:
    fake.plan = Plan(files=(media.image(0), media.image(1)), starting=0.1, running=0.1)
    async with lab.worker(replicate, **HERE):
        job = lab.submit("flux")
        await lab.ended(job)
    lab.check_completed_once(job, outputs=2)
    (made,) = fake.made
    assert lab.job(job)["replicate_id"] == made.id


@ON_18
async def test_many_jobs_with_every_answer_at_risk(
    lab: Lab, fake: FakeReplicate, replicate: ReplicateProvider
) -> None:
    """No callbacks at all: every prediction is found by reading, and none is bought twice."""
    for fault in (*LOST_AFTER, *LOST_BEFORE, Fault.CREATE_THROTTLE_BODY):
        fake.faults.order(fault, times=3)
    for fault in (Fault.READ_DROP, Fault.READ_ERROR, Fault.DOWNLOAD_ERROR):
        fake.faults.order(fault, times=2)
    async with lab.worker(replicate, concurrency=6, **HERE):
        jobs = [lab.submit("flux") for _ in range(24)]
        waiting = True
        while waiting:
            await lab.until(
                "(SELECT count(*) = 0 FROM vsl.dispatch) OR EXISTS (SELECT FROM vsl.dispatch"
                " WHERE worker IS NULL AND due_at > now() + interval '0.2 seconds')",
                within=30,
            )
            make_due(lab)
            waiting = bool(lab.rows("SELECT 1 FROM vsl.dispatch"))
        await lab.ended(*jobs)
    for job in jobs:
        lab.check_completed_once(job)
    assert fake.bought_twice() == []
    assert len(fake.made) == len(jobs)
    assert all(fake.faults.injected[fault] == 3 for fault in (*LOST_AFTER, *LOST_BEFORE))
    assert fake.faults.injected[Fault.CREATE_THROTTLE_BODY] == 3
    absent = "SELECT count(*) AS n FROM vsl.attempts WHERE error_code = 'absent'"
    assert lab.row(absent)["n"] == 3 * len(LOST_BEFORE)
    assert LANE in HERE["lanes"]
