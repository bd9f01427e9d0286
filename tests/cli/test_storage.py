"""``vsl storage``: in a folder and at a real S3 server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.cli.program import Vsl
from tests.custody.kit import key_of
from tests.schema.kit import Session
from tests.support.seaweed import Seaweed
from tests.support.waiting import wait_until
from tests.worker.kit import ON_18

pytestmark = ON_18
On = Callable[[str], Vsl]
RoleUrl = Callable[[str, str], str]

KEPT, LOST, STRAY = key_of("job-kept"), key_of("job-lost"), key_of("job-gone")


def put(folder: Path, key: str) -> None:
    """A file that nobody has touched for long."""
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content")
    os.utime(path, (0, 0))


def add_output(session: Session, job: str, key: str, bucket: str) -> None:
    session.run(
        "WITH job AS (INSERT INTO jobs (job_id, user_id, model_id, status, completed_at)"
        " VALUES (%s, 'ann', 'outside', 'completed', now()) RETURNING id)"
        " INSERT INTO media_outputs (job_id, s3_key, s3_bucket, file_size, ordinal)"
        " SELECT id, %s, %s, 7, 0 FROM job",
        job,
        key,
        bucket,
    )


@pytest.fixture
def folder(tmp_path: Path, session: Session) -> Path:
    """A store with one good output, one whose file is gone, and one file too many."""
    made = tmp_path / "media"
    for key in (KEPT, STRAY):
        put(made, key)
    add_output(session, "job-kept", KEPT, "file")
    add_output(session, "job-lost", LOST, "file")
    session.run("SELECT setval('vsl.epoch_seq', 5)")
    return made


@pytest.fixture
def worker(on: On, role_url: RoleUrl, database: str, folder: Path) -> Vsl:
    """The program as on a worker's machine."""
    return on(role_url(database, "vsl_worker")).with_variables(VSL_STORAGE=str(folder))


def test_both_kinds_are_named_and_mended(worker: Vsl, folder: Path, session: Session) -> None:
    done = worker("storage", "check")
    assert done.status == 1, done.err
    assert f"{folder}: 2 objects, 14 B; 2 outputs in the database." in done.out
    lines = [line.split() for line in done.out.splitlines()]
    assert next(line for line in lines if line[-1] == LOST)[:3] == ["missing", "job-lost", "0"]
    assert next(line for line in lines if line[-1] == STRAY)[0] == "stray"
    assert KEPT not in done.out
    assert "storage check --mend" in done.out
    assert session.all("SELECT FROM vsl.doomed_objects") == []

    done = worker("storage", "check", "--mend")
    assert done.status == 2
    assert "--yes" in done.err
    done = worker("storage", "check", "--mend", "--dry-run")
    assert done.status == 1
    assert "Nothing was changed" in done.out
    assert session.all("SELECT FROM vsl.doomed_objects") == []

    done = worker("storage", "check", "--mend", "--yes")
    assert done.status == 1, done.err
    assert "Marked 1 output" in done.out
    assert "Handed 1 object to removal" in done.out
    assert session.value("SELECT storage_key FROM vsl.doomed_objects") == STRAY
    assert (folder / STRAY).exists()
    (folder / LOST).parent.mkdir(parents=True)
    put(folder, LOST)
    done = worker("storage", "check", "--mend", "--yes")
    assert "Took the marks of 1 output away" in done.out
    assert "1 object to be removed by a worker already" in done.out
    done = worker("storage", "check")
    assert (done.status, "They agree." in done.out) == (0, True)


def test_as_json(worker: Vsl, folder: Path) -> None:
    done = worker("storage", "check", "--json", "--limit", "1")
    assert done.status == 1
    found = done.document
    assert found["store"] == folder.as_uri()
    assert (found["objects"], found["outputs"], found["matched"]) == (2, 2, 1)
    assert found["counts"] == {"missing": 1, "damaged": 0, "stray": 1, "back": 0}
    assert len(found["differences"]) == 1
    assert found["mended"] is None
    done = worker("storage", "check", "--json", "--mend", "--yes")
    assert done.document["mended"] == {"marked": 1, "unmarked": 0, "doomed": 1, "swept": 0}


def test_young_files_are_left_alone(worker: Vsl, folder: Path) -> None:
    os.utime(folder / STRAY)
    done = worker("storage", "check")
    assert "Left alone: 1 object younger than 1h" in done.out
    assert STRAY not in done.out
    assert STRAY in worker("storage", "check", "--older-than", "0s").out
    done = worker("storage", "check", "--older-than", "soon")
    assert done.status == 2
    assert "--older-than" in done.err


