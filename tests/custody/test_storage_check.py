"""What is said of rows and objects that do not agree, and what mending does to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.custody.kit import House, key_of
from tests.worker.kit import ON_18

from vsl.domain.store import ListedObject
from vsl.errors import NotAllowed, StoreError
from vsl.ops.sorting import sort_on_disk
from vsl.ops.storage_check import Comparison
from vsl.storage import ObstoreStore


async def test_what_agrees(house: House) -> None:
    # Parts of names that sort differently by bytes, by folders and by people.
    for number, user in enumerate(["ann", "Ann", "ann-b", "ann.b", "é", "%", "z" * 300, "a b"]):
        await house.stored(key_of("job-1", user=user, ordinal=number))
    await house.put("images/notes/young.png")
    with Comparison() as comparison:
        await house.compare(comparison, older_than=3600)
        assert list(comparison.differences()) == []
    assert (comparison.objects, comparison.outputs, comparison.matched) == (9, 8, 8)
    assert comparison.size == 9 * 7
    assert comparison.left_alone == {"young": 1}


async def test_a_deleted_file_and_a_stray_one_are_both_named_and_mended(house: House) -> None:
    kept = await house.stored(key_of("job-1"))
    lost = await house.stored(key_of("job-2"), job="job-2")
    await house.store.delete(key_of("job-2"))
    await house.put(key_of("job-3"))
    house.session.run("SELECT setval('vsl.epoch_seq', 5)")
    wanted = [("missing", key_of("job-2"), "job-2"), ("stray", key_of("job-3"), None)]
    assert await house.differences() == wanted
    assert house.doomed() == []
    assert house.metadata(lost) == {}

    mended = await house.mend()
    assert (mended.marked, mended.unmarked, mended.doomed) == (1, 0, 1)
    assert house.doomed() == [key_of("job-3")]
    since = house.metadata(lost)["missing_since"]
    assert isinstance(since, str)
    assert house.metadata(kept) == {}
    # Handed over, not removed; and handed over once.
    assert await house.store.stat(key_of("job-3")) == 7
    again = await house.mend()
    assert (again.marked, again.doomed) == (0, 0)
    assert house.doomed() == [key_of("job-3")]
    assert house.metadata(lost)["missing_since"] == since
    assert await house.differences() == wanted[:1]


async def test_a_file_that_comes_back_loses_its_mark(house: House) -> None:
    await house.stored(key_of("job-1"))
    output = house.row(key_of("job-2"), job="job-2")
    await house.mend()
    assert "missing_since" in house.metadata(output)
    await house.put(key_of("job-2"), b"another size")
    assert await house.differences() == [("damaged", key_of("job-2"), "job-2")]
    await house.mend()
    assert list(house.metadata(output)) == ["damaged_since"]
    await house.store.delete(key_of("job-2"))
    await house.put(key_of("job-2"))
    assert await house.differences() == [("back", key_of("job-2"), "job-2")]
    assert (await house.mend()).unmarked == 1
    assert house.metadata(output) == {}
    assert await house.differences() == []


async def test_other_metadata_stays(house: House) -> None:
    output = house.row(key_of("job-1"))
    house.session.run("UPDATE media_outputs SET metadata = '{\"seed\": 7}'")
    await house.mend()
    assert house.metadata(output).keys() == {"seed", "missing_since"}


async def test_strays_that_are_left_alone(house: House) -> None:
    await house.stored(key_of("job-1"))
    house.session.run("SELECT setval('vsl.epoch_seq', 50)")
    house.session.run(
        "INSERT INTO vsl.dispatch (job_id, lane, max_attempts, held, epoch)"
        " VALUES (gen_random_uuid(), 'none', 1, 0, 7)"
    )
    house.session.run(
        "INSERT INTO vsl.doomed_objects (storage_key, bucket, reason) VALUES (%s, %s, 'a test')",
        key_of("doomed"),
        house.store.bucket,
    )
    await house.put(key_of("live", epoch=7))
    await house.put(key_of("doomed"))
    await house.put(key_of("later", epoch=51))
    await house.put("notes/readme.txt")
    await house.put("images/added-by-hand.png")
    with Comparison() as comparison:
        await house.compare(comparison)
        assert [(d.kind, d.key) for d in comparison.differences()] == [
            ("stray", "images/added-by-hand.png")
        ]
    assert comparison.left_alone == {"live": 1, "doomed": 1, "later": 1, "foreign": 1}


async def test_rows_of_other_stores_are_counted_and_their_objects_kept(house: House) -> None:
    await house.stored(key_of("job-1"))
    house.row(key_of("job-2"), job="job-2", bucket="elsewhere")
    house.row(key_of("job-3"), job="job-3", bucket=None)
    # It lies here, though its row says elsewhere: as while a store is being moved.
    await house.put(key_of("job-2"))
    with Comparison() as comparison:
        await house.compare(comparison)
        assert list(comparison.differences()) == []
    assert comparison.elsewhere == {"elsewhere": 1, "": 1}


async def test_rows_of_other_people_s_code(house: House) -> None:
    """Tracked jobs: sizes that are not known, keys of any form, two rows for one object."""
    await house.stored(key_of("job-1"))
    house.row(key_of("job-1"), job="job-2", size=None)
    for number, key in enumerate(["../outside", "/etc/passwd", "a\tb", ""]):
        house.row(key, job=f"odd-{number}")
    found = await house.differences()
    assert [(kind, key) for kind, key, _ in found] == [
        ("missing", ""),
        ("missing", "../outside"),
        ("missing", "/etc/passwd"),
        ("missing", "a\tb"),
    ]


async def test_a_store_and_a_database_that_do_not_belong_together(house: House) -> None:
    for number in range(3):
        await house.put(key_of(f"job-{number}"))
        house.row(key_of(f"other-{number}"), job=f"other-{number}")
    with pytest.raises(NotAllowed, match="no row of this database") as caught:
        await house.mend()
    assert "DATABASE_URL" in (caught.value.hint or "")
    assert house.doomed() == []


@ON_18
@pytest.mark.parametrize("any_store", ["folder"], indirect=True)
async def test_many_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsl.ops.storage_check.PAGE", 7)
    await house.stored(key_of("first"))
    keys = [f"images/u{number % 5}/{number:03}.png" for number in range(60)]
    for key in keys[::2]:
        await house.put(key)
    for key in keys[1::2]:
        house.row(key)
    house.row(keys[1], job="job-2")
    found = await house.differences()
    assert [key for kind, key, _ in found if kind == "stray"] == sorted(keys[::2])
    missing = [key for kind, key, _ in found if kind == "missing"]
    assert missing == sorted([*keys[1::2], keys[1]])
    mended = await house.mend()
    assert (mended.marked, mended.doomed) == (31, 30)


class Changing(ObstoreStore):
    """Something happens between the listing and the second look."""

    async def happen(self) -> None:
        raise NotImplementedError

    async def survey(self, prefix: str) -> AsyncIterator[ListedObject]:
        async for listed in super().survey(prefix):
            yield listed
        await self.happen()


@ON_18
@pytest.mark.parametrize("any_store", ["folder"], indirect=True)
async def test_what_changes_while_it_is_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Changing.in_memory()
    house.store = store
    await house.stored(key_of("job-1"))
    await house.put(key_of("written-late"))
    gone = await house.stored(key_of("deleted"), job="deleted")

    async def happen() -> None:
        house.row(key_of("written-late"), job="written-late")
        await house.stored(key_of("finished"), job="finished")
        house.session.run("DELETE FROM media_outputs WHERE id = %s", gone)

    monkeypatch.setattr(store, "happen", happen)
    # Read after the listing, so their rows are there; what was deleted is to be removed already.
    with Comparison() as comparison:
        await house.compare(comparison)
        assert list(comparison.differences()) == []
    assert comparison.left_alone == {"doomed": 1}


@ON_18
@pytest.mark.parametrize("any_store", ["folder"], indirect=True)
async def test_a_store_that_cannot_be_listed_is_not_an_empty_one(house: House) -> None:
    output = await house.stored(key_of("job-1"))
    root = Path(house.store.url("x").removeprefix("file://")).parent
    root.rename(root.with_name("away"))
    with pytest.raises(StoreError, match="folder is missing"):
        await house.mend()
    assert house.metadata(output) == {}


async def test_sorting_on_disk(tmp_path: Path) -> None:
    async def items() -> AsyncIterator[tuple[str, int]]:
        for number in range(1000):
            await asyncio.sleep(0)
            yield f"{(number * 7919) % 1000:04}é\n漢", number

    found = list(await sort_on_disk(items(), tmp_path, run=10, files=4))
    assert [key for key, _ in found] == [f"{number:04}é\n漢" for number in range(1000)]
    left = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    assert len(left) <= 4
