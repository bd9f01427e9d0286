"""What only S3 can get wrong: parts, refusals, lost answers, links, and a server that is killed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import obstore
import pytest
from obstore.exceptions import GenericError
from tests.storage.listener import Listener
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed
from tests.support.waiting import wait_until_async

from vsl.errors import InvalidInput, ObjectExists, ProviderError, StoreError
from vsl.storage import S3Store
from vsl.storage.s3 import PART
from vsl.storage.s3_address import read_s3_address

KEY = "videos/ann/2026/11/23/job-1/1.57-0/original.mp4"
MEBIBYTE = 2**20

# Prints by how many bytes the peak of the memory rose while 200 MB went in and out again.
MEMORY_PROGRAM = """
import asyncio, hashlib, sys
from pathlib import Path
from vsl.storage import open_store

def peak():
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def chunks(count):
    for _ in range(count):
        yield bytes(65536)

async def main(store):
    await store.put("warm", chunks(16), content_type="video/mp4")
    before = peak()
    stored = await store.put("large", chunks(3200), content_type="video/mp4")
    read, size = hashlib.sha256(), 0
    async for chunk in store.open("large"):
        read.update(chunk)
        size += len(chunk)
    assert (size, read.hexdigest()) == (stored.size, stored.sha256) and size == 3200 * 65536
    await store.delete("large")
    print(peak() - before)

asyncio.run(main(open_store(sys.argv[1])))
"""


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def large(count: int = 20, fill: int = 0) -> AsyncIterator[bytes]:
    """So many mebibytes."""
    for number in range(count):
        yield bytes([(fill + number) % 256]) * MEBIBYTE


async def read(store: S3Store, key: str = KEY) -> bytes:
    return b"".join([chunk async for chunk in store.open(key)])


async def everything(store: S3Store) -> list[str]:
    """All objects below the store's prefix, hidden ones included."""
    return sorted([facts["path"] async for page in obstore.list(store._client) for facts in page])


async def fetch(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url)


