"""The user's folder: names, texts that are none, versions twice, and the next file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.migrations.conftest import Folder

from vsl.db.files import migrations, version_key
from vsl.db.migration import folder as reading
from vsl.db.migration.folder import (
    free_version,
    read_files,
    read_folder,
    read_script,
    recorded_version,
)
from vsl.db.migration.wording import write_new
from vsl.errors import InvalidInput, MigrationDuplicate

OF_SEED = """-- Example: migrations/V1.1.0__add_user_preferences.sql
CREATE TABLE user_preferences (
    user_id VARCHAR(255) PRIMARY KEY,
    notification_enabled BOOLEAN DEFAULT TRUE,
    preferred_models JSONB DEFAULT '[]',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);

INSERT INTO schema_migrations (version, description) VALUES
    ('1.1.0', 'Add user_preferences table');
"""


def problems(folder: Folder) -> dict[str, str]:
    """What is wrong, by the name of the file."""
    with pytest.raises(InvalidInput) as caught:
        read_folder(folder.path)
    return {problem.field: str(problem) for problem in caught.value.problems}


def test_no_folder_is_no_files(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "nowhere") == []


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="file: cannot be read: Not a directory"):
        read_folder(tmp_path / "file")


def test_versions_are_ordered_as_numbers(folder: Folder) -> None:
    for version in ("100.10", "100.9", "100.1.0", "99", "100.9.1"):
        folder.add(version, "SELECT 1")
    found = [migration.version for migration in read_folder(folder.path)]
    assert found == ["99", "100.1.0", "100.9", "100.9.1", "100.10"]
    assert version_key("1.0") == version_key("1.0.0") == version_key("1")
    assert version_key("0.0") == ()


@pytest.mark.parametrize("version", ["", "1.", ".1", "1..2", "a", "1.a", "1,2", "-1", "\u0661"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        version_key(version)


def test_what_is_left_alone(folder: Folder) -> None:
    for name in (
        "README.md", "notes.sql", "validate.sql", ".V1__hidden.sql", "V1__a.sql~", "V1__a.sql.bak",
        "run.sh", "queries.sql", "2024 plan.txt", "v", "V",
    ):  # fmt: skip
        (folder.path / name).write_text("\0 not SQL")
    (folder.path / "old").mkdir()
    assert read_folder(folder.path) == []


@pytest.mark.parametrize(
    "name",
    [
        "v1.2__x.sql", "V1.2_x.sql", "V1.2.sql", "V__x.sql", "V1.2__.sql", "V1..2__x.sql",
        "V1.2__x y.sql", "V1,2__x.sql", "V1.2__x.SQL", "V1.2 __x.sql", "Views.sql", "1.2__x.sql",
        "V1.2.__x.sql", "Vx__x.sql", "V\u0661__x.sql",
    ],
)  # fmt: skip
def test_a_near_miss_is_named(name: str, folder: Folder) -> None:
    (folder.path / name).write_text("SELECT 1")
    found = problems(folder)
    assert list(found) == [name]
    assert "is not named as a migration (V{version}__description.sql" in found[name]


def test_everything_bad_is_named_at_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1_000_000)
    written = {
        "V1__empty.sql": b"",
        "V2__blank.sql": b" \n\t\r\n",
        "V3__bom_only.sql": b"\xef\xbb\xbf",
        "V4__nul.sql": b"SELECT 1;\0",
        "V5__utf16.sql": "SELECT 'é'".encode("utf-16"),
        "V6__latin.sql": b"SELECT '\xe9'",
        "V7__gzip.sql": b"\x1f\x8b\x08\x00\xff\xfe",
        "V8__huge.sql": b" " * 1_000_001,
        "v9__name.sql": b"SELECT 1",
        f"V{'1' * 51}__long.sql": b"SELECT 1",
    }
    for name, data in written.items():
        (folder.path / name).write_bytes(data)
    (folder.path / "V10__folder.sql").mkdir()
    (folder.path / "V11__dangling.sql").symlink_to(folder.path / "nowhere")
    os.mkfifo(folder.path / "V12__pipe.sql")
    found = problems(folder)
    expected = {
        "V1__empty.sql": "is empty (at least one statement)",
        "V2__blank.sql": "is empty",
        "V3__bom_only.sql": "is empty",
        "V4__nul.sql": "it holds a NUL byte (SQL in UTF-8)",
        "V5__utf16.sql": "it holds a NUL byte",
        "V6__latin.sql": "is not UTF-8 (byte 9)",
        "V7__gzip.sql": "it holds a NUL byte",
        "V8__huge.sql": "is too large (at most 1 MB of SQL)",
        "v9__name.sql": "is not named as a migration",
        f"V{'1' * 51}__long.sql": "has a version that is too long (at most 50 characters)",
        "V10__folder.sql": "is not a file that can be read",
        "V11__dangling.sql": "is not a file that can be read",
        "V12__pipe.sql": "is not a file that can be read",
    }
    assert found.keys() == expected.keys()
    assert [name for name in expected if expected[name] not in found[name]] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-- nothing\n/* at all */ ;;", "V9__extra.sql: holds no statement (at least one)"),
        ("SET LOCAL lock_timeout = '1s';", "V9__extra.sql: only sets something"),
        ("SELECT 1;\nSELECT 'open", "V9__extra.sql, line 2: "),
        ("SELECT 1;\nCOMMIT;", "V9__extra.sql, line 2: COMMIT controls transactions itself"),
        ("SELECT 1;\n\\copy x from y", "V9__extra.sql, line 2: "),
        ("VACUUM;\nSELECT 1;", "V9__extra.sql, line 1: VACUUM cannot run inside a transaction"),
        ("CREATE INDEX CONCURRENTLY ON t (n)", "V9__extra.sql, line 1: a concurrent index needs"),
        ("DISCARD ALL", "V9__extra.sql, line 1: DISCARD ALL would give up the runner's lock"),
    ],
)
def test_a_text_that_cannot_be_run(text: str, said: str, folder: Folder) -> None:
    folder.add("9", text)
    (migration,) = read_folder(folder.path)
    with pytest.raises(InvalidInput) as caught:
        read_script(migration)
    assert str(caught.value).startswith(said)


def test_a_version_twice(folder: Folder) -> None:
    folder.add("100.1", "SELECT 1", "one")
    folder.add("100.1.0", "SELECT 1", "other")
    with pytest.raises(MigrationDuplicate) as caught:
        read_folder(folder.path)
    assert "V100.1.0__other.sql and V100.1__one.sql have the same version" in str(caught.value)
    assert "V100.2.0__" in (caught.value.hint or "")


def test_the_seeds_example_is_the_packaged_one(folder: Folder) -> None:
    folder.add("1.1.0", OF_SEED, "add_user_preferences")
    files = read_files(folder.path)
    assert (files.own, files.taken) == ((), ())
    assert [m.version for m in files.all()] == [m.version for m in migrations()]


def test_another_migration_of_a_packaged_version_is_told_apart(folder: Folder) -> None:
    folder.add("1.1", "CREATE TABLE mine (n int)")
    files = read_files(folder.path)
    assert [m.path.name for m in files.taken] == ["V1.1__extra.sql"]
    assert files.own == ()


def test_a_byte_order_mark_and_line_ends_of_windows(folder: Folder) -> None:
    path = folder.add("100", "")
    path.write_bytes(b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n")
    (migration,) = read_folder(folder.path)
    assert [s.line for s in read_script(migration).statements] == [1, 2]


def test_what_a_file_says_of_itself(folder: Folder) -> None:
    insert = "INSERT INTO public.schema_migrations (version, description)\nVALUES ('{}', 'It''s')"
    folder.add("100.1", "SELECT 1;" + insert.format("100.1.0"))
    folder.add("100.2", "SELECT 1;" + insert.format("100.2"))
    folder.add("100.3", "SELECT 1", "add-two_tags")
    one, two, three = read_folder(folder.path)
    assert recorded_version(read_script(one)) == "100.1.0"
    assert two.description == "It's"
    assert (three.description, recorded_version(read_script(three))) == ("Add-two tags", "100.3")


def test_the_next_free_version(folder: Folder) -> None:
    assert free_version([]) == "100.0.0"
    folder.add("100.9.9", "SELECT 1")
    assert free_version(read_folder(folder.path)) == "100.10.0"
    folder.add("200", "SELECT 1")
    assert free_version(read_folder(folder.path)) == "200.1.0"


def test_a_free_version_meets_none_of_vsls(folder: Folder) -> None:
    folder.add("1.0.5", "SELECT 1")
    assert free_version(read_folder(folder.path)) == "100.0.0"
    assert max(migration.order for migration in migrations()) < version_key("100")


def test_new_files_follow_each_other(tmp_path: Path) -> None:
    target = tmp_path / "not" / "yet"
    paths = [write_new(target, words, None) for words in ("Add tags", "  Ein-Tag: mehr!  ")]
    assert [path.name for path in paths] == ["V100.0.0__add_tags.sql", "V100.1.0__ein_tag_mehr.sql"]
    text = paths[0].read_text()
    assert text.startswith("-- Add tags\n")
    assert "SET LOCAL lock_timeout = '1s';" in text
    for migration in read_folder(target):
        with pytest.raises(InvalidInput, match="only sets something"):
            read_script(migration)  # until something is written into it


@pytest.mark.parametrize(
    ("words", "version", "said"),
    [
        ("!?", None, "WORDS: make no name"),
        ("x" * 61, None, "WORDS: make no name"),
        ("x", "1.a", "--version: is not a version"),
        ("x", "1" * 51, "--version: is not a version"),
        ("x", "../../1", "--version: is not a version"),
        ("x", "1.1", "--version: is that of VSL's V1.1.0__add_user_preferences.sql"),
        ("x", "100", "--version: is that of V100.0__extra.sql (a free one, such as 100.1.0)"),
    ],
)
def test_a_new_file_that_cannot_be(
    words: str, version: str | None, said: str, folder: Folder
) -> None:
    folder.add("100.0", "SELECT 1")
    with pytest.raises(InvalidInput) as caught:
        write_new(folder.path, words, version)
    assert str(caught.value).startswith(said)
    assert len(list(folder.path.iterdir())) == 1
