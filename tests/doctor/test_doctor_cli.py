"""``vsl db doctor`` as a user runs it: words, JSON, exit statuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.program import CANARY, Done, Vsl
from tests.doctor import job_faults, session_faults
from tests.doctor.kit import Stage, add_models, healthy
from tests.support.servers import TestServer, database_name
from tests.support.waiting import wait_until

from vsl.ops.doctor.catalogue import CHECKS

Stages = Callable[[TestServer], Stage]
Doctor = Callable[..., Done]

on_18 = pytest.mark.parametrize("server", [18], indirect=True)


@pytest.fixture
def doctor(program: Vsl, stage: Stage) -> Doctor:
    """``doctor(*arguments, role=…)``: ``vsl db doctor`` with a role's login."""

    def run(*arguments: str, role: str | None = "vsl_monitor") -> Done:
        url = stage.url if role is None else stage.role_url(stage.url, role)
        return program("db", "doctor", *arguments, DATABASE_URL=url)

    return run


def test_a_healthy_database_exits_0(
    server: TestServer,
    sound_servers: Callable[[int], TestServer],
    new_stage: Stages,
    program: Vsl,
) -> None:
    stage = new_stage(sound_servers(server.major))
    healthy(stage)
    url = stage.role_url(stage.url, "vsl_monitor")
    done = program("db", "doctor", DATABASE_URL=url)
    assert done.status == 0, done.out
    assert f"{len(CHECKS)} checks in" in done.out
    assert not [word for word in ("fail ", "warn ", "cannot tell ") if f"\n{word}" in done.out]


def spoil(stage: Stage) -> None:
    """A held snapshot, an invalid index, an idle transaction, a lease past due."""
    session = add_models(stage)
    session.add_job(prompt=CANARY)
    session.start()
    session.run("UPDATE vsl.dispatch SET lease_until = now() - interval '6 minutes'")
    session.run("INSERT INTO user_preferences VALUES ('ada'), ('bob')")
    invalid = "CREATE UNIQUE INDEX CONCURRENTLY half_built_idx ON user_preferences ((1))"
    assert session.refused(invalid).sqlstate == "23505"
    stage.session(role="vsl_app", autocommit=False).run(
        "SELECT count(*) FROM jobs WHERE prompt = %s", CANARY
    )
    session_faults.held_horizon(100_001)(stage)


def test_a_spoiled_database_exits_3_and_each_fault_is_named(stage: Stage, doctor: Doctor) -> None:
    spoil(stage)
    session = stage.session()
    age = (
        "SELECT min(now() - state_change) > '5 s' FROM pg_stat_activity"
        " WHERE state = 'idle in transaction' AND usename = 'test_vsl_app'"
    )
    wait_until(lambda: session.value(age))
    done = doctor()
    assert done.status == 3, done.out
    lines = done.out.splitlines()
    for word, check, subject, command in (
        ("warn", "xmin-horizon", "process", "vsl db kill"),
        ("note", "idle-in-transaction", "process", "vsl db kill"),
        ("fail", "overdue-leases", "worker w", "vsl worker --lanes cog"),
        ("fail", "invalid-indexes", "half_built_idx", "REINDEX"),
    ):
        heads = [n for n, line in enumerate(lines) if line.startswith(f"{word} {check} · ")]
        assert heads, f"{check} is not named:\n{done.out}"
        blocks = ["\n".join(lines[head : lines.index("", head)]) for head in heads]
        assert any(subject in block and f"next: {command}" in block for block in blocks), blocks
    assert done.out.index("fail overdue-leases") < done.out.index("warn xmin-horizon")
    assert "the VSL worker host:1:abc" in done.out
    assert CANARY not in done.out
    assert CANARY not in doctor("--json").out


@on_18
def test_json_has_everything(stage: Stage, doctor: Doctor) -> None:
    job_faults.lease_past_due(301)(stage)
    done = doctor("--json", "--only", "overdue-leases,dispatch-rows", "--no-snapshot")
    assert done.status == 3
    document = done.document
    assert (document["level"], document["status"]) == ("fail", 3)
    assert document["counts"] == {"fail": 1, "warn": 0, "unknown": 0, "note": 0, "ok": 1}
    assert document["snapshot"] == {"kept": False, "because": None, "next": None}
    (found,) = [check for check in document["checks"] if check["level"] == "fail"]
    assert found["file"] == "database/queries/doctor/overdue_leases.sql"
    assert found["limits"] == {"note": None, "warn": 60, "fail": 300, "falling": False}
    assert 0 < found["seconds"] < 5
    (finding,) = found["findings"]
    assert finding["value"] >= 301
    assert (finding["limit"], finding["next"]) == (300, "vsl worker --lanes cog")


