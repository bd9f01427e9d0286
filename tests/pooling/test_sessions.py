"""Nothing is left in the sessions of a pooler, where the next client would find it."""

from __future__ import annotations

import re

import psycopg
import pytest
import typer
from tests.cli.program import Vsl
from tests.conftest import NewPgBouncer

from vsl.cli.commands import make_app
from vsl.db.files import database_dir

ON_15 = pytest.mark.parametrize("server", [15], indirect=True, ids=["pg15"])

#: What PgBouncer itself sets in a session, for the client that it is lent to.
TRACKED = {
    "application_name",
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "standard_conforming_strings",
}
LEFT = """
SELECT 'setting ' || name FROM pg_settings WHERE source = 'session' AND name <> ALL (%s)
UNION ALL SELECT 'role ' || current_user WHERE current_user <> session_user
UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'statement ' || statement FROM pg_prepared_statements
UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() AS c
UNION ALL SELECT 'table ' || relname FROM pg_class
WHERE relnamespace = pg_my_temp_schema() AND pg_my_temp_schema() <> 0
"""

#: Commands of ``vsl db`` that reach no database of the user's, or start or end something.
NOT_RUN = {
    "start": "for the embedded server",
    "stop": "for the embedded server",
    "psql": "a person's own session",
    "new": "writes a file",
    "lint": "reads files",
    "kill": "ends a session by its number",
    "accept-edit": "names a version",
    "mark-applied": "names a version",
    "forget-failed": "names a version",
    "adopt": "changes the schema on the direct connection, as migrate does",
}


def verbs() -> list[str]:
    """The other verbs of ``vsl db``."""
    (db,) = (
        command
        for name, command in typer.main.get_command(make_app()).commands.items()  # type: ignore[attr-defined]
        if name == "db"
    )
    return [name for name in db.commands if name not in NOT_RUN]


@ON_15
def test_no_command_leaves_anything_in_a_session(
    database: str, new_pgbouncer: NewPgBouncer, vsl: Vsl
) -> None:
    """Refused or done: the one session that all share is as it was."""
    bouncer = new_pgbouncer(database, pool_size=1)
    through = vsl.with_variables(DATABASE_URL=bouncer.url())
    with psycopg.connect(bouncer.url(), autocommit=True, prepare_threshold=None) as client:
        client.execute("SET work_mem = '5MB'")
        found = client.execute(LEFT, [sorted(TRACKED)]).fetchall()
        assert found == [("setting work_mem",)], "the question finds what is left"
        client.execute("RESET work_mem")
        for verb in verbs():
            done = through("db", verb, *(["--dry-run"] if verb == "maintain" else []))
            assert done.status in (0, 1, 2, 3), verb
            assert client.execute(LEFT, [sorted(TRACKED)]).fetchall() == [], verb


#: Statements that keep something in their session. Who sends one has asked ``is_pooled`` before.
OF_A_SESSION = {
    "act_as_login",
    "end_with_client",
    "limit_maintenance",
    "listen_for_cancels",
    "listen_for_work",
    "lock_maintenance",
    "reset_role",
    "reset_session",
    "try_lock_migrations",
    "unlock_migrations",
}
KEPT = re.compile(
    r"^\s*(SET (?!LOCAL)|RESET|LISTEN|PREPARE|DEALLOCATE|CREATE TEMP|DECLARE)"
    r"|set_config\([^()]*,\s*false\)|pg_(try_)?advisory_(un)?lock",
    re.IGNORECASE | re.MULTILINE,
)


def test_only_known_statements_keep_something_in_their_session() -> None:
    found = set()
    for path in (database_dir() / "queries").rglob("*.sql"):
        lines = path.read_text().splitlines()
        text = "\n".join(line for line in lines if not line.startswith("--"))
        # A statement's own SET clause stands at the beginning of a line too.
        if re.search(r"\b(UPDATE|INSERT)\b", text):
            text = re.sub(r"^SET ", "", text, flags=re.MULTILINE)
        if KEPT.search(text):
            found.add(path.stem)
    assert found == OF_A_SESSION


def test_no_function_keeps_anything_in_its_session() -> None:
    kept = re.compile(r"set_config\([^()]*,\s*false\)|pg_(try_)?advisory_(un)?lock|\bLISTEN\b")
    for path in (database_dir() / "functions").glob("*.sql"):
        assert not kept.search(path.read_text()), path.name
