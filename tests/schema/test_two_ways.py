"""schema.sql and the migrations end in the same catalogue and the same rows."""

from __future__ import annotations

import pytest
from tests.conftest import Connect, NewDatabase, Psql
from tests.schema.kit import SCHEMA, Row, Session
from tests.support.servers import TestServer, database_name

from vsl.db.catalogue import difference, fingerprint
from vsl.db.files import manifest, migrations
from vsl.db.migrate import migrate, require_current, schema_state
from vsl.db.pool import connect as open_connection

ROWS = {
    "registry": """
        SELECT model_id, media_type, provider, replicate_version, replicate_owner, replicate_model,
            is_active, is_beta, configuration, supported_parameters, pricing_per_unit, is_free,
            lane, estimated_time_seconds, description, tags, max_attempts, timeout_seconds
        FROM model_configurations ORDER BY model_id""",
    # Not their descriptions: a migration that records itself words its own.
    "versions": "SELECT version FROM schema_migrations ORDER BY version",
    "repeatables": "SELECT path, sha256 FROM vsl.repeatables ORDER BY path",
}


async def catalogue(url: str) -> dict[str, str]:
    async with open_connection(url) as connection:
        return await fingerprint(connection)


def rows(session: Session) -> dict[str, list[Row]]:
    return {name: session.all(query) for name, query in ROWS.items()}


async def test_by_a_plain_owner(
    any_server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect
) -> None:
    fresh, migrated = new_database(any_server), new_database(any_server)
    assert psql(fresh, "-f", str(SCHEMA)).returncode == 0
    before = await migrate(migrated)
    assert before.versions == ()
    assert len(before.pending) == len(migrations())
    expected = await catalogue(fresh)
    assert len(expected) > 400
    assert difference(expected, await catalogue(migrated)) == []
    assert rows(Session(connect(migrated))) == rows(Session(connect(fresh)))


@pytest.mark.parametrize("login", ["vsl", "another_superuser"])
async def test_by_a_superuser(
    login: str, server: TestServer, new_database: NewDatabase, connect: Connect
) -> None:
    fresh = new_database(server, schema=SCHEMA)
    empty = new_database(server)
    admin = Session(connect(server.url(database_name(empty))))
    if login != "vsl":
        # A superuser whose name is no schema's; vsl's would find schema vsl first.
        admin.run(
            "DO $$ BEGIN IF to_regrole('another_superuser') IS NULL THEN "
            "CREATE ROLE another_superuser LOGIN SUPERUSER; END IF; END $$"
        )
        admin.run(
            "UPDATE pg_authid SET rolpassword = (SELECT rolpassword FROM pg_authid WHERE rolname"
            " = 'vsl') WHERE rolname = 'another_superuser'"
        )
    migrated = server.url(database_name(empty), login)
    await migrate(migrated)
    expected = await catalogue(fresh)
    assert expected["owner of table public.jobs"] == "vsl_owner"
    # The privileges of an owner who gave the table away are the new owner's.
    assert difference(expected, await catalogue(migrated)) == []
    assert rows(Session(connect(migrated))) == rows(Session(connect(fresh)))


async def test_the_rows_are_whole(session: Session) -> None:
    assert [row["version"] for row in rows(session)["versions"]] == [
        m.version for m in migrations()
    ]
    expected = {f.path: f.sha256 for f in manifest() if f.repeatable}
    assert {r["path"]: r["sha256"] for r in rows(session)["repeatables"]} == expected
    shipped = {r["model_id"]: r["media_type"] for r in rows(session)["registry"]}
    assert {
        "flux-schnell": "image",
        "sdxl": "image",
        "stable-video": "video",
        "musicgen": "audio",
    }.items() <= shipped.items()


async def test_a_fresh_installation_needs_no_migration(database: str) -> None:
    async with open_connection(database) as connection:
        await require_current(connection)
        state = await schema_state(connection)
        before = await fingerprint(connection)
    assert state.current
    assert (await migrate(database)).current
    assert difference(before, await catalogue(database)) == []
