"""What each of the seven roles can do, and that it can do nothing else."""

# ruff: noqa: S608
# The names of tables and columns in the statements below are this file's own.

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from tests.schema.kit import CONTRACT, Session, output_of

from vsl.db.migrate import require_current
from vsl.db.pool import connect as open_connection

PRIVATE = (
    "dispatch", "attempts", "ledger_entries", "doomed_objects", "repeatables",
    "health_snapshots", "audit_entries", "predictions",
)  # fmt: skip
# May each role: SELECT, INSERT, UPDATE, DELETE on each relation. S: some columns only.
RIGHTS = {
    "vsl_app": {
        **dict.fromkeys(CONTRACT, "r"),
        "jobs": "riud",
        "media_outputs": "riud",
        "user_preferences": "riud",
        "usage_tracking": "ri",
        "repeatables": "r",
    },
    "vsl_worker": {"schema_migrations": "r", "model_configurations": "r", "repeatables": "r"},
    "vsl_reader": {**dict.fromkeys(CONTRACT, "r"), "repeatables": "r"},
    "vsl_monitor": {
        **dict.fromkeys(
            (
                "model_configurations", "usage_tracking", "schema_migrations", "dispatch",
                "ledger_entries", "doomed_objects", "repeatables", "health_snapshots",
                "audit_entries",
            ),
            "r",
        ),
        "jobs": "c",
        "media_outputs": "c",
        "attempts": "c",
    },
    "vsl_backup": dict.fromkeys((*CONTRACT, *PRIVATE), "r"),
}  # fmt: skip
FUNCTIONS = {
    "vsl_app": {
        "uuid7", "by_function", "check_job", "check_move", "check_model_of_job", "submit_job",
        "cancel_job", "retry_job", "resolve_job", "list_attempts",
    },
    "vsl_worker": {
        "claim_jobs", "begin_attempts", "record_prediction", "finish_jobs", "fail_job",
        "extend_leases", "hand_back_jobs", "rescue_jobs", "next_due", "doom_objects",
        "take_doomed", "drop_doomed", "release_jobs", "defer_job", "free_predictions",
        "list_stored", "judge_objects", "name_outputs", "mark_outputs",
    },
    "vsl_reader": {"list_attempts"},
    "vsl_monitor": {
        "record_act", "measure_health", "measure_statements", "take_snapshot", "health_window",
        "column_widths",
    },
    "vsl_backup": set(),
}  # fmt: skip


@pytest.mark.parametrize("role", RIGHTS)
def test_rights_on_tables(role: str, session: Session) -> None:
    rows = session.all(
        "SELECT relname, concat("
        "CASE WHEN has_table_privilege(%s, oid, 'SELECT') THEN 'r'"
        " WHEN has_any_column_privilege(%s, oid, 'SELECT') THEN 'c' END,"
        "CASE WHEN has_any_column_privilege(%s, oid, 'INSERT') THEN 'i' END,"
        "CASE WHEN has_any_column_privilege(%s, oid, 'UPDATE') THEN 'u' END,"
        "CASE WHEN has_table_privilege(%s, oid, 'DELETE') THEN 'd' END,"
        "CASE WHEN has_table_privilege(%s, oid, 'TRUNCATE, REFERENCES, TRIGGER') THEN '!' END"
        ") AS rights FROM pg_class WHERE relkind IN ('r', 'v')"
        " AND relnamespace IN ('public'::regnamespace, 'vsl'::regnamespace)",
        *[role] * 6,
    )
    found = {row["relname"]: row["rights"] for row in rows}
    assert found.keys() >= {*CONTRACT, *PRIVATE}
    assert {name: rights for name, rights in found.items() if rights} == RIGHTS[role]


@pytest.mark.parametrize("role", FUNCTIONS)
def test_rights_on_functions(role: str, session: Session) -> None:
    rows = session.all(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace"
        " AND has_function_privilege(%s, oid, 'EXECUTE')",
        role,
    )
    assert {row["proname"] for row in rows} == FUNCTIONS[role]


def test_nothing_is_for_everybody(session: Session) -> None:
    rows = session.all(
        "SELECT c.oid::regclass::text AS name FROM pg_class c, aclexplode(c.relacl) a"
        " WHERE a.grantee = 0 AND c.relnamespace IN ('public'::regnamespace, 'vsl'::regnamespace)"
        " UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p,"
        " aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " WHERE a.grantee = 0 AND p.pronamespace = 'vsl'::regnamespace"
    )
    assert rows == []


def test_functions_that_run_as_their_owner_fix_their_search_path(session: Session) -> None:
    rows = session.all(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace AND prosecdef"
        " AND (proconfig IS NULL"
        " OR proconfig::text !~ 'search_path=pg_catalog, (vsl, )?pg_temp')"
    )
    assert rows == []


