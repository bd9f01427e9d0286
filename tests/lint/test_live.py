"""What the live database adds: sizes, columns, indexes, seen with the monitor's rights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connect, NewDatabase
from tests.lint.kit import findings_at
from tests.support.servers import TestServer, database_name

from vsl.db.pool import connect as connect_to
from vsl.db.script import split
from vsl.db.statement import Connection
from vsl.ops.lint import Finding

SETUP = """
CREATE TABLE large (
    a int, b varchar(10), c numeric(8, 2), d text, CONSTRAINT k CHECK (a IS NOT NULL)
);
INSERT INTO large SELECT n, 'x', 1, 'y' FROM generate_series(1, 20000) n;
ALTER TABLE large ADD CONSTRAINT later CHECK (d IS NOT NULL) NOT VALID;
CREATE INDEX large_plain ON large (b);
CREATE UNIQUE INDEX large_unique ON large (a);
CREATE TABLE small (a int, b int);
INSERT INTO small SELECT n FROM generate_series(1, 9) n;
CREATE TABLE heavy (a int, b text);
ALTER TABLE heavy ALTER b SET STORAGE EXTERNAL;
INSERT INTO heavy SELECT n, repeat('x', 12000) FROM generate_series(1, 1000) n;
CREATE TABLE parted (a int) PARTITION BY RANGE (a);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (90000) PARTITION BY RANGE (a);
CREATE TABLE parted_3 PARTITION OF parted_2 FOR VALUES FROM (1000) TO (80000);
INSERT INTO parted SELECT n FROM generate_series(1, 15000) n;
CREATE TABLE defaulted (a int) PARTITION BY RANGE (a);
CREATE TABLE defaulted_rest PARTITION OF defaulted DEFAULT;
INSERT INTO defaulted SELECT n FROM generate_series(1, 20000) n;
CREATE TABLE piece (a int);
VACUUM ANALYZE large, small, heavy, parted_1, parted_3, defaulted_rest, piece;
CREATE TABLE uncounted (a int);
INSERT INTO uncounted SELECT n FROM generate_series(1, 10) n
"""


@pytest.fixture(scope="module")
def filled(server: TestServer, template_sql: Path) -> Iterator[str]:
    """A database with tables of all sizes, which no test changes."""
    name = server.create_database(server.template(template_sql))
    url = server.url(name)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in split(SETUP):
            connection.execute(statement.text.encode())
    yield url
    server.drop_database(name)


@pytest.fixture
async def monitor(filled: str, role_url: Callable[[str, str], str]) -> AsyncIterator[Connection]:
    """A connection with the monitor's rights, who may read none of these tables."""
    async with connect_to(role_url(filled, "vsl_monitor")) as connection:
        yield connection


def one(found: list[Finding], rule: str) -> Finding:
    (only,) = [finding for finding in found if finding.rule == rule]
    return only


async def test_a_small_table_makes_what_blocks_a_note(
    monitor: Connection, filled: str, connect: Connect
) -> None:
    rule = "require-concurrent-index-creation"
    # Nobody waits for a lock, whoever holds it.
    holder = connect(filled, autocommit=False)
    holder.execute("LOCK TABLE large, small, parted, uncounted")
    sizes = {}
    for table in ("large", "small", "heavy", "parted", "uncounted", "nowhere", "vsl.dispatch"):
        found = one(await findings_at(monitor, f"CREATE INDEX i ON {table} (a)"), rule)
        assert found.table == table
        sizes[table] = (found.level, found.rows)
        assert (found.bytes is None) == (found.rows is None)
    assert sizes == {
        "large": ("error", 20000),
        "small": ("note", 9),
        "heavy": ("error", 1000),  # few rows, but 12 MB
        "parted": ("error", 15000),
        "uncounted": ("error", None),  # never analysed: nobody knows
        "nowhere": ("error", None),
        "vsl.dispatch": ("error", None),
    }
    holder.rollback()


async def test_a_size_is_no_excuse_for_what_loses_data(monitor: Connection) -> None:
    found = await findings_at(monitor, "DROP TABLE small; TRUNCATE small; DELETE FROM small")
    for rule in ("ban-drop-table", "truncate", "delete-without-where"):
        assert one(found, rule).level == "error"
    assert one(found, "truncate").rows == 9


