"""The command: which files it takes, what it says, and its status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.program import Done, Vsl
from tests.lint.kit import findings_of

from vsl.db.files import database_dir
from vsl.errors import NotAllowed
from vsl.ops.lint import find_squawk
from vsl.ops.lint.squawk import run_squawk

BAD = "TRUNCATE my_table;\n"
GOOD = "CREATE TABLE my_table (id uuid PRIMARY KEY);\n"
NOTED = "SET LOCAL lock_timeout = '1s'; ALTER TYPE mood ADD VALUE 'merry';\n"
on_18 = pytest.mark.parametrize("server", [18], indirect=True)


@pytest.fixture
def write(vsl: Vsl) -> Callable[[str, str | bytes], str]:
    """Writes a file into the program's home; its name."""

    def file(name: str, content: str | bytes) -> str:
        path = vsl.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return file


Write = Callable[[str, str | bytes], str]


def linted(vsl: Vsl, *arguments: str) -> Done:
    return vsl("db", "lint", *arguments)


def test_a_finding_is_printed_with_its_place_and_the_status_is_1(vsl: Vsl, write: Write) -> None:
    name = write("V1__x.sql", f"SELECT 1;\n{BAD}")
    done = linted(vsl, name, "--offline")
    assert done.status == 1
    lines = done.out.splitlines()
    assert lines[0] == f"{name}:2  error truncate"
    assert lines[1] == "    empties my_table at once, and nobody can read it meanwhile"
    assert lines[2].startswith("    instead: DELETE in batches")
    assert lines[-2] == "1 file, for PostgreSQL 14: 1 error, 0 warnings, 1 note."
    assert "not asked (--offline)" in lines[-1]


def test_notes_alone_leave_the_status_at_0(vsl: Vsl, write: Write) -> None:
    done = linted(vsl, write("x.sql", NOTED), "--offline")
    assert (done.status, done.out.splitlines()[-2][-8:]) == (0, " 1 note.")
    assert linted(vsl, write("y.sql", GOOD), "--offline").status == 0


def test_json_holds_every_finding_and_why_sizes_are_not_known(vsl: Vsl, write: Write) -> None:
    names = [write("a.sql", BAD), write("b.sql", GOOD)]
    done = linted(vsl, *names, "--json", "--pg-version", "17")
    assert done.status == 1
    document = done.document
    assert document["files"] == names
    assert (document["errors"], document["warnings"], document["notes"]) == (1, 0, 1)
    assert document["pg_version"] == 17
    assert document["sizes"] == {
        "known": False,
        "because": "the embedded database is not running",
    }
    first = document["findings"][0]
    assert (first["file"], first["line"], first["rule"]) == (names[0], 1, "truncate")
    assert set(first) == {
        "file", "line", "rule", "level", "breaks", "instead", "table", "rows", "bytes"
    }  # fmt: skip


