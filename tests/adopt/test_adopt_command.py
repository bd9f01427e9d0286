"""``vsl db adopt`` as a person runs it: shown, asked, in use, killed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import psycopg
import pytest
from tests.adopt.conftest import Original
from tests.cli.program import CANARY, Vsl
from tests.conftest import Connect, NewPgBouncer
from tests.schema.kit import Session
from tests.support.waiting import wait_until

ON = Callable[[str], Vsl]
ON_18 = pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])

#: Holds a transaction of another session at its first command of a kind, before it is done.
GATE = """
CREATE FUNCTION gate() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); END $$;
CREATE EVENT TRIGGER gate ON ddl_command_start WHEN TAG IN ('{tag}') EXECUTE FUNCTION gate()
"""


def relations(session: Session) -> list[str]:
    """Everything outside of PostgreSQL's own schemas, by name and object."""
    return [
        row["name"]
        for row in session.all(
            "SELECT c.oid || ' ' || c.relnamespace::regnamespace || '.' || c.relname AS name"
            " FROM pg_class c WHERE c.relnamespace::regnamespace::text !~ '^(pg_|information)'"
            " ORDER BY 1"
        )
    ]


def add_job(session: Session, **columns: object) -> None:
    whole = {
        "job_id": "j",
        "media_type": "image",
        "model_id": "m",
        "user_id": "u",
        "prompt": CANARY,
    }
    session.insert("jobs", {**whole, **columns})


@ON_18
def test_shown_only(filled: Original, on: ON) -> None:
    before = relations(filled.session)
    filled.session.run("UPDATE jobs SET media_type = 'IMAGE' WHERE false")
    vsl = on(filled.url)
    done = vsl("db", "adopt", "--dry-run")
    assert done.status == 0, done.err
    assert "jobs                  1000" in done.out
    assert "1000 models become external" in done.out
    found = vsl.json("db", "adopt", "--dry-run")
    assert found["adopted"] is False
    assert {"name": "jobs", "rows": 1000, "refused": 0} in found["found"]["tables"]
    assert relations(filled.session) == before


@ON_18
def test_without_a_terminal_it_wants_yes(original: Original, on: ON) -> None:
    before = relations(original.session)
    done = on(original.url)("db", "adopt")
    assert (done.status, done.out) == (2, "")
    assert "--yes: is needed where nobody can be asked" in done.err
    done = on(original.url)("db", "adopt", "--fill", "status=done", "--yes")
    assert (done.status, "--fill: is not understood" in done.err) == (2, True)
    assert relations(original.session) == before


@ON_18
def test_it_asks(original: Original, on: ON) -> None:
    add_job(original.session)
    terminal = on(original.url).terminal("db", "adopt", columns=120)
    terminal.wait_for("Adopt this database? [y/N]")
    terminal.type("n\n")
    assert terminal.wait() == 1
    assert "Nothing was changed." in terminal.text
    assert original.session.value("SELECT to_regnamespace('vsl') IS NULL") is True
    terminal = on(original.url).terminal("db", "adopt", columns=120)
    terminal.wait_for("Adopt this database? [y/N]")
    terminal.type("y\n")
    assert terminal.wait() == 0
    assert "Adopted: 2 rows copied and compared." in terminal.text
    assert "vsl db verify" in terminal.text
    assert CANARY not in terminal.text
    assert original.session.value("SELECT prompt FROM jobs") == CANARY


@ON_18
def test_what_is_refused_is_said_without_prompts(original: Original, on: ON) -> None:
    add_job(original.session, status="limbo", metadata={"secret": CANARY})
    its_id = original.session.value("SELECT id FROM jobs")
    vsl = on(original.url)
    shown = vsl("db", "adopt", "--dry-run")
    assert shown.status == 1
    assert (
        f"jobs.status     1  is not pending, processing, completed, failed or cancelled  {its_id}"
        in shown.out
    )
    done = vsl("db", "adopt", "--yes")
    assert done.status == 1
    assert "1 row cannot be had and would stay in vsl_original only" in done.err
    assert "--leave-behind" in done.err
    assert CANARY not in shown.out + done.out + done.err
    assert vsl("db", "adopt", "--yes", "--leave-behind").status == 0