def test_the_application(session: Session, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    job = app.add_job(job_id="mine", prompt="a heron")
    app.set(job, metadata={"seen": True})
    assert app.value("SELECT prompt FROM jobs") == "a heron"
    assert app.value("SELECT total_jobs FROM v_user_statistics") == 1
    app.run("INSERT INTO user_preferences (user_id) VALUES ('ada')")
    app.run("UPDATE user_preferences SET notification_enabled = false")
    app.insert("usage_tracking", {"user_id": "ada"})
    assert app.value("SELECT vsl.cancel_job('mine')") == "cancelled"
    app.run("SELECT vsl.retry_job('mine')")
    session.start()
    assert app.value("SELECT count(*) FROM vsl.list_attempts('mine')") == 1
    for statement in (
        *(f"SELECT * FROM vsl.{table}" for table in PRIVATE if table != "repeatables"),
        "DELETE FROM vsl.dispatch",
        "INSERT INTO vsl.ledger_entries DEFAULT VALUES",
        "UPDATE vsl.repeatables SET sha256 = ''",
        "SELECT nextval('vsl.epoch_seq')",
        "SELECT * FROM vsl.claim_jobs('w', '{cog}', 1, 60)",
        "SELECT * FROM vsl.begin_attempts('{}', '{}')",
        "SELECT * FROM vsl.finish_jobs('[]')",
        "SELECT * FROM vsl.end_jobs('[]')",
        "SELECT vsl.fail_job(NULL, NULL, NULL, '', '', true)",
        "SELECT vsl.doom_objects('{}', '', '')",
        "SELECT vsl.drop_doomed('{}')",
        "UPDATE model_configurations SET pricing_per_unit = 0",
        "INSERT INTO model_configurations (model_id, media_type) VALUES ('x', 'image')",
        "UPDATE usage_tracking SET actual_cost = 0",
        "DELETE FROM usage_tracking",
        "INSERT INTO schema_migrations VALUES ('9')",
        "CREATE TABLE vsl.mine (n integer)",
        "DROP TABLE jobs",
        "ALTER TABLE jobs DISABLE TRIGGER ALL",
        "SET ROLE vsl_owner",
        "CREATE FUNCTION vsl.by_function(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ):
        assert app.refused(statement).sqlstate == "42501", statement


def test_the_worker_drives_a_job_by_functions_alone(
    session: Session, as_role: Callable[[str], Session]
) -> None:
    job = session.add_job(job_id="mine", prompt="a heron")
    worker = as_role("vsl_worker")
    assert worker.value("SELECT vsl.next_due('{cog}')") is not None
    claimed = worker.claim()
    assert (claimed["id"], claimed["prompt"]) == (job["id"], "a heron")
    pair = "ARRAY[%s]::uuid[], ARRAY[%s]::bigint[]"
    ids = claimed["id"], claimed["epoch"]
    assert worker.all(f"SELECT * FROM vsl.hand_back_jobs({pair})", *ids)
    claimed, begun = worker.start()
    ids = claimed["id"], claimed["epoch"]
    assert worker.all(f"SELECT * FROM vsl.extend_leases({pair}, 60)", *ids)
    record = "SELECT vsl.record_prediction(%s, 'p', 'processing', NULL, NULL, NULL, false)"
    assert worker.value(record, begun["attempt_id"]) is True
    fail = "SELECT vsl.fail_job(%s, %s, %s, 'code', 'it broke', true)"
    assert worker.value(fail, *ids, begun["attempt_id"]) == "retried"
    session.run("UPDATE vsl.dispatch SET due_at = now()")
    claimed, begun = worker.start()
    assert worker.all("SELECT * FROM vsl.rescue_jobs(10)") == []
    assert worker.finish(claimed, begun)["result"] == "finished"
    assert worker.value("SELECT vsl.doom_objects('{a,b}', 'here', 'stored in vain')") == 2
    session.run("UPDATE vsl.doomed_objects SET due_at = now()")
    taken = worker.all("SELECT * FROM vsl.take_doomed('here', 10)")
    worker.run("SELECT vsl.drop_doomed(%s)", [row["id"] for row in taken])
    assert session.job(job)["status"] == "completed"
    assert session.count("vsl.doomed_objects") == 0
    output = output_of("image")
    for statement, *values in (
        ("SELECT * FROM jobs",),
        ("SELECT status FROM jobs",),
        ("SELECT * FROM media_outputs",),
        ("INSERT INTO jobs (user_id, model_id) VALUES ('ada', 'painter')",),
        ("SELECT vsl.submit_job('painter', 'ada')",),
        ("SELECT vsl.cancel_job('mine')",),
        ("SELECT vsl.retry_job('mine')",),
        ("SELECT * FROM vsl.dispatch",),
        ("SELECT * FROM vsl.ledger_entries",),
        ("SELECT vsl.end_jobs(%s)", json.dumps([output])),
        ("DELETE FROM jobs",),
        ("UPDATE model_configurations SET is_free = true",),
    ):
        assert worker.refused(statement, *values).sqlstate == "42501", statement


def test_the_reader(session: Session, as_role: Callable[[str], Session]) -> None:
    session.add_job(job_id="mine", prompt="a heron")
    session.run_job()
    reader = as_role("vsl_reader")
    for table in CONTRACT:
        assert reader.all(f"SELECT * FROM {table}") or table == "user_preferences"
    assert reader.value("SELECT outcome FROM vsl.list_attempts('mine')") == "completed"
    for statement in (
        "INSERT INTO jobs (user_id, model_id) VALUES ('ada', 'painter')",
        "UPDATE jobs SET metadata = '{}'",
        "DELETE FROM media_outputs",
        "SELECT vsl.cancel_job('mine')",
        "SELECT * FROM vsl.attempts",
        "SELECT * FROM vsl.dispatch",
        "SELECT * FROM jobs FOR UPDATE",
        "DELETE FROM v_recent_jobs_with_outputs",
    ):
        sqlstate = reader.refused(statement).sqlstate
        assert sqlstate == ("55000" if "DELETE FROM v_" in statement else "42501"), statement


def test_the_monitor_sees_no_prompt(session: Session, as_role: Callable[[str], Session]) -> None:
    session.add_job(job_id="mine", prompt="a heron", parameters={"text": "a heron"})
    claimed, begun = session.start()
    session.run(
        "SELECT vsl.record_prediction(%s, 'p', 'processing', %s, NULL, 1, true)",
        begun["attempt_id"],
        json.dumps({"x": "a heron"}),
    )
    fail = "SELECT vsl.fail_job(%s, %s, %s, 'code', 'a heron', false)"
    session.run(fail, claimed["id"], claimed["epoch"], begun["attempt_id"])
    monitor = as_role("vsl_monitor")
    rows = session.all(
        "SELECT c.oid::regclass::text AS relation, string_agg(quote_ident(a.attname), ', ') AS"
        " columns FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relkind IN ('r', 'v') AND relnamespace IN ('public'::regnamespace,"
        " 'vsl'::regnamespace) AND has_column_privilege('vsl_monitor', c.oid, a.attnum, 'SELECT')"
        " GROUP BY c.oid"
    )
    seen = {
        row["relation"]: monitor.all("SELECT {columns} FROM {relation}".format(**row))
        for row in rows
    }
    assert seen["jobs"][0]["status"] == "failed"
    assert seen["vsl.attempts"][0]["error_code"] == "code"
    assert "heron" not in str(seen)
    for column in ("prompt", "parameters", "metadata", "error_message"):
        assert monitor.refused(f"SELECT {column} FROM jobs").sqlstate == "42501"
    for column in ("output", "error_message", "metrics"):
        assert monitor.refused(f"SELECT {column} FROM vsl.attempts").sqlstate == "42501"
    for view in ("v_recent_jobs_with_outputs", "v_user_statistics"):
        assert monitor.refused(f"SELECT * FROM {view}").sqlstate == "42501"
    assert monitor.refused("SELECT * FROM vsl.claim_jobs('w', '{cog}', 1, 60)").sqlstate == "42501"
    # Numbers of the server, through the role that PostgreSQL has for that.
    assert monitor.value("SELECT pg_has_role('pg_monitor', 'MEMBER')") is True
    assert monitor.value("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL") > 1


def test_the_migrator(session: Session, as_role: Callable[[str], Session]) -> None:
    migrator = as_role("vsl_migrator")
    migrator.run("SET ROLE vsl_owner")
    migrator.run("CREATE TABLE extras (n integer)")
    migrator.run("CREATE TABLE vsl.extras (n integer)")
    migrator.run("ALTER TABLE jobs ADD COLUMN extra text")
    migrator.run("ALTER FUNCTION vsl.fill_job() COST 10")
    migrator.run("INSERT INTO schema_migrations (version) VALUES ('9.9.9')")
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass"
    assert session.value(owner, "vsl.extras") == "vsl_owner"
    migrator.run("RESET ROLE")
    for statement in (
        "CREATE ROLE another",
        "SELECT pg_read_file('/etc/hostname')",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SET session_replication_role = replica",
    ):
        assert migrator.refused(statement).sqlstate == "42501", statement


@pytest.mark.parametrize("role", ["vsl_app", "vsl_worker", "vsl_reader", "vsl_migrator"])
async def test_programs_can_check_the_schema(
    role: str, session: Session, as_role: Callable[[str], Session]
) -> None:
    login = as_role(role)
    assert login.value("SELECT current_database()") == session.value("SELECT current_database()")
    async with open_connection(login.connection.info.dsn) as connection:
        await require_current(connection)


def test_a_stranger(session: Session, as_role: Callable[[str], Session]) -> None:
    job = session.add_job(job_id="mine")
    stranger = as_role("plain")
    for table in (*CONTRACT, *(f"vsl.{name}" for name in PRIVATE)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.run(f"SELECT * FROM {table}")
    assert stranger.refused("SELECT vsl.uuid7()").sqlstate == "42501"
    assert session.job(job)["status"] == "pending"
