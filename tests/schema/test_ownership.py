"""Who owns what after an installation, and what is said of what could not be done."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Connect, NewDatabase, Psql
from tests.schema.kit import CONTRACT, ROOT, SCHEMA, Session
from tests.support.servers import TestServer, database_name

OWNERS = """
SELECT 'schema vsl' AS thing, pg_get_userbyid(nspowner) AS owner FROM pg_namespace
WHERE nspname = 'vsl'
UNION ALL SELECT n.nspname || '.' || c.relname, pg_get_userbyid(c.relowner)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('vsl', 'public')
UNION ALL SELECT p.oid::regprocedure::text, pg_get_userbyid(p.proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('vsl', 'public')
"""


def test_a_superuser_gives_everything_to_the_owner_role(session: Session) -> None:
    owners = {row["thing"]: row["owner"] for row in session.all(OWNERS)}
    assert {f"public.{name}" for name in CONTRACT} <= owners.keys()
    assert "vsl.dispatch" in owners
    assert any("finish_jobs" in thing for thing in owners)
    assert set(owners.values()) == {"vsl_owner"}


def test_the_owner_role_has_no_special_right(session: Session) -> None:
    rights = session.all(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname LIKE 'vsl\\_%'"
    )
    assert len(rights) == 7
    assert not any(value for row in rights for value in row.values())


def test_a_plain_owner_keeps_everything(plain: Session) -> None:
    assert {row["owner"] for row in plain.all(OWNERS)} == {"plain"}
    plain.add_job(prompt="a heron")
    assert plain.run_job()["status"] == "completed"


def test_what_was_skipped_is_said(
    fresh_server: Callable[[int], TestServer], connect: Connect
) -> None:
    server = fresh_server(15)
    name = server.create_database(owner="plain")
    done = server.psql(server.url(name, "plain"), "-f", str(SCHEMA))
    assert done.returncode == 0
    assert (
        "WARNING:  VSL: plain may not create roles, so these and their grants were skipped: "
        "vsl_owner, vsl_migrator, vsl_app, vsl_worker, vsl_reader, vsl_monitor, vsl_backup"
    ) in done.stderr
    assert "HINT:  Have a superuser create them, then run database/roles.sql again." in done.stderr

    # The superuser does so.
    roles = ROOT / "database" / "roles.sql"
    helped = server.psql(server.url(name), "--set", "ON_ERROR_STOP=on", "-f", str(roles))
    assert (helped.returncode, helped.stderr) == (0, "")
    owners = Session(connect(server.url(name))).all(OWNERS)
    assert {row["owner"] for row in owners} == {"vsl_owner"}
    app = Session(connect(server.url(name, server.login_for("vsl_app"))))
    assert app.count("jobs") == 0


def test_a_plain_owner_grants_to_roles_that_exist(
    session: Session,  # noqa: ARG001 (the roles are on the server)
    plain: Session,
    server: TestServer,
    connect: Connect,
) -> None:
    name = plain.value("SELECT current_database()")
    app = Session(connect(server.url(name, server.login_for("vsl_app"))))
    app.add_job(prompt="a heron")
    worker = Session(connect(server.url(name, server.login_for("vsl_worker"))))
    claimed, begun = worker.start()
    assert worker.finish(claimed, begun)["result"] == "finished"
    assert app.value("SELECT status FROM jobs") == "completed"


def test_an_owner_who_may_create_roles_makes_them(
    fresh_server: Callable[[int], TestServer], connect: Connect
) -> None:
    server = fresh_server(18)
    admin = Session(connect(server.url("postgres")))
    admin.run("ALTER ROLE plain CREATEROLE")
    name = server.create_database(owner="plain")
    done = server.psql(server.url(name, "plain"), "-f", str(SCHEMA))
    assert done.returncode == 0
    assert admin.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'vsl\\_%'") == 7
    # What only a superuser can do, with the statement to give to one.
    assert "VSL: plain may not grant pg_monitor to vsl_monitor, so that was skipped" in done.stderr
    assert "HINT:  Have a superuser run: GRANT pg_monitor TO vsl_monitor;" in done.stderr
    assert done.stderr.count("WARNING") == 1


def test_roles_again_changes_nothing(
    server: TestServer, new_database: NewDatabase, psql: Psql, connect: Connect
) -> None:
    url = new_database(server, schema=SCHEMA)
    rights = (
        "SELECT c.relname, c.relacl::text, pg_get_userbyid(c.relowner) FROM pg_class c"
        " WHERE c.relnamespace IN ('public'::regnamespace, 'vsl'::regnamespace)"
        " UNION ALL SELECT p.proname, p.proacl::text, pg_get_userbyid(p.proowner) FROM pg_proc p"
        " WHERE p.pronamespace = 'vsl'::regnamespace ORDER BY 1, 2"
    )
    session = Session(connect(url))
    before = session.all(rights)
    roles = str(ROOT / "database" / "roles.sql")
    for user in ("vsl", server.login_for("vsl_migrator")):
        again = psql(server.url(database_name(url), user), "--set", "ON_ERROR_STOP=on", "-f", roles)
        assert (again.returncode, again.stderr) == (0, "")
    assert session.all(rights) == before
