"""What only a folder can get wrong: disks, rights, dead processes, and many of them at once."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

import pytest

from vsl.errors import ObjectExists, StoreError
from vsl.storage import FolderStore
from vsl.storage.faults import store_error

CHILD = Path(__file__).with_name("child_put.py")
MEBIBYTE = 2**20

# A mount namespace of one's own: where it is allowed, root and ordinary users may mount in it.
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")

# Prints by how many bytes the peak of the memory rose while 256 MiB went in and out again.
MEMORY_PROGRAM = """
import asyncio, resource, shutil, sys, tempfile
from pathlib import Path
from vsl.storage import FolderStore

def peak():
    if sys.platform == "linux":
        # Not getrusage, whose peak begins with that of the process that started this one.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def chunks(count):
    for _ in range(count):
        yield bytes(65536)

async def main(store):
    await store.put("warm", chunks(16), content_type="video/mp4")
    before = peak()
    await store.put("large", chunks(4096), content_type="video/mp4")
    async for _ in store.open("large"):
        pass
    print(peak() - before)

root = Path(tempfile.mkdtemp())
try:
    asyncio.run(main(FolderStore(root)))
finally:
    shutil.rmtree(root)
"""


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(store: FolderStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.open(key)])


def files_below(folder: Path) -> list[str]:
    """Every file, hidden ones included, relative to ``folder``."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def bytes_at(address: str) -> bytes:
    return Path(url2pathname(address.removeprefix("file://"))).read_bytes()


