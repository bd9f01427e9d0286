"""What every store does: run on the folder, on S3 and on memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from vsl.domain.keys import job_prefix, object_key
from vsl.domain.store import Store
from vsl.errors import InvalidInput, ObjectExists, ProviderError, StoreError

KEY = "images/ann/2026/11/23/job-1/1.57-0/original.png"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(store: Store, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.open(key)])


async def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted([key async for key in store.list(prefix)])


async def test_what_was_put_comes_back(store: Store) -> None:
    stored = await store.put(KEY, stream(b"ab", b"", b"c"), content_type="image/png")
    assert (stored.key, stored.size) == (KEY, 3)
    assert stored.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert await read(store, KEY) == b"abc"
    assert await store.stat(KEY) == 3


@pytest.mark.parametrize(
    "sizes", [[], [0], [1], [2**20 - 1, 1, 1], [3 * 2**20 + 7, 5], [4096] * 999]
)
async def test_streams_of_any_shape(store: Store, sizes: list[int]) -> None:
    pieces = [bytes([n % 251]) * size for n, size in enumerate(sizes)]
    whole = b"".join(pieces)
    stored = await store.put(KEY, stream(*pieces), content_type="video/mp4")
    assert (stored.size, stored.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert await read(store, KEY) == whole


async def test_a_taken_key_is_refused_and_keeps_its_object(store: Store) -> None:
    await store.put(KEY, stream(b"first"), content_type="image/png")
    with pytest.raises(ObjectExists, match="already"):
        await store.put(KEY, stream(b"second"), content_type="image/png")
    assert await read(store, KEY) == b"first"
    assert await keys(store) == [KEY]


async def test_of_twenty_writers_one_wins(store: Store) -> None:
    # All have sent everything before any may end, so that all meet at the last step.
    barrier = asyncio.Barrier(20)

    async def chunks(number: int) -> AsyncIterator[bytes]:
        yield bytes([number]) * 100_000
        await barrier.wait()

    async def write(number: int) -> int | None:
        try:
            await store.put(KEY, chunks(number), content_type="image/png")
        except ObjectExists:
            return None
        return number

    won = [n for n in await asyncio.gather(*map(write, range(20))) if n is not None]
    assert len(won) == 1
    assert await read(store, KEY) == bytes(won) * 100_000
    assert await keys(store) == [KEY]


async def test_an_object_appears_only_when_whole(store: Store) -> None:
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(3 * 2**20)
        sent.set()
        await go_on.wait()
        yield b"end"

    put = asyncio.create_task(store.put(KEY, chunks(), content_type="video/mp4"))
    await sent.wait()
    assert await store.stat(KEY) is None
    assert await keys(store) == []
    go_on.set()
    assert (await put).size == await store.stat(KEY) == 3 * 2**20 + 3


async def test_a_stream_that_fails_leaves_nothing_and_its_error_passes(store: Store) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(2**21)
        raise ProviderError("the connection was lost")

    with pytest.raises(ProviderError, match="connection was lost"):
        await store.put(KEY, chunks(), content_type="video/mp4")
    assert await store.stat(KEY) is None
    assert await keys(store) == []


async def test_errors_of_the_system_in_a_stream_are_not_the_stores(store: Store) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionResetError("reset by peer")

    with pytest.raises(ConnectionResetError):
        await store.put(KEY, chunks(), content_type="video/mp4")


async def test_a_cancelled_put_leaves_nothing(store: Store) -> None:
    sent, closed = asyncio.Event(), asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield bytes(2**21)
            sent.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    put = asyncio.create_task(store.put(KEY, chunks(), content_type="video/mp4"))
    await sent.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert closed.is_set()
    assert await store.stat(KEY) is None


async def test_a_put_cancelled_at_any_moment_is_whole_or_absent(store: Store) -> None:
    for turns in range(60):
        key = f"a/{turns}"
        put = asyncio.create_task(
            store.put(key, stream(b"x" * 2**20, b"y"), content_type="video/mp4")
        )
        for _ in range(turns):
            await asyncio.sleep(0.0001)
        put.cancel()
        try:
            await put
        except asyncio.CancelledError:
            assert await store.stat(key) is None
        else:
            assert await store.stat(key) == 2**20 + 1


async def test_a_refused_put_closes_its_stream(store: Store) -> None:
    await store.put(KEY, stream(b"first"), content_type="image/png")
    refused = stream(b"second")
    with pytest.raises(ObjectExists):
        await store.put(KEY, refused, content_type="image/png")
    assert [chunk async for chunk in refused] == []


async def test_what_is_missing(store: Store) -> None:
    assert await store.stat(KEY) is None
    await store.delete(KEY)
    assert await keys(store, "images") == []
    with pytest.raises(StoreError, match="not there") as caught:
        await read(store, KEY)
    assert KEY in caught.value.message
    assert not caught.value.retryable


async def test_deleting(store: Store) -> None:
    await store.put(KEY, stream(b"x"), content_type="image/png")
    other = KEY.replace("-0/", "-1/")
    await store.put(other, stream(b"y"), content_type="image/png")
    await store.delete(KEY)
    await store.delete(KEY)
    assert await store.stat(KEY) is None
    assert await read(store, other) == b"y"
    stored = await store.put(KEY, stream(b"again"), content_type="image/png")
    assert stored.size == 5


async def test_a_name_on_the_way_to_an_object_is_no_object(store: Store) -> None:
    await store.put(KEY, stream(b"x"), content_type="image/png")
    above = KEY.rpartition("/")[0]
    assert await store.stat(above) is None
    await store.delete(above)
    assert await store.stat(f"{KEY}/below") is None
    assert await store.stat(KEY) == 1


async def test_listing_is_by_whole_parts(store: Store) -> None:
    for key in ("a/b/1", "a/b/2", "a/bc/3", "d/4"):
        await store.put(key, stream(b"x"), content_type="image/png")
    assert await keys(store, "a/b") == ["a/b/1", "a/b/2"]
    assert await keys(store, "a") == ["a/b/1", "a/b/2", "a/bc/3"]
    assert await keys(store) == ["a/b/1", "a/b/2", "a/bc/3", "d/4"]


async def test_a_survey_has_sizes_and_times(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    for size, key in enumerate(("a/b/1", "a/b/2", "a/c"), 1):
        await store.put(key, stream(b"x" * size), content_type="image/png")
    found = sorted([one async for one in store.survey("a/b")], key=lambda one: one.key)
    assert [(one.key, one.size) for one in found] == [("a/b/1", 1), ("a/b/2", 2)]
    assert all(before < one.modified < before + timedelta(seconds=60) for one in found)


async def test_a_survey_of_more_than_a_page(store: Store) -> None:
    names = [f"d{number % 7}/{number:04}" for number in range(1100)]
    await asyncio.gather(
        *(store.put(name, stream(b"x"), content_type="image/png") for name in names)
    )
    assert await keys(store) == sorted(names)


async def test_a_sweep_leaves_objects_alone(store: Store) -> None:
    await store.put(KEY, stream(b"x"), content_type="image/png")
    assert await store.sweep(older_than=-60) == 0
    assert await keys(store) == [KEY]


@pytest.mark.parametrize(
    "user", ["../../etc", "/", "a\\b", "a\0b", "é 漢", "50%", "a#1", "~", "x" * 10_000, ".incoming"]
)
async def test_the_keys_of_any_user_work(store: Store, user: str) -> None:
    created = datetime(2026, 11, 23, tzinfo=UTC)
    key = object_key(
        media_type="audio",
        user_id=user,
        created_at=created,
        job_id=user,
        attempt=1,
        epoch=2,
        ordinal=0,
        extension="wav",
    )
    prefix = job_prefix(media_type="audio", user_id=user, created_at=created, job_id=user)
    await store.put(key, stream(b"sound"), content_type="audio/wav")
    assert await read(store, key) == b"sound"
    assert await keys(store, prefix) == [key]
    assert store.url(key).isascii()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../../b",
        "a/./b",
        "a\\..\\b",
        "a\0b",
        "a\nb",
        ".incoming/x",
        "a/b#1",
        "x" * 256,
        "/".join(["x" * 200] * 6),
        "\ud800",
    ],
)
async def test_keys_that_are_none(store: Store, key: str) -> None:
    for use in (
        lambda: store.put(key, stream(b"x"), content_type="image/png"),
        lambda: read(store, key),
        lambda: store.stat(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(InvalidInput, match="key"):
            await use()
    with pytest.raises(InvalidInput):
        store.url(key)
    assert await keys(store) == []


async def test_addresses(store: Store) -> None:
    await store.put(KEY, stream(b"x"), content_type="image/png")
    assert store.url(KEY).endswith(KEY)
    assert KEY in await store.sign(KEY, expires_in=60)
    with pytest.raises(InvalidInput, match="expires_in"):
        await store.sign(KEY, expires_in=0)
    assert store.bucket


async def test_reading_may_stop_early(store: Store) -> None:
    await store.put(KEY, stream(bytes(5 * 2**20)), content_type="video/mp4")
    async for chunk in store.open(KEY):
        assert chunk
        break
    assert await store.stat(KEY) == 5 * 2**20
