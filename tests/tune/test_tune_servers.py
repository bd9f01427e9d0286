"""Real servers: their settings are looked at, and what is recommended is applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.program import Vsl
from tests.conftest import Connect, NewPgBouncer
from tests.support.servers import ServerPool, TestServer, database_name

SIZE = ("--ram", "1GB", "--cpus", "2")


def named(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {advice["name"]: advice for advice in document["settings"]}


@pytest.mark.parametrize("major", [15, 18])
def test_what_is_recommended_starts_and_is_then_fine(
    fresh_server: Callable[[int], TestServer],
    on: Callable[[str], Vsl],
    template_sql: Path,
    connect: Connect,
    major: int,
) -> None:
    server = fresh_server(major)
    url = server.url(server.create_database(server.template(template_sql)))
    vsl = on(url)
    before = vsl.json("db", "tune", *SIZE, "--workload", "oltp")
    assert named(before)["shared_buffers"]["level"] == "change"
    admin = connect(url)
    for advice in before["settings"]:
        if advice["statement"]:
            assert advice["level"] in ("change", "consider")
            admin.execute(advice["statement"].encode())
    admin.execute("SELECT pg_reload_conf()")
    waiting = connect(url)
    assert waiting.execute("SHOW random_page_cost").fetchone() == ("1.1",)
    pending = named(vsl.json("db", "tune", *SIZE, "--workload", "oltp"))["shared_buffers"]
    assert (pending["pending_restart"], pending["level"]) == (True, "change")
    admin.close()
    waiting.close()

    server.embedded.stop()
    server.embedded.start()
    after = vsl.json("db", "tune", *SIZE, "--workload", "oltp")
    assert [a for a in after["settings"] if a["level"] != "fine"] == []
    assert after["statements"] == []
    assert named(after)["shared_buffers"]["live"] == "256MB"
    said = vsl("db", "tune", *SIZE, "--workload", "oltp")
    assert (said.status, "Nothing to change." in said.out) == (0, True)


def test_on_this_machine_nothing_need_be_said(on: Callable[[str], Vsl], database: str) -> None:
    document = on(database).json("db", "tune")
    assert document["machine"]["ram"] > 0
    assert document["machine"]["origin"] in ("this machine", "this container's limits")
    half = on(database).json("db", "tune", "--ram", "1GB")["machine"]
    assert (half["ram"], half["cpus"]) == (1024**3, document["machine"]["cpus"])


def over_tcp(servers: ServerPool, url: str) -> str:
    """The same database by the server's TCP port."""
    server = servers.of(url)
    socket = server.url(database_name(url)).partition("?")[2]
    rest = "&".join(p for p in socket.split("&") if not p.startswith("host="))
    return f"postgresql://vsl@127.0.0.1/{database_name(url)}?{rest}"


def test_elsewhere_the_size_has_to_be_given(
    on: Callable[[str], Vsl],
    database: str,
    servers: ServerPool,
    new_pgbouncer: NewPgBouncer,
) -> None:
    far = on(over_tcp(servers, database))
    for vsl in (far, on(new_pgbouncer(database).url())):
        done = vsl("db", "tune")
        assert done.status == 2
        assert "--ram: the server is not on this machine" in done.err
        assert "--rds-class" in done.err
        assert "--cpus: the server" in vsl("db", "tune", "--ram", "8GB").err
        assert vsl("db", "tune", *SIZE).status == 0
    assert far("db", "tune", "--rds-class", "db.t4g.medium").status == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--ram", "lots"), "--ram: is not an amount of memory"),
        (("--ram", "1MB", "--cpus", "1"), "--ram: 1 MB is out of range (512 MB to 65536 GB)"),
        (("--ram", "8GB", "--cpus", "0"), "--cpus: is out of range (1 to 4096)"),
        (("--rds-class", "db.huge"), "--rds-class: 'db.huge' is not in VSL's table"),
        (("--rds-class", "db.m5.large", "--cpus", "2"), "--rds-class: says what --ram and --cpus"),
        (("--storage", "tape"), "--storage: is not known (one of ssd, nvme, hdd)"),
        (("--workload", "idle"), "--workload: is not known (one of oltp, web, mixed)"),
        ((*SIZE, "--connections", "65"), "65 sessions do not fit into 1 GB of memory (up to 64)"),
    ],
)
@pytest.mark.parametrize("server", [18], indirect=True)
def test_wrong_usage(
    on: Callable[[str], Vsl], database: str, options: tuple[str, ...], words: str
) -> None:
    done = on(database)("db", "tune", *options)
    assert done.status == 2
    assert words in " ".join(done.err.split())


def test_temporary_files_speak_for_work_mem(
    on: Callable[[str], Vsl], database: str, connect: Connect
) -> None:
    work_mem = named(on(database).json("db", "tune", "--ram", "8GB", "--cpus", "4"))["work_mem"]
    assert (work_mem["level"], "no temporary files" in work_mem["evidence"]) == ("consider", True)
    admin = connect(database)
    if admin.info.server_version >= 150000:
        admin.execute("CREATE EXTENSION pg_stat_statements")
    admin.execute("SET work_mem = '64kB'")
    admin.execute("SELECT i FROM generate_series(1, 100000) i ORDER BY md5(i::text)")
    admin.execute("SELECT pg_stat_force_next_flush()")
    admin.execute("SELECT 1")
    work_mem = named(on(database).json("db", "tune", "--ram", "8GB", "--cpus", "4"))["work_mem"]
    assert work_mem["level"] == "change"
    assert "temporary files in" in work_mem["evidence"]
    assert "since the counters began" in work_mem["evidence"]
    assert "the worst statement writes" in work_mem["evidence"]


