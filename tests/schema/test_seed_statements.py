"""Every statement of the seed runs as printed; the two that no PostgreSQL can run are corrected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connect, Psql
from tests.schema.kit import MODELS, ROOT, SCHEMA, Session, read_statements
from tests.support.servers import TestServer

SEED = (Path(__file__).parent / "seed.md").read_text()
BLOCKS = re.findall(r"^```sql\n(.*?)^```$", SEED, re.DOTALL | re.MULTILINE)
STATEMENTS = [statement for block in BLOCKS for statement in read_statements(block)]
# Neither pg_stat_user_indexes nor pg_stat_user_tables has a column of this name.
BROKEN = [s for s in STATEMENTS if "tablename" in s and "pg_stat_user_" in s]
MIGRATION = next(block for block in BLOCKS if "migrations/V1.1.0" in block)
NEEDS_EXTENSION = next(s for s in STATEMENTS if "FROM pg_stat_statements" in s)
HANDBOOK = ROOT / "database" / "queries" / "handbook"


@pytest.fixture
def your_db(server: TestServer, connect: Connect) -> Iterator[str]:
    """A database of the name that the seed uses, with VSL and a few jobs of user123."""
    admin = Session(connect(server.url("postgres")))
    admin.run(f"CREATE DATABASE your_db TEMPLATE {server.template(SCHEMA)}")
    url = server.url("your_db")
    session = Session(connect(url))
    session.run(MODELS)
    for user in ("user123", "user123", "somebody"):
        session.add_job(user_id=user, prompt="a heron")
        session.run_job("failed" if user == "somebody" else "completed")
    session.add_job("outside", user_id="user123", status="processing")
    session.connection.close()
    yield url
    server.drop_database("your_db")


def errors(stderr: str) -> list[str]:
    return [line.split("ERROR:  ")[1] for line in stderr.splitlines() if "ERROR:  " in line]


def test_there_is_something_to_run() -> None:
    assert (len(BLOCKS), len(STATEMENTS), len(BROKEN)) == (11, 18, 2)


def test_every_block_runs_as_printed(your_db: str, psql: Psql) -> None:
    met = []
    for block in BLOCKS:
        if block == MIGRATION:
            continue
        done = psql(your_db, stdin=block)
        expected = ['column "tablename" does not exist' for s in BROKEN if s in uncommented(block)]
        if NEEDS_EXTENSION in block:
            expected.append('relation "pg_stat_statements" does not exist')
        assert errors(done.stderr) == expected, block
        met += expected
    assert len(met) == 3


def uncommented(block: str) -> str:
    return ";".join(read_statements(block))


def test_the_samples_find_what_is_there(your_db: str, connect: Connect) -> None:
    session = Session(connect(your_db))
    recent, by_model, stuck, of_user = STATEMENTS[:4]
    assert [row["status"] for row in session.all(recent)] == [
        "processing",
        "completed",
        "completed",
    ]
    assert session.all(by_model) == [
        {
            "model_id": "painter",
            "total_jobs": 2,
            "avg_time_seconds": 2.5,
            "total_cost": session.value("SELECT 0.5::numeric(18, 8)"),
        }
    ]
    assert session.all(stuck) == []
    session.run(
        "UPDATE jobs SET created_at = now() - interval '2 hours' WHERE status = 'processing'"
    )
    assert [row["age_seconds"] // 60 for row in session.all(stuck)] == [120]
    assert [row["total_jobs"] for row in session.all(of_user)] == [3]


def test_the_cleanup_deletes_old_failed_jobs_only(your_db: str, connect: Connect) -> None:
    session = Session(connect(your_db))
    cleanup = next(s for s in STATEMENTS if s.startswith("DELETE FROM jobs"))
    session.run(cleanup)
    assert session.count("jobs") == 4
    session.run("UPDATE jobs SET created_at = now() - interval '31 days'")
    session.run(cleanup)
    assert session.count("jobs") == 3
    assert session.value("SELECT count(*) FROM usage_tracking WHERE job_id IS NULL") == 1


def test_the_example_migration_runs_on_the_first_version(
    empty_database: str, psql: Psql, connect: Connect
) -> None:
    first = ROOT / "database" / "migrations" / "V1.0.0__initial_schema.sql"
    done = psql(empty_database, "--set", "ON_ERROR_STOP=on", "-f", str(first))
    assert done.returncode == 0, done.stderr
    done = psql(empty_database, "--set", "ON_ERROR_STOP=on", stdin=MIGRATION)
    assert done.returncode == 0, done.stderr
    session = Session(connect(empty_database))
    assert session.all("SELECT version, description FROM schema_migrations") == [
        {"version": "1.1.0", "description": "Add user_preferences table"}
    ]
    session.run("INSERT INTO user_preferences (user_id) VALUES ('ada')")
    row = session.one("SELECT * FROM user_preferences")
    assert (row["notification_enabled"], row["preferred_models"]) == (True, [])
    assert row["created_at"] is not None


def test_two_printed_forms_cannot_run_anywhere(any_server: TestServer, connect: Connect) -> None:
    session = Session(connect(any_server.url("postgres")))
    for statement in BROKEN:
        error = session.refused(statement)
        assert isinstance(error, psycopg.errors.UndefinedColumn)
        assert '"tablename"' in str(error)


@pytest.mark.parametrize("path", sorted(HANDBOOK.glob("*.sql")), ids=lambda path: path.stem)
def test_the_handbooks_statements_run(path: Path, your_db: str, psql: Psql) -> None:
    text = path.read_text()
    purpose, second = text.splitlines()[:2]
    assert re.fullmatch(r"-- [A-Z].+[.]", purpose)
    assert not second.startswith("--")
    done = psql(your_db, "-At", "-f", str(path))
    if path.stem == "slow_queries":
        assert errors(done.stderr) == ['relation "pg_stat_statements" does not exist']
    else:
        assert errors(done.stderr) == []


def test_the_corrected_forms_tell_what_the_printed_ones_meant(
    your_db: str, connect: Connect
) -> None:
    session = Session(connect(your_db))
    usage = session.all((HANDBOOK / "index_usage.sql").read_text())
    assert ("jobs", "jobs_user_id_idx") in {(row["tablename"], row["indexname"]) for row in usage}
    assert [row["index_scans"] for row in usage] == sorted(row["index_scans"] for row in usage)
    bloat = session.all((HANDBOOK / "table_bloat.sql").read_text())
    assert {"schemaname", "tablename", "size", "n_dead_tup"} <= bloat[0].keys()
    assert "jobs" in {row["tablename"] for row in bloat}
    session.run(
        "INSERT INTO vsl.ledger_entries"
        " SELECT gen_random_uuid(), 1, false, 'hold', 1, 0, 'x', 'x', 'x'"
    )
    balance = (HANDBOOK / "ledger_balance.sql").read_text()
    assert session.one(balance)["balances"] is False


def test_the_money_balances(your_db: str, connect: Connect) -> None:
    session = Session(connect(your_db))
    session.add_job(prompt="a heron")
    row = session.one((HANDBOOK / "ledger_balance.sql").read_text())
    assert {name: float(value) for name, value in row.items()} == {
        "held": 0.25,
        "held_by_live_jobs": 0.25,
        "charged": 0.5,
        "charged_to_users": 0.5,
        "balances": 1.0,
    }


@pytest.mark.parametrize("major", [15, 18])
def test_slow_queries_with_their_extension(
    major: int, fresh_server: Callable[[int], TestServer], connect: Connect
) -> None:
    server = fresh_server(major)
    session = Session(connect(server.url("postgres")))
    session.run("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    session.connection.close()
    server.embedded.stop()
    server.embedded.start()
    session = Session(connect(server.url("postgres")))
    session.run("CREATE EXTENSION pg_stat_statements")
    session.run("SELECT 'a heron'")
    corrected = (HANDBOOK / "slow_queries.sql").read_text()
    for statement in (NEEDS_EXTENSION, corrected):
        rows = session.all(statement)
        assert rows[0].keys() == {"query", "mean_exec_time", "calls"}
        assert any("CREATE EXTENSION" in row["query"] for row in rows)
