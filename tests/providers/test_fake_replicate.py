"""The fake Replicate server: the official client's ordinary use of it, its callbacks and faults."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret
from tests.support.waiting import wait_until_async

from vsl.testing import AsgiServer, FakeReplicate, Fault, Plan, sign

Connect = Callable[..., Client]
FLUX = "black-forest-labs/flux-schnell"


@pytest.fixture
async def fake() -> AsyncIterator[FakeReplicate]:
    async with FakeReplicate() as fake:
        fake.add_model(FLUX, official=True)
        yield fake


@pytest.fixture
async def connect(fake: FakeReplicate) -> AsyncIterator[Connect]:
    """``connect(token)``: the official client, whose connections are closed at the end."""
    made: list[Client] = []

    def make(token: str = "") -> Client:
        # The address is given in code: an environment variable of another name is ignored.
        client = Client(api_token=token or fake.token, base_url=fake.origin, trust_env=False)
        made.append(client)
        return client

    yield make
    for client in made:  # it has no way to be closed
        client._client.close()
        await client._async_client.aclose()


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()


@pytest.fixture
async def http(fake: FakeReplicate) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {fake.token}"}
    async with httpx.AsyncClient(base_url=fake.url, headers=headers, trust_env=False) as http:
        yield http


# --- the official client -----------------------------------------------------------------------


async def test_the_official_client_creates_waits_lists_and_cancels(
    fake: FakeReplicate, client: Client
) -> None:
    fake.then(Plan(starting=0.01, running=0.01))
    made = await client.predictions.async_create(model=FLUX, input={"prompt": "a heron"})
    assert str(made.status) == "starting"
    client.poll_interval = 0.01
    await made.async_wait()
    assert str(made.status) == "succeeded"
    assert made.output == [f"{fake.origin}/delivery/{made.id}/out-0.png"]
    assert made.metrics is not None
    assert made.metrics["image_output_count"] == 1
    fake.then(Plan(running=100))
    version = fake.add_model("a/b").versions[0]
    running = await client.predictions.async_create(version.id, input={"prompt": "a crane"})
    await running.async_cancel()
    await running.async_reload()
    assert running.status == "canceled"
    page = await client.predictions.async_list()
    assert [one.id for one in page.results] == [running.id, made.id]
    assert page.next is None
    fetched = await client.predictions.async_get(made.id)
    assert fetched.input == {"prompt": "a heron"}


def _use_synchronously(client: Client) -> tuple[Any, ...]:
    client.poll_interval = 0.01
    output = client.run(FLUX, input={"prompt": "a heron", "seed": 3})
    # Only https addresses become files in this client, so these are read by hand.
    content = [httpx.get(address, trust_env=False).content for address in output]
    model = client.models.get(FLUX)
    version = model.versions.list().results[0]
    again = model.versions.get(version.id)
    deployed = client.deployments.predictions.create(("me", "mine"), input={"x": 1})
    uploaded = client.files.create(io.BytesIO(b"a picture"), filename="a.png", metadata={"n": 1})
    listed = client.files.list()
    fetched = client.files.get(uploaded.id)
    client.files.delete(uploaded.id)
    return content, model, version, again, deployed, uploaded, listed, fetched


async def test_the_official_client_runs_models_and_keeps_files(
    fake: FakeReplicate, client: Client
) -> None:
    used = await asyncio.to_thread(_use_synchronously, client)
    content, model, version, again, deployed, uploaded, listed, fetched = used
    assert content == list(fake.made[0].files)
    assert (model.owner, model.name) == ("black-forest-labs", "flux-schnell")
    assert model.latest_version.id == version.id == again.id
    schemas = again.openapi_schema["components"]["schemas"]
    assert schemas["Input"]["properties"]["aspect_ratio"]["allOf"] == [
        {"$ref": "#/components/schemas/aspect_ratio"}
    ]
    assert (deployed.status, fake.made[1].deployment) == ("succeeded", "me/mine")
    assert (uploaded.name, uploaded.size, uploaded.metadata) == ("a.png", 9, {"n": 1})
    assert [one.id for one in listed] == [fetched.id] == [uploaded.id]
    assert fake.uploaded == []


async def test_the_official_client_is_told_what_is_wrong(
    fake: FakeReplicate, client: Client, connect: Connect
) -> None:
    with pytest.raises(ReplicateError) as caught:
        await client.predictions.async_create(model=FLUX, input={"prompt": 5})
    assert caught.value.status == 422
    assert caught.value.detail is not None
    assert "input.prompt" in caught.value.detail
    fake.faults.order(Fault.CREATE_NO_CREDIT)
    with pytest.raises(ReplicateError, match="Insufficient credit"):
        await client.predictions.async_create(model=FLUX, input={"prompt": "a heron"})
    with pytest.raises(ReplicateError, match="Unauthenticated"):
        await connect("r8_no").predictions.async_get("p1")
    assert fake.made == []


async def test_the_official_client_accepts_a_signed_callback(
    fake: FakeReplicate, client: Client
) -> None:
    key = await client.webhooks.default.async_secret()
    assert key.key == fake.webhook_key
    body = b'{"id":"p1"}'
    signature = sign(fake.webhook_key, "msg_1", 1_700_000_000, body)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": signature,
    }
    Webhooks.validate(headers=headers, body=body.decode(), secret=key)
    other = WebhookSigningSecret(key=FakeReplicate().webhook_key)
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=headers, body=body.decode(), secret=other)


def test_a_signature_is_the_one_that_was_worked_out_by_hand() -> None:
    key = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    signature = sign(key, "msg_vsl_1", 1_700_000_000, b'{"id":"p1","status":"succeeded"}')
    assert signature == "v1,lNW+3vRGc9cO+QRk1Hi8hwTL27ECr4CjHLlJy84sjzQ="


# --- what the API says -------------------------------------------------------------------------


async def test_a_blocking_call(fake: FakeReplicate, http: httpx.AsyncClient) -> None:
    body = {"version": FLUX, "input": {"prompt": "a heron"}}
    fake.then(Plan(running=0.05))
    done = await http.post("/predictions", json=body, headers={"Prefer": "wait"})
    assert (done.status_code, done.json()["status"]) == (201, "succeeded")
    assert done.headers["preference-applied"] == "wait=60"
    fake.then(Plan(running=100))
    waiting = asyncio.create_task(
        http.post("/predictions", json=body, headers={"Prefer": "wait=5"})
    )

    async def made() -> bool:
        return len(fake.made) == 2

    await wait_until_async(made)
    fake.clock.advance(6)
    unfinished = await waiting
    assert (unfinished.status_code, unfinished.json()["status"]) == (202, "starting")


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        ({"version": FLUX}, {}, 422, "input is required"),
        ({"input": {}}, {}, 422, "version is required"),
        ([], {}, 422, "version is required"),
        ({"version": "ab" * 32, "input": {}}, {}, 422, "does not exist"),
        ({"version": "no/body", "input": {}}, {}, 404, "could not be found"),
        ({"version": FLUX, "input": {"prompt": "x"}}, {"Cancel-After": "soon"}, 422, "duration"),
        ({"version": FLUX, "input": {"prompt": "x"}}, {"Prefer": "wait=61"}, 422, "1 to 60"),
        ({"version": FLUX, "input": {"prompt": "x"}, "webhook": "http://a/"}, {}, 422, "HTTPS"),
    ],
)
async def test_what_is_refused(
    fake: FakeReplicate,
    http: httpx.AsyncClient,
    body: Any,
    headers: dict[str, str],
    status: int,
    words: str,
) -> None:
    fake.app.world.any_model = False
    answer = await http.post("/predictions", json=body, headers=headers)
    assert answer.status_code == status == answer.json()["status"]
    assert words in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert fake.made == []


async def test_a_list_in_pages_and_between_times(
    fake: FakeReplicate, http: httpx.AsyncClient
) -> None:
    fake.settings.page_size = 2
    made = []
    for number in range(5):
        body = {"version": FLUX, "input": {"prompt": str(number)}}
        made.append((await http.post("/predictions", json=body)).json())
        fake.clock.advance(10)
    found, address = [], f"{fake.url}/predictions"
    while address:
        page = (await http.get(address)).json()
        found += [one["id"] for one in page["results"]]
        address = page["next"]
    assert found == [one["id"] for one in reversed(made)]
    between = {"created_after": made[1]["created_at"], "created_before": made[3]["created_at"]}
    page = (await http.get("/predictions", params=between)).json()
    assert [one["id"] for one in page["results"]] == [made[2]["id"], made[1]["id"]]


async def test_everything_is_removed_after_the_time_of_keeping(
    fake: FakeReplicate, http: httpx.AsyncClient
) -> None:
    body = {"version": FLUX, "input": {"prompt": "a heron"}}
    made = (await http.post("/predictions", json=body)).json()
    assert (await http.get(made["output"][0])).status_code == 200
    part = await http.get(made["output"][0], headers={"Range": "bytes=10-"})
    assert (part.status_code, part.content) == (206, fake.made[0].files[0][10:])
    fake.clock.advance(3599)
    assert (await http.get(made["output"][0])).status_code == 200
    fake.clock.advance(2)
    assert (await http.get(made["output"][0])).status_code == 404
    late = (await http.get(f"/predictions/{made['id']}")).json()
    assert (late["status"], late["output"], late["data_removed"]) == ("succeeded", None, True)
    assert late["metrics"]["image_output_count"] == 1


async def test_what_was_made_is_counted_by_what_was_asked_for(
    fake: FakeReplicate, http: httpx.AsyncClient
) -> None:
    for seed in (1, 2, 2):
        body = {"version": FLUX, "input": {"prompt": "a heron", "seed": seed}}
        await http.post("/predictions", json=body)
    assert sorted(fake.made_per_input().values()) == [1, 2]
    assert [json.loads(key)[2]["seed"] for key in fake.bought_twice()] == [2]


async def test_chance_follows_a_seed(http: httpx.AsyncClient) -> None:
    del http
    rolls = []
    for _ in range(2):
        fake = FakeReplicate(seed=7)
        fake.faults.rate(Fault.CREATE_DROP_AFTER, 0.3)
        fake.faults.rate(Fault.CREATE_ERROR_BEFORE, 0.3)
        rolls.append([fake.faults.take("create") for _ in range(200)])
        assert fake.faults.take("read") is None
        assert 30 < fake.faults.injected[Fault.CREATE_DROP_AFTER] < 90
    assert rolls[0] == rolls[1]


# --- callbacks ---------------------------------------------------------------------------------


@dataclass
class Received:
    event: str
    webhook_id: str
    genuine: bool


class Receiver:
    """Takes callbacks; statuses: what the next ones are answered with."""

    def __init__(self, fake: FakeReplicate) -> None:
        self.fake = fake
        self.received: list[Received] = []
        self.statuses: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        try:
            Webhooks.validate(
                headers=headers,
                body=body.decode(),
                secret=WebhookSigningSecret(key=self.fake.webhook_key),
            )
            genuine = True
        except InvalidSignatureError:
            genuine = False
        status = json.loads(body)["status"]
        self.received.append(Received(status, headers["webhook-id"], genuine))
        answer = self.statuses.pop(0) if self.statuses else 204
        await send({"type": "http.response.start", "status": answer, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def receiver(fake: FakeReplicate) -> AsyncIterator[Receiver]:
    receiver = Receiver(fake)
    server = AsgiServer(receiver)
    await server.start()
    receiver.url = server.url  # type: ignore[attr-defined]
    yield receiver
    await server.stop()


async def ask(http: httpx.AsyncClient, receiver: Receiver, *events: str) -> None:
    body = {
        "version": FLUX,
        "input": {"prompt": "a heron"},
        "webhook": f"{receiver.url}/hook",  # type: ignore[attr-defined]
        "webhook_events_filter": events or ("start", "completed"),
    }
    assert (await http.post("/predictions", json=body)).status_code == 201


async def test_callbacks_come_signed_as_things_happen(
    fake: FakeReplicate, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    fake.then(Plan(starting=10, running=10))
    await ask(http, receiver)

    async def count(wanted: int) -> bool:
        return len(receiver.received) == wanted

    fake.clock.advance(11)
    await wait_until_async(lambda: count(1), what="no start")
    fake.clock.advance(10)
    await fake.callbacks_sent()
    assert [(one.event, one.genuine) for one in receiver.received] == [
        ("processing", True),
        ("succeeded", True),
    ]


async def test_only_the_terminal_callback_is_sent_again(
    fake: FakeReplicate, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.statuses = [500, 500, 413]
    await ask(http, receiver)

    async def done() -> bool:
        fake.clock.advance(31)
        return len(receiver.received) == 4

    await wait_until_async(done, what="not sent again")
    await fake.callbacks_sent()
    start, *ends = receiver.received
    assert len({one.webhook_id for one in ends}) == 1
    assert start.webhook_id != ends[0].webhook_id


@pytest.mark.parametrize(
    ("fault", "genuine"),
    [
        (Fault.CALLBACK_DROP, []),
        (Fault.CALLBACK_DUPLICATE, [True, True]),
        (Fault.CALLBACK_FORGED, [False, True]),
        (Fault.CALLBACK_LATE, [True]),
    ],
)
async def test_callbacks_go_wrong(
    fake: FakeReplicate,
    http: httpx.AsyncClient,
    receiver: Receiver,
    fault: Fault,
    genuine: list[bool],
) -> None:
    fake.faults.order(fault)
    await ask(http, receiver, "completed")
    if fault is Fault.CALLBACK_LATE:

        async def taken() -> bool:
            return fake.faults.injected[fault] == 1

        await wait_until_async(taken)
        assert receiver.received == []
        fake.clock.advance(31)
    await fake.callbacks_sent()
    assert [one.genuine for one in receiver.received] == genuine
    assert fake.faults.injected == {fault: 1}
    if fault is Fault.CALLBACK_DUPLICATE:
        assert len({one.webhook_id for one in receiver.received}) == 1


async def test_callbacks_change_places(
    fake: FakeReplicate, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    fake.then(Plan(running=10))
    fake.faults.order(Fault.CALLBACK_REORDER)
    await ask(http, receiver)

    async def held() -> bool:
        return fake.faults.injected[Fault.CALLBACK_REORDER] == 1

    await wait_until_async(held)
    fake.clock.advance(11)
    await fake.callbacks_sent()
    assert [one.event for one in receiver.received] == ["succeeded", "processing"]


# --- alone -------------------------------------------------------------------------------------


async def test_it_runs_alone_and_takes_orders_over_http() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vsl.testing", "--token", "r8_mine", stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    facts = json.loads(await asyncio.wait_for(program.stdout.readline(), 30))
    base = facts["url"].removesuffix("/v1")
    headers = {"Authorization": f"Bearer {facts['token']}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as http:
        orders: list[tuple[str, dict[str, Any]]] = [
            ("order", {"fault": "create_drop_after", "times": 1}),
            ("rate", {"fault": "callback_drop", "probability": 0.5}),
            ("plan", {"starting": 5, "running": 5}),
            ("advance", {"seconds": 60}),
        ]
        for name, order in orders:
            assert (await http.post(f"/_fake/{name}", json=order)).status_code == 200
        for name, wrong in (("order", {"fault": "nothing"}), ("plan", {"colour": "red"})):
            assert (await http.post(f"/_fake/{name}", json=wrong)).status_code == 422
        assert (await http.post("/_fake/dance", json={})).status_code == 404
        body = {"version": FLUX, "input": {"prompt": "a heron"}}
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("/v1/predictions", json=body)
        assert (await http.post("/v1/predictions", json=body)).json()["status"] == "starting"
        report = (await http.get("/_fake/report")).json()
    program.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(program.wait(), 10) == 0
    assert report == {
        "made": 2,
        "inputs": 1,
        "made_twice": 1,
        "faults": {"create_drop_after": 1},
        "callbacks": 0,
        "uploads": 0,
    }
