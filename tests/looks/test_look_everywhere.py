"""The looks on every PostgreSQL that VSL supports, with vsl_monitor alone and through a pooler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Connect, NewDatabase
from tests.engine.statement_check import mismatches
from tests.looks.conftest import Look
from tests.support.pgbouncer import RunningPgBouncer
from tests.support.servers import TestServer

from vsl.db import statements_looks
from vsl.db.statement import statement_text

LOOKS = ("sizes", "indexes", "connections", "bloat", "locks")
KINDS = [
    kind
    for kind in vars(statements_looks).values()
    if getattr(kind, "__module__", None) == statements_looks.__name__
    and hasattr(kind, "__orig_bases__")
]


def test_every_look_works(
    any_server: TestServer,
    new_database: NewDatabase,
    template_sql: Path,
    connect: Connect,
    look: Look,
) -> None:
    database = new_database(any_server, schema=template_sql)
    connection = connect(database)
    assert len(KINDS) > 15
    found = {kind.__name__: mismatches(connection, kind, statement_text(kind)) for kind in KINDS}
    assert {name: problems for name, problems in found.items() if problems} == {}
    for name in LOOKS:
        done = look(database, name)
        assert (done.status, done.err) == (0, ""), name
        assert done.out.strip()
    assert look(database, "audit").status == 0
    assert "log_min_duration_statement" in look(database, "slow").out


@pytest.mark.parametrize("server", [15], indirect=True)
def test_looks_go_through_a_pooler(pgbouncer: RunningPgBouncer, on: Callable[[str], Any]) -> None:
    program = on(pgbouncer.url())
    for name in LOOKS:
        done = program("db", name)
        assert (done.status, done.err) == (0, ""), name
