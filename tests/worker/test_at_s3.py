"""Jobs whose files go to a real S3 server."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from tests.support.seaweed import Seaweed
from tests.worker import media
from tests.worker.kit import ON_18, Hold, Lab

from vsl.testing import FakeProvider, Succeed

IMAGE = Succeed((media.image(),))
TWO = Succeed((media.image(0), media.image(1)))


@ON_18
async def test_a_job_from_end_to_end(s3_lab: Lab) -> None:
    lab = s3_lab
    async with lab.worker(FakeProvider(TWO, IMAGE)):
        job = lab.submit()
        await lab.ended(job)
        gone = lab.submit()
        await lab.ended(gone)
        lab.check_completed_once(job, outputs=2)
        for row in lab.outputs(job):
            assert row["s3_bucket"] == lab.store.bucket
            assert row["s3_url"] == f"s3://{lab.store.bucket}/{row['s3_key']}"
            link = await lab.store.sign(row["s3_key"], expires_in=60)
            async with httpx.AsyncClient() as client:
                answer = await client.get(link)
            assert answer.headers["content-type"] == "image/png"
            assert hashlib.sha256(answer.content).hexdigest() == row["sha256"]
        # What is deleted goes from the bucket, too.
        lab.rows("DELETE FROM jobs WHERE id = %s", gone)
        lab.jobs_deleted = True
        await lab.until("count(*) = 0 FROM vsl.doomed_objects")
    await lab.check_only_rows()


@ON_18
async def test_what_a_lost_claim_stored_is_removed(s3_lab: Lab) -> None:
    lab, hold = s3_lab, Hold("stored")
    async with lab.slow_worker(FakeProvider(otherwise=IMAGE), hold):
        job = lab.submit()
        await hold.held.wait()
        lab.lose(job)
        async with lab.worker(FakeProvider(otherwise=IMAGE)):
            await lab.ended(job)
        hold.go.set()
    lab.check_completed_once(job)
    await lab.clean()
    await lab.check_only_rows()


@ON_18
@pytest.mark.parametrize("wrong", ["bucket", "endpoint"])
async def test_a_store_that_cannot_be_used_makes_a_job_wait(
    s3_lab: Lab, s3_server: Seaweed, wrong: str
) -> None:
    lab = s3_lab
    bad = (
        s3_server.store("x", bucket="vsl-no-such-bucket")
        if wrong == "bucket"
        else s3_server.store("x", endpoint="http://127.0.0.1:9")
    )
    async with lab.worker(FakeProvider(otherwise=IMAGE), store=bad):
        job = lab.submit()
        await lab.until(
            "count(*) = 1 FROM vsl.attempts WHERE job_id = %s AND outcome IS NOT NULL", job
        )
        assert lab.job(job)["error_code"] == "store_error"
    async with lab.worker(FakeProvider(otherwise=IMAGE)):
        lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job)