@on_18
def test_checks_are_chosen_and_left_out(stage: Stage, doctor: Doctor) -> None:
    job_faults.lease_past_due(301)(stage)
    assert doctor("--ignore", "overdue-leases", "--only=overdue-leases,connections").status == 0
    done = doctor("--only", "overdue-leases", "--only", "connections", "--no-snapshot")
    assert done.status == 3
    assert "2 checks in" in done.out
    assert doctor("--ignore", "overdue-leases, dangerous-settings").status == 0


@on_18
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "overdue-lease"], ["--only: overdue-lease is not", "Did you mean overdue-l"]),
        (["--ignore", "qqqq"], ["--ignore: qqqq is not a check", "vsl db doctor list"]),
        (["--only", ","], ["--only: names no check"]),
        (["--only=connections", "--ignore=connections"], ["leaves no check"]),
        (["explain", "conections"], ["CHECK: conections is not", "Did you mean connections?"]),
    ],
)
def test_what_is_no_check_is_refused(
    doctor: Doctor, arguments: list[str], words: list[str]
) -> None:
    done = doctor(*arguments)
    assert done.status == 2
    assert [word for word in words if word not in done.err] == []


def test_the_counters_are_kept_unless_not_wanted(stage: Stage, doctor: Doctor) -> None:
    session = stage.session()
    only = ("--only", "connections")
    doctor(*only, "--no-snapshot")
    assert session.count("vsl.health_snapshots") == 0
    assert doctor(*only, "--json").document["snapshot"]["kept"] is True
    assert session.count("vsl.health_snapshots") == 1


@on_18
def test_counters_that_may_not_be_kept_are_no_failure(doctor: Doctor) -> None:
    done = doctor("--only", "connections", role="vsl_reader")
    assert done.status == 0, done.out
    assert "were not kept: permission denied for function take_snapshot" in done.out
    assert "next: GRANT vsl_monitor TO test_vsl_reader;" in done.out


def test_a_login_that_may_see_nothing_is_told_which_grant_helps(stage: Stage, program: Vsl) -> None:
    """With faults there, so that what it is not told could be mistaken for health."""
    spoil(stage)
    url = stage.server.url(database_name(stage.url), "plain")
    done = program("db", "doctor", "--json", DATABASE_URL=url)
    levels = {check["id"]: check for check in done.document["checks"]}
    for blind in ("idle-in-transaction", "long-queries", "overdue-leases", "ledger-balance"):
        assert levels[blind]["level"] == "unknown", levels[blind]
        nexts = {finding["next"] for finding in levels[blind]["findings"] if finding["unknown"]}
        assert nexts == {"GRANT vsl_monitor TO plain;"}
    # Who holds the horizon is told to everybody.
    assert levels["xmin-horizon"]["level"] == "warn"
    words = program("db", "doctor", DATABASE_URL=url).out
    (line,) = [line for line in words.splitlines() if "overdue-leases" in line]
    assert line.startswith("cannot tell ")
    assert "permission denied for schema vsl" in words


@on_18
def test_the_superuser_may_ask_as_well(stage: Stage, doctor: Doctor) -> None:
    healthy(stage)
    assert doctor("--ignore", "dangerous-settings", role=None).status == 0


@on_18
def test_without_vsl_there_is_nothing_to_ask(program: Vsl, empty_database: str) -> None:
    done = program("db", "doctor", DATABASE_URL=empty_database)
    assert done.status == 1
    assert "VSL is not installed in this database" in done.err
    assert "vsl db migrate" in done.err


def test_a_database_that_is_not_there(program: Vsl) -> None:
    done = program("db", "doctor", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert done.status == 1
    assert "the database cannot be reached: nothing listens at its address" in done.err
    done = program("db", "doctor", "--json", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert done.error["code"] == "database_error"


def test_all_checks_are_listed(program: Vsl) -> None:
    done = program("db", "doctor", "list")
    assert done.status == 0
    assert [check.id for check in CHECKS if f"\n{check.id} " not in done.out] == []
    listed = program.json("db", "doctor", "list")
    assert [entry["id"] for entry in listed] == [check.id for check in CHECKS]


def test_a_check_is_explained(program: Vsl) -> None:
    done = program("db", "doctor", "explain", "overdue-leases")
    assert done.status == 0
    for words in ("from 60 s", "from 5 min", "vsl worker", "FROM vsl.dispatch d", "ten seconds"):
        assert words in done.out
    explained = program.json("db", "doctor", "explain", "overdue-leases")
    assert "FROM vsl.dispatch d" in explained["sql"]