async def test_of_an_index_the_table_is_named(monitor: Connection) -> None:
    found = await findings_at(monitor, "DROP INDEX large_plain", "DROP INDEX large_unique")
    dropped = [f for f in found if f.rule == "require-concurrent-index-deletion"]
    assert [(f.file[:2], f.table, f.rows) for f in dropped] == [
        ("V1", "large", 20000),
        ("V2", "large", 20000),
    ]
    unique = one(found, "drop-unique-index")
    assert (unique.file[:2], unique.level, unique.table) == ("V2", "warning", "large")


@pytest.mark.parametrize(
    ("action", "is_found"),
    [
        ("ALTER COLUMN b TYPE text", False),
        ("ALTER b SET DATA TYPE varchar(20)", False),
        ("ALTER b TYPE character varying", False),
        ("ALTER d TYPE varchar", False),
        ("ALTER c TYPE numeric(10, 2)", False),
        ("ALTER c TYPE numeric", False),
        ("ALTER c TYPE decimal(8,2), ALTER b TYPE text", False),
        ("ALTER b TYPE varchar(9)", True),
        ('ALTER b TYPE text COLLATE "C"', True),
        ("ALTER b TYPE text USING upper(b)", True),
        ("ALTER c TYPE numeric(10, 3)", True),
        ("ALTER c TYPE numeric(7, 2)", True),
        ("ALTER d TYPE varchar(10)", True),
        ("ALTER a TYPE bigint", True),
        ("ALTER b TYPE text, ALTER a TYPE bigint", True),
        ("ALTER nowhere TYPE text", True),
    ],
)
async def test_a_change_of_type_that_rewrites_nothing_is_no_finding(
    monitor: Connection, filled: str, connect: Connect, action: str, is_found: bool
) -> None:
    text = f"ALTER TABLE large {action}"
    found = [f.rule for f in await findings_at(monitor, text)]
    assert ("changing-column-type" in found) == is_found
    if "nowhere" not in action:
        # What the server does: the file of a table that it rewrites is another one.
        owner = connect(filled, autocommit=False)
        node = "SELECT pg_relation_filenode('large')"
        before = owner.execute(node).fetchone()
        owner.execute(text.encode())
        changed = owner.execute(node).fetchone() != before
        owner.rollback()
        assert changed == is_found or _reads_only(action)


def _reads_only(action: str) -> bool:
    """What does not rewrite, but reads everything or builds indexes: found all the same."""
    return "COLLATE" in action or "(7, 2)" in action


async def test_set_not_null_behind_a_validated_check_is_no_finding(monitor: Connection) -> None:
    text = "ALTER TABLE large ALTER COLUMN {} SET NOT NULL"
    found = {name: await findings_at(monitor, text.format(name)) for name in "abd"}
    rules = {name: {f.rule for f in said} for name, said in found.items()}
    assert "adding-not-nullable-field" not in rules["a"]
    assert "adding-not-nullable-field" in rules["b"]
    assert "adding-not-nullable-field" in rules["d"]  # its check is not validated


async def test_every_version_tells_a_check_against_null(
    any_server: TestServer, new_database: NewDatabase
) -> None:
    url = any_server.url(database_name(new_database(any_server)))
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE t (a int CHECK (a IS NOT NULL), b int CHECK (b IS NULL),"
            ' "C" int CHECK ("C" IS NOT NULL OR "C" > 1), d int CHECK (d > 0))'
        )
        owner.execute("VACUUM ANALYZE t")
    async with connect_to(url) as connection:
        rule = "adding-not-nullable-field"
        texts = [f"ALTER TABLE t ALTER {name} SET NOT NULL" for name in ("a", "b", '"C"', "d")]
        found = [f for f in await findings_at(connection, *texts) if f.rule == rule]
    assert [f.file[:2] for f in found] == ["V2", "V3", "V4"]
    assert {(f.level, f.rows, f.bytes) for f in found} == {("note", 0, 0)}


async def test_attaching_asks_for_a_default_partition(monitor: Connection) -> None:
    text = "ALTER TABLE {} ATTACH PARTITION piece FOR VALUES FROM (-9) TO (-1)"
    without = await findings_at(monitor, text.format("parted"))
    beside = await findings_at(monitor, text.format("defaulted"))
    assert "attach-partition" not in {f.rule for f in without}
    assert one(beside, "attach-partition").level == "warning"


async def test_locks_of_several_tables_are_a_note_when_all_are_small(monitor: Connection) -> None:
    both_small = "ALTER TABLE small ADD c text; ALTER TABLE piece ADD c text"
    assert one(await findings_at(monitor, both_small), "many-locks").level == "note"
    one_large = "ALTER TABLE large ADD e text; ALTER TABLE piece ADD c text"
    assert one(await findings_at(monitor, one_large), "many-locks").level == "warning"