def test_a_snapshot_gives_the_window(
    on: Callable[[str], Vsl], database: str, connect: Connect
) -> None:
    admin = connect(database)
    admin.execute("SELECT pg_stat_force_next_flush()")
    admin.execute("SELECT 1")
    admin.execute(
        "INSERT INTO vsl.health_snapshots (taken_at, measures)"
        " SELECT now() - interval '5 hours', vsl.measure_health()"
    )
    evidence = on(database).json("db", "tune", *SIZE)["evidence"]
    assert evidence["from_snapshot"] is True
    assert 5 * 3600 <= evidence["window"] < 5 * 3600 + 600
    # Counters that have begun anew cannot be compared with it.
    admin.execute(
        "UPDATE vsl.health_snapshots"
        " SET measures = jsonb_set(measures, '{database,commits}', '1000000000000')"
    )
    assert on(database).json("db", "tune", *SIZE)["evidence"]["from_snapshot"] is False


@pytest.mark.parametrize("role", ["vsl_monitor", "vsl_reader"])
def test_with_the_least_rights(
    on: Callable[[str], Vsl], database: str, role_url: Callable[[str, str], str], role: str
) -> None:
    vsl = on(role_url(database, role))
    libraries = named(vsl.json("db", "tune", *SIZE))["shared_preload_libraries"]
    if role == "vsl_monitor":
        assert libraries["level"] == "fine"
        return
    assert (libraries["level"], libraries["live"]) == ("cannot tell", None)
    assert libraries["remark"].endswith('GRANT pg_read_all_settings TO "test_vsl_reader";')
    said = vsl("db", "tune", *SIZE)
    assert "hidden" in said.out
    assert "ALTER SYSTEM takes a superuser" in said.out


def test_values_of_databases_and_roles_are_seen(
    on: Callable[[str], Vsl], database: str, connect: Connect
) -> None:
    admin = connect(database)
    name = admin.info.dbname
    admin.execute(f"ALTER DATABASE {name} SET work_mem = '1MB'".encode())
    admin.execute(f"ALTER DATABASE {name} SET jit = 'on'".encode())
    admin.execute(f"ALTER ROLE plain IN DATABASE {name} SET random_page_cost = 3".encode())
    found = named(on(database).json("db", "tune", "--ram", "8GB", "--cpus", "4"))
    assert (found["work_mem"]["live"], found["work_mem"]["source"]) == ("1MB", "this database")
    assert found["work_mem"]["overrides"] == [f"all roles in database {name}: 1MB"]
    assert found["jit"]["statement"] == f"ALTER DATABASE \"{name}\" SET jit = 'off';"
    assert found["random_page_cost"]["overrides"] == [f"role plain in database {name}: 3"]
    admin.execute(found["jit"]["statement"].encode())
    assert named(on(database).json("db", "tune", *SIZE))["jit"]["level"] == "fine"


def test_a_login_of_a_service_wants_a_timeout(
    on: Callable[[str], Vsl],
    database: str,
    connect: Connect,
    role_url: Callable[[str, str], str],
) -> None:
    role_url(database, "vsl_app")  # makes the login
    admin = connect(database)
    admin.execute("ALTER ROLE test_vsl_app RESET statement_timeout")
    advice = named(on(database).json("db", "tune", *SIZE))["statement_timeout of test_vsl_app"]
    assert advice["level"] == "consider"
    statement = advice["statement"]
    assert statement == "ALTER ROLE \"test_vsl_app\" SET statement_timeout = '30s';"
    here = f"ALTER ROLE test_vsl_app IN DATABASE {admin.info.dbname}"
    admin.execute(f"{here} SET statement_timeout = '9s'".encode())
    advice = named(on(database).json("db", "tune", *SIZE))["statement_timeout of test_vsl_app"]
    assert (advice["level"], advice["live"]) == ("fine", "9s")


def test_rds_is_recognised(on: Callable[[str], Vsl], database: str, connect: Connect) -> None:
    admin = connect(database)
    admin.execute(f"ALTER DATABASE {admin.info.dbname} SET rds.extensions = 'pgcrypto'".encode())
    vsl = on(database)
    refused = vsl("db", "tune")
    assert refused.status == 2
    assert "--rds-class" in refused.err
    done = vsl("db", "tune", "--rds-class", "db.m6g.large")
    assert done.status == 0
    assert done.out.startswith("RDS ")
    assert "ALTER SYSTEM SET" not in done.out
    call = '{"ParameterName": "shared_buffers", "ParameterValue": "262144", "ApplyMethod": '
    assert f'{call}"pending-reboot"' in done.out
    assert "aws rds modify-db-parameter-group" in done.out


def test_only_the_statements(on: Callable[[str], Vsl], database: str) -> None:
    done = on(database)("db", "tune", *SIZE, "--sql")
    assert done.status == 0
    lines = done.out.splitlines()
    assert all(line.startswith(("ALTER ", "SELECT ", "-- ")) for line in lines)
    assert "ALTER SYSTEM SET shared_buffers = '256MB';" in lines
    assert "SELECT pg_reload_conf();" in lines
