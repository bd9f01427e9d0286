"""VSL's own files, migrations done well, and what statements of one file do to each other."""

from __future__ import annotations

import pytest
from tests.lint.kit import findings_of, rules

from vsl.db.files import migrations, version_key

PACKAGED = {migration.version: migration for migration in migrations()}


@pytest.mark.parametrize("version", PACKAGED)
def test_our_own_migrations_are_kind_to_a_running_system(version: str) -> None:
    found = findings_of(PACKAGED[version].text, own=True, version=14)
    assert rules(found, "error", "warning") == set()


def test_the_first_two_pass_because_all_their_tables_are_new() -> None:
    """1.0.0 and 1.1.0 run on an empty database: what would block anywhere else blocks nobody."""
    for version in ("1.0.0", "1.1.0"):
        assert version_key(version) < version_key("1.2.0")
        assert findings_of(PACKAGED[version].text, own=True) == []
    # The same statements on tables that are there already would not pass.
    text = PACKAGED["1.0.0"].text
    indexes = text[text.index("CREATE INDEX jobs_user_id_idx") :].split("\n\n")[0]
    assert "require-concurrent-index-creation" in rules(findings_of(indexes, own=True), "error")


def test_our_own_files_may_change_what_vsl_relies_on_and_others_may_not() -> None:
    text = "SET LOCAL lock_timeout = '1s'; ALTER TABLE vsl.dispatch ADD COLUMN x text"
    assert findings_of(text, own=True) == []
    assert rules(findings_of(text)) == {"vsl-own"}


CAREFUL = [
    """SET LOCAL lock_timeout = '1s';
    ALTER TABLE albums
        ADD COLUMN cover text,
        ADD COLUMN plays bigint NOT NULL DEFAULT 0,
        ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
        ADD CONSTRAINT albums_plays_positive CHECK (plays >= 0) NOT VALID;
    COMMENT ON COLUMN albums.cover IS 'An address.';
    """,
    "SET LOCAL lock_timeout = '1s'; ALTER TABLE albums VALIDATE CONSTRAINT albums_plays_positive",
    """SET statement_timeout = 0;
    CREATE INDEX CONCURRENTLY albums_cover_idx ON albums (cover) WHERE cover IS NOT NULL;
    INSERT INTO schema_migrations (version, description) VALUES ('101.2', 'Index covers')""",
    """CREATE TABLE songs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        album text NOT NULL,
        title text NOT NULL CHECK (title <> ''),
        facts jsonb NOT NULL DEFAULT '{}'
    );
    CREATE INDEX songs_album_idx ON songs (album);
    CREATE TRIGGER songs_touch BEFORE UPDATE ON songs FOR EACH ROW EXECUTE FUNCTION touch();
    INSERT INTO songs (album, title) SELECT name, 'first' FROM albums;
    GRANT SELECT ON songs TO vsl_reader;
    INSERT INTO schema_migrations VALUES ('101.3', 'Songs');""",
    """CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE counters SET n = n + 1;
        DELETE FROM old_ones;
        RETURN NEW;
    END $$""",
    "UPDATE albums SET plays = 0 WHERE plays < 0",
]


@pytest.mark.parametrize("text", CAREFUL)
def test_a_careful_migration_passes(text: str) -> None:
    assert findings_of(text) == []


def test_a_finding_says_where_what_and_how_else() -> None:
    (found,) = findings_of(
        "-- é\nSET lock_timeout = '1s';\n\nCREATE INDEX i\n  ON s.albums (a);\nSELECT 1;"
    )
    assert (found.line, found.level, found.rule) == (
        4,
        "error",
        "require-concurrent-index-creation",
    )
    assert (found.file, found.table) == ("V9__made_up.sql", "s.albums")
    assert found.breaks == "lets nobody write to s.albums until the index is built"
    assert "CONCURRENTLY" in found.instead
    assert (found.rows, found.bytes) == (None, None)


def test_lines_are_right_with_any_line_end_and_mark() -> None:
    for text in ("\ufeffSELECT 1;\r\n\r\nTRUNCATE t", "SELECT 'ä';\n-- ü\nTRUNCATE t"):
        assert {one.line for one in findings_of(text)} == {3}


def test_two_statements_on_a_line_are_told_apart() -> None:
    found = findings_of("CREATE TABLE n (a uuid PRIMARY KEY); ALTER TABLE t DROP COLUMN é, DROP b;")
    dropped = [one for one in found if one.rule == "ban-drop-column"]
    assert [one.table for one in dropped] == ["t"]
    assert "ban-drop-column" not in rules(
        findings_of("SELECT 1; CREATE TABLE n (a uuid PRIMARY KEY); ALTER TABLE n DROP COLUMN a;")
    )


def test_each_table_beyond_the_first_is_named() -> None:
    text = "ALTER TABLE a ADD x text; ALTER TABLE b ADD x text; DROP TRIGGER t ON c"
    found = [one for one in findings_of(text) if one.rule == "many-locks"]
    assert [one.table for one in found] == ["b", "c"]


def test_statements_sent_one_by_one_hold_nothing_together() -> None:
    text = "VACUUM FULL a;\nVACUUM FULL b;\nREINDEX TABLE CONCURRENTLY c;"
    found = rules(findings_of(text))
    assert found == {"vacuum-full", "no-lock-timeout"}


def test_a_file_that_no_runner_would_take_is_still_judged() -> None:
    text = "BEGIN;\nDROP TABLE t;\nVACUUM t;\nCOMMIT;"
    found = findings_of(text)
    control = [one.line for one in found if one.rule == "transaction-control"]
    assert control == [1, 4]
    assert "ban-drop-table" in rules(found, "error")


def test_versions_of_postgresql_are_told_to_squawk() -> None:
    text = "ALTER TABLE t ADD COLUMN a uuid DEFAULT uuidv7()"
    for version in (14, 18):
        assert "adding-field-with-default" in rules(findings_of(text, version=version))