def test_a_database_that_is_not_there_is_no_error(vsl: Vsl, write: Write) -> None:
    nowhere = vsl.with_variables(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    done = linted(nowhere, write("x.sql", GOOD), "--json")
    assert done.status == 0
    assert done.document["sizes"]["known"] is False
    assert "nobody@" not in done.out + done.err


@on_18
def test_sizes_come_from_the_database_with_the_monitors_rights(
    on: Callable[[str], Vsl], database: str, role_url: Callable[[str, str], str], write: Write
) -> None:
    vsl = on(role_url(database, "vsl_monitor"))
    name = write("x.sql", "CREATE INDEX mine ON model_configurations (tags);\n")
    document = linted(vsl, name, "--json").document
    assert document["sizes"] == {"known": True, "because": None}
    assert document["pg_version"] == 18


@on_18
def test_without_files_the_pending_ones_are_judged(
    on: Callable[[str], Vsl], database: str, role_url: Callable[[str, str], str], write: Write
) -> None:
    vsl = on(role_url(database, "vsl_monitor"))
    none = linted(vsl)
    assert (none.status, none.out) == (
        0,
        "No migration of yours is pending. Name files, or give --packaged.\n",
    )
    pending = write("migrations/V101__mine.sql", BAD)
    # The seed's example, which every installation has.
    write(
        "migrations/V1.1.0__add_user_preferences.sql",
        (database_dir() / "migrations" / "V1.1.0__add_user_preferences.sql").read_bytes(),
    )
    done = linted(vsl, "--json")
    assert done.status == 1, done.err
    assert done.document["files"] == [pending]
    # Without a database all that are not packaged are.
    assert pending in linted(vsl, "--offline", "--json").document["files"]


def test_the_packaged_ones_pass_by_option_by_folder_and_by_name(vsl: Vsl) -> None:
    folder = database_dir() / "migrations"
    for arguments in (["--packaged"], [str(folder)], [str(folder / "V1.2.0__add_operations.sql")]):
        done = linted(vsl, *arguments, "--offline", "--json")
        assert done.status == 0, done.out
        assert len(done.document["files"]) >= 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", GOOD, "is not a .sql file"),
        ("x.sql", b"SELECT '\0'", "holds a NUL byte"),
        ("x.sql", b"\x7fELF\xff\xfe", "is not UTF-8 (byte 5)"),
        ("x.sql", "", "is empty"),
        ("x.sql", " \n\t", "is empty"),
        ("x.sql", "-- nothing\n/* at all */;;", "holds no statement"),
        ("x.sql", "SELECT 1;\n\\i y.sql", "x.sql:2: \\i is a command of psql"),
        ("x.sql", "SELECT 1;\nSELECT 'abc", "x.sql:2: a string begins here"),
        ("x.sql", "COPY t FROM STDIN;\n1\n\\.\n", "x.sql:1: COPY from or to the client"),
    ],
)
def test_a_file_that_is_no_migration_is_refused(
    vsl: Vsl, write: Write, name: str, content: str | bytes, words: str
) -> None:
    good = write("good.sql", GOOD)
    done = linted(vsl, good, write(name, content), "--offline")
    assert (done.status, done.out) == (2, "")
    assert words in done.err


def test_all_that_is_wrong_with_the_files_is_said_at_once(vsl: Vsl, write: Write) -> None:
    (vsl.home / "empty").mkdir()
    names = [str(vsl.home / "nowhere.sql"), write("x.sql", ""), str(vsl.home / "empty")]
    done = linted(vsl, *names, "--json")
    assert done.status == 2
    assert [problem["field"] for problem in done.error["problems"]] == names
    reasons = [problem["reason"] for problem in done.error["problems"]]
    assert reasons == [
        "cannot be read: No such file or directory",
        "is empty",
        "holds no .sql file",
    ]


def test_a_file_that_is_too_large_is_refused_without_reading_it(vsl: Vsl) -> None:
    path = vsl.home / "huge.sql"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    done = linted(vsl, str(path), "--offline")
    assert done.status == 2
    assert "is too large (at most 50 MB of SQL)" in done.err


def test_files_and_the_packaged_ones_do_not_go_together(vsl: Vsl, write: Write) -> None:
    done = linted(vsl, write("x.sql", GOOD), "--packaged")
    assert done.status == 2
    assert "--packaged: stands beside files" in done.err


# squawk itself.


def test_without_squawk_the_way_to_get_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAllowed, match="squawk is not installed") as caught:
        find_squawk()
    assert caught.value.hint == "pip install 'vsl[lint]'"


def test_squawk_on_the_path_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = find_squawk()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(real.parent))
    assert find_squawk() == real


@pytest.mark.parametrize(
    "script", ["exit 101", "echo nonsense", "echo '[{}]'", "echo '[1]'", "echo '{\"a\": 1}'", ""]
)
def test_a_squawk_that_answers_otherwise_is_said(tmp_path: Path, script: str) -> None:
    program = tmp_path / "squawk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(NotAllowed, match="did not answer as expected"):
        run_squawk(program, BAD, in_transaction=True, version=15)


def test_squawk_gets_no_environment_and_no_settings_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    program = tmp_path / "squawk"
    program.write_text(f'#!/bin/sh\n/usr/bin/env > {said}\necho "$@" >> {said}\necho "[]"\n')
    program.chmod(0o755)
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret@nowhere/x")
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\n')
    monkeypatch.chdir(tmp_path)
    assert run_squawk(program, BAD, in_transaction=True, version=15) == []
    heard = said.read_text()
    assert "secret" not in heard
    assert f"--config={os.devnull} --pg-version=15 --assume-in-transaction" in heard
    assert "ban-drop-column" in {found.rule for found in findings_of("ALTER TABLE t DROP a")}