# --- large files ------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [-1, 0, 1, PART, 2 * PART + 5])
async def test_sizes_around_those_of_parts(s3: S3Store, extra: int) -> None:
    whole = os.urandom(PART + extra)
    pieces = [whole[at : at + 700_001] for at in range(0, len(whole), 700_001)]
    stored = await s3.put(KEY, stream(*pieces), content_type="video/mp4")
    assert (stored.size, stored.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert await read(s3) == whole
    assert await everything(s3) == [KEY]


async def test_large_objects_keep_their_type_and_class(s3_server: Seaweed) -> None:
    address = read_s3_address(f"s3://{s3_server.bucket}/{uuid4().hex}?storage_class=STANDARD_IA")
    store = S3Store(
        address,
        endpoint=s3_server.endpoint,
        region="us-east-1",
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    await store.put("large", large(9), content_type="video/mp4")
    await store.put("small", stream(b"x"), content_type="image/png")
    for key, content_type in (("large", "video/mp4"), ("small", "image/png")):
        answer = await fetch(await store.sign(key, expires_in=60))
        assert answer.headers["content-type"] == content_type
        assert answer.headers["x-amz-storage-class"] == "STANDARD_IA"


async def test_of_several_large_writers_one_wins(s3: S3Store) -> None:
    async def write(number: int) -> int | None:
        try:
            await s3.put(KEY, large(9, fill=number), content_type="video/mp4")
        except ObjectExists:
            return None
        return number

    won = [n for n in await asyncio.gather(*map(write, range(5))) if n is not None]
    assert len(won) == 1
    assert (await read(s3))[:1] == bytes(won)
    assert await everything(s3) == [KEY]


async def test_a_large_file_does_not_replace_a_small_one(s3: S3Store) -> None:
    await s3.put(KEY, stream(b"first"), content_type="video/mp4")
    with pytest.raises(ObjectExists, match="an object already"):
        await s3.put(KEY, large(), content_type="video/mp4")
    assert await read(s3) == b"first"
    assert await everything(s3) == [KEY]


async def test_a_large_file_appears_only_when_whole_and_leaves_nothing_when_it_fails(
    s3: S3Store, s3_server: Seaweed
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in large():
            yield chunk
        assert await s3.stat(KEY) is None
        assert s3_server.uploads(s3_server.bucket)
        raise ProviderError("the connection was lost")

    with pytest.raises(ProviderError, match="connection was lost"):
        await s3.put(KEY, chunks(), content_type="video/mp4")
    assert await everything(s3) == []
    assert s3_server.uploads(s3_server.bucket) == []


async def test_a_cancelled_large_put_leaves_nothing(s3: S3Store, s3_server: Seaweed) -> None:
    sent = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in large():
            yield chunk
        sent.set()
        await asyncio.Event().wait()

    put = asyncio.create_task(s3.put(KEY, chunks(), content_type="video/mp4"))
    await sent.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert await everything(s3) == []
    assert s3_server.uploads(s3_server.bucket) == []


async def test_a_dead_writer_s_reservation_is_in_the_way_until_it_is_swept(s3: S3Store) -> None:
    name = hashlib.sha256(KEY.encode()).hexdigest()
    await obstore.put_async(s3._client, f".incoming/{name}", b"")
    with pytest.raises(ObjectExists, match="another writer has begun"):
        await s3.put(KEY, large(9), content_type="video/mp4")
    assert await s3.sweep(older_than=3600) == 0
    assert await s3.sweep(older_than=-60) == 1
    assert (await s3.put(KEY, large(9), content_type="video/mp4")).size == 9 * MEBIBYTE


# --- answers that are lost --------------------------------------------------------------------


async def test_a_put_that_was_sent_twice_knows_its_own_object(
    s3: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = obstore.put_async
    sent = 0

    async def twice(*args: object, **options: object) -> object:
        nonlocal sent
        sent += 1
        await real(*args, **options)  # type: ignore[arg-type]
        return await real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "put_async", twice)
    assert (await s3.put(KEY, stream(b"x"), content_type="video/mp4")).size == 1
    assert sent == 1
    assert await read(s3) == b"x"


async def test_a_put_whose_answer_was_lost_leaves_nothing(
    s3: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = obstore.put_async

    async def lost(*args: object, **options: object) -> None:
        await real(*args, **options)  # type: ignore[arg-type]
        raise GenericError("Generic S3 error: HTTP error: error sending request")

    monkeypatch.setattr(obstore, "put_async", lost)
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await s3.put(KEY, stream(b"x"), content_type="video/mp4")
    assert caught.value.retryable
    assert await everything(s3) == []


class _LosesTheLastAnswer:
    """A writer of obstore whose upload is completed, and says that it was not."""

    def __init__(self, writer: object) -> None:
        self._writer = writer

    def __getattr__(self, name: str) -> object:
        return getattr(self._writer, name)

    async def close(self) -> None:
        await self._writer.close()  # type: ignore[attr-defined]
        raise GenericError("Generic S3 error: HTTP error: error sending request")


async def test_a_completed_upload_whose_answer_was_lost_is_stored(
    s3: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = obstore.open_writer_async
    monkeypatch.setattr(
        obstore,
        "open_writer_async",
        lambda *args, **options: _LosesTheLastAnswer(real(*args, **options)),
    )
    stored = await s3.put(KEY, large(9), content_type="video/mp4")
    assert stored.size == await s3.stat(KEY) == 9 * MEBIBYTE


# --- refusals ---------------------------------------------------------------------------------


async def every_use(store: S3Store) -> list[StoreError]:
    errors = []
    for use in (
        lambda: store.put(KEY, stream(b"x"), content_type="video/mp4"),
        lambda: store.put(KEY, large(9), content_type="video/mp4"),
        lambda: read(store),
        lambda: store.delete(KEY),
        lambda: everything_listed(store),
        lambda: store.stat(KEY),
    ):
        try:
            await use()
        except StoreError as error:
            errors.append(error)
    return errors


async def everything_listed(store: S3Store) -> None:
    async for _ in store.list(""):
        pass


async def test_a_wrong_secret(s3_server: Seaweed) -> None:
    wrong = "a-wrong-secret-canary"
    store = s3_server.store("x", secret_access_key=wrong)
    errors = await every_use(store)
    assert len(errors) == 6
    for error in errors:
        assert "the store " in error.message
        assert error.hint is not None
        assert error.retryable
        for secret in (wrong, ACCESS_KEY, SECRET_KEY, "AWS4-HMAC"):
            assert secret not in f"{error.message} {error.hint}"
    # A HEAD's answer has no words: there, it only shows that something is not allowed.
    assert all("refused the credentials" in error.message for error in errors[:5])


async def test_credentials_that_may_only_read(s3_server: Seaweed) -> None:
    place = uuid4().hex
    await s3_server.store(place).put(KEY, stream(b"x"), content_type="video/mp4")
    reader = s3_server.store(place, access_key_id="reader-key", secret_access_key="reader-secret")
    assert await read(reader) == b"x"
    other = f"{KEY}.other"
    with pytest.raises(StoreError, match="does not allow it") as caught:
        await reader.put(other, stream(b"x"), content_type="video/mp4")
    assert caught.value.hint is not None
    assert "s3:PutObject" in caught.value.hint
    with pytest.raises(StoreError, match="does not allow it"):
        await reader.delete(KEY)
    assert await read(reader) == b"x"


async def test_a_bucket_that_is_not_there(s3_server: Seaweed) -> None:
    errors = await every_use(s3_server.store("x", bucket="vsl-no-such-bucket"))
    # A HEAD answers 404 without a word, as for an object that is not there.
    assert len(errors) == 5
    for error in errors:
        assert "no such bucket" in error.message
        assert error.hint is not None


async def test_a_server_that_is_not_there(s3_server: Seaweed) -> None:
    errors = await every_use(s3_server.store("x", endpoint="http://127.0.0.1:9"))
    assert len(errors) == 6
    assert all("cannot be reached" in error.message and error.retryable for error in errors)


async def test_no_credentials_at_all() -> None:
    with Listener([(404, "")]) as metadata:
        store = S3Store(read_s3_address("s3://bucket"), metadata_endpoint=metadata.endpoint)
        with pytest.raises(StoreError, match="there are no credentials") as caught:
            await read(store)
    assert "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")
    assert metadata.requests[0].path == "/latest/api/token"


@pytest.mark.parametrize(
    ("status", "code", "words", "retryable"),
    [
        (503, "SlowDown", "slow down", True),
        (500, "InternalError", "fault", True),
        (400, "BadDigest", "not what was sent", True),
        (400, "KMS.DisabledException", "encryption key", True),
        (403, "RequestTimeTooSkewed", "clock is wrong", True),
        (400, "EntityTooLarge", "too large", False),
        (400, "Novelty", "answered Novelty", True),
        (418, "", "status 418", True),
    ],
)
async def test_what_servers_say(status: int, code: str, words: str, retryable: bool) -> None:
    body = f"<Error><Code>{code}</Code><Message>canary</Message></Error>" if code else ""
    with Listener([(status, body)]) as listener:
        store = listener.store()
        with pytest.raises(StoreError, match=words) as caught:
            await read(store)
    assert caught.value.retryable is retryable
    assert "canary" not in caught.value.message


# --- settings ---------------------------------------------------------------------------------


async def test_settings_travel_with_every_new_object() -> None:
    with Listener([(200, "")]) as listener:
        store = listener.store(
            "s3://bucket/p?sse=aws:kms&sse_kms_key_id=the-key&storage_class=ONEZONE_IA"
        )
        await store.put("a/x", stream(b"abc"), content_type="image/png")
    (put,) = [request for request in listener.requests if request.method == "PUT"]
    assert put.path == "/bucket/p/a/x"
    headers = put.headers
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "the-key"
    assert headers["x-amz-storage-class"] == "ONEZONE_IA"
    assert headers["if-none-match"] == "*"
    assert headers["content-type"] == "image/png"
    assert headers["x-amz-content-sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert headers["x-amz-checksum-sha256"]


async def test_without_checksums() -> None:
    with Listener([(200, "")]) as listener:
        await listener.store("s3://bucket?checksum=none").put(
            "x", stream(b"abc"), content_type="image/png"
        )
    assert not any("x-amz-checksum-sha256" in request.headers for request in listener.requests)
    assert listener.requests[0].path == "/bucket/x"


async def test_encrypted_objects_of_both_sizes(s3_server: Seaweed) -> None:
    store = s3_server.store(uuid4().hex, server_side_encryption="AES256")
    await store.put("small", stream(b"abc"), content_type="image/png")
    await store.put("large", large(9), content_type="video/mp4")
    assert await read(store, "small") == b"abc"
    assert len(await read(store, "large")) == 9 * MEBIBYTE
    answer = await fetch(await store.sign("small", expires_in=60))
    assert answer.headers["x-amz-server-side-encryption"] == "AES256"


# --- links ------------------------------------------------------------------------------------


async def test_a_link_ends(s3: S3Store) -> None:
    await s3.put("a b/é%41.png", stream(b"abc"), content_type="image/png")
    link = await s3.sign("a b/é%41.png", expires_in=60)
    answer = await fetch(link)
    assert (answer.status_code, answer.content) == (200, b"abc")
    assert answer.headers["content-type"] == "image/png"
    assert (await fetch(link.replace("41.png", "42.png"))).status_code in (403, 404)
    assert (await fetch(link.partition("?")[0])).status_code == 403
    async with httpx.AsyncClient() as client:
        assert (await client.put(link, content=b"other")).status_code == 403
    short = await s3.sign("a b/é%41.png", expires_in=1)

    async def ended() -> bool:
        return (await fetch(short)).status_code == 403

    await wait_until_async(ended, what="the link has ended")
    assert await read(s3, "a b/é%41.png") == b"abc"


@pytest.mark.parametrize("seconds", [-1, 0, 7 * 86400 + 1])
async def test_links_that_cannot_be(s3: S3Store, seconds: int) -> None:
    with pytest.raises(InvalidInput, match="604800"):
        await s3.sign(KEY, expires_in=seconds)


# --- a server that is killed ------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[Seaweed]:
    """A server that a test may kill."""
    server = Seaweed()
    yield server
    server.close()


async def test_a_server_killed_in_the_middle_of_an_upload(own_server: Seaweed) -> None:
    store = own_server.store("x")
    await store.put("before", stream(b"kept"), content_type="image/png")

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in large():
            yield chunk
        own_server.kill()
        async for chunk in large(30):
            yield chunk

    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await store.put(KEY, chunks(), content_type="video/mp4")
    assert caught.value.retryable
    with pytest.raises(StoreError):
        await store.stat("before")
    await asyncio.to_thread(own_server.start)

    async def ready() -> bool:
        """It answers before it has found its volumes again."""
        try:
            await store.put(f"ready/{uuid4().hex}", stream(b"x"), content_type="image/png")
            return await read(store, "before") == b"kept"
        except StoreError:
            return False

    await wait_until_async(ready, within=60, what="what was stored before is there")
    assert await store.stat(KEY) is None
    # The dead writer's reservation: nothing could be removed while the server was away.
    other = KEY.replace("1.57", "2.58")
    assert (await store.put(other, large(9), content_type="video/mp4")).size == 9 * MEBIBYTE
    assert [key async for key in store.list("videos")] == [other]
    assert await store.sweep(older_than=-60) == 1


def test_memory_stays_small_beside_the_file(s3_server: Seaweed) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, f"s3://{s3_server.bucket}/{uuid4().hex}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin:/bin", **s3_server.variables},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 80 * MEBIBYTE
