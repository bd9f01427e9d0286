"""Stores that fail, objects that nothing refers to, and a worker's own disk."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from tests.worker import media
from tests.worker.kit import ON_18, QUICK, Hold, Lab

from vsl.domain.keys import object_key
from vsl.domain.store import StoredObject
from vsl.errors import ProviderError, StoreError
from vsl.storage import FolderStore, ObstoreStore
from vsl.testing import FakeProvider, Succeed
from vsl.worker.spool import Spool

IMAGE = Succeed((media.image(),))
TWO = Succeed((media.image(0), media.image(1)))


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


@ON_18
async def test_a_store_that_is_gone_for_a_while(disk_lab: Lab) -> None:
    lab = disk_lab
    assert isinstance(lab.store, FolderStore)
    away = lab.store.root.with_name("away")
    lab.store.root.rename(away)
    async with lab.worker(FakeProvider(otherwise=IMAGE)):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        row = lab.job(job)
        assert row["error_code"] == "store_error"
        assert "folder is missing" in row["error_message"]
        away.rename(lab.store.root)
        lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job)


@ON_18
async def test_a_place_that_can_never_be_written_ends_the_job(disk_lab: Lab) -> None:
    lab = disk_lab
    assert isinstance(lab.store, FolderStore)
    blocked = lab.store.root / "images"
    blocked.write_text("a file where a folder should be")
    async with lab.worker(FakeProvider(otherwise=IMAGE)):
        job = lab.submit()
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_code"] == "store_error"
    assert lab.ledger(job) == ["hold", "release"]
    assert lab.outputs(job) == []
    blocked.unlink()


class Failing(ObstoreStore):
    """Takes so many objects, and then fails; or says that it took something else."""

    takes: int = 1
    lies: bool = False

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str
    ) -> StoredObject:
        if self.takes == 0 and not self.lies:
            raise StoreError("the store's disk is full")
        stored = await super().put(key, chunks, content_type=content_type)
        self.takes -= 1
        return replace(stored, sha256="0" * 64) if self.lies and self.takes == 0 else stored


@ON_18
@pytest.mark.parametrize("lies", [False, True], ids=["fails", "lies"])
async def test_what_was_stored_before_a_failure_is_removed(lab: Lab, lies: bool) -> None:
    store = lab.store = Failing.in_memory()
    store.lies = lies
    store.takes = 2 if lies else 1
    async with lab.worker(FakeProvider(otherwise=TWO)):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        assert lab.job(job)["error_code"] == "store_error"
        assert len(await lab.objects()) == store.takes * -1 + (2 if lies else 1)
        store.takes = 100
        lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job, outputs=2)
    await lab.clean()
    await lab.check_only_rows()


@ON_18
async def test_an_object_in_the_way_is_left_alone_and_walked_around(lab: Lab) -> None:
    """As after a restore of the database, which then gives old claims' numbers again."""
    job = lab.submit()
    row = lab.job(job)
    last = lab.row("SELECT last_value AS n, is_called FROM vsl.epoch_seq")
    key = object_key(
        media_type="image",
        user_id=row["user_id"],
        created_at=row["created_at"],
        job_id=row["job_id"],
        attempt=1,
        epoch=last["n"] + last["is_called"],
        ordinal=0,
        extension="png",
    )
    await lab.store.put(key, one(b"precious"), content_type="image/png")
    async with lab.worker(FakeProvider(otherwise=IMAGE)):
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        assert lab.job(job)["error_code"] == "object_exists"
        assert lab.rows("SELECT FROM vsl.doomed_objects") == []
        assert b"".join([chunk async for chunk in lab.store.open(key)]) == b"precious"
        lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job)


@ON_18
async def test_files_of_deleted_outputs_are_removed(lab: Lab) -> None:
    async with lab.worker(FakeProvider(TWO, IMAGE)):
        gone = lab.submit()
        await lab.ended(gone)
        kept = lab.submit()
        await lab.ended(kept)
        lab.rows("DELETE FROM jobs WHERE id = %s", gone)
        lab.jobs_deleted = True
        await lab.until("count(*) = 0 FROM vsl.doomed_objects")
    assert await lab.objects() == {row["s3_key"] for row in lab.outputs(kept)}


@ON_18
async def test_many_objects_and_one_that_cannot_be_removed(lab: Lab) -> None:
    keys = [f"images/{number}" for number in range(250)]
    for key in keys:
        await lab.store.put(key, one(b"x"), content_type="image/png")
    lab.rows(
        "INSERT INTO vsl.doomed_objects (storage_key, bucket, reason)"
        " SELECT k, %s, 'a test' FROM unnest(%s::text[]) AS k",
        lab.store.bucket,
        ["../outside", *keys],
    )
    async with lab.worker(FakeProvider(), timing=replace(QUICK, janitor=3600)):
        await lab.until("count(*) = 1 FROM vsl.doomed_objects")
    assert await lab.objects() == set()
    assert lab.row("SELECT storage_key, tries FROM vsl.doomed_objects") == {
        "storage_key": "../outside",
        "tries": 1,
    }


