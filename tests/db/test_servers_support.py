"""The servers and databases that the other tests run on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connect, ConnectAsync, NewDatabase, Psql
from tests.support.servers import ServerPool, TestServer, database_name
from tests.support.waiting import wait_until


def test_every_supported_server_is_of_its_version(
    any_server: TestServer, new_database: NewDatabase, connect: Connect, psql: Psql
) -> None:
    url = new_database(any_server)
    connection = connect(url)
    assert connection.info.server_version // 10000 == any_server.major
    assert connection.execute("SELECT current_user").fetchone() == ("plain",)
    shown = psql(
        url,
        "-At",
        "-c",
        "SELECT current_database(), usesuper FROM pg_user WHERE usename = current_user",
    )
    assert shown.stdout == f"{database_name(url)}|f\n"


@pytest.fixture
def small_schema(tmp_path: Path) -> Path:
    path = tmp_path / "small.sql"
    path.write_text(
        "CREATE TABLE public.things (n integer);\nINSERT INTO public.things VALUES (1);\n"
    )
    return path


def test_clones_are_apart(
    server: TestServer, new_database: NewDatabase, connect: Connect, small_schema: Path
) -> None:
    one, other = (
        new_database(server, schema=small_schema),
        new_database(server, schema=small_schema),
    )
    connect(one).execute("INSERT INTO things VALUES (2)")
    assert connect(other).execute("SELECT n FROM things").fetchall() == [(1,)]
    assert server.template(small_schema) == server.template(small_schema)


def test_a_template_that_fails_says_why(
    server: TestServer, new_database: NewDatabase, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text("\\set ON_ERROR_STOP on\nSELECT 1/0;\n")
    with pytest.raises(AssertionError, match="division by zero"):
        new_database(server, schema=path)


def test_roles_log_in_with_their_rights_only(
    servers: ServerPool,
    server: TestServer,
    new_database: NewDatabase,
    connect: Connect,
    role_url: Callable[[str, str], str],
) -> None:
    url = new_database(server)
    connect(server.url(database_name(url))).execute(
        "DO $$ BEGIN IF to_regrole('test_group') IS NULL THEN CREATE ROLE test_group; END IF; "
        "END $$; CREATE TABLE t (n integer); GRANT SELECT ON t TO test_group"
    )
    connection = connect(role_url(url, "test_group"))
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(AssertionError, match="no role nobody_at_all"):
        role_url(url, "nobody_at_all")
    assert servers.of(url) is server


async def test_asynchronous_connections(empty_database: str, connect_async: ConnectAsync) -> None:
    connection = await connect_async(empty_database)
    assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


def test_a_fresh_server_has_no_roles(fresh_server: Callable[[int], TestServer], psql: Psql) -> None:
    server = fresh_server(18)
    query = "SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"
    assert psql(server.url("postgres"), "-At", "-c", query).stdout.split() == ["plain", "vsl"]


def test_a_killed_sessions_servers_are_removed() -> None:
    program = (
        "import sys; from tests.support.servers import ServerPool\n"
        "status = ServerPool().get(18).embedded.status()\n"
        "print(status.pid, status.data, flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdout is not None
        pid, data = session.stdout.readline().decode().split()
        session.kill()
    assert Path("/proc", pid).exists()
    ServerPool().close()
    assert not Path(data).exists()
    wait_until(lambda: not Path("/proc", pid, "cwd").is_symlink(), what="the server is gone")
