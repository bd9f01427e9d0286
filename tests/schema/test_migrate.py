"""``migrate``: one runner at a time, all or nothing, and never backwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.conftest import Connect, NewDatabase
from tests.schema.kit import ROOT, Session
from tests.support.servers import TestServer

from vsl.db.catalogue import difference, fingerprint
from vsl.db.files import migrations
from vsl.db.migrate import migrate, require_current
from vsl.db.pool import connect as open_connection
from vsl.errors import DatabaseError, NotAllowed, SchemaVersionError


def add_migration(folder: Path, version: str, text: str) -> None:
    """Let the user have a migration."""
    (folder / f"V{version}__extra.sql").write_text(text)


async def test_twenty_at_once_install_once(empty_database: str, connect: Connect) -> None:
    await asyncio.gather(*(migrate(empty_database) for _ in range(20)))
    session = Session(connect(empty_database))
    assert session.count("schema_migrations") == len(migrations())
    async with open_connection(empty_database) as connection:
        await require_current(connection)


async def test_twenty_at_once_in_a_used_database(plain: Session, tmp_path: Path) -> None:
    text = "CREATE TABLE public.extras (n integer);\nINSERT INTO public.extras VALUES (1);\n"
    add_migration(tmp_path, "100.0", text)
    await asyncio.gather(*(migrate(url_of(plain), folder=tmp_path) for _ in range(20)))
    assert plain.count("extras") == 1
    assert plain.value("SELECT count(*) FROM schema_migrations WHERE version = '100.0'") == 1


def url_of(session: Session) -> str:
    """The address of a session's database for the same login."""
    return session.connection.info.dsn


async def test_an_installation_of_the_first_version_is_brought_up(
    empty_database: str, connect: Connect
) -> None:
    session = Session(connect(empty_database))
    folder = ROOT / "database" / "migrations"
    session.run((folder / "V1.0.0__initial_schema.sql").read_text())
    session.run("INSERT INTO schema_migrations (version, description) VALUES ('1.0.0', 'First')")
    async with open_connection(empty_database) as connection:
        with pytest.raises(SchemaVersionError, match=r"older than this program: it lacks 1\.1\.0"):
            await require_current(connection)
    before = await migrate(empty_database)
    assert before.versions == ("1.0.0",)
    assert [m.version for m in before.pending] == [m.version for m in migrations()[1:]]
    assert session.value("SELECT description FROM schema_migrations WHERE version = '1.0.0'") == (
        "First"
    )
    assert session.count("user_preferences") == 0


@pytest.mark.parametrize("records_itself", [True, False])
async def test_a_file_may_record_itself_or_not(
    records_itself: bool, plain: Session, tmp_path: Path
) -> None:
    text = "CREATE TABLE extras (n integer);\n"
    if records_itself:
        text += "INSERT INTO schema_migrations (version, description) VALUES ('100.10', 'Mine');\n"
    add_migration(tmp_path, "100.10", text)
    await migrate(url_of(plain), folder=tmp_path)
    rows = plain.all("SELECT version, description FROM schema_migrations WHERE origin = 'user'")
    assert rows == [{"version": "100.10", "description": "Mine" if records_itself else "Extra"}]
    assert (await migrate(url_of(plain), folder=tmp_path)).current


async def test_a_failing_file_leaves_nothing(plain: Session, tmp_path: Path) -> None:
    text = "CREATE TABLE extras (n integer);\nINSERT INTO extras VALUES (1 / 0);\n"
    add_migration(tmp_path, "100.0", text)
    async with open_connection(url_of(plain)) as connection:
        before = await fingerprint(connection)
        with pytest.raises(DatabaseError, match="division by zero"):
            await migrate(url_of(plain), folder=tmp_path)
        assert difference(before, await fingerprint(connection)) == []
    assert plain.value("SELECT to_regclass('public.extras')") is None
    assert plain.count("schema_migrations") == len(migrations())


