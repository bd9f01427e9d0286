"""What VSL_STORAGE may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsl.errors import InvalidInput, StoreError
from vsl.storage import FolderStore, S3Store, open_store
from vsl.storage.s3_address import S3Address, read_s3_address


def opened(url: str) -> Path:
    store = open_store(url)
    assert isinstance(store, FolderStore)
    return store.root


def test_a_path_and_its_address(tmp_path: Path) -> None:
    wanted = tmp_path / "my media"
    assert opened(str(wanted)) == wanted
    assert opened(wanted.as_uri()) == wanted
    assert opened(f"file://localhost{tmp_path}/my%20media") == wanted


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert opened("media") == tmp_path / "media"


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert opened("~/media") == tmp_path / "media"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "gs://bucket",
        "https://user:secret@example.org/x",
        "memory://",
        "file:relative",
        "file://",
        "file://otherhost/media",
        "file:///media?x=1",
        "file:///media#x",
        "a\0b",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"VSL_STORAGE.*file:///") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file/below"):
        open_store(str(tmp_path / "file" / "below"))


def test_a_bucket_and_a_prefix() -> None:
    address = read_s3_address("s3://my-bucket/a%20b/c/")
    assert (address.bucket, address.prefix, address.place) == (
        "my-bucket",
        "a b/c",
        "my-bucket/a b/c",
    )
    assert (address.sse, address.sse_kms_key_id, address.storage_class) == (None, None, None)
    assert address.checksum
    assert read_s3_address("s3://my-bucket").place == "my-bucket"
    store = open_store("S3://my-bucket/a")
    assert isinstance(store, S3Store)
    assert store.bucket == "my-bucket/a"
    assert store.url("x/y%41") == "s3://my-bucket/a/x/y%2541"


def test_how_objects_are_kept() -> None:
    key = "arn:aws:kms:eu-central-1:1:key/2"
    address = read_s3_address(
        f"s3://bucket/x?sse=aws:kms&sse_kms_key_id={key}&storage_class=STANDARD_IA&checksum=none"
    )
    assert address == S3Address("bucket", "x", "aws:kms", key, "STANDARD_IA", checksum=False)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3:bucket", "names no bucket"),
        ("s3:///x", "names no bucket"),
        ("s3://Bucket", "S3 does not allow"),
        ("s3://ab", "S3 does not allow"),
        ("s3://bucket:9000/x", "S3 does not allow"),
        ("s3://[x", "is not an address"),
        ("s3://key:secret@bucket", "has credentials in it"),
        ("s3://bucket/a//b", "its prefix has an empty part"),
        ("s3://bucket/%2e%2e/b", "its prefix would leave the store"),
        ("s3://bucket/.incoming", "its prefix begins with .incoming"),
        ("s3://bucket/x#y", "has a fragment"),
        ("s3://bucket?sse=", "sse is not known"),
        ("s3://bucket?sse=AES256&sse=AES256", "sse twice"),
        ("s3://bucket?sse=AES256&sse_kms_key_id=k", "sse_kms_key_id stands without its sse"),
        ("s3://bucket?sse=aws:kms&sse_kms_key_id=", "sse_kms_key_id is empty"),
        ("s3://bucket?storage_class=GLACIER", "storage_class is not known"),
        ("s3://bucket?checksum=md5", "checksum is not known"),
        ("s3://bucket?secret=canary", "has an unknown option"),
    ],
)
def test_buckets_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_store(url)
    assert words in str(caught.value)
    assert "VSL_STORAGE" in str(caught.value)
    for secret in ("key:", "canary"):
        assert secret not in str(caught.value)


def test_several_mistakes_are_said_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        open_store("s3://AB/x?sse=rot13&size=large")
    assert len(caught.value.problems) == 3
