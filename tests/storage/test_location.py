"""What VSL_STORAGE may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsl.errors import InvalidInput, StoreError
from vsl.storage import FolderStore, open_store


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
        "s3://bucket/prefix",
        "S3://bucket",
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