def run_child(*arguments: str, inside: str | None = None) -> dict[str, Any]:
    """The answer of child_put.py; ``inside``: a shell line run before it, in a namespace."""
    command = [sys.executable, str(CHILD), *arguments]
    if inside is not None:
        command = [*NAMESPACE, f'{inside}; exec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="session")
def can_mount() -> bool:
    """Whether this system lets a process mount in a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    trial = [*NAMESPACE, "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(trial, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.fixture
def shared_root() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    made = Path(tempfile.mkdtemp(prefix="vsl-test-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


async def test_objects_are_plain_files_under_their_key(folder: FolderStore) -> None:
    await folder.put("images/a%2Fb/x.png", stream(b"abc"), content_type="image/png")
    assert files_below(folder.root) == ["images/a%2Fb/x.png"]
    assert (folder.root / "images/a%2Fb/x.png").read_bytes() == b"abc"


async def test_the_address_opens_the_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "ä #?%20 b")
    await store.put("a%2Fb/ü x.png", stream(b"abc"), content_type="image/png")
    address = store.url("a%2Fb/ü x.png")
    assert address.startswith("file:///")
    assert bytes_at(address) == b"abc"
    assert await read(store, "a%2Fb/ü x.png") == b"abc"
    assert [key async for key in store.list("")] == ["a%2Fb/ü x.png"]


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new" / "store")
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


def test_the_rights_of_a_present_folder_stay(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert stat.S_IMODE(FolderStore(tmp_path).root.stat().st_mode) == 0o755


async def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="file"):
            FolderStore(path)


async def test_deleting_the_last_object_removes_its_empty_folders(folder: FolderStore) -> None:
    await folder.put("images/ann/job/1.1-0/x.png", stream(b"1"), content_type="image/png")
    await folder.put("images/bob/job/1.1-0/x.png", stream(b"2"), content_type="image/png")
    await folder.delete("images/ann/job/1.1-0/x.png")
    assert sorted(p.name for p in (folder.root / "images").iterdir()) == ["bob"]
    await folder.delete("images/bob/job/1.1-0/x.png")
    assert folder.root.is_dir()


async def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(
    folder: FolderStore,
) -> None:
    async def come_and_go(number: int) -> None:
        for turn in range(15):
            key = f"images/ann/job/{number}/{turn}/x.png"
            await folder.put(key, stream(b"x"), content_type="image/png")
            await folder.delete(key)

    await asyncio.gather(*map(come_and_go, range(8)))
    assert files_below(folder.root) == []


async def test_processes_that_write_one_key_at_once(folder: FolderStore) -> None:
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(CHILD), str(folder.root), "2", stdout=subprocess.PIPE
        )
        for _ in range(6)
    ]
    answers = [json.loads((await child.communicate())[0]) for child in children]
    assert sorted(answer["code"] for answer in answers) == ["", *["object_exists"] * 5]
    assert files_below(folder.root) == ["a/b/object.bin"]
    assert await folder.stat("a/b/object.bin") == 2 * MEBIBYTE


def test_a_full_disk(can_mount: bool, tmp_path: Path) -> None:
    if can_mount:
        answer = run_child(
            str(tmp_path), "8", inside=f"mount -t tmpfs -o size=4m tmpfs '{tmp_path}'"
        )
        assert "disk is full" in answer["message"]
    else:
        # The nearest thing that no system forbids.
        answer = run_child(str(tmp_path), "8", "limit")
        assert "larger than" in answer["message"]
    assert answer["code"] == "store_error"
    assert str(tmp_path) in answer["message"]
    assert answer["retryable"]
    assert answer["files"] == []


async def test_a_full_device(folder: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(path: Path) -> Any:
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("/dev/full")
        return path.open("wb", buffering=0)

    monkeypatch.setattr(folder, "_create", create)
    with pytest.raises(StoreError, match="disk is full") as caught:
        await folder.put("a/x", stream(b"x"), content_type="image/png")
    assert caught.value.hint
    assert files_below(folder.root) == []


def test_a_limit_on_file_sizes(tmp_path: Path) -> None:
    answer = run_child(str(tmp_path), "3", "limit")
    assert "ulimit" not in answer["message"]
    assert "larger than the store's file system" in answer["message"]
    assert answer["files"] == []


def test_a_read_only_file_system(can_mount: bool, tmp_path: Path) -> None:
    if can_mount:
        inside = f"mount -t tmpfs -o ro tmpfs '{tmp_path}'"
        message = run_child(str(tmp_path), "1", inside=inside)["message"]
    else:
        error = OSError(errno.EROFS, os.strerror(errno.EROFS))
        message = store_error(error, action="write a", where=f"folder {tmp_path}").message
    assert "the store is read-only" in message
    assert str(tmp_path) in message


def test_a_folder_without_the_right_to_write(shared_root: Path) -> None:
    shared_root.chmod(0o555)
    answer = run_child(str(shared_root), "1", "nobody")
    assert answer["code"] == "store_error"
    assert f"folder {shared_root}" in answer["message"]
    assert "read-only for this user" in answer["message"]
    assert answer["files"] == []


def test_a_folder_that_cannot_be_made(shared_root: Path) -> None:
    shared_root.chmod(0o555)
    answer = run_child(str(shared_root / "below"), "1", "nobody")
    assert f"folder {shared_root / 'below'}: cannot open it" in answer["message"]
    assert not (shared_root / "below").exists()


async def test_a_folder_that_went_away_is_not_made_anew(folder: FolderStore) -> None:
    folder.root.rmdir()
    for use in (
        lambda: folder.put("a/x", stream(b"x"), content_type="image/png"),
        lambda: read(folder, "a/x"),
        lambda: folder.stat("a/x"),
        lambda: folder.delete("a/x"),
    ):
        with pytest.raises(StoreError, match="folder is missing") as caught:
            await use()
        assert str(folder.root) in caught.value.message
    assert not folder.root.exists()


async def test_a_file_where_a_folder_is_needed(folder: FolderStore) -> None:
    await folder.put("a", stream(b"x"), content_type="image/png")
    with pytest.raises(StoreError, match="cannot write a/b"):
        await folder.put("a/b", stream(b"y"), content_type="image/png")
    assert files_below(folder.root) == ["a"]


def test_what_a_killed_process_leaves_is_swept(folder: FolderStore) -> None:
    command = [sys.executable, str(CHILD), str(folder.root), "8", "hang"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        child.kill()
    left = files_below(folder.root)
    assert len(left) == 1
    assert left[0].startswith(".incoming/")

    async def look() -> None:
        assert await folder.stat("a/b/object.bin") is None
        assert [key async for key in folder.list("")] == []
        assert await folder.sweep(older_than=3600) == 0
        assert files_below(folder.root) == left
        assert await folder.sweep(older_than=0) == 1
        assert files_below(folder.root) == []
        await folder.put("a/b/object.bin", stream(b"x"), content_type="video/mp4")

    asyncio.run(look())


def test_opening_sweeps_what_is_a_day_old(folder: FolderStore) -> None:
    incoming = folder.root / ".incoming"
    incoming.mkdir()
    for name, age in (("old", 25 * 3600), ("young", 3600)):
        (incoming / name).write_bytes(b"x")
        when = (incoming / name).stat().st_mtime - age
        os.utime(incoming / name, (when, when))
    FolderStore(folder.root)
    assert files_below(folder.root) == [".incoming/young"]


async def test_a_swept_put_fails_and_leaves_nothing(folder: FolderStore) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(MEBIBYTE)
        assert await folder.sweep(older_than=-60) == 1

    with pytest.raises(StoreError, match="cannot write a/x"):
        await folder.put("a/x", chunks(), content_type="video/mp4")
    assert files_below(folder.root) == []


async def test_the_bytes_and_all_folders_are_on_the_disk_before_a_put_returns(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []
    real = os.fsync

    def fsync(number: int) -> None:
        name = str(Path(f"/proc/self/fd/{number}").readlink()) if sys.platform == "linux" else "?"
        synced.append((name, os.fstat(number).st_size))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    await folder.put("a/b/x", stream(bytes(MEBIBYTE), b"end"), content_type="video/mp4")
    (temporary, size), *folders = synced
    assert size == MEBIBYTE + 3
    if sys.platform == "linux":
        assert Path(temporary).parent == folder.root / ".incoming"
        wanted = [folder.root / "a/b", folder.root / "a", folder.root]
        assert [Path(name) for name, _ in folders] == wanted
    assert len(folders) == 3


@pytest.mark.parametrize("which", [1, 2, 4])
async def test_a_disk_that_fails_when_synced_keeps_nothing(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    calls = 0
    real = os.fsync

    def fsync(number: int) -> None:
        nonlocal calls
        calls += 1
        if calls == which:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match="disk reported an error"):
        await folder.put("a/b/x", stream(b"x"), content_type="image/png")
    assert files_below(folder.root) == []


async def test_a_put_cancelled_while_its_name_is_made_leaves_nothing(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    real = folder._sync_folders

    def sync(key: str) -> None:
        reached.set()
        assert go_on.wait(30)
        real(key)

    monkeypatch.setattr(folder, "_sync_folders", sync)
    put = asyncio.create_task(folder.put("a/x", stream(b"x"), content_type="image/png"))
    assert await asyncio.to_thread(reached.wait, 30)
    put.cancel()
    await asyncio.sleep(0)
    put.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert files_below(folder.root) == []


async def test_file_handles_are_given_back(folder: FolderStore) -> None:
    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - its entries vanish while looked at

    await folder.put("a/x", stream(bytes(3 * MEBIBYTE)), content_type="video/mp4")
    before = open_files()
    for _ in range(20):
        with pytest.raises(ObjectExists):
            await folder.put("a/x", stream(b"x"), content_type="video/mp4")
        reading = folder.open("a/x")
        assert await anext(reading)
        del reading
    # obstore closes its files in threads of its own, a moment later.
    for _ in range(1000):
        if open_files() <= before + 5:
            break
        await asyncio.sleep(0.01)
    assert open_files() <= before + 5


def test_memory_stays_small_beside_the_file() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) < 50 * MEBIBYTE
