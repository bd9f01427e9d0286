"""What every provider that remembers predictions must do, held against Replicate's and the fake.

Replicate's runs over real connections to the fake server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from vsl.domain.provider import OutputSource, Prediction, PredictionRequest, RemoteProvider
from vsl.errors import AnswerLost, ProviderError, Throttled
from vsl.providers.replicate import ReplicateProvider
from vsl.testing import FakeReplicate, Fault, Plan
from vsl.testing.remote import FakeRemoteProvider, LoseRequest, Make, Refuse, Step


@dataclass
class Bench:
    """One provider, and how to bring about each case with it.

    prepare: lets the next creation lead to a case. made: the ids of what was really made. finish:
    lets what is at work come to its end.
    """

    provider: RemoteProvider
    prepare: Callable[[str], None]
    made: Callable[[], list[str]]
    finish: Callable[[], Awaitable[None]]


FILES = (b"first", b"second")


def _fake_bench(folder: Path) -> Bench:
    provider = FakeRemoteProvider(folder)
    steps: dict[str, Step] = {
        "good": Make(FILES),
        "works": Make(FILES, looks=1),
        "fails": Make(ends="failed", error="cannot draw"),
        "lost": Make(FILES, lost=True),
        "never": LoseRequest(),
        "throttled": Refuse(Throttled("wait", retry_after=30)),
        "refused": Refuse(ProviderError("no such thing")),
    }

    async def finish() -> None:
        await provider.read(provider.made[-1], request())

    return Bench(provider, lambda case: provider.then(steps[case]), lambda: provider.made, finish)


def _replicate_bench(fake: FakeReplicate) -> Bench:
    faults = {
        "lost": Fault.CREATE_DROP_AFTER,
        "never": Fault.CREATE_DROP_BEFORE,
        "throttled": Fault.CREATE_THROTTLE_WORDS,
    }
    plans = {
        "works": Plan(running=60, files=FILES),
        "fails": Plan(status="failed", error="cannot draw"),
    }
    fake.plan = Plan(files=FILES)
    fake.app.world.any_model = False
    fake.add_model("owner/name", official=True)

    def prepare(case: str) -> None:
        if case in faults:
            fake.faults.order(faults[case])
        elif case == "refused":
            fake.app.world.models.clear()
        else:
            fake.then(Plan(files=FILES) if case == "good" else plans[case])

    async def finish() -> None:
        fake.clock.advance(61)

    later = timedelta(hours=1)  # so that every search is late enough
    provider = ReplicateProvider(
        fake.token, base_url=fake.url, now=lambda: datetime.now(UTC) + later
    )
    return Bench(provider, prepare, lambda: [made.id for made in fake.made], finish)


@pytest.fixture(params=["fake", "replicate"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with FakeReplicate() as server:
        remote = request.param == "replicate"
        bench = _replicate_bench(server) if remote else _fake_bench(tmp_path)
        yield bench
        await bench.provider.close()


def request(seed: int = 7) -> PredictionRequest:
    return PredictionRequest(
        prediction_id=uuid4(),
        model_id="m",
        configuration={"owner": "owner", "name": "name"},
        input={"prompt": "a small boat", "seed": seed},
        timeout=600,
    )


async def _content(provider: RemoteProvider, source: OutputSource) -> bytes:
    return b"".join([chunk async for chunk in provider.fetch(source)])


async def _create(bench: Bench, case: str) -> Prediction:
    bench.prepare(case)
    return await bench.provider.create(request())


async def test_what_is_made_has_an_id_and_its_files_in_order(bench: Bench) -> None:
    made = await _create(bench, "good")
    assert (made.status, made.raw_status, made.error) == ("succeeded", "succeeded", None)
    assert [made.provider_id] == bench.made()
    assert [await _content(bench.provider, source) for source in made.outputs] == list(FILES)
    again = await bench.provider.read(str(made.provider_id), request())
    assert again.provider_id == made.provider_id
    assert [source.url for source in again.outputs] == [source.url for source in made.outputs]


async def test_what_works_is_read_until_it_ends(bench: Bench) -> None:
    made = await _create(bench, "works")
    assert (made.status, made.outputs) == ("processing", ())
    await bench.finish()
    done = await bench.provider.read(str(made.provider_id), request())
    assert done.status == "succeeded"
    assert len(done.outputs) == 2
    assert done.processing_time is not None


async def test_a_failure_is_a_prediction_and_no_error(bench: Bench) -> None:
    failed = await _create(bench, "fails")
    assert failed.status == "failed"
    assert failed.error is not None
    assert "cannot draw" in failed.error
    assert not failed.outputs
    assert not failed.retryable


async def test_a_lost_answer_is_found_once_and_nothing_is_sent_again(bench: Bench) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(AnswerLost):
        await _create(bench, "lost")
    assert len(bench.made()) == 1
    found = await bench.provider.find(request(), since=since)
    assert [match.provider_id for match in found.matches] == bench.made()
    assert len(bench.made()) == 1


async def test_what_was_never_made_is_proved_absent(bench: Bench) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    await bench.provider.create(request(seed=8))
    with pytest.raises(AnswerLost):
        await _create(bench, "never")
    assert len(bench.made()) == 1
    found = await bench.provider.find(request(), since=since)
    assert list(found.matches) == []
    assert found.complete


async def test_twins_are_all_found(bench: Bench) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(2):
        await _create(bench, "good")
    found = await bench.provider.find(request(), since=since)
    assert sorted(str(match.provider_id) for match in found.matches) == sorted(bench.made())


async def test_a_throttle_says_how_long_and_makes_nothing(bench: Bench) -> None:
    with pytest.raises(Throttled) as caught:
        await _create(bench, "throttled")
    assert caught.value.retry_after == 30
    assert bench.made() == []


async def test_a_refusal_is_no_lost_answer(bench: Bench) -> None:
    with pytest.raises(ProviderError) as caught:
        await _create(bench, "refused")
    assert not isinstance(caught.value, AnswerLost)
    assert not caught.value.retryable
    assert bench.made() == []


async def test_stopping_ends_what_works_and_leaves_what_has_ended(bench: Bench) -> None:
    works = str((await _create(bench, "works")).provider_id)
    await bench.provider.stop(works, request())
    stopped = await bench.provider.read(works, request())
    assert stopped.status == "canceled"
    assert not stopped.outputs
    good = str((await _create(bench, "good")).provider_id)
    await bench.provider.stop(good, request())
    assert (await bench.provider.read(good, request())).status == "succeeded"


async def test_an_output_that_is_not_there_is_gone_for_good(bench: Bench) -> None:
    made = await _create(bench, "good")
    missing = OutputSource(made.outputs[0].url.replace("-0", "-9"))
    with pytest.raises(ProviderError) as caught:
        await _content(bench.provider, missing)
    assert not caught.value.retryable


async def test_a_prediction_that_is_not_there_cannot_be_read(bench: Bench) -> None:
    with pytest.raises(ProviderError) as caught:
        await bench.provider.read("nothere", request())
    assert not caught.value.retryable