@ON_18
async def test_another_store_s_objects_are_not_for_this_worker(lab: Lab) -> None:
    lab.rows(
        "INSERT INTO vsl.doomed_objects (storage_key, bucket, reason)"
        " VALUES ('images/1', 'elsewhere', 'a test'), ('images/2', %s, 'a test')",
        lab.store.bucket,
    )
    async with lab.worker(FakeProvider()):
        await lab.until("count(*) = 1 FROM vsl.doomed_objects")
    assert lab.row("SELECT bucket FROM vsl.doomed_objects") == {"bucket": "elsewhere"}


class Slow(ObstoreStore):
    """Never gets to the end of an object."""

    started: asyncio.Event

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str
    ) -> StoredObject:
        async def endless() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                yield chunk
            self.started.set()
            await asyncio.Event().wait()

        return await super().put(key, endless(), content_type=content_type)


@ON_18
async def test_called_off_while_storing(lab: Lab) -> None:
    """Nothing half-written stays, and the key is looked after in any case."""
    slow = Slow.in_memory()
    slow.started = asyncio.Event()
    async with lab.worker(
        FakeProvider(otherwise=IMAGE), store=slow, timing=replace(QUICK, grace=0)
    ) as running:
        job = lab.submit()
        await slow.started.wait()
        running.stop.set()
        await running.task
    assert [key async for key in slow.list("")] == []
    assert lab.row("SELECT worker FROM vsl.dispatch") == {"worker": None}
    async with lab.worker(FakeProvider(otherwise=IMAGE)):
        await lab.ended(job)
    lab.check_completed_once(job)


# --- the worker's own disk ------------------------------------------------------------------


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file of this process can grow larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@ON_18
async def test_an_output_that_does_not_fit_on_the_worker_s_disk(lab: Lab) -> None:
    async with lab.worker(FakeProvider(otherwise=Succeed((media.sound(),)))):
        job = lab.submit("speaker")
        with small_files(1000):
            await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        assert "File too large" in lab.job(job)["error_message"]
        assert not any(lab.spool.glob("worker-*/*-0"))
        lab.make_due()
        await lab.ended(job)
    lab.check_completed_once(job)


async def test_a_spool_takes_whole_streams_only(tmp_path: Path) -> None:
    closed = []

    async def broken() -> AsyncIterator[bytes]:
        try:
            yield b"some"
            raise ProviderError("the connection was lost", retryable=True)
        finally:
            closed.append(True)

    with Spool.open(tmp_path / "spool") as spool:
        taken = await spool.take("1-0", one(b"content"))
        assert (taken.path.read_bytes(), taken.size) == (b"content", 7)
        with pytest.raises(ProviderError, match="lost"):
            await spool.take("1-1", broken())
        with pytest.raises(StoreError, match="File exists"):
            await spool.take("1-0", one(b"other"))
        assert sorted(path.name for path in taken.path.parent.iterdir()) == ["1-0", "lock"]
    assert closed == [True]
    assert not any((tmp_path / "spool").glob("worker-*"))


def test_spools_of_living_workers_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    dead = tmp_path / "worker-dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "1-0").write_bytes(b"half")
    never = tmp_path / "worker-never-locked"
    never.mkdir()
    mine = tmp_path / "mine"
    mine.mkdir()
    with Spool.open(tmp_path):
        (first,) = tmp_path.glob("worker-*")
        with Spool.open(tmp_path):
            assert first in set(tmp_path.glob("worker-*"))
            assert len(list(tmp_path.glob("worker-*"))) == 2
        assert list(tmp_path.glob("worker-*")) == [first]
    assert mine.is_dir()


def test_a_spool_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match="cannot write to") as caught,
        Spool.open(tmp_path / "file"),
    ):
        pass
    assert caught.value.hint == "Check VSL_HOME."


@ON_18
async def test_a_held_job_s_file_lies_only_in_the_worker_s_own_folder(lab: Lab) -> None:
    hold = Hold("spooled")
    async with lab.worker(FakeProvider(IMAGE), steps=hold):
        job: UUID = lab.submit()
        await hold.held.wait()
        (folder,) = lab.spool.glob("worker-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.name for path in folder.iterdir()} - {"lock"} == {
            f"{lab.attempts(job)[0]['epoch']}-0"
        }
        assert await lab.objects() == set()
        hold.go.set()
        await lab.ended(job)
