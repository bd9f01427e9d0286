"""``vsl db verify`` on real servers: as whom, where, and what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql
from tests.cli.program import Vsl
from tests.conftest import Connect, NewDatabase, Psql
from tests.schema.kit import SCHEMA, Session
from tests.support.pgbouncer import RunningPgBouncer
from tests.support.servers import PLAIN_ROLE, ServerPool, TestServer, database_name
from tests.support.waiting import wait_until

from vsl.db.migrate import migrate

ON = Callable[[str], Vsl]
ON_15 = pytest.mark.parametrize("server", [15], indirect=True, ids=["pg15"])
ON_18 = pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])


@pytest.fixture
def maker(server: TestServer, connect: Connect) -> str:
    """A login that may create databases and nothing else."""
    login = "test_maker"
    admin = Session(connect(server.url("postgres")))
    if not admin.value("SELECT to_regrole(%s) IS NOT NULL", login):
        admin.run("CREATE ROLE test_maker LOGIN CREATEDB")
        admin.run(
            "UPDATE pg_authid SET rolpassword = (SELECT rolpassword FROM pg_authid"
            " WHERE rolname = 'plain') WHERE rolname = 'test_maker'"
        )
    return login


def scratch_databases(admin: Session) -> list[str]:
    found = admin.all("SELECT datname FROM pg_database WHERE datname LIKE 'vsl\\_verify%%'")
    return [row["datname"] for row in found]


@pytest.fixture
def admin(server: TestServer, connect: Connect) -> Session:
    """The superuser, beside the database."""
    return Session(connect(server.url("postgres")))


def installed_by(
    server: TestServer, login: str, new_database: NewDatabase, admin: Session, psql: Psql
) -> str:
    """A database that belongs to a login, which has installed VSL there."""
    name = database_name(new_database(server))
    owner = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
        sql.Identifier(name), sql.Identifier(login)
    )
    admin.connection.execute(owner)
    url = server.url(name, login)
    done = psql(url, "--quiet", "-f", str(SCHEMA))
    assert done.returncode == 0, done.stderr
    return url


def test_an_installation_by_a_superuser_is_clean(database: str, on: ON, admin: Session) -> None:
    done = on(database)("db", "verify")
    assert (done.status, done.err) == (0, "")
    assert "beside a fresh and a migrated installation (made on the same server)" in done.out
    assert "The schema is what it should be." in done.out
    assert scratch_databases(admin) == []


def test_an_installation_by_a_plain_owner_is_clean(
    server: TestServer, maker: str, new_database: NewDatabase, admin: Session, psql: Psql, on: ON
) -> None:
    url = installed_by(server, maker, new_database, admin, psql)
    for login in (url, server.url(database_name(url))):
        report = on(login).json("db", "verify")
        assert (report["clean"], report["differences"]) == (True, [])
        assert report["place"] == "same server"
    assert scratch_databases(admin) == []


def test_where_roles_cannot_be_made_it_is_said_once(
    servers: ServerPool,
    fresh_server: Callable[[int], TestServer],
    new_database: NewDatabase,
    psql: Psql,
    on: ON,
    connect: Connect,
) -> None:
    server = fresh_server(18)
    url = new_database(server)
    assert psql(url, "--quiet", "-f", str(SCHEMA)).returncode == 0
    admin = Session(connect(server.url("postgres")))
    roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'vsl\\_%%'"
    assert admin.value(roles) == 0
    # As the superuser, who could make the roles: looking must not.
    done = on(server.url(database_name(url)))("db", "verify")
    assert (done.status, done.err) == (0, "")
    assert done.out.count("This server has no role vsl_app, vsl_backup") == 1
    assert admin.value(roles) == 0
    # The same on a scratch server without them.
    live = new_database(servers.get(18), schema=SCHEMA)
    beside = on(live).json("db", "verify", "--scratch", server.url("postgres"))
    assert (beside["clean"], beside["place"]) == (True, "scratch")
    assert admin.value(roles) == 0
    # As the owner, in a temporary server that has all roles.
    report = on(url).json("db", "verify")
    assert (report["clean"], report["place"], len(report["notes"])) == (True, "embedded", 1)
    assert admin.value(roles) == 0
    # As the administrator that RDS gives: no superuser, but it makes roles and databases.
    admin.run("CREATE ROLE master LOGIN CREATEROLE CREATEDB")
    admin.run(
        "UPDATE pg_authid SET rolpassword = (SELECT rolpassword FROM pg_authid"
        " WHERE rolname = 'plain') WHERE rolname = 'master'"
    )
    rds = installed_by(server, "master", new_database, admin, psql)
    assert admin.value(roles) == 7
    report = on(rds).json("db", "verify")
    assert (report["clean"], report["place"], report["notes"]) == (True, "same server", [])


CHANGES = """
ALTER TABLE jobs OWNER TO plain;
DROP FUNCTION vsl.list_attempts(text);
DROP INDEX jobs_status_idx;
ALTER TABLE media_outputs ALTER COLUMN s3_key SET NOT NULL;
GRANT SELECT (prompt) ON jobs TO vsl_monitor;
UPDATE vsl.repeatables SET sha256 = 'x' WHERE path = 'roles.sql';
CREATE INDEX mine ON jobs (model_id);
ALTER TABLE jobs ADD COLUMN mood text NOT NULL DEFAULT 'good';
CREATE TRIGGER told AFTER INSERT ON jobs EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TABLE vsl.notes (n integer PRIMARY KEY);
CREATE TABLE public.invoices (job uuid REFERENCES jobs);
INSERT INTO schema_migrations (version, description, origin) VALUES ('100.0', 'Mine', 'user')
"""
WRONG = {
    "changed: owner of table public.jobs: expected 'the owner', found 'plain'",
    "missing: function vsl.list_attempts(p_job_id text)",
    "missing: index jobs_status_idx on public.jobs",
    "changed: column public.media_outputs.s3_key: expected 'text', found 'text not null'",
    "not expected: grants on column public.jobs.prompt to vsl_monitor",
    "changed: text roles.sql: another text was applied last",
}
ADDED = {
    "not expected: index mine on public.jobs",
    "not expected: column public.jobs.mood",
    "not expected: trigger told on public.jobs",
    "not expected: table vsl.notes",
}


def test_each_difference_is_named(database: str, on: ON, connect: Connect) -> None:
    session = Session(connect(database))
    session.run("SET search_path = public")
    for statement in CHANGES.strip().split(";\n"):
        session.run(statement)
    done = on(database)("db", "verify")
    assert done.status == 1
    wrong, _, added = done.out.partition("Added by others")
    assert {line.strip() for line in wrong.splitlines() if line.startswith("  ")} == WRONG
    assert {line.strip() for line in added.splitlines() if line.startswith("  ")} == ADDED
    assert "The schema is not what it should be: 6 differences." in done.out
    assert "Next: `vsl db migrate`" in done.out
    quick = on(database)("db", "verify", "--quick", "--json")
    assert (quick.status, quick.document["clean"], quick.document["quick"]) == (1, False, True)
    assert len(quick.document["differences"]) == len(WRONG) + len(ADDED)
    assert {d["where"] for d in quick.document["differences"]} == {"live"}


@ON_18
def test_what_is_only_added_is_a_note(database: str, on: ON, connect: Connect) -> None:
    Session(connect(database)).run("CREATE INDEX mine ON public.jobs (model_id)")
    done = on(database)("db", "verify")
    assert done.status == 0
    assert "  not expected: index mine on public.jobs" in done.out
    assert "The schema is what it should be." in done.out


@ON_18
def test_the_migrator_and_the_monitor(
    database: str,
    server: TestServer,
    on: ON,
    role_url: Callable[[str, str], str],
    admin: Session,
    maker: str,
) -> None:
    migrator = role_url(database, "vsl_migrator")
    login = server.login_for("vsl_migrator")
    admin.run(f"ALTER ROLE {login} CREATEDB")
    try:
        report = on(migrator).json("db", "verify")
        assert (report["clean"], report["place"]) == (True, "same server")
    finally:
        admin.run(f"ALTER ROLE {login} NOCREATEDB")
    monitor = role_url(database, "vsl_monitor")
    report = on(monitor).json("db", "verify", "--quick")
    assert (report["clean"], report["place"]) == (True, "embedded")
    report = on(monitor).json("db", "verify", "--scratch", server.url("postgres", maker))
    assert (report["clean"], report["place"], report["notes"]) == (True, "scratch", [])


@ON_15
def test_without_a_place_the_three_ways_are_said(
    database: str, on: ON, role_url: Callable[[str, str], str], servers: ServerPool
) -> None:
    monitor = role_url(database, "vsl_monitor")
    done = on(monitor)("db", "verify")
    assert done.status == 1
    for words in (
        "ALTER ROLE test_vsl_monitor CREATEDB",
        "--scratch",
        "VSL_PG_BIN",
        "PostgreSQL 15",
    ):
        assert words in done.err
    other = servers.get(18).url("postgres")
    done = on(monitor)("db", "verify", "--scratch", other)
    assert (done.status, "their catalogues cannot be compared" in done.err) == (1, True)
    done = on(monitor)("db", "verify", "--scratch", monitor)
    assert (done.status, "may not create databases on the scratch server" in done.err) == (1, True)
    # The programs of this server's version do as well.
    beside = on(monitor).with_variables(VSL_PG_BIN="/usr/lib/postgresql/15/bin")
    report = beside.json("db", "verify", "--quick")
    assert (report["clean"], report["place"]) == (True, "embedded")


@ON_18
def test_a_login_that_may_see_nothing(
    database: str, server: TestServer, on: ON, maker: str
) -> None:
    url = server.url(database_name(database), maker)
    done = on(url)("db", "verify")
    assert done.status == 1
    assert "This login may not read which versions and texts were applied" in done.out
    assert "The schema could not be compared completely." in done.out
    assert "missing" not in done.out


def test_without_vsl(empty_database: str, on: ON) -> None:
    done = on(empty_database)("db", "verify")
    assert done.status == 1
    assert "VSL is not installed in this database" in done.err


async def test_an_older_installation(empty_database: str, on: ON, connect: Connect) -> None:
    await migrate(empty_database)
    session = Session(connect(empty_database))
    session.run("DROP TABLE vsl.audit_entries CASCADE")
    session.run("DELETE FROM schema_migrations WHERE version = '1.2.0'")
    admin = on(empty_database.replace(f"{PLAIN_ROLE}@", "vsl@"))
    done = admin("db", "verify")
    assert done.status == 1
    assert "  missing: version 1.2.0" in done.out
    assert "  missing: table vsl.audit_entries" in done.out
    assert "Next: `vsl db migrate`, then `vsl db verify` again." in done.out


@ON_18
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_cleans_up(
    database: str, on: ON, admin: Session, number: signal.Signals
) -> None:
    process = on(database).start("db", "verify", stderr=subprocess.PIPE)
    wait_until(lambda: scratch_databases(admin), within=60, what="a scratch database")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert scratch_databases(admin) == []


@ON_18
def test_leftovers_of_killed_runs_go_with_the_next(
    database: str, on: ON, admin: Session, server: TestServer, connect: Connect
) -> None:
    old, young, used = (
        admin.value(
            "SELECT 'vsl_verify_' || to_hex(extract(epoch FROM now())::bigint - %s) || '_' || %s",
            age,
            word * 6,
        )
        for age, word in ((3700, "aa"), (60, "bb"), (9999, "cc"))
    )
    for name in (old, young, used):
        admin.connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    connection = connect(server.url(used))
    try:
        assert on(database)("db", "verify", "--quick").status == 0
        assert set(scratch_databases(admin)) == {young, used}
    finally:
        connection.close()
        for name in (young, used):
            admin.connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@ON_18
def test_a_reference_that_fails_leaves_nothing(
    database: str, on: ON, admin: Session, server: TestServer
) -> None:
    """The login's search_path or defaults may be strange: here it cannot write at all."""
    login = server.login_for("vsl_migrator")
    url = server.url(database_name(database), login)
    admin.run(f"ALTER ROLE {login} CREATEDB")
    admin.run(f"ALTER ROLE {login} SET default_transaction_read_only = on")
    try:
        done = on(url)("db", "verify")
        assert done.status == 1, done.out
        assert "read-only" in done.err
        assert scratch_databases(admin) == []
    finally:
        admin.run(f"ALTER ROLE {login} RESET default_transaction_read_only")
        admin.run(f"ALTER ROLE {login} NOCREATEDB")


@ON_18
def test_a_temporary_server_is_gone_afterwards(
    database: str, on: ON, role_url: Callable[[str, str], str]
) -> None:
    before = set(Path(tempfile.gettempdir()).glob("vsl-verify-*"))
    monitor = on(role_url(database, "vsl_monitor"))
    process = monitor.start("db", "verify", stderr=subprocess.PIPE)
    place = Path(tempfile.gettempdir())
    wait_until(
        lambda: [
            p
            for p in place.glob("vsl-verify-*/postgres/data/postmaster.pid")
            if p.parents[2] not in before
        ],
        within=60,
        what="a temporary server",
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert set(place.glob("vsl-verify-*")) <= before


@ON_18
def test_through_a_pooler(database: str, on: ON, pgbouncer: RunningPgBouncer) -> None:
    pooled = on(pgbouncer.url())
    done = pooled("db", "verify")
    assert done.status == 1
    assert "leads through a pooler" in done.err
    direct = pooled.with_variables(VSL_DIRECT_DATABASE_URL=database)
    assert direct.json("db", "verify", "--quick")["clean"] is True
