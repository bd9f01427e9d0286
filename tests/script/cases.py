"""Statements with what a server says of them inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass

SETUP = """
CREATE TABLE t (a int PRIMARY KEY, b int, c text);
CREATE INDEX i ON t (b);
CREATE INDEX spare ON t (c);
CREATE TABLE p (a int) PARTITION BY RANGE (a);
CREATE INDEX p_i ON p (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE MATERIALIZED VIEW m AS SELECT a FROM t;
CREATE UNIQUE INDEX m_i ON m (a);
CREATE TYPE mood AS ENUM ('calm');
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
CREATE PROCEDURE quiet() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
"""

_SUBSCRIBE = "CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION q"
_SLEEPING = f"{_SUBSCRIBE} WITH (connect = false, slot_name = 'nowhere')"
_AWAKE = f"{_SLEEPING}; ALTER SUBSCRIPTION s ENABLE"


@dataclass(frozen=True)
class Case:
    """A statement. first: what runs before it in the same transaction. name: what VSL calls it.

    ``{database}`` in a text stands for the database's name. since: the first version that has it.
    """

    text: str
    name: str | None = None
    first: str = "SELECT 1"
    since: int = 14


REFUSED = [
    Case("CREATE INDEX CONCURRENTLY n ON t (b)", "CREATE INDEX CONCURRENTLY"),
    Case("CREATE UNIQUE INDEX CONCURRENTLY n ON t (b)", "CREATE INDEX CONCURRENTLY"),
    Case("create index concurrently if not exists i on t (b)", "CREATE INDEX CONCURRENTLY"),
    Case("CREATE INDEX CONCURRENTLY ON t (b)", "CREATE INDEX CONCURRENTLY"),
    Case("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY"),
    Case("DROP INDEX CONCURRENTLY IF EXISTS public.i", "DROP INDEX CONCURRENTLY"),
    Case("REINDEX INDEX CONCURRENTLY i", "REINDEX CONCURRENTLY"),
    Case("REINDEX TABLE CONCURRENTLY t", "REINDEX CONCURRENTLY"),
    Case("REINDEX (CONCURRENTLY) TABLE t", "REINDEX CONCURRENTLY"),
    Case("REINDEX (VERBOSE, CONCURRENTLY) INDEX i", "REINDEX CONCURRENTLY"),
    Case("REINDEX (CONCURRENTLY on, VERBOSE off) INDEX i", "REINDEX CONCURRENTLY"),
    Case('REINDEX ("concurrently" 1) INDEX i', "REINDEX CONCURRENTLY"),
    Case("REINDEX (CONCURRENTLY false) TABLE CONCURRENTLY t", "REINDEX CONCURRENTLY"),
    Case("REINDEX SCHEMA public", "REINDEX SCHEMA"),
    Case("REINDEX (VERBOSE) DATABASE {database}", "REINDEX DATABASE"),
    Case("REINDEX SYSTEM {database}", "REINDEX SYSTEM"),
    Case("VACUUM", "VACUUM"),
    Case("VACUUM t", "VACUUM"),
    Case("VACUUM (ANALYZE) t", "VACUUM"),
    Case("VACUUM FULL t", "VACUUM"),
    Case("CLUSTER", "CLUSTER"),
    Case("CLUSTER VERBOSE", "CLUSTER"),
    Case("CLUSTER (VERBOSE)", "CLUSTER", since=17),
    Case(
        "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
        "ALTER TABLE DETACH PARTITION CONCURRENTLY",
    ),
    Case("CREATE DATABASE another_one", "CREATE DATABASE"),
    Case("DROP DATABASE another_one", "DROP DATABASE"),
    Case("DROP DATABASE IF EXISTS another_one (FORCE)", "DROP DATABASE"),
    Case("CREATE TABLESPACE elsewhere LOCATION '/nowhere'", "CREATE TABLESPACE"),
    Case("DROP TABLESPACE elsewhere", "DROP TABLESPACE"),
    Case(
        "ALTER DATABASE {database} SET TABLESPACE pg_default",
        "ALTER DATABASE SET TABLESPACE",
    ),
    Case("ALTER SYSTEM SET work_mem = '5MB'", "ALTER SYSTEM"),
    Case("ALTER SYSTEM RESET work_mem", "ALTER SYSTEM"),
    Case(_SUBSCRIBE, "CREATE SUBSCRIPTION"),
    Case(f"{_SUBSCRIBE} WITH (enabled = false)", "CREATE SUBSCRIPTION"),
    Case("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION", _SLEEPING),
    Case(
        "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
        "ALTER SUBSCRIPTION REFRESH PUBLICATION",
        _AWAKE,
    ),
    Case("ALTER SUBSCRIPTION s SET PUBLICATION r", "ALTER SUBSCRIPTION SET PUBLICATION", _AWAKE),
    Case("ALTER SUBSCRIPTION s ADD PUBLICATION r", "ALTER SUBSCRIPTION ADD PUBLICATION", _AWAKE),
    Case("DISCARD ALL", "DISCARD ALL"),
    Case("CALL commits()", "CALL"),
    Case("DO $$ BEGIN COMMIT; END $$", "DO with COMMIT"),
    Case(
        "DO LANGUAGE plpgsql $x$ BEGIN IF true THEN ROLLBACK; END IF; END $x$",
        "DO with COMMIT",
    ),
]

ALLOWED = [
    Case("CREATE INDEX n ON t (b)"),
    Case('CREATE INDEX "concurrently" ON t (b)'),
    Case("DROP INDEX i"),
    Case("REINDEX TABLE t"),
    Case("REINDEX INDEX i"),
    Case("REINDEX (CONCURRENTLY off) TABLE t"),
    Case("REINDEX (CONCURRENTLY, CONCURRENTLY 'false') TABLE t"),
    Case("REFRESH MATERIALIZED VIEW CONCURRENTLY m"),
    Case("ANALYZE"),
    Case("ANALYZE t"),
    Case("CLUSTER t USING i"),
    Case("CLUSTER VERBOSE t USING i"),
    Case('CLUSTER "verbose" USING v', first='CREATE TABLE "verbose" (a int CONSTRAINT v UNIQUE)'),
    Case("ALTER TYPE mood ADD VALUE 'merry'"),
    Case("ALTER TABLE p DETACH PARTITION p1"),
    Case("ALTER DATABASE {database} SET work_mem = '4MB'"),
    Case(_SLEEPING),
    Case(f"{_SUBSCRIBE} WITH (connect = false, create_slot = off, slot_name = NONE)"),
    Case("ALTER SUBSCRIPTION s SET PUBLICATION r WITH (refresh = false)", first=_AWAKE),
    Case("ALTER SUBSCRIPTION s SET (synchronous_commit = off)", first=_SLEEPING),
    Case("DISCARD PLANS"),
    Case("DISCARD SEQUENCES"),
    Case("DISCARD TEMP"),
    Case("DO $$ BEGIN CREATE TEMP TABLE x (a int) ON COMMIT DROP; END $$"),
    Case("DO $$ BEGIN PERFORM 'COMMIT;'; END $$"),
    Case("TRUNCATE t"),
    Case("CREATE PUBLICATION q FOR ALL TABLES"),
    Case("SELECT 1 AS vacuum"),
]

#: What a text cannot tell: (statement, what VSL calls it, whether the server refuses it, since).
DEPENDS = [
    ("REINDEX TABLE p", None, True, 14),
    ("REINDEX INDEX p_i", None, True, 14),
    ("CLUSTER p USING p_i", None, True, 15),
    ("CALL quiet()", "CALL", False, 14),
]
