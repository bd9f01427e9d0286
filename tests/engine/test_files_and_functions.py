"""The files of database/ against the catalogue: nothing twice, nothing missing, nothing stale."""

from __future__ import annotations

import re
from collections import Counter

from tests.engine.kit import Engine

from vsl.db.files import database_dir, manifest
from vsl.db.schema import render

FOLDERS = ("tables", "functions", "views")


def test_every_file_of_the_current_state_is_in_the_manifest_once() -> None:
    root = database_dir()
    files = {
        path.relative_to(root).as_posix() for name in FOLDERS for path in (root / name).iterdir()
    }
    listed = Counter(file.path for file in manifest())
    assert files | {"registry.sql", "roles.sql"} == set(listed)
    assert set(listed.values()) == {1}


def test_each_file_begins_with_a_comment() -> None:
    assert [file.path for file in manifest() if not file.text.startswith("-- ")] == []


def test_schema_sql_is_what_the_files_make() -> None:
    text = (database_dir() / "schema.sql").read_text(encoding="utf-8")
    assert text == render(), "run `make schema`"


def test_no_function_has_two_forms(engine: Engine) -> None:
    rows = engine.all(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace"
        " GROUP BY proname HAVING count(*) > 1"
    )
    assert rows == []


def test_an_overload_would_be_found(own_engine: Engine) -> None:
    own_engine.connection.execute(
        "CREATE FUNCTION vsl.next_due(text) RETURNS integer LANGUAGE sql RETURN 1"
    )
    rows = own_engine.all(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace"
        " GROUP BY proname HAVING count(*) > 1"
    )
    assert rows == [{"proname": "next_due"}]


def test_every_function_has_the_file_of_its_name(engine: Engine) -> None:
    rows = engine.all("SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace")
    files = {path.stem for path in (database_dir() / "functions").glob("*.sql")}
    assert {row["proname"] for row in rows} == files


def test_each_file_of_functions_makes_one_function() -> None:
    for path in (database_dir() / "functions").glob("*.sql"):
        made = re.findall(r"^CREATE OR REPLACE FUNCTION vsl\.(\w+)", path.read_text(), re.MULTILINE)
        assert made == [path.stem], path.name


def test_every_function_says_what_it_is_for(engine: Engine) -> None:
    rows = engine.all(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace"
        " AND obj_description(oid, 'pg_proc') IS NULL"
    )
    assert rows == []


def test_functions_with_their_owners_rights_fix_their_search_path(engine: Engine) -> None:
    rows = engine.all(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace AND prosecdef"
        " AND NOT EXISTS (SELECT FROM unnest(proconfig) AS c (setting)"
        " WHERE c.setting LIKE 'search_path=pg_catalog,%%pg_temp')"
    )
    assert rows == []


def test_every_view_has_the_file_of_its_name(engine: Engine) -> None:
    rows = engine.all("SELECT viewname FROM pg_views WHERE schemaname IN ('public', 'vsl')")
    files = {path.stem for path in (database_dir() / "views").glob("*.sql")}
    assert {row["viewname"] for row in rows} == files
