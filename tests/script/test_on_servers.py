"""What real servers say: which statements run inside a transaction, and that pieces are whole."""

from __future__ import annotations

import re
from contextlib import nullcontext

import psycopg
import pytest
from tests.conftest import Connect, Connection, NewDatabase
from tests.script.cases import ALLOWED, DEPENDS, REFUSED, SETUP
from tests.support.servers import TestServer, database_name

from vsl.db.files import database_dir, manifest, migrations
from vsl.db.script import mode, outside_transaction, split

#: active_sql_transaction; invalid_transaction_termination, of a COMMIT in a block of code.
REFUSALS = ("25001", "2D000")


@pytest.fixture
def session(server: TestServer, new_database: NewDatabase, connect: Connect) -> Connection:
    """A superuser's connection to a database with the objects of ``SETUP``."""
    name = database_name(new_database(server))
    connection = connect(server.url(name))
    for statement in split(SETUP):
        connection.execute(statement.text.encode())
    return connection


def refused(session: Connection, text: str, first: str = "SELECT 1") -> bool:
    """Whether the server refuses a statement because it stands in a transaction."""
    session.execute("BEGIN")
    try:
        for before in split(first):
            session.execute(before.text.encode())
        session.execute(text.format(database=session.info.dbname).encode())
    except psycopg.Error as error:
        if error.sqlstate not in REFUSALS:
            raise
        return True
    finally:
        session.execute("ROLLBACK")
    return False


def test_servers_refuse_exactly_what_is_said_to_run_outside_transactions(
    session: Connection,
) -> None:
    wrong = []
    major = session.info.server_version // 10000
    for case in (*REFUSED, *ALLOWED):
        if case.since > major:
            continue
        (statement,) = split(case.text.format(database=session.info.dbname))
        said = outside_transaction(statement)
        server_says = refused(session, case.text, case.first)
        if said != case.name or server_says != (case.name is not None):
            wrong.append((case.text, said, server_says))
    assert wrong == []


def test_what_depends_on_the_database_is_as_documented(session: Connection) -> None:
    major = session.info.server_version // 10000
    for text, name, refusal, since in DEPENDS:
        (statement,) = split(text)
        assert outside_transaction(statement) == name, text
        assert refused(session, text) == (refusal and major >= since), text


def test_a_detach_is_finished_inside_a_transaction(session: Connection) -> None:
    text = "ALTER TABLE p DETACH PARTITION p1 FINALIZE"
    session.execute("BEGIN")
    with pytest.raises(psycopg.Error) as caught:
        session.execute(text)  # nothing to finish: refused for that, not for the transaction
    session.execute("ROLLBACK")
    assert caught.value.sqlstate == "55000"
    assert outside_transaction(split(text)[0]) is None


def test_an_enum_value_is_added_but_not_used_in_one_transaction(session: Connection) -> None:
    session.execute("BEGIN")
    session.execute("ALTER TYPE mood ADD VALUE 'merry'")
    with pytest.raises(psycopg.Error) as caught:
        session.execute("SELECT 'merry'::mood")
    session.execute("ROLLBACK")
    assert caught.value.sqlstate == "55P04"


def test_the_files_of_the_schema_install_statement_by_statement(
    server: TestServer, new_database: NewDatabase, connect: Connect
) -> None:
    connection = connect(server.url(database_name(new_database(server))))
    connection.execute("SET search_path = public")
    for file in manifest():
        for statement in split(file.text):
            connection.execute(statement.text.encode())
    tables = connection.execute("SELECT count(*) FROM jobs, vsl.dispatch").fetchone()
    assert tables == (0,)


def test_the_migrations_install_statement_by_statement(
    server: TestServer, new_database: NewDatabase, connect: Connect
) -> None:
    connection = connect(server.url(database_name(new_database(server))))
    connection.execute("SET search_path = public")
    for migration in migrations():
        statements = split(migration.text)
        together = mode(statements) == "transaction"
        with connection.transaction() if together else nullcontext():
            for statement in statements:
                connection.execute(statement.text.encode())
    assert connection.execute("SELECT count(*) FROM vsl.audit_entries").fetchone() == (0,)


def test_schema_sql_without_its_psql_lines_installs_statement_by_statement(
    server: TestServer, new_database: NewDatabase, connect: Connect
) -> None:
    connection = connect(server.url(database_name(new_database(server))))
    text = (database_dir() / "schema.sql").read_text(encoding="utf-8")
    for statement in split(re.sub(r"(?m)^\\\w+.*$", "", text)):
        connection.execute(statement.text.encode())
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_every_named_statement_is_one() -> None:
    folder = database_dir() / "queries"
    counts = {path.name: len(split(path.read_text("utf-8"))) for path in folder.rglob("*.sql")}
    assert {name: count for name, count in counts.items() if count != 1} == {}


# Strings and bodies as the server reads them.

SPEAKING = [
    "SELECT 'it''s', E'it\\'s; \\\\', 'a;'\n  -- comment with '\n'b', $x$;$$;$x$, B'1'",
    "SELECT /* a /* nested; */ ; */ 1+-1, 2 *-- ;\n 3, 5 @-1, 1e-3, .5, 'a' -- last",
    'SELECT 1 AS "a;b", 2 AS "c""d;", 3 AS U&"\\0061;", 4 AS a$b, 5 AS ünï',
    "SELECT E'a'\n'\\'b;'",
]


@pytest.mark.parametrize("text", SPEAKING)
def test_a_statement_is_cut_where_the_server_ends_it(session: Connection, text: str) -> None:
    text = text.replace("@-1", "- 1")
    whole = session.execute(text.encode()).fetchall()
    first, second = split(f"{text}\n; SELECT 'next'")
    assert session.execute(first.text.encode()).fetchall() == whole
    assert second.text == "SELECT 'next'"


def test_bodies_and_rules_are_cut_where_the_server_ends_them(session: Connection) -> None:
    text = """
    CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC
        SELECT 1 AS end;
        SELECT CASE a WHEN 1 THEN CASE WHEN true THEN 10 END ELSE 20 END;
        SELECT a end;
        SELECT a + 1;
    END;
    CREATE PROCEDURE g() BEGIN ATOMIC INSERT INTO t (a) VALUES (7); END;
    CREATE PROCEDURE h() BEGIN ATOMIC END;
    CREATE RULE r AS ON DELETE TO p1 DO ALSO (INSERT INTO t (a) VALUES (1); SELECT 1;);
    SELECT f(1)
    """
    statements = split(text)
    for statement in statements:
        cursor = session.execute(statement.text.encode())
    assert cursor.fetchall() == [(2,)]
    assert [s.words[0] for s in statements] == ["CREATE"] * 4 + ["SELECT"]
