"""Wearing tables out, and looking at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from tests.schema.kit import Session

#: Autovacuum stays away from these, so that the tests alone decide.
ALONE = "WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)"


class Worn(Session):
    """A session that wears tables out. another: makes further connections."""

    def __init__(
        self, connection: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]
    ) -> None:
        super().__init__(connection)
        self.another = another

    def table(self, name: str, rows: int = 0) -> None:
        """A table ``name (id, note)`` with an index on note and so many rows, analyzed."""
        self.run(f"CREATE TABLE {name} (id bigint PRIMARY KEY, note text) {ALONE}")
        self.run(f"CREATE INDEX {name}_note_idx ON {name} (note)")
        if rows:
            filled = f"INSERT INTO {name} SELECT i, md5(i::text)"
            self.run(f"{filled} FROM generate_series(1, %s::integer) i", rows)
        self.settle()
        self.run(f"VACUUM (ANALYZE) {name}")

    def kill(self, name: str, rows: int) -> None:
        """Delete the first rows of a table."""
        self.run(f"DELETE FROM {name} WHERE id <= %s", rows)  # noqa: S608
        self.settle()

    def settle(self) -> None:
        """Have the server count what this session did."""
        self.run("SELECT pg_stat_force_next_flush()" if self.major >= 15 else "SELECT 1")

    @property
    def major(self) -> int:
        return self.connection.info.server_version // 10000

    def dead(self, name: str) -> int:
        """Dead rows of a table, as the server counts them."""
        query = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = %s::regclass"
        return int(self.value(query, name))

    def size(self, name: str) -> int:
        """Bytes of a table or an index."""
        return int(self.value("SELECT pg_relation_size(%s::regclass)", name))

    def invalid(self) -> list[str]:
        """Names of invalid indexes."""
        query = "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid"
        return [row["name"] for row in self.all(query)]
