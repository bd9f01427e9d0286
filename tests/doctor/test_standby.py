"""The doctor on a real standby, and on its primary."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from tests.cli.program import Vsl
from tests.doctor.kit import Stage, ask, healthy
from tests.doctor.replication_faults import write_wal
from tests.schema.kit import Session
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until

from vsl.db.embedded.account import run_as, server_account
from vsl.db.embedded.postmaster import pick_port
from vsl.ops.doctor.check import Level, judge
from vsl.ops.doctor.live import LIVE

BY_ID = {check.id: check for check in LIVE}


class Standby:
    """A streaming standby of a test server."""

    def __init__(self, primary: TestServer) -> None:
        self._primary = primary
        self._account = server_account(primary.embedded.home.data, "vsl")
        self.folder = Path(tempfile.mkdtemp(prefix="vsl-standby-"))
        if self._account.switch:
            os.chown(self.folder, self._account.uid, self._account.gid)
        (host,) = parse_qs(urlsplit(primary.url("postgres")).query)["host"]
        self._run("pg_basebackup", "-h", host, "-p", primary.port, "-U", "vsl", "-R", "-c", "fast",
                  "-D", self.folder / "data")  # fmt: skip
        self.port = pick_port() or 0
        options = f"-p {self.port} -c listen_addresses='' -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options,
                  "-w", "start")  # fmt: skip

    def url(self, database: str, user: str) -> str:
        """The URL of a database on it, for a login of the primary."""
        (passfile,) = parse_qs(urlsplit(self._primary.url(database)).query)["passfile"]
        place = f"host={quote(str(self.folder))}&port={self.port}&passfile={quote(passfile)}"
        return f"postgresql://{user}@/{database}?{place}&sslmode=disable"

    def close(self) -> None:
        """Stop it and remove its files."""
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: object) -> None:
        path = self._primary.embedded.binaries.program(program)
        argv: list[str | Path] = [path, *(str(argument) for argument in arguments)]
        password = {"PGPASSWORD": self._primary.password}
        done = run_as(self._account, argv, cwd=Path("/"), timeout=60, variables=password)
        assert done.status == 0, done.output


@pytest.fixture
def primary(
    server: TestServer,
    special_servers: Callable[[int], TestServer],
    new_stage: Callable[[TestServer], Stage],
) -> Stage:
    """A database on a server that lets standbys in."""
    stage = new_stage(special_servers(server.major))
    rules = stage.server.embedded.home.data / "pg_hba.conf"
    line = "local replication all scram-sha-256\n"
    if line not in rules.read_text():
        with rules.open("a") as file:
            file.write(line)
    stage.session().run("SELECT pg_reload_conf()")
    return stage


@pytest.fixture
def standby(primary: Stage) -> Iterator[Standby]:
    """A standby of it."""
    healthy(primary)
    made = Standby(primary.server)
    yield made
    made.close()


def test_a_standby_that_falls_behind_is_seen_from_both_sides(
    primary: Stage, standby: Standby, program: Vsl
) -> None:
    database = database_name(primary.url)
    url = standby.url(database, primary.server.login_for("vsl_monitor"))
    # All checks can be asked there, and a standby cannot keep counters.
    document = program("db", "doctor", "--json", DATABASE_URL=url).document
    levels = {check["id"]: check["level"] for check in document["checks"]}
    assert "unknown" not in levels.values()
    assert levels["replication-lag-bytes"] == levels["replication-lag-time"] == "ok"
    assert "only reads" in document["snapshot"]["because"]
    (counters,) = ask(url, "rollbacks")
    assert "this server is a standby" in (counters.evidence or "")

    there = Session(primary.connect(standby.url(database, "vsl"), autocommit=True))
    there.run("SELECT pg_wal_replay_pause()")
    write_wal(primary, 66)
    received = primary.session().value("SELECT pg_current_wal_lsn()::text")
    primary.session().run("SELECT pg_logical_emit_message(true, 'test', 'x')")
    wait_until(
        lambda: there.value("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn", received), within=60
    )
    for place, subject in ((url, "this replica"), (primary.url, "replica")):
        result = judge(BY_ID["replication-lag-bytes"], ask(place, "replication-lag-bytes"))
        assert result.level is Level.warn, result
        assert result.findings[0].subject.startswith(subject)
    (late,) = ask(url, "replication-lag-time")
    assert late.value is not None
    assert late.value > 0