def test_a_login_without_the_right(on: On, role_url: RoleUrl, database: str, folder: Path) -> None:
    reader = on(role_url(database, "vsl_reader")).with_variables(VSL_STORAGE=str(folder))
    done = reader("storage", "check")
    assert done.status == 1
    assert "may not compare outputs with their files" in done.err
    assert "GRANT vsl_worker TO" in done.err


def test_links_in_a_folder(on: On, role_url: RoleUrl, database: str, folder: Path) -> None:
    reader = on(role_url(database, "vsl_reader")).with_variables(VSL_STORAGE=str(folder))
    done = reader("storage", "link", "job-kept")
    assert (done.status, done.out) == (0, f"{folder / KEPT}\n")
    (found,) = reader.json("storage", "link", "job-kept")
    assert (found["url"], found["expires_at"]) == ((folder / KEPT).as_uri(), None)
    for arguments, status, words in (
        (["job-lost"], 1, "it is not there"),
        (["nobody"], 2, "there is no job"),
        (["job-kept", "--expires", "8d"], 2, "--expires"),
        (["job-kept", "--expires", "0s"], 2, "--expires"),
    ):
        done = reader("storage", "link", *arguments)
        assert (done.status, words in done.err) == (status, True), done.err


def test_a_job_without_files(vsl: Vsl, on: On, session: Session, database: str) -> None:
    del vsl
    job = session.value(
        "INSERT INTO jobs (user_id, model_id, prompt) VALUES ('ann', 'painter', 'x')"
        " RETURNING job_id"
    )
    done = on(database)("storage", "link", job)
    assert done.status == 2
    assert "it is pending" in done.err


async def one() -> AsyncIterator[bytes]:
    yield b"content"


def test_at_s3(
    on: On, role_url: RoleUrl, database: str, session: Session, s3_server: Seaweed
) -> None:
    place = f"cli/{uuid4().hex}"
    store = s3_server.store(place)
    for key in (KEPT, STRAY):
        asyncio.run(_put(store, key))
    add_output(session, "job-kept", KEPT, store.bucket)
    add_output(session, "job-lost", LOST, store.bucket)
    add_output(session, "job-elsewhere", KEPT, "file")
    session.run("SELECT setval('vsl.epoch_seq', 5)")
    variables = {"VSL_STORAGE": f"s3://{s3_server.bucket}/{place}", **s3_server.variables}
    worker = on(role_url(database, "vsl_worker")).with_variables(**variables)
    done = worker("storage", "check", "--older-than", "0s", "--mend", "--yes")
    assert done.status == 1, done.err
    assert f"s3://{store.bucket}: 2 objects, 14 B; 2 outputs" in done.out
    assert "Not looked at: 1 output in file." in done.out
    for words in (LOST, STRAY, "Marked 1 output", "Handed 1 object"):
        assert words in done.out
    assert session.value("SELECT storage_key FROM vsl.doomed_objects") == STRAY

    reader = on(role_url(database, "vsl_reader")).with_variables(**variables)
    (link,) = reader("storage", "link", "job-kept", "--expires", "60s").out.splitlines()
    answer = httpx.get(link)
    assert (answer.status_code, answer.content) == (200, b"content")
    done = reader("storage", "link", "job-kept", "--expires", "1s")
    short = done.out.strip()
    wait_until(lambda: httpx.get(short).status_code == 403, what="the link has ended")
    done = reader("storage", "link", "job-elsewhere")
    assert done.status == 1
    assert "in the store file" in done.err


async def _put(store: object, key: str) -> None:
    await store.put(key, one(), content_type="image/png")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("s3://", "names no bucket"),
        ("s3://AB", "S3 does not allow"),
        ("s3://key:secret@bucket/x", "credentials"),
        ("s3://bucket/../x", "prefix"),
        ("s3://bucket?sse=rot13", "AES256, aws:kms"),
        ("s3://bucket?sse_kms_key_id=canary", "stands without its sse"),
        ("s3://bucket?storage_class=DEEP_ARCHIVE", "STANDARD_IA"),
        ("s3://bucket?secret=canary", "unknown option"),
    ],
)
def test_addresses_that_are_wrong(on: On, database: str, storage: str, words: str) -> None:
    done = on(database)("storage", "check", VSL_STORAGE=storage)
    assert done.status == 2
    assert "VSL_STORAGE" in done.err
    assert words in done.err
    for secret in ("secret@", "canary"):
        assert secret not in done.err