async def test_a_failing_file_keeps_what_came_before_it(
    empty_database: str, connect: Connect, tmp_path: Path
) -> None:
    add_migration(tmp_path, "100.0", "SELECT 1 / 0")
    with pytest.raises(DatabaseError, match="division by zero"):
        await migrate(empty_database, folder=tmp_path)
    session = Session(connect(empty_database))
    versions = session.all("SELECT version FROM schema_migrations ORDER BY 1")
    assert [row["version"] for row in versions] == [m.version for m in migrations()]
    assert (await migrate(empty_database)).pending == ()
    async with open_connection(empty_database) as connection:
        await require_current(connection)


async def test_a_newer_database_is_left_alone(plain: Session) -> None:
    plain.run("INSERT INTO schema_migrations (version) VALUES ('7.0.0')")
    async with open_connection(url_of(plain)) as connection:
        before = await fingerprint(connection)
        with pytest.raises(NotAllowed, match=r"newer than this program: it has 7\.0\.0"):
            await migrate(url_of(plain))
        with pytest.raises(SchemaVersionError, match=r"newer than this program: it has 7\.0\.0"):
            await require_current(connection)
        assert difference(before, await fingerprint(connection)) == []


async def test_tables_of_others_are_left_alone(empty_database: str, connect: Connect) -> None:
    session = Session(connect(empty_database))
    session.run("CREATE TABLE jobs (n integer)")
    with pytest.raises(NotAllowed, match="already has relations that VSL would create: jobs") as no:
        await migrate(empty_database)
    assert (no.value.hint or "").startswith("Use a database without them.")
    assert session.value("SELECT to_regnamespace('vsl')") is None
    assert session.value("SELECT to_regclass('public.schema_migrations')") is None


async def test_an_empty_database_is_told_from_an_old_one(empty_database: str) -> None:
    async with open_connection(empty_database) as connection:
        with pytest.raises(SchemaVersionError, match="VSL is not installed in this database"):
            await require_current(connection)


async def test_a_changed_function_is_applied_again(plain: Session) -> None:
    # An older text of a function, as an older program left it.
    plain.run(
        "CREATE OR REPLACE FUNCTION vsl.backoff_seconds(p_failures integer)"
        " RETURNS double precision LANGUAGE sql RETURN 1;"
        "UPDATE vsl.repeatables SET sha256 = 'old', applied_at = 'epoch'"
        " WHERE path = 'functions/backoff_seconds.sql'"
    )
    applied = "SELECT path, applied_at FROM vsl.repeatables ORDER BY path"
    before = {row["path"]: row["applied_at"] for row in plain.all(applied)}
    async with open_connection(url_of(plain)) as connection:
        with pytest.raises(SchemaVersionError, match=r"functions are older .* \(1 differ\)"):
            await require_current(connection)
    state = await migrate(url_of(plain))
    assert (state.pending, state.changed) == ((), ("functions/backoff_seconds.sql",))
    assert plain.value("SELECT vsl.backoff_seconds(5)") > 20
    after = {row["path"]: row["applied_at"] for row in plain.all(applied)}
    assert {path for path in after if after[path] != before[path]} == {
        "functions/backoff_seconds.sql",
        # Whatever is new gets its owner and its grants with it.
        "roles.sql",
    }


async def test_the_registry_is_its_owners(plain: Session) -> None:
    plain.run(
        "UPDATE model_configurations SET pricing_per_unit = 9 WHERE model_id = 'flux-schnell';"
        "DELETE FROM vsl.repeatables WHERE path = 'registry.sql'"
    )
    await migrate(url_of(plain))
    price = "SELECT pricing_per_unit FROM model_configurations WHERE model_id = 'flux-schnell'"
    assert plain.value(price) == 9


async def test_by_somebody_who_may_not(
    server: TestServer, new_database: NewDatabase, session: Session
) -> None:
    name = session.value("SELECT current_database()")
    session.run("UPDATE vsl.repeatables SET sha256 = 'old' WHERE path ~ '^functions'")
    url = server.url(name, server.login_for("vsl_app"))
    with pytest.raises(DatabaseError, match=r"permission denied|must be owner"):
        await migrate(url)
    assert session.value("SELECT count(*) FROM vsl.repeatables WHERE sha256 = 'old'") > 20
    assert new_database(server)
