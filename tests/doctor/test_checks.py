"""Every check: its file, a fault that it finds, and quiet when there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest
from psycopg import pq
from tests.doctor import live_faults, storage_faults
from tests.doctor.kit import BY_ID, Calm, Fault, Stage, found, healthy
from tests.support.servers import TestServer

from vsl.db.files import database_dir
from vsl.db.health import check_text
from vsl.ops.doctor.catalogue import CHECKS
from vsl.ops.doctor.check import UNITS, Check, Level

FAULTS = live_faults.FAULTS + storage_faults.FAULTS
CALM = live_faults.CALM + storage_faults.CALM
COLUMNS = [
    ("subject", "text"),
    ("value", "float8"),
    ("level", "text"),
    ("evidence", "text"),
    ("next", "text"),
    ("unknown", "text"),
]

Stages = Callable[[TestServer], Stage]
each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.id))


def test_each_check_has_its_file_and_each_file_its_check() -> None:
    files = {path.stem for path in (database_dir() / "queries" / "doctor").glob("*.sql")}
    assert {check.name for check in CHECKS} == files
    assert len(BY_ID) == len(CHECKS)


def test_each_check_has_a_fault_that_it_must_find() -> None:
    assert {check.id for check in CHECKS} == {fault.check for fault in FAULTS}
    assert {calm.check for calm in CALM} <= set(BY_ID)


@each_check
def test_a_check_is_described(check: Check) -> None:
    assert check.unit in UNITS
    assert check.why.endswith(".")
    assert check.next
    first = check_text(check.name).splitlines()[0]
    assert first.startswith("-- ")


def test_every_file_answers_the_columns_of_a_check(stage: Stage) -> None:
    connection = stage.session().connection
    wrong = {check.id: columns(connection, check_text(check.name)) for check in CHECKS}
    assert {name: found for name, found in wrong.items() if found != COLUMNS} == {}


def columns(connection: psycopg.Connection, text: str) -> list[tuple[str, str]]:
    """The columns that a statement answers, or what is wrong with it."""
    prepared = connection.pgconn.prepare(b"", text.encode())
    if prepared.status != pq.ExecStatus.COMMAND_OK:
        return [("error", prepared.get_error_message())]
    described = connection.pgconn.describe_prepared(b"")
    if described.nparams:
        return [("parameters", str(described.nparams))]
    found = []
    for number in range(described.nfields):
        info = psycopg.adapters.types.get(described.ftype(number))
        name = (described.fname(number) or b"").decode()
        found.append((name, "" if info is None else info.name))
    return found


def on_majors(cases: Sequence[Fault | Calm]) -> pytest.MarkDecorator:
    """Each case on each server that it can be made on."""
    params = [pytest.param(major, case) for case in cases for major in case.majors]
    ids = [f"{case}-pg{major}" for case in cases for major in case.majors]
    return pytest.mark.parametrize(("server", "case"), params, indirect=["server"], ids=ids)


@on_majors(FAULTS)
def test_a_fault_is_found(case: Fault, stage_of_case: Stage) -> None:
    case.inject(stage_of_case)
    found(case, stage_of_case)


@on_majors(CALM)
def test_what_looks_like_a_fault_is_none(case: Calm, stage_of_case: Stage) -> None:
    case.inject(stage_of_case)
    result = stage_of_case.look(case.check)
    assert result.level <= case.level, result.findings


@pytest.fixture
def stage_of_case(
    case: Fault | Calm,
    server: TestServer,
    special_servers: Callable[[int], TestServer],
    new_stage: Stages,
) -> Stage:
    """A new database with VSL, on the server that the case needs."""
    return new_stage(special_servers(server.major) if case.special else server)


def test_a_healthy_database_is_quiet(any_server: TestServer, new_stage: Stages) -> None:
    """As the monitor role, on every server: no check warns, and none cannot tell."""
    stage = new_stage(any_server)
    healthy(stage)
    # The servers of the tests do not wait for the disk, and that check says so.
    results = [stage.look(check.id) for check in CHECKS if check.id != "dangerous-settings"]
    loud = {r.check.id: r.findings for r in results if r.level > Level.note}
    assert loud == {}