@ON_18
def test_tables_in_use_are_not_waited_for_long(
    original: Original, on: ON, connect: Connect
) -> None:
    user = connect(original.url, autocommit=False, application_name="shop front")
    user.execute("SELECT count(*) FROM jobs")
    done = on(original.url)("db", "adopt", "--yes")
    assert done.status == 1
    assert "the original tables are in use, and were not to be had within 5 seconds" in done.err
    pid = user.info.backend_pid
    assert f"process {pid} of plain (shop front) idle in transaction for" in done.err
    user.rollback()
    assert on(original.url)("db", "adopt", "--yes").status == 0


@ON_18
def test_beside_another_runner(original: Original, on: ON, connect: Connect) -> None:
    other = connect(original.url)
    other.execute("SELECT pg_advisory_lock(hashtext('vsl'), hashtext('migrate'))")
    done = on(original.url)("db", "adopt", "--yes")
    assert done.status == 1
    assert "another migration or installation is at work" in done.err


@ON_18
def test_through_a_pooler_it_is_refused(
    original: Original, on: ON, new_pgbouncer: NewPgBouncer
) -> None:
    pooled = new_pgbouncer(original.admin).url()
    done = on(pooled)("db", "adopt", "--yes")
    assert done.status == 1
    assert "pooler" in done.err


@pytest.mark.parametrize("tag", ["CREATE SCHEMA", "CREATE TRIGGER", "CREATE VIEW", "REVOKE"])
def test_killed_in_the_middle_nothing_is_changed(
    original: Original, on: ON, connect: Connect, tag: str
) -> None:
    session = original.session
    for number in range(20):
        add_job(session, job_id=f"j{number}")
    holder = connect(original.admin)
    holder.execute(GATE.format(tag=tag).encode())
    before, rows = relations(session), session.all("SELECT * FROM jobs ORDER BY id")
    holder.execute("SELECT pg_advisory_lock(4711)")
    process = on(original.url).start("db", "adopt", "--yes", stderr=subprocess.DEVNULL)
    held = (
        "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE a.application_name = 'vsl adopt' AND l.locktype = 'advisory' AND NOT l.granted"
    )
    admin = Session(holder)
    found = wait_until(lambda: admin.all(held), within=60, what="the adoption to be held")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    holder.execute("SELECT pg_advisory_unlock(4711)")
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s"
    wait_until(lambda: admin.value(gone, found[0]["pid"]), within=60, what="its session to end")
    assert relations(session) == before
    assert session.all("SELECT * FROM jobs ORDER BY id") == rows
    assert session.value("SELECT to_regnamespace('vsl') IS NULL") is True
    holder.execute("DROP EVENT TRIGGER gate")
    holder.execute("DROP FUNCTION gate()")
    assert on(original.url)("db", "adopt", "--yes").status == 0


@ON_18
def test_what_comes_meanwhile_is_looked_at_again(original: Original, on: ON) -> None:
    """Between what was shown and the answer, a row comes that cannot be had."""
    terminal = on(original.url).terminal("db", "adopt", columns=120)
    terminal.wait_for("Adopt this database? [y/N]")
    add_job(original.session, status="limbo")
    terminal.type("y\n")
    assert terminal.wait() == 1
    assert "1 row cannot be had" in terminal.text
    assert original.session.value("SELECT to_regnamespace('vsl') IS NULL") is True
    with pytest.raises(psycopg.errors.UndefinedTable):
        original.session.run("SELECT 1 FROM vsl.dispatch")


@ON_18
def test_a_migration_points_here(original: Original, on: ON) -> None:
    before = relations(original.session)
    done = on(original.url)("db", "migrate")
    assert done.status == 1
    assert "already has relations that VSL would create: jobs, media_outputs" in done.err
    assert "vsl db adopt" in done.err
    assert relations(original.session) == before
