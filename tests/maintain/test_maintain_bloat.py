"""The estimate of an index's bloat, beside indexes that were just built."""

from __future__ import annotations

import psycopg
import pytest
from tests.maintain.kit import ALONE, Worn

from vsl.db.statement import statement_text
from vsl.db.statements_care import IndexMeasures, MeasureIndexes
from vsl.ops.maintain.bloat import bloat_of, expected_pages, is_bloated

TABLE = f"""
    CREATE TABLE kinds (
        id bigint, key uuid, word text, flag boolean, amount numeric(18, 8), maybe text, doc jsonb
    ) {ALONE}
"""
ROWS = """
    INSERT INTO kinds
    SELECT i, md5(i::text)::uuid, repeat('w', i % 40) || i, i % 2 = 0, (i % 20)::numeric,
        CASE WHEN i % 3 = 0 THEN md5(i::text) END, jsonb_build_object('n', i % 5)
    FROM generate_series(1, 50000) i
"""
INDEXES = {
    "a_bigint": "(id)",
    "a_unique_uuid": "(key)",
    "a_text": "(word)",
    "a_boolean": "(flag)",
    "few_numbers": "(amount)",
    "with_nulls": "(maybe)",
    "two_columns": "(flag, amount)",
    "an_expression": "(upper(word))",
    "a_part": "(id) WHERE flag",
    "half_full": "(id) WITH (fillfactor = 50)",
    "included": "(id) INCLUDE (key)",
    "never_shared": "(flag) WITH (deduplicate_items = off)",
}


@pytest.fixture
def kinds(worn: Worn) -> dict[str, IndexMeasures]:
    """Indexes of many kinds, just built, as they are measured."""
    worn.run(TABLE)
    worn.run(ROWS)
    for name, definition in INDEXES.items():
        unique = "UNIQUE" if "unique" in name else ""
        columns, _, rest = definition.partition(")")
        worn.run(f"CREATE {unique} INDEX {name} ON kinds USING btree {columns}){rest}")
    worn.run("CREATE INDEX a_gin ON kinds USING gin (doc)")
    worn.run("ANALYZE kinds")
    return measured(worn.connection)


def measured(connection: psycopg.Connection[object]) -> dict[str, IndexMeasures]:
    """The indexes of the table, by name, as the program asks for them."""
    with connection.cursor(row_factory=psycopg.rows.class_row(IndexMeasures)) as cursor:
        query = statement_text(MeasureIndexes).encode()
        found = cursor.execute(query, {"relation": None, "exact": True}).fetchall()
    return {index.name: index for index in found if index.table_name == "kinds"}


def test_the_estimate_fits_what_was_just_built(kinds: dict[str, IndexMeasures]) -> None:
    assert kinds.keys() == {*INDEXES, "a_gin"} | {n for n in kinds if n.startswith("pg_toast")}
    for name in INDEXES:
        expected = expected_pages(kinds[name])
        assert expected is not None, name
        # Too small would be bloat that no rebuild takes away.
        assert 0.9 <= expected / kinds[name].pages <= 1.25, (name, expected, kinds[name].pages)
        assert is_bloated(kinds[name]) is None
    assert expected_pages(kinds["a_gin"]) is None


def test_bloat_is_seen_once_the_table_was_vacuumed(
    worn: Worn,
    kinds: dict[str, IndexMeasures],  # noqa: ARG001 (makes them)
) -> None:
    worn.run("DELETE FROM kinds WHERE id > 5000")
    worn.run("VACUUM ANALYZE kinds")
    found = {name for name, index in measured(worn.connection).items() if is_bloated(index)}
    # The others give back less than a megabyte.
    assert found == {
        "a_text",
        "a_unique_uuid",
        "an_expression",
        "half_full",
        "included",
        "with_nulls",
    }


def test_without_statistics_there_is_no_estimate(worn: Worn) -> None:
    worn.run(f"CREATE TABLE kinds (word text) {ALONE}")
    worn.run("CREATE INDEX word_idx ON kinds (word)")
    worn.run("INSERT INTO kinds SELECT i::text FROM generate_series(1, 100) i")
    (index,) = (i for name, i in measured(worn.connection).items() if name == "word_idx")
    assert (index.width, bloat_of(index)) == (None, None)
