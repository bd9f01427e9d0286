"""vsl.db.faults: what each error of PostgreSQL becomes, and what never comes along."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.kit import Engine

from vsl.db.faults import _field, translate, translated_sync
from vsl.db.files import database_dir
from vsl.db.pool import Database, connect
from vsl.errors import (
    DatabaseError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Problem,
    SchemaVersionError,
    VslError,
)

CANARY = "the canary in the prompt"
SECRET = "hunter2-secret"


def caught(engine: Engine, query: str, *arguments: Any) -> VslError:
    """The VSL error that a statement ends in."""
    with pytest.raises(VslError) as found, translated_sync():
        engine.connection.execute(query.encode(), arguments)
    return found.value


def insert(**columns: Any) -> tuple[str, list[Any]]:
    row = {"user_id": "ada", "model_id": "painter", "prompt": CANARY, **columns}
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    return f"INSERT INTO jobs ({names}) VALUES ({places})", list(row.values())  # noqa: S608


# Each refusal of a submission is about a field.
FIELDS: dict[str, dict[str, Any]] = {
    "user_id": {"user_id": ""},
    "job_id": {"job_id": "a\tb"},
    "model_id": {"model_id": "nobody"},
    "media_type": {"media_type": "video"},
    "status": {"status": "splendid"},
    "prompt": {"prompt": CANARY * 5000},
    "parameters": {"parameters": "[]"},
    "metadata": {"metadata": "7"},
    "estimated_time": {"estimated_time": -1},
    "retry_count": {"retry_count": -1, "status": "failed"},
    "estimated_cost": {"estimated_cost": -1, "status": "failed"},
    "actual_cost": {"actual_cost": -1, "status": "failed"},
    "actual_processing_time": {"actual_processing_time": -1, "status": "failed"},
    "completed_at": {"completed_at": "2026-01-01", "status": "failed"},
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_refused_job_names_its_field(engine: Engine, field: str) -> None:
    query, values = insert(**FIELDS[field])
    error = caught(engine, query, *values)
    assert isinstance(error, InvalidInput)
    (problem,) = error.problems
    assert problem.field == field
    assert CANARY not in f"{error} {error.hint} {error!r}"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [("is_active = false", "switched off"), ("pricing_per_unit = NULL", "no price")],
)
def test_a_model_that_takes_no_jobs_is_about_the_model(
    engine: Engine, change: str, constraint: str
) -> None:
    engine.connection.execute(f"UPDATE model_configurations SET {change}".encode())  # noqa: S608
    query, values = insert()
    error = caught(engine, query, *values)
    assert isinstance(error, InvalidInput)
    assert error.problems[0].field == "model_id"
    assert constraint in error.message
    assert error.hint


def test_a_taken_identifier(engine: Engine) -> None:
    query, values = insert(job_id="mine")
    engine.connection.execute(query.encode(), values)
    error = caught(engine, query, *values)
    assert isinstance(error, InvalidInput)
    assert error.problems == (Problem("job_id", "is taken", "one that is not in use"),)


def test_what_is_kept_by_vsl(engine: Engine) -> None:
    job = engine.submit()
    error = caught(engine, "UPDATE jobs SET status = 'cancelled' WHERE id = %s", job.id)
    assert isinstance(error, NotAllowed)
    assert error.hint == f"Call SELECT vsl.cancel_job('{job.job_id}')."


def test_a_move_that_is_refused(engine: Engine) -> None:
    job = engine.submit()
    error = caught(engine, "SELECT vsl.retry_job(%s)", job.job_id)
    assert isinstance(error, NotAllowed)
    assert "pending" in error.message
    assert error.hint


def test_what_is_still_live(engine: Engine) -> None:
    engine.submit()
    error = caught(engine, "DELETE FROM jobs")
    assert isinstance(error, NotAllowed)
    assert "has not ended" in error.message


def test_a_job_that_is_not_there(engine: Engine) -> None:
    error = caught(engine, "SELECT vsl.cancel_job('x')")
    assert isinstance(error, NotFound)
    assert error.hint


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM vsl.nothing",
        "SELECT nothing FROM jobs",
        "SELECT vsl.nothing()",
        "CREATE TABLE nowhere.nothing ()",
    ],
)
def test_another_schema_asks_for_a_migration(engine: Engine, query: str) -> None:
    error = caught(engine, query)
    assert isinstance(error, SchemaVersionError)
    assert error.hint == "Run `vsl db migrate`."


@pytest.mark.parametrize(
    "query",
    [
        "SELECT %s::uuid",
        "SELECT %s::integer",
        "SELECT %s::timestamptz",
        "SELECT %s::jsonb",
        "SELECT jsonb_populate_record(NULL::jobs, jsonb_build_object('retry_count', %s::text))",
    ],
)
def test_a_value_is_never_quoted(engine: Engine, query: str) -> None:
    error = caught(engine, query, CANARY)
    assert isinstance(error, DatabaseError)
    assert CANARY not in f"{error} {error.hint} {error!r}"
    assert error.sqlstate
    assert not error.retryable


def test_a_row_is_never_printed(own_engine: Engine) -> None:
    """A NOT NULL that fails puts the whole row into DETAIL."""
    own_engine.connection.execute("ALTER TABLE jobs ALTER completed_at SET NOT NULL")
    query, values = insert()
    error = caught(own_engine, query, *values)
    assert isinstance(error, DatabaseError)
    assert CANARY not in f"{error} {error.hint} {error!r}"


def test_what_may_pass_is_said_to_be_worth_a_retry(
    engine: Engine, another: Callable[[], Engine]
) -> None:
    engine.connection.execute("SET lock_timeout = '1ms'")
    other = another()
    with other.connection.transaction():
        other.connection.execute("LOCK TABLE jobs")
        error = caught(engine, "SELECT * FROM jobs")
    assert isinstance(error, DatabaseError)
    assert (error.sqlstate, error.retryable) == ("55P03", True)


def test_text_that_is_not_unicode_is_the_callers_mistake(engine: Engine) -> None:
    error = caught(engine, "SELECT %s", CANARY + "\ud800")
    assert isinstance(error, InvalidInput)
    assert error.__cause__ is None
    assert CANARY not in str(error)


def test_what_the_driver_refuses_is_ours_too(engine: Engine) -> None:
    error = caught(engine, "SELECT %s", CANARY + "\x00")
    assert isinstance(error, DatabaseError)
    assert CANARY not in str(error)


def test_a_full_disk_is_named() -> None:
    error = translate(psycopg.errors.DiskFull("could not extend file"))
    assert isinstance(error, DatabaseError)
    assert "disk is full" in error.message
    assert error.retryable


def test_every_constraint_of_the_contract_names_a_field(engine: Engine) -> None:
    """Also those that only a function raises: a column, unless several are meant."""
    several = {"media_outputs_dimensions_positive", "media_outputs_driven_is_complete"}
    rows = engine.all(
        "SELECT c.conname AS name, c.conrelid::regclass::text AS table FROM pg_constraint c"
        " WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('c', 'u', 'f')"
        " AND c.conrelid IN ('jobs'::regclass, 'media_outputs'::regclass,"
        " 'model_configurations'::regclass, 'usage_tracking'::regclass)"
    )
    tables = {row["name"]: row["table"] for row in rows}
    for path in (database_dir() / "functions").glob("*.sql"):
        for table, rest in re.findall(r"'(jobs|media_outputs)_(\w+)'", path.read_text()):
            tables[f"{table}_{rest}"] = table
    assert len(tables) > 50
    for name, table in tables.items():
        columns = {
            row["attname"]
            for row in engine.all(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                table,
            )
        }
        assert name in several or _field(name) in columns, (name, _field(name))


# No database.


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def assert_says_nothing(error: VslError, *secrets: str) -> None:
    words = f"{error} {error.hint} {error!r}"
    assert [secret for secret in secrets if secret in words] == []


async def test_a_closed_port(closed_port: int, caplog: pytest.LogCaptureFixture) -> None:
    url = f"postgresql://somebody:{SECRET}@127.0.0.1:{closed_port}/media"
    with pytest.raises(DatabaseError, match="the database cannot be reached") as found:
        async with Database(url):
            pass
    assert found.value.retryable
    assert "DATABASE_URL" in (found.value.hint or "")
    assert_says_nothing(found.value, SECRET, str(closed_port), "127.0.0.1", "somebody")
    assert SECRET not in caplog.text


async def test_a_wrong_password(database: str) -> None:
    url = make_conninfo(database, password=SECRET)
    with pytest.raises(DatabaseError, match="password") as found:
        async with connect(url):
            pass
    assert "DATABASE_URL" in (found.value.hint or "")
    assert_says_nothing(found.value, SECRET)


async def test_a_database_that_is_not_there(database: str) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        async with connect(make_conninfo(database, dbname="nowhere")):
            pass


@pytest.mark.parametrize(
    "url",
    [
        SECRET,
        f"postgresql://u:{SECRET}@[::1/db",
        f"postgresql://u:p@h/db?{SECRET}=1",
        f"password={SECRET} nonsense",
        f"mysql://u:{SECRET}@h/db",
    ],
)
async def test_an_address_that_is_none(url: str) -> None:
    for opening in (connect(url), Database(url)):
        with pytest.raises(DatabaseError) as found:
            async with opening:
                pass
        assert "DATABASE_URL" in (found.value.hint or "")
        assert_says_nothing(found.value, SECRET)
        assert found.value.__cause__ is None
