"""The printed configuration: what stands in it, and that a real PgBouncer does what it says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.conftest import Connect, NewPgBouncer
from tests.support.pgbouncer import RunningPgBouncer, address_of
from tests.support.servers import TestServer, database_name

from vsl.db.files import database_dir
from vsl.db.pool import connect as connect_
from vsl.db.pool import is_pooled
from vsl.errors import DatabaseError, InvalidInput
from vsl.ops.pooling.pgbouncer import (
    AUTH_USER,
    PgBouncer,
    ServerAddress,
    client_name,
    configuration,
    version_of,
)

ON_15 = pytest.mark.parametrize("server", [15], indirect=True, ids=["pg15"])
SERVER = ServerAddress(host="db.example", port=5432, database="media")
AUTH_SQL = (database_dir() / "pooling" / "pgbouncer_auth.sql").read_text()


def settings(text: str) -> dict[str, str]:
    """What a configuration sets below ``[pgbouncer]``."""
    lines = text.partition("[pgbouncer]")[2].splitlines()
    pairs = (line.partition(" =") for line in lines if line and not line.startswith(";"))
    return {name: value.strip() for name, _, value in pairs}


def printed(**wanted: Any) -> str:
    return configuration(PgBouncer(**{"server": SERVER, "pool_size": 20, **wanted}))


# Told from a server.


async def test_a_pooler_is_told_from_a_server(database: str, pgbouncer: RunningPgBouncer) -> None:
    async with connect_(database) as direct, connect_(pgbouncer.url()) as through:
        for _ in range(3):
            assert (await is_pooled(direct), await is_pooled(through)) == (False, True)


# The text.


def test_what_the_configuration_sets() -> None:
    found = settings(printed(pool_size=30, pairs=3, clients=400, listen_port=7000))
    assert found == {
        "listen_addr": "127.0.0.1",
        "listen_port": "7000",
        "unix_socket_dir": "",
        "pool_mode": "transaction",
        "default_pool_size": "30",
        "max_db_connections": "92",
        "max_client_conn": "400",
        "query_wait_timeout": "30",
        "server_connect_timeout": "30",
        "server_login_retry": "2",
        "server_idle_timeout": "600",
        "server_lifetime": "3600",
        "server_reset_query": "",
        "server_reset_query_always": "0",
        "ignore_startup_parameters": "extra_float_digits",
        "auth_type": "scram-sha-256",
        "auth_file": "/etc/pgbouncer/userlist.txt",
        "auth_user": "pgbouncer_auth",
        "auth_query": "SELECT username, password FROM pgbouncer.get_auth($1)",
        "admin_users": "pgbouncer_auth",
        "client_tls_sslmode": "disable",
        "server_tls_sslmode": "prefer",
        "log_connections": "0",
        "log_disconnections": "0",
        "log_pooler_errors": "1",
    }
    assert "\nmedia = host=db.example port=5432 dbname=media\n" in printed()


def test_every_line_can_be_read_by_any_editor() -> None:
    text = printed(version=(1, 21), listen_address="*", tls_key="/k", tls_cert="/c")
    assert text.isascii()
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize(
    ("address", "host"), [("127.0.0.1", "127.0.0.1"), ("*", "HOST"), ("10.0.0.7", "10.0.0.7")]
)
def test_it_says_what_the_program_should_use(address: str, host: str) -> None:
    text = printed(listen_address=address, listen_port=7000)
    assert f"postgresql://LOGIN:PASSWORD@{host}:7000/media\n" in text
    assert "VSL_DIRECT_DATABASE_URL leads to the server itself" in text


@pytest.mark.parametrize(
    ("version", "prepared"), [("1.18", None), ("1.20.1", None), ("1.21", "200"), ("1.24.1", "200")]
)
def test_prepared_statements_are_carried_from_1_21_on(version: str, prepared: str | None) -> None:
    found = settings(printed(version=version_of(version)))
    assert found.get("max_prepared_statements") == prepared


@pytest.mark.parametrize("version", ["", "1", "1.17", "0.9", "one", "1.18-beta", "1.18\n; x = y"])
def test_a_version_that_is_not_known_is_refused(version: str) -> None:
    with pytest.raises(InvalidInput, match="--pgbouncer-version"):
        version_of(version)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"server": ServerAddress(host="a,b", port=1, database="x")}, "several hosts"),
        ({"server": ServerAddress(host="a", port=1, database="pgbouncer")}, "console"),
        ({"server": ServerAddress(host="a", port=1, database="x", tls="maybe")}, "sslmode"),
        ({"server": ServerAddress(host="a\nb", port=1, database="x")}, "control characters"),
        ({"auth_file": "/etc/a\n[databases]"}, "control characters"),
        ({"tls_key": "/k"}, "--tls-key"),
        ({"tls_cert": "/c"}, "--tls-key"),
    ],
)
def test_what_pgbouncer_cannot_do_is_refused(wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        printed(**wanted)


def test_open_to_the_network_without_encryption_is_said_loudly() -> None:
    assert "NOT ENCRYPTED" in printed(listen_address="0.0.0.0")  # noqa: S104 - only printed
    assert "NOT ENCRYPTED" not in printed()
    encrypted = printed(listen_address="*", tls_key="/k", tls_cert="/c")
    assert "NOT ENCRYPTED" not in encrypted
    assert settings(encrypted)["client_tls_sslmode"] == "require"


def test_the_encryption_to_the_server_is_that_of_the_address() -> None:
    server = ServerAddress(
        host="h", port=1, database="d", tls="verify-full", ca_file="/etc/ca bundle.pem"
    )
    found = settings(printed(server=server))
    assert found["server_tls_sslmode"] == "verify-full"
    assert found["server_tls_ca_file"] == "/etc/ca bundle.pem"


# A real one.


def test_what_runs_is_what_was_printed(pgbouncer: RunningPgBouncer) -> None:
    found = {str(row["key"]): str(row["value"]) for row in pgbouncer.console("SHOW CONFIG")}
    wanted = settings(printed(pool_size=20, pairs=2))
    for name in ("listen_port", "auth_file", "server_tls_sslmode"):
        del wanted[name]  # the test's own
    assert wanted == {name: found[name] for name in wanted}


def test_application_names_come_through(pgbouncer: RunningPgBouncer, connect: Connect) -> None:
    names = ("vsl worker", "web")
    clients = [
        connect(pgbouncer.url(), application_name=name, prepare_threshold=None) for name in names
    ]
    for client, name in zip(clients * 2, names * 2, strict=True):
        assert client.execute("SELECT current_setting('application_name')").fetchone() == (name,)


async def test_options_in_the_address_are_refused_in_words(pgbouncer: RunningPgBouncer) -> None:
    url = make_conninfo(pgbouncer.url(), options="-c statement_timeout=5s")
    with pytest.raises(DatabaseError, match="refuses a setting") as found:
        async with connect_(url):
            pass
    assert "role" in (found.value.hint or "")


@pytest.fixture
def login(server: TestServer, connect: Connect) -> Iterator[str]:
    """A login of the server, with the password of all."""
    name = "of_pgbouncer_test"
    admin = connect(server.url("postgres"))
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    password = server.embedded.home.password()
    admin.execute(statement.format(sql.Identifier(name), sql.Literal(password)))
    yield name
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def refusal(url: str) -> str:
    with pytest.raises(psycopg.OperationalError) as found:
        psycopg.connect(url, connect_timeout=10).close()
    return str(found.value)


@ON_15
def test_who_may_come_in(
    database: str, login: str, pgbouncer: RunningPgBouncer, connect: Connect
) -> None:
    """By the hashes in the database: nobody's password is in a file but PgBouncer's own."""
    through = pgbouncer.url(login)
    with psycopg.connect(through) as client:
        assert client.execute("SELECT current_user").fetchone() == (login,)
    assert "FATAL" in refusal(make_conninfo(through, password="wrong"))
    assert "FATAL" in refusal(pgbouncer.url("nobody_of_that_name"))
    admin, role = connect(database), sql.Identifier(login)
    for change in ("VALID UNTIL '2020-01-01'", "VALID UNTIL 'infinity' NOLOGIN"):
        admin.execute(sql.SQL("ALTER ROLE {} ").format(role) + sql.SQL(change))
        assert "FATAL" in refusal(through)
    admin.execute(sql.SQL("ALTER ROLE {} LOGIN").format(role))
    psycopg.connect(through).close()


@ON_15
def test_superusers_are_not_told_of(database: str, new_pgbouncer: NewPgBouncer) -> None:
    bouncer = new_pgbouncer(database, users=[])
    assert "FATAL" in refusal(bouncer.url("vsl"))
    psycopg.connect(bouncer.role_url("vsl_app")).close()


@ON_15
def test_hashes_can_stand_in_the_file_instead(
    server: TestServer, database: str, new_pgbouncer: NewPgBouncer, connect: Connect
) -> None:
    login = server.login_for("vsl_app")
    row = (
        connect(database)
        .execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [login])
        .fetchone()
    )
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")
    address = address_of(server, database_name(database))

    def no_query(port: int, auth_file: Path) -> str:
        return printed(
            server=address, listen_port=port, auth_file=str(auth_file), ask_for_hashes=False
        )

    bouncer = new_pgbouncer(database, printed=no_query, users=[f'"{login}" "{row[0]}"'])
    with psycopg.connect(bouncer.url(login)) as client:
        assert client.execute("SELECT current_user").fetchone() == (login,)
    assert "FATAL" in refusal(bouncer.role_url("vsl_worker"))


def test_nobody_else_may_ask_for_hashes(database: str, connect: Connect) -> None:
    admin = connect(database)
    for _ in range(2):
        admin.execute(AUTH_SQL.encode())  # again changes nothing
    ask = "SELECT has_function_privilege(%s, 'pgbouncer.get_auth(text)', 'EXECUTE')"
    for role, may in ((AUTH_USER, True), ("plain", False), ("vsl_app", False)):
        assert admin.execute(ask, [role]).fetchone() == (may,)
    rights = "SELECT has_table_privilege(%s, 'pg_authid', 'SELECT'), rolsuper, rolcreaterole"
    found = admin.execute(f"{rights} FROM pg_roles WHERE rolname = %s", [AUTH_USER] * 2)
    assert found.fetchone() == (False, False, False)


@ON_15
def test_any_name_of_a_database(server: TestServer, new_pgbouncer: NewPgBouncer) -> None:
    name = """it's a "name"; of=much % \\ äé"""
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            bouncer = new_pgbouncer(server.url(name))
            with psycopg.connect(bouncer.url()) as client:
                found = client.execute("SELECT current_database()").fetchone()
            bouncer.stop()
        finally:
            statement = "DROP DATABASE {} WITH (FORCE)"
            admin.execute(sql.SQL(statement).format(sql.Identifier(name)))
    assert found == (name,)
    assert client_name(name) == "it_s_a__name___of_much_______"


@ON_15
def test_clients_can_be_made_to_encrypt(
    server: TestServer, database: str, new_pgbouncer: NewPgBouncer, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    address = address_of(server, database_name(database))

    def encrypted(port: int, auth_file: Path) -> str:
        folder = auth_file.parent
        return printed(
            server=address,
            listen_port=port,
            auth_file=str(auth_file),
            tls_key=str(folder / key.name),
            tls_cert=str(folder / certificate.name),
        )

    bouncer = new_pgbouncer(
        database,
        printed=encrypted,
        files={path.name: path.read_text() for path in (key, certificate)},
    )
    with psycopg.connect(bouncer.url()) as client:
        assert client.pgconn.ssl_in_use
    assert "SSL required" in refusal(make_conninfo(bouncer.url(), sslmode="disable"))
