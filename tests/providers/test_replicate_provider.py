"""The provider replicate, over real connections to the fake server."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.providers.kit import Reply, ScriptedServer
from tests.support.waiting import wait_until_async

from vsl.domain.provider import OutputSource, PredictionRequest
from vsl.errors import AnswerLost, ProviderError, Throttled
from vsl.providers.replicate import ReplicateProvider
from vsl.providers.replicate_call import LARGEST_INLINE
from vsl.providers.source import data_url
from vsl.testing import FakeReplicate, Fault, Plan

LATER = timedelta(hours=1)
LARGE = data_url(bytes(range(256)) * 1200, "image/png")


def request(timeout: float = 60, **given: Any) -> PredictionRequest:
    return PredictionRequest(
        prediction_id=uuid4(),
        model_id="flux",
        configuration={"owner": "black-forest-labs", "name": "flux-schnell"},
        input={"prompt": "a canary in a coal mine", "seed": 7, **given},
        timeout=timeout,
    )


@pytest.fixture
async def fake() -> AsyncIterator[FakeReplicate]:
    async with FakeReplicate() as fake:
        fake.add_model("black-forest-labs/flux-schnell", official=True)
        yield fake


def provider_for(fake: FakeReplicate, **how: Any) -> ReplicateProvider:
    return ReplicateProvider(fake.token, base_url=fake.url, **how)


@pytest.fixture
async def provider(fake: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    provider = provider_for(fake)
    yield provider
    await provider.close()


@pytest.fixture
async def later(fake: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    """The provider as it is once the horizon has passed: a creation here is an hour old."""
    provider = provider_for(fake, now=lambda: datetime.now(UTC) + LATER)
    yield provider
    await provider.close()


async def content(provider: ReplicateProvider, source: OutputSource) -> bytes:
    return b"".join([chunk async for chunk in provider.fetch(source)])


# --- making, reading, stopping -----------------------------------------------------------------


async def test_a_prediction_from_its_making_to_its_file(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    fake.then(Plan(starting=10, running=5, files=(b"one", b"two")))
    asked = request()
    made = await provider.create(asked)
    assert (made.status, made.raw_status) == ("processing", "starting")
    assert made.provider_id is not None
    fake.clock.advance(11)
    assert (await provider.read(made.provider_id, asked)).raw_status == "processing"
    fake.clock.advance(5)
    done = await provider.read(made.provider_id, asked)
    assert done.status == "succeeded"
    assert done.processing_time == 5
    assert done.metrics["image_output_count"] == 2
    assert [await content(provider, source) for source in done.outputs] == [b"one", b"two"]
    # The token went to the API, and not to where the files are.
    assert {heard.authorized for heard in fake.heard if "/v1/" in heard.path} == {True}
    assert {heard.authorized for heard in fake.heard if "/delivery/" in heard.path} == {False}


@pytest.mark.parametrize(
    ("configuration", "path"),
    [
        ({"owner": "a", "name": "b"}, "/v1/predictions"),
        ({"owner": "a", "name": "b", "version": "ab" * 32}, "/v1/predictions"),
        ({"deployment": "me/mine"}, "/v1/deployments/me/mine/predictions"),
    ],
)
async def test_models_versions_and_deployments(
    fake: FakeReplicate, provider: ReplicateProvider, configuration: dict[str, Any], path: str
) -> None:
    asked = PredictionRequest(uuid4(), "m", configuration, {"x": 1}, 60)
    assert (await provider.create(asked)).status == "succeeded"
    assert [heard.path for heard in fake.heard] == [path]
    assert fake.made[0].version == configuration.get("version", fake.made[0].version)
    assert fake.made[0].deployment == configuration.get("deployment")


async def test_a_deadline_ends_what_has_not_begun_and_what_runs(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    fake.then(Plan(starting=100), Plan(starting=1, running=100))
    waiting = await provider.create(request(timeout=29.5))
    running = await provider.create(request(timeout=29.5))
    fake.clock.advance(29)
    assert (await provider.read(str(waiting.provider_id), request())).status == "processing"
    fake.clock.advance(2)
    aborted = await provider.read(str(waiting.provider_id), request())
    assert (aborted.status, aborted.raw_status) == ("canceled", "aborted")
    assert aborted.processing_time is None
    canceled = await provider.read(str(running.provider_id), request())
    assert (canceled.status, canceled.raw_status) == ("canceled", "canceled")
    assert canceled.processing_time == 29


async def test_stopping_ends_it_and_may_come_too_late(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    fake.then(Plan(running=100))
    asked = request()
    made = await provider.create(asked)
    provider_id = str(made.provider_id)
    await provider.stop(provider_id, asked)
    assert (await provider.read(provider_id, asked)).status == "canceled"
    await provider.stop(provider_id, asked)
    await provider.stop("nothere", asked)
    assert (await provider.read(provider_id, asked)).raw_status == "canceled"


async def test_every_ending(fake: FakeReplicate, provider: ReplicateProvider) -> None:
    for fault in (Fault.OUTCOME_FAILED, Fault.OUTCOME_ABORTED, Fault.OUTCOME_STRANGE):
        fake.faults.order(fault)
    ends = [await provider.create(request(seed=seed)) for seed in range(3)]
    assert [(end.status, end.raw_status) for end in ends] == [
        ("failed", "failed"),
        ("canceled", "aborted"),
        ("failed", "evaporated"),
    ]
    fake.then(Plan(running=5, running_status="pondering"))
    assert (await provider.create(request())).status == "processing"


async def test_outputs_are_gone_after_an_hour(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    made = await provider.create(request())
    fake.clock.advance(3601)
    with pytest.raises(ProviderError, match="has expired: HTTP status 404") as caught:
        await content(provider, made.outputs[0])
    assert not caught.value.retryable
    late = await provider.read(str(made.provider_id), request())
    assert (late.status, late.raw_status, late.outputs) == ("failed", "succeeded", ())


async def test_data_urls_come_without_a_connection(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    fake.then(Plan(files=(b"sound",), mime="audio/wav", data_urls=True, shape=lambda urls: urls[0]))
    made = await provider.create(request())
    assert made.output == {"data_url": "audio/wav", "bytes": 5}
    assert await content(provider, made.outputs[0]) == b"sound"
    assert len(fake.heard) == 1


async def test_large_files_of_the_input_are_uploaded_first(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    small = data_url(b"x" * LARGEST_INLINE, "image/png")
    await provider.create(request(image=LARGE, images=[LARGE, small]))
    assert fake.uploaded == [bytes(range(256)) * 1200]
    sent = fake.made[0].input
    assert sent["image"].startswith(f"{fake.url}/files/")
    assert sent["images"] == [sent["image"], small]
    assert [heard.path for heard in fake.heard] == ["/v1/files", "/v1/predictions"]


async def test_a_malformed_file_of_the_input_is_told(provider: ReplicateProvider) -> None:
    with pytest.raises(ProviderError, match="a file of the input is a malformed data URL"):
        await provider.create(request(image=LARGE + "*"))


# --- lost answers ------------------------------------------------------------------------------

LOST = [
    fault
    for fault in Fault
    if fault.area == "create"
    and (fault.after or fault.value.endswith("_before"))
]  # fmt: skip


@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_answer_is_found_or_proved_absent(
    fake: FakeReplicate, later: ReplicateProvider, fault: Fault
) -> None:
    provider = provider_for(fake, create_seconds=0.3, horizon_seconds=1)
    since = datetime.now(UTC)
    fake.faults.order(fault)
    with pytest.raises(AnswerLost) as caught:
        await provider.create(request())
    assert not caught.value.retryable
    await provider.close()
    # One POST, and none that was sent again.
    assert [heard.method for heard in fake.heard] == ["POST"]
    found = await later.find(request(), since=since)
    assert found.complete
    assert [match.provider_id for match in found.matches] == [made.id for made in fake.made]
    assert len(fake.made) == int(fault.after)


async def test_only_a_search_that_is_late_enough_proves_absence(
    fake: FakeReplicate, provider: ReplicateProvider, later: ReplicateProvider
) -> None:
    since = datetime.now(UTC)
    fake.settings.list_lag = 30
    fake.faults.order(Fault.CREATE_DROP_AFTER)
    with pytest.raises(AnswerLost):
        await provider.create(request())
    # It was made, and the list does not show it yet: that proves nothing.
    early = await provider.find(request(), since=since)
    assert (list(early.matches), early.complete) == ([], False)
    fake.clock.advance(31)
    found = await later.find(request(), since=since)
    assert ([match.provider_id for match in found.matches]) == [fake.made[0].id]
    assert found.complete


async def test_the_list_is_read_to_its_end(fake: FakeReplicate, later: ReplicateProvider) -> None:
    provider = provider_for(fake)
    since = datetime.now(UTC)
    wanted = await provider.create(request(seed=0))
    for seed in range(1, 8):
        await provider.create(request(seed=seed))
    await provider.close()
    fake.settings.page_size = 3
    found = await later.find(request(seed=0), since=since)
    assert [match.provider_id for match in found.matches] == [wanted.provider_id]
    assert found.complete
    fake.settings.page_size = 100


async def test_what_cannot_be_told_apart_is_all_answered(
    provider: ReplicateProvider, later: ReplicateProvider
) -> None:
    since = datetime.now(UTC)
    made = {(await provider.create(request())).provider_id for _ in range(2)}
    await provider.create(request(seed=8))
    found = await later.find(request(), since=since)
    assert {match.provider_id for match in found.matches} == made


async def test_a_callback_address_tells_apart_what_the_input_does_not(
    fake: FakeReplicate, provider: ReplicateProvider, later: ReplicateProvider
) -> None:
    fake.settings.echo_webhook = True
    since = datetime.now(UTC)
    plain = request()
    both = [
        PredictionRequest(
            uuid4(),
            "flux",
            {**plain.configuration, "webhook": f"http://127.0.0.1:9/{number}"},
            plain.input,
            60,
        )
        for number in range(2)
    ]
    made = [(await provider.create(asked)).provider_id for asked in both]
    for asked, provider_id in zip(both, made, strict=True):
        found = await later.find(asked, since=since)
        assert [match.provider_id for match in found.matches] == [provider_id]


async def test_uploaded_files_are_compared_by_their_digests(
    fake: FakeReplicate, provider: ReplicateProvider, later: ReplicateProvider
) -> None:
    since = datetime.now(UTC)
    other = data_url(b"y" * (LARGEST_INLINE + 1), "image/png")
    wanted = await provider.create(request(image=LARGE))
    await provider.create(request(image=other))
    found = await later.find(request(image=LARGE), since=since)
    assert [match.provider_id for match in found.matches] == [wanted.provider_id]
    # A day later the files are gone, and nothing tells the two apart any more.
    fake.clock.advance(86_401)
    fake.settings.retention = 1e9
    found = await later.find(request(image=LARGE), since=since)
    assert len(found.matches) == 2


async def test_what_was_removed_can_still_be_the_one(
    fake: FakeReplicate, provider: ReplicateProvider, later: ReplicateProvider
) -> None:
    since = datetime.now(UTC)
    made = await provider.create(request())
    fake.clock.advance(3601)
    found = await later.find(request(), since=since)
    assert [match.provider_id for match in found.matches] == [made.provider_id]
    assert found.matches[0].status == "failed"


async def test_a_list_that_cannot_be_read_proves_nothing(
    fake: FakeReplicate, later: ReplicateProvider
) -> None:
    fake.faults.order(Fault.READ_THROTTLE)
    with pytest.raises(Throttled) as caught:
        await later.find(request(), since=datetime.now(UTC))
    assert caught.value.retry_after == 30
    for fault in (Fault.READ_ERROR, Fault.READ_DROP):
        fake.faults.order(fault)
        with pytest.raises(ProviderError) as failed:
            await later.find(request(), since=datetime.now(UTC))
        assert failed.value.retryable


async def test_a_list_with_no_end_proves_nothing(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsl.providers.replicate.MAX_PAGES", 4)
    page = {"results": [], "next": "https://evil.example/v1/predictions?cursor=round"}
    scripted.script = [Reply(body=page)]
    provider = ReplicateProvider("r8_token", base_url=f"{scripted.url}/v1")
    found = await provider.find(request(), since=datetime.now(UTC) - LATER)
    await provider.close()
    assert (list(found.matches), found.complete) == ([], False)
    # The next page was asked for here, whatever host its address named.
    assert [said.path.partition("?")[2] for said in scripted.heard[1:]] == ["cursor=round"] * 3


@pytest.mark.parametrize("body", [None, [], {"results": 5}, {"results": [1]}, {"next": "?"}])
async def test_a_list_that_is_none_is_refused(scripted: ScriptedServer, body: Any) -> None:
    scripted.script = [Reply(body=body)]
    provider = ReplicateProvider("r8_token", base_url=scripted.url)
    with pytest.raises(ProviderError, match="cannot be read"):
        await provider.find(request(), since=datetime.now(UTC))
    await provider.close()


async def _buy(
    provider: ReplicateProvider, later: ReplicateProvider, asked: PredictionRequest
) -> str:
    """The prediction of a request, made again only when the list says that none was made."""
    while True:
        since = datetime.now(UTC)
        try:
            return str((await provider.create(asked)).provider_id)
        except AnswerLost:
            found = await later.find(asked, since=since)
            assert found.complete
            if found.matches:
                assert len(found.matches) == 1
                return str(found.matches[0].provider_id)
        except ProviderError as error:
            if not error.retryable:
                raise


async def test_everything_is_bought_once_whatever_goes_wrong(
    fake: FakeReplicate, later: ReplicateProvider
) -> None:
    faults = [fault for fault in Fault if fault.area == "create"]
    for fault in faults:
        fake.faults.order(fault)  # each for certain, and then more by chance
        fake.faults.rate(fault, 0.03)
    provider = provider_for(fake, create_seconds=0.3, horizon_seconds=1)
    wanted = [request(seed=seed) for seed in range(40)]
    bought = [await _buy(provider, later, asked) for asked in wanted]
    await provider.close()
    assert all(fake.faults.injected[fault] > 0 for fault in faults)
    assert fake.bought_twice() == []
    assert bought == [made.id for made in fake.made]
    assert [made.input["seed"] for made in fake.made] == list(range(40))


async def test_downloads_go_wrong_and_the_file_comes_whole(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    fake.settings.slow_pause = 0.001
    fake.plan = Plan(files=(bytes(range(256)) * 2000,))
    made = await provider.create(request())
    for fault in (
        Fault.DOWNLOAD_CUT,
        Fault.DOWNLOAD_ERROR,
        Fault.DOWNLOAD_CUT,
        Fault.DOWNLOAD_SLOW,
    ):
        fake.faults.order(fault)
    assert await content(provider, made.outputs[0]) == fake.made[0].files[0]
    assert sum(fake.faults.injected.values()) == 4


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault.CREATE_THROTTLE_WORDS, 30),
        (Fault.CREATE_THROTTLE_BODY, 5),
        (Fault.CREATE_THROTTLE_HEADER, 7),
        (Fault.CREATE_THROTTLE_DATE, 9),
        (Fault.CREATE_THROTTLE_RESET, 11),
        (Fault.CREATE_THROTTLE_BARE, 30),
        (Fault.CREATE_NO_CREDIT, 300),
    ],
)
async def test_every_way_to_be_told_to_wait(
    fake: FakeReplicate, provider: ReplicateProvider, fault: Fault, seconds: float
) -> None:
    fake.faults.order(fault)
    with pytest.raises(Throttled) as caught:
        await provider.create(request())
    assert caught.value.retry_after == pytest.approx(seconds, abs=1.1)
    assert caught.value.retryable
    assert fake.made == []


async def test_no_credit_is_said_plainly(fake: FakeReplicate, provider: ReplicateProvider) -> None:
    fake.faults.order(Fault.CREATE_NO_CREDIT)
    with pytest.raises(Throttled, match="the Replicate account is out of credit") as caught:
        await provider.create(request())
    assert caught.value.hint is not None
    assert "billing" in caught.value.hint


async def test_a_5xx_that_says_that_nothing_was_made_is_believed(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    fake.faults.order(Fault.CREATE_NOT_MADE)
    with pytest.raises(ProviderError, match="no prediction was created") as caught:
        await provider.create(request())
    assert not isinstance(caught.value, AnswerLost)
    assert caught.value.retryable


async def test_wrong_input_is_told_without_the_input(
    fake: FakeReplicate, provider: ReplicateProvider
) -> None:
    with pytest.raises(ProviderError, match="Replicate refuses the request") as caught:
        await provider.create(request(aspect_ratio="a canary of another kind"))
    assert not caught.value.retryable
    assert "aspect_ratio" in caught.value.message
    assert "canary" not in caught.value.message
    assert fake.made == []


async def test_what_is_not_there_is_told(fake: FakeReplicate) -> None:
    fake.app.world.any_model = False
    provider = provider_for(fake)
    for configuration in ({"owner": "no", "name": "body"}, {"version": "ab" * 32}):
        asked = PredictionRequest(uuid4(), "m", configuration, {}, 60)
        with pytest.raises(ProviderError) as caught:
            await provider.create(asked)
        assert not caught.value.retryable
        assert not isinstance(caught.value, AnswerLost)
    with pytest.raises(ProviderError, match="does not know the prediction nothere"):
        await provider.read("nothere", request())
    with pytest.raises(ProviderError, match="characters that no id has"):
        await provider.read("../account", request())
    await provider.close()


async def test_a_wrong_token_is_told_and_never_shown(
    fake: FakeReplicate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "r8_a_token_that_nobody_may_see"
    provider = ReplicateProvider(token, base_url=fake.url)
    with pytest.raises(ProviderError, match="does not accept the token") as caught:
        await provider.create(request())
    assert not caught.value.retryable
    assert caught.value.hint == "set REPLICATE_API_TOKEN to a valid one"
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "nobody_may_see" not in told + repr(provider) + repr(vars(provider))
    assert "canary" not in caplog.text
    await provider.close()


async def test_a_token_in_the_words_of_others_is_cut_out(scripted: ScriptedServer) -> None:
    token = "r8_a_token_that_nobody_may_see"
    scripted.script = [Reply(403, {"detail": f"the token {token} has expired"})]
    provider = ReplicateProvider(token, base_url=scripted.url)
    with pytest.raises(ProviderError, match="does not allow this") as caught:
        await provider.create(request())
    assert "nobody_may_see" not in str(caught.value)
    await provider.close()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ProviderError, match="the token for Replicate is not one"):
        ReplicateProvider(token)


async def test_a_server_that_is_away_was_sent_nothing() -> None:
    provider = ReplicateProvider("r8_token", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        await provider.create(request())
    assert not isinstance(caught.value, AnswerLost)
    assert caught.value.retryable
    for other in (provider.read("p1", request()), provider.stop("p1", request())):
        with pytest.raises(ProviderError, match="cannot be reached") as failed:
            await other
        assert failed.value.retryable
    await provider.close()


@pytest.mark.parametrize(
    ("reply", "lost"),
    [
        (Reply(201, {"no": "prediction"}), True),
        (Reply(201, b"<html>"), True),
        (Reply(204, b""), True),
        (Reply(408, b""), True),
        (Reply(504, b"gateway timeout"), True),
        (Reply(302, b"", {"Location": "https://evil.example/"}), False),
        (Reply(400, {"detail": "no"}), False),
        (Reply(413, b""), False),
    ],
)
async def test_which_answers_leave_it_open(
    scripted: ScriptedServer, reply: Reply, lost: bool
) -> None:
    scripted.script = [reply]
    provider = ReplicateProvider("r8_token", base_url=scripted.url)
    with pytest.raises(ProviderError) as caught:
        await provider.create(request())
    assert isinstance(caught.value, AnswerLost) is lost
    assert len(scripted.heard) == 1
    await provider.close()


async def test_an_input_that_is_no_json_is_never_sent(scripted: ScriptedServer) -> None:
    provider = ReplicateProvider("r8_token", base_url=scripted.url)
    for value in (float("nan"), "\ud800", {1, 2}):
        with pytest.raises(ProviderError, match="cannot be written as JSON") as caught:
            await provider.create(request(value=value))
        assert not isinstance(caught.value, AnswerLost)
    assert scripted.heard == []
    await provider.close()


async def test_an_answer_without_end_is_given_up(scripted: ScriptedServer) -> None:
    scripted.script = [None]
    provider = ReplicateProvider(
        "r8_token", base_url=scripted.url, create_seconds=0.1, horizon_seconds=1
    )
    with pytest.raises(AnswerLost, match="it does not answer"):
        await provider.create(request())
    await provider.close()


async def test_giving_up_a_creation_sends_nothing_more(fake: FakeReplicate) -> None:
    provider = provider_for(fake)
    fake.faults.order(Fault.CREATE_SILENT_AFTER)
    creating = asyncio.create_task(provider.create(request()))

    async def made() -> bool:
        return bool(fake.made)

    await wait_until_async(made, what="it was never made")
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    await provider.close()
    assert len(fake.heard) == 1


def test_a_horizon_has_to_be_behind_the_creation() -> None:
    with pytest.raises(ValueError, match="horizon_seconds"):
        ReplicateProvider("r8_token", create_seconds=60, horizon_seconds=60)
