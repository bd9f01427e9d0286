"""Old rows and prepared transactions, on servers whose autovacuum does not come in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect, NewDatabase
from tests.maintain.kit import Worn
from tests.support.servers import ServerPool, TestServer

from vsl.errors import ServerError

#: So many transactions make a row old where autovacuum_freeze_max_age is at its least.
SPEND = """
    DO $$ BEGIN
        FOR i IN 1..115000 LOOP
            BEGIN
                INSERT INTO spent VALUES (i);
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        END LOOP;
    END $$
"""


@pytest.fixture(scope="module", params=[15, 18], ids=lambda major: f"pg{major}")
def quiet_server(servers: ServerPool, request: pytest.FixtureRequest) -> TestServer:
    return servers.fresh(request.param, autovacuum_naptime="1d", max_prepared_transactions="2")


@pytest.fixture
def database(quiet_server: TestServer, new_database: NewDatabase, template_sql: Path) -> str:
    return new_database(quiet_server, schema=template_sql)


def test_old_rows_are_frozen(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 100)
    worn.run("ALTER TABLE worn SET (autovacuum_freeze_max_age = 100000)")
    assert maintain.json("db", "maintain", "--dry-run")["plan"] == []
    worn.run("CREATE UNLOGGED TABLE spent (i integer) WITH (autovacuum_enabled = false)")
    worn.run(SPEND)
    worn.run("DROP TABLE spent")
    (outcome,) = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert outcome["command"] == "VACUUM (FREEZE, ANALYZE) public.worn"
    assert "115 % of where autovacuum is forced" in outcome["reasons"][0]
    assert outcome["result"] == "done"
    assert worn.value("SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'worn'") < 1000


def test_a_prepared_transaction_is_named_with_its_cure(
    worn: Worn, maintain: Vsl, database: str, connect: Connect
) -> None:
    worn.table("worn", 2_000)
    forgotten = connect(database, autocommit=False)
    forgotten.execute("CREATE TABLE later (i integer)")
    forgotten.execute("PREPARE TRANSACTION 'forgotten one'")
    worn.run("VACUUM worn")
    worn.kill("worn", 1_500)
    done = maintain("db", "maintain", "--yes")
    assert done.status == 1
    assert "prepared transaction forgotten one (user vsl, for " in done.out
    assert "ROLLBACK PREPARED 'forgotten one';" in done.out
    worn.run("ROLLBACK PREPARED 'forgotten one'")
    assert maintain("db", "maintain", "--yes").status == 0
    assert worn.dead("worn") == 0


def test_a_standby_has_nothing_to_do(
    fresh_server: Callable[[int], TestServer], on: Callable[[str], Vsl]
) -> None:
    server = fresh_server(18)
    server.embedded.stop()
    data = server.embedded.home.data
    signal = data / "standby.signal"
    signal.touch()
    os.chown(signal, data.stat().st_uid, data.stat().st_gid)
    with suppress(ServerError):  # which means that it takes no writes, and is true
        server.embedded.start()
    done = on(server.url("postgres"))("db", "maintain", "--yes")
    assert done.status == 1
    assert "this server is a standby" in done.err
