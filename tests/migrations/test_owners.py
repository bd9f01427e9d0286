"""Whose everything is after a migration: as in a fresh installation, whoever migrated."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.conftest import Connect, NewDatabase
from tests.migrations.conftest import Folder
from tests.schema.kit import SCHEMA, Session
from tests.support.servers import TestServer, database_name

from vsl.db.catalogue import difference, fingerprint
from vsl.db.migrate import migrate, require_current
from vsl.db.pool import connect as open_connection

RELEASED = Path(__file__).parent / "released"
OWNERS = (
    "SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace IN"
    " ('public'::regnamespace, 'vsl'::regnamespace) UNION SELECT pg_get_userbyid(proowner)"
    " FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace"
)


async def catalogue(url: str) -> dict[str, str]:
    async with open_connection(url) as connection:
        return await fingerprint(connection)


def login(server: TestServer, name: str, kind: str) -> str:
    """The address of a database for a login that has vsl_migrator in some way."""
    member = server.login_for("vsl_migrator")
    if kind == "acting as the owner":
        with psycopg.connect(server.url(name), autocommit=True) as admin:
            statement = "ALTER ROLE {} IN DATABASE {} SET role TO 'vsl_owner'"
            admin.execute(sql.SQL(statement).format(sql.Identifier(member), sql.Identifier(name)))
    return server.url(name, member)


@pytest.mark.parametrize("kind", ["a member", "acting as the owner"])
@pytest.mark.parametrize("release", [path.stem for path in RELEASED.glob("*.sql")])
async def test_from_a_release_that_a_superuser_installed(
    release: str, kind: str, server: TestServer, new_database: NewDatabase, connect: Connect
) -> None:
    fresh = new_database(server, schema=SCHEMA)
    old = new_database(server, schema=RELEASED / f"{release}.sql")
    session = Session(connect(old))
    session.run(
        "INSERT INTO jobs (user_id, model_id, prompt) SELECT 'ada', model_id, 'a heron'"
        " FROM model_configurations WHERE is_free LIMIT 1"
    )
    url = login(server, database_name(old), kind)
    before = await migrate(url)
    assert before.pending
    assert session.all(OWNERS) == [{"owner": "vsl_owner"}]
    assert difference(await catalogue(fresh), await catalogue(old)) == []
    assert session.count("jobs") == 1
    applied = session.all(
        "SELECT DISTINCT applied_by FROM schema_migrations WHERE mode IS NOT NULL"
    )
    assert applied == [{"applied_by": "test_vsl_migrator"}]
    async with open_connection(url) as connection:
        await require_current(connection)


async def test_by_the_superuser_himself(server: TestServer, new_database: NewDatabase) -> None:
    fresh = new_database(server, schema=SCHEMA)
    old = new_database(server, schema=RELEASED / "1.1.0.sql")
    await migrate(old)
    assert difference(await catalogue(fresh), await catalogue(old)) == []


async def test_what_is_new_belongs_to_the_owner_at_once(
    server: TestServer, session: Session
) -> None:
    # Functions that were dropped are made again by a login that could keep them for itself.
    name = session.value("SELECT current_database()")
    session.run("DROP FUNCTION vsl.record_act; DELETE FROM vsl.repeatables WHERE path ~ 'record_a'")
    await migrate(login(server, name, "a member"))
    assert session.all(OWNERS) == [{"owner": "vsl_owner"}]
    assert session.value("SELECT has_function_privilege('vsl_monitor', oid, 'EXECUTE')"
                         " FROM pg_proc WHERE proname = 'record_act'")  # fmt: skip
    assert not session.value("SELECT has_function_privilege('vsl_app', oid, 'EXECUTE')"
                             " FROM pg_proc WHERE proname = 'record_act'")  # fmt: skip


async def test_the_users_files_run_as_the_login(
    server: TestServer, session: Session, folder: Folder
) -> None:
    name = session.value("SELECT current_database()")
    url = login(server, name, "a member")
    session.run("GRANT CREATE ON SCHEMA public TO test_vsl_migrator")
    folder.add("100", "CREATE TABLE mine (n int)")
    await migrate(url, folder=folder.path)
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'mine'"
    assert session.value(owner) == "test_vsl_migrator"
    assert session.value("SELECT applied_by FROM schema_migrations WHERE version = '100'") == (
        "test_vsl_migrator"
    )
