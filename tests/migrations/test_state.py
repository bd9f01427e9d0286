"""What is to be done, and what is refused: from rows and files alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vsl.db.files import Migration, SqlFile
from vsl.db.migration.folder import Files
from vsl.db.migration.state import Allowed, SchemaState, compare, refuse
from vsl.db.statements_schema import LedgerRow
from vsl.errors import (
    MigrationDuplicate,
    MigrationEdited,
    MigrationMissing,
    MigrationOutOfOrder,
    MigrationRefused,
    SchemaNewer,
)

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def migration(version: str, text: str = "SELECT 1", origin: str = "user") -> Migration:
    return Migration(version, "Extra", Path(f"V{version}__extra.sql"), text, origin)


def row(of: Migration, **changed: Any) -> LedgerRow:
    facts = {"origin": of.origin, "sha256": of.sha256, "meaning": of.meaning, **changed}
    return LedgerRow(changed.pop("version", of.version), "Extra", TIME, **_without(facts))


def _without(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "version"}


ONE, TWO = migration("1.0.0", origin="vsl"), migration("1.1.0", "SELECT 2", "vsl")
MINE, MORE = migration("100"), migration("101", "SELECT 2")
PACKAGED = (ONE, TWO)
ALL = (row(ONE), row(TWO), row(MINE), row(MORE))


def state(
    rows: tuple[LedgerRow, ...], *own: Migration, whole: bool = True, changed: str = ""
) -> SchemaState:
    files = [SqlFile(changed, "")] if changed else []
    return compare(rows, Files(PACKAGED, own), files, whole=whole)


def refused(found: SchemaState, **allowed: bool) -> type[MigrationRefused] | None:
    try:
        refuse(found, Allowed(**allowed))
    except MigrationRefused as error:
        return type(error) if error.hint else None
    return None


def test_nothing_there() -> None:
    found = state((), MINE, MORE)
    assert [m.version for m in found.pending] == ["1.0.0", "1.1.0", "100", "101"]
    assert (found.versions, found.current, found.sound, refused(found)) == ((), False, True, None)


def test_everything_there() -> None:
    found = state(ALL, MINE, MORE)
    assert (found.current, found.sound, found.to_write_down) == (True, True, False)
    assert found.versions == ("1.0.0", "1.1.0", "100", "101")
    assert not state(ALL, MINE, MORE, changed="roles.sql").current


def test_packaged_files_come_first() -> None:
    low = migration("0.5")
    found = state((), low)
    assert [m.version for m in found.pending] == ["1.0.0", "1.1.0", "0.5"]
    # As in a new installation, where schema.sql brings all packaged ones before.
    assert refused(state((row(ONE), row(TWO)), low)) is None


def test_zeros_do_not_count() -> None:
    rows = (row(ONE, version="1"), row(TWO, version="1.1"), row(MINE, version="100.0"))
    assert state(rows, MINE).current


def test_what_the_user_did_is_nobody_elses_business() -> None:
    found = state(ALL, whole=False)
    assert (found.current, found.sound) == (True, True)
    assert (found.unknown, found.missing) == ((), ())


@pytest.mark.parametrize("version", ["7.0", "1.0.1", "not a version"])
@pytest.mark.parametrize("origin", ["vsl", None])
def test_a_version_that_nobody_knows(version: str, origin: str | None) -> None:
    strange = LedgerRow(version, None, TIME, origin=origin)
    for whole in (True, False):
        found = state((*ALL[:2], strange), whole=whole)
        assert (found.unknown, found.current) == ((version,), False)
        assert refused(found, missing=True, out_of_order=True) is SchemaNewer


def test_an_old_ledger_knows_the_user_by_his_files() -> None:
    bare = tuple(LedgerRow(v, None, TIME) for v in ("1.0.0", "1.1.0", "100"))
    found = state(bare, MINE)
    assert (found.current, found.unknown) == (True, ())
    assert [known.migration for known in found.undescribed] == [ONE, TWO, MINE]
    assert state(bare).unknown == ("100",)


def test_an_edited_file() -> None:
    new = migration("100", "SELECT 'other'")
    found = state(ALL, new, MORE)
    assert [known.row.version for known in found.edited] == ["100"]
    assert (found.current, found.sound) == (True, False)
    assert refused(found, missing=True, out_of_order=True) is MigrationEdited


def test_a_packaged_file_that_was_edited_is_refused_too() -> None:
    rows = (row(ONE, sha256="x", meaning="y"), ALL[1])
    assert refused(state(rows)) is MigrationEdited


@pytest.mark.parametrize("text", ["-- said\nSELECT 1;\n", "select   1", "SELECT /* */ 1 ;;"])
def test_a_cosmetic_edit(text: str) -> None:
    found = state(ALL, migration("100", text), MORE)
    assert (found.edited, found.sound, found.to_write_down) == ((), True, True)
    assert [known.row.version for known in found.retouched] == ["100"]


def test_a_missing_file() -> None:
    found = state(ALL, MORE)
    assert (found.missing, refused(found)) == (("100",), MigrationMissing)
    assert refused(found, missing=True) is None


@pytest.mark.parametrize("state_of_row", ["running", "failed"])
def test_what_was_begun_does_not_count_as_applied(state_of_row: str) -> None:
    rows = (*ALL[:2], row(MINE, state=state_of_row, statements_done=1))
    found = state(rows, MINE)
    assert found.pending == (MINE,)
    assert found.versions == ("1.0.0", "1.1.0")
    assert [r.version for r in found.unfinished] == ["100"]
    assert refused(found) is None
    assert found.begun(MINE) == rows[2]
    assert refused(state(rows)) is MigrationMissing


def test_out_of_order_is_judged_within_each_origin() -> None:
    late = migration("100.5")
    found = state(ALL, MINE, MORE, late)
    assert (found.misplaced, refused(found)) == ((late,), MigrationOutOfOrder)
    assert refused(found, out_of_order=True) is None
    # VSL's own new version is not out of order beside the user's higher ones.
    assert refused(state((row(ONE), row(MINE)), MINE)) is None
    assert refused(state((row(TWO),))) is MigrationOutOfOrder


def test_one_that_was_begun_is_not_out_of_order() -> None:
    rows = (*ALL[:2], row(MINE, state="failed"), row(MORE))
    assert refused(state(rows, MINE, MORE)) is None


def test_a_taken_version() -> None:
    files = Files(PACKAGED, (), (migration("1.1", "CREATE TABLE mine (n int)"),))
    found = compare(ALL[:2], files, [], whole=True)
    with pytest.raises(MigrationDuplicate) as caught:
        refuse(found, Allowed(missing=True, out_of_order=True))
    assert "V1.1__extra.sql" in str(caught.value)
    assert "such as 100.0.0" in (caught.value.hint or "")


def test_a_version_of_the_users_that_vsl_has_taken_since() -> None:
    applied = migration("1.1.0", "CREATE TABLE mine (n int)")
    rows = (row(ONE), row(applied))
    # Without the folder VSL's own is pending, with the renamed file it is told what was renamed.
    assert [m.version for m in state(rows, whole=False).pending] == ["1.1.0"]
    assert refused(state(rows)) is MigrationMissing
    renamed = migration("100", "CREATE TABLE mine (n int)")
    found = state(rows, renamed)
    assert [(k.row.version, k.migration.version) for k in found.renumbered] == [("1.1.0", "100")]
    assert found.pending == (TWO,)
    assert (found.missing, refused(found)) == ((), None)


def test_a_renumbered_file_may_name_its_own_version() -> None:
    text = "SELECT 1; INSERT INTO schema_migrations (version) VALUES ('{}')"
    old, new = migration("5.0", text.format("5.0")), migration("100", text.format("100"))
    found = state((*ALL[:2], row(old)), new)
    assert [known.migration for known in found.renumbered] == [new]
    assert found.pending == ()
    other = migration("100", text.format("100") + "; SELECT 2")
    assert refused(state((*ALL[:2], row(old)), other)) is MigrationMissing


def test_a_second_file_of_the_same_text_is_no_renumbering() -> None:
    found = state(ALL[:3], MINE, migration("102"))
    assert (found.renumbered, [m.version for m in found.pending]) == ((), ["102"])
