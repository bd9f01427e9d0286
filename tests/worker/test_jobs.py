"""What a worker makes of jobs: completed, failed, retried; in the database and in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from tests.worker import media
from tests.worker.kit import ON_18, Lab

from vsl.domain.provider import OutputSource
from vsl.errors import ProviderError
from vsl.testing import Fail, FakeProvider, Hang, Refuse, Succeed

SIZE_SCHEMA = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string"},
        "width": {"type": "integer", "maximum": 64},
        "seed": {"type": "integer"},
    },
    "additionalProperties": False,
}


def refused(lab: Lab, job: object) -> None:
    """Nothing of the job is in the store, and its money was given back."""
    row = lab.row("SELECT * FROM jobs WHERE id = %s", job)
    assert (row["status"], row["actual_cost"]) == ("failed", Decimal(0))
    assert lab.rows("SELECT FROM media_outputs WHERE job_id = %s", job) == []
    assert lab.row("SELECT sum(held) AS s FROM vsl.ledger_entries WHERE job_id = %s", job)["s"] == 0


@pytest.mark.parametrize(
    ("model", "content", "facts"),
    [
        ("painter", media.image(), ("image/png", 64, 48, None, None, None)),
        ("speaker", media.sound(), ("audio/wav", None, None, Decimal("0.250"), None, 129408)),
        ("filmer", media.video(), ("video/mp4", 64, 48, Decimal("0.500"), Decimal(24), None)),
    ],
    ids=["image", "audio", "video"],
)
async def test_each_kind_of_media_is_completed(
    lab: Lab, model: str, content: bytes, facts: tuple[object, ...]
) -> None:
    provider = FakeProvider(Succeed((content,), processing_time=1.5))
    async with lab.worker(provider):
        job = lab.submit(model)
        await lab.ended(job)
    lab.check_completed_once(job)
    (output,) = lab.outputs(job)
    names = ("file_type", "width", "height", "duration", "fps")
    assert tuple(output[name] for name in names) == facts[:5]
    assert output["file_size"] == len(content)
    assert output["bitrate"] == facts[5] or model == "filmer"
    assert output["s3_bucket"] == lab.store.bucket
    assert output["s3_url"] == lab.store.url(output["s3_key"])
    row = lab.job(job)
    assert row["actual_cost"] == Decimal("0.25")
    assert row["actual_processing_time"] == Decimal("1.500")
    assert row["completed_at"] is not None
    (attempt,) = lab.attempts(job)
    assert (attempt["outcome"], attempt["provider_status"]) == ("completed", "succeeded")
    assert [str(r.prediction_id) for r in provider.requests] == [str(attempt["id"])]
    assert not any(lab.spool.glob("worker-*"))


async def test_several_outputs_keep_their_order(lab: Lab) -> None:
    files = tuple(media.image(number) for number in range(5))
    async with lab.worker(FakeProvider(Succeed(files))):
        job = lab.submit()
        await lab.ended(job)
    lab.check_completed_once(job, outputs=5)
    for output, content in zip(lab.outputs(job), files, strict=True):
        assert b"".join([c async for c in lab.store.open(output["s3_key"])]) == content


async def test_the_prompt_and_a_seed_reach_the_provider(lab: Lab) -> None:
    lab.add_model("seeded", supported_parameters=SIZE_SCHEMA)
    provider = FakeProvider(Fail("busy", retryable=True), otherwise=Succeed((media.image(),)))
    async with lab.worker(provider):
        job = lab.submit("seeded", prompt="a quixotic-zanzibar", parameters={"width": 32})
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        lab.make_due()
        await lab.ended(job)
    first, second = provider.requests
    assert first.input == second.input
    assert first.input["prompt"] == "a quixotic-zanzibar"
    assert first.input["width"] == 32
    assert isinstance(first.input["seed"], int)
    assert first.prediction_id != second.prediction_id


@pytest.mark.parametrize("kind", ["gif", "webp"])
@ON_18
async def test_an_animation_is_an_image_whose_duration_is_a_detail(lab: Lab, kind: str) -> None:
    async with lab.worker(FakeProvider(Succeed((media.animation(kind),)))):
        job = lab.submit()
        await lab.ended(job)
    (output,) = lab.outputs(job)
    assert output["duration"] is None
    assert output["metadata"]["duration"] == pytest.approx(0.4)
    assert output["metadata"]["frames"] == 4


@pytest.mark.parametrize(
    ("model", "files", "reason"),
    [
        ("speaker", (media.image(),), "an image where sound was expected"),
        ("painter", (media.sound(),), "sound where an image was expected"),
        ("painter", (media.image()[:-40],), "cut short"),
        ("filmer", (media.video()[:-200],), "cut short"),
        ("speaker", (b"",), "empty"),
        ("painter", (b"<html>busy</html>",), "HTML"),
        ("painter", (media.image(), media.sound()), "sound where an image was expected"),
        ("painter", (), "the model made no file"),
    ],
    ids=["image", "sound", "cut", "cut-video", "empty", "html", "second", "none"],
)
@ON_18
async def test_wrong_outputs_fail_the_job_with_a_reason(
    lab: Lab, model: str, files: tuple[bytes, ...], reason: str
) -> None:
    provider = FakeProvider(Succeed(files))
    async with lab.worker(provider):
        job = lab.submit(model)
        await lab.ended(job, as_="failed")
    row = lab.job(job)
    assert row["error_code"] == "output_invalid"
    assert reason in row["error_message"]
    refused(lab, job)
    assert len(provider.requests) == 1
    await lab.clean()
    await lab.check_only_rows()


async def test_a_failure_that_may_pass_is_retried(lab: Lab) -> None:
    provider = FakeProvider(
        Fail("busy", retryable=True), Refuse(), otherwise=Succeed((media.image(),))
    )
    async with lab.worker(provider):
        job = lab.submit()
        for tries in (1, 2):
            await lab.until("retry_count = %s FROM jobs WHERE id = %s", tries, job)
            lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job)
    row = lab.job(job)
    assert row["retry_count"] == 2
    assert (row["error_code"], row["error_message"]) == (None, None)
    assert [
        (a["number"], a["outcome"], a["error_code"], a["error_message"]) for a in lab.attempts(job)
    ] == [
        (1, "failed", "prediction_failed", "busy"),
        (2, "failed", "provider_error", "the fake server cannot be reached"),
        (3, "completed", None, None),
    ]
    assert lab.usage(job)[0]["api_calls_count"] == 3


async def test_retries_come_to_an_end(lab: Lab) -> None:
    lab.add_model("stubborn", max_attempts=2)
    provider = FakeProvider(otherwise=Fail("always busy", retryable=True))
    async with lab.worker(provider):
        job = lab.submit("stubborn")
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        lab.make_due()
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_message"] == "always busy"
    assert len(provider.requests) == 2
    refused(lab, job)


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        (Fail("the model is broken"), "prediction_failed", "the model is broken"),
        (Refuse(ProviderError("no such model")), "provider_error", "no such model"),
    ],
    ids=["failed", "refused"],
)
async def test_a_lasting_failure_ends_the_job(
    lab: Lab, step: Fail | Refuse, code: str, message: str
) -> None:
    provider = FakeProvider(step)
    async with lab.worker(provider):
        job = lab.submit()
        await lab.ended(job, as_="failed")
    row = lab.job(job)
    assert (row["error_code"], row["error_message"]) == (code, message)
    assert (row["retry_count"], len(provider.requests)) == (0, 1)
    refused(lab, job)


async def test_an_error_of_unknown_origin_names_its_type_only(lab: Lab) -> None:
    broken = Refuse(KeyError("quixotic-zanzibar"))
    async with lab.worker(FakeProvider(broken, otherwise=Succeed((media.image(),)))):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        assert lab.job(job)["error_message"] == "KeyError"
        lab.make_due()
        await lab.ended(job)
    assert any("KeyError at provider.py" in line for line in lab.lines.text)


@pytest.mark.parametrize(
    "parameters",
    [{"width": 65}, {"width": "wide"}, {"height": 3}, {"prompt": "twice quixotic-zanzibar"}],
    ids=["range", "type", "unknown", "twice"],
)
@ON_18
async def test_invalid_input_fails_before_anything_is_sent(
    lab: Lab, parameters: dict[str, object]
) -> None:
    lab.add_model("strict", supported_parameters=SIZE_SCHEMA)
    provider = FakeProvider()
    async with lab.worker(provider):
        job = lab.submit("strict", parameters=parameters)
        await lab.ended(job, as_="failed")
    row = lab.job(job)
    assert row["error_code"] == "invalid_input"
    assert next(iter(parameters)) in row["error_message"]
    assert provider.requests == []
    assert lab.attempts(job) == []
    assert lab.ledger(job) == ["hold", "release"]
    refused(lab, job)


async def test_a_schema_that_is_none_fails_the_job_and_no_more(lab: Lab) -> None:
    lab.add_model("odd", supported_parameters={"properties": {"prompt": {"type": "nonsense"}}})
    provider = FakeProvider(otherwise=Succeed((media.image(),)))
    async with lab.worker(provider):
        odd, good = lab.submit("odd"), lab.submit()
        await lab.ended(good)
        await lab.ended(odd, as_="failed")
    refused(lab, odd)


async def test_a_job_of_a_provider_that_is_not_configured_says_so(lab: Lab) -> None:
    lab.add_model("elsewhere", provider="replicate", lane="fake")
    async with lab.worker(FakeProvider()):
        job = lab.submit("elsewhere")
        await lab.ended(job, as_="failed")
    row = lab.job(job)
    assert row["error_code"] == "provider_not_configured"
    assert "replicate" in row["error_message"]
    refused(lab, job)


async def test_a_job_of_another_lane_stays(lab: Lab) -> None:
    lab.add_model("elsewhere", provider="replicate")
    async with lab.worker(FakeProvider(otherwise=Succeed((media.image(),)))):
        waiting, job = lab.submit("elsewhere"), lab.submit()
        await lab.ended(job)
    assert lab.job(waiting)["status"] == "pending"
    assert lab.row("SELECT epoch FROM vsl.dispatch WHERE job_id = %s", waiting)["epoch"] == 0


async def test_an_output_that_breaks_off_is_fetched_by_another_attempt(lab: Lab) -> None:
    provider = FakeProvider(
        Succeed((media.image(1),), breaks_after=100), otherwise=Succeed((media.image(2),))
    )
    async with lab.worker(provider):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        assert "was lost" in lab.job(job)["error_message"]
        assert await lab.objects() == set()
        lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job)


async def test_a_model_that_takes_too_long_is_stopped(lab: Lab) -> None:
    lab.add_model("slow", timeout_seconds=1, max_attempts=1)
    provider = FakeProvider(Hang())
    async with lab.worker(provider):
        job = lab.submit("slow")
        await lab.ended(job, as_="failed")
    row = lab.job(job)
    assert (row["error_code"], "longer than" in row["error_message"]) == ("timeout", True)
    assert provider.cancelled == provider.requests
    refused(lab, job)


class SlowFile(FakeProvider):
    """Its outputs never come to an end."""

    async def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        yield source.url[:4].encode()
        await asyncio.Event().wait()


@ON_18
async def test_an_output_that_never_ends_runs_into_the_same_limit(lab: Lab) -> None:
    lab.add_model("slow", timeout_seconds=1, max_attempts=1)
    async with lab.worker(SlowFile(Succeed((media.image(),)))):
        job = lab.submit("slow")
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_code"] == "timeout"
    assert not any(lab.spool.glob("worker-*/*-0"))
    refused(lab, job)


@pytest.mark.parametrize(
    "changed",
    [
        {"output": {"text": "NUL \0 and half \ud800 a pair", "n": float("nan")}},
        {"metrics": {"speed": float("inf"), "note": "\0"}},
        {"processing_time": -1.0},
        {"processing_time": float("inf")},
        {"processing_time": float("nan")},
    ],
    ids=["output", "metrics", "negative", "infinite", "none"],
)
@ON_18
async def test_nonsense_in_an_answer_does_not_keep_a_job_from_ending(
    lab: Lab, changed: dict[str, object]
) -> None:
    async with lab.worker(FakeProvider(Succeed((media.image(),), **changed))):  # type: ignore[arg-type]
        job = lab.submit()
        await lab.ended(job)
    lab.check_completed_once(job)


async def test_nonsense_in_an_error_does_not_keep_a_job_from_ending(lab: Lab) -> None:
    async with lab.worker(FakeProvider(Fail("it \0 broke \udfff here" + "x" * 5000))):
        job = lab.submit()
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_message"].startswith("it \N{REPLACEMENT CHARACTER} broke ? here")
    refused(lab, job)
