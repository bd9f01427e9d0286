"""What the checks of what is stored say to logins that may see less, and what they may not show."""

from __future__ import annotations

import re

import pytest
from tests.doctor.kit import BY_ID, Stage, add_models, ask
from tests.doctor.snapshots import flush, snapshot
from tests.doctor.table_faults import wide_table
from tests.schema.kit import SCHEMA
from tests.support.servers import TestServer, database_name

from vsl.db.health import check_text
from vsl.ops.doctor.check import Level, judge
from vsl.ops.doctor.storage import STORAGE

on_18 = pytest.mark.parametrize("server", [18], indirect=True)
#: What everybody may read in the catalogue; the others say that they cannot tell.
OPEN = {
    "toast-slack", "autovacuum-settings", "scale-factors", "invalid-indexes", "duplicate-indexes",
    "unvalidated-constraints", "unindexed-foreign-keys", "checksum-failures", "dangerous-settings",
    "server-version",
}  # fmt: skip


def test_a_login_without_rights_is_never_told_that_all_is_well(stage: Stage) -> None:
    add_models(stage).add_job()
    url = stage.server.url(database_name(stage.url), "plain")
    for check in STORAGE:
        result = judge(check, ask(url, check.id))
        assert (result.level is Level.unknown) is (check.id not in OPEN), result
        for finding in result.findings:
            if finding.level is Level.unknown:
                assert finding.unknown
                assert re.match("GRANT .* TO plain;", finding.next or ""), finding


def test_what_is_open_is_found_without_rights(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE TABLE orders (n integer, job uuid REFERENCES jobs (id))")
    session.run("CREATE INDEX ON orders (n); CREATE INDEX ON orders (n)")
    session.run("ALTER TABLE orders ADD CHECK (n > 0) NOT VALID")
    session.run("UPDATE pg_index SET indisvalid = false"
                " WHERE indexrelid = 'jobs_user_id_idx'::regclass")  # fmt: skip
    url = stage.server.url(database_name(stage.url), "plain")
    levels = {
        "duplicate-indexes": Level.warn,
        "unindexed-foreign-keys": Level.warn,
        "unvalidated-constraints": Level.warn,
        "invalid-indexes": Level.fail,
    }
    assert {c: judge(BY_ID[c], ask(url, c)).level for c in levels} == levels


def test_without_statistics_bloat_is_not_told(stage: Stage) -> None:
    """Measured by others: a monitor sees no row of pg_stats, and takes that for no bloat."""
    session = wide_table(stage, 1100)
    session.run("DELETE FROM answers WHERE n % 5 > 0")
    session.run("VACUUM ANALYZE answers")
    assert stage.look("table-bloat").level is Level.unknown
    session.run("GRANT SELECT ON answers TO vsl_monitor")
    assert stage.look("table-bloat").level is Level.note
    assert stage.look("table-bloat").findings[0].value == pytest.approx(80, abs=3)


def test_bloat_of_our_own_tables_is_told_to_the_monitor(stage: Stage) -> None:
    """Which may not read them."""
    session = add_models(stage)
    session.run(
        "INSERT INTO jobs (user_id, model_id, prompt) SELECT 'ada', 'outside', repeat('x', 1500)"
        " FROM generate_series(1, 6000)"
    )
    session.run("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    session.run(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM"
        " (SELECT id, row_number() OVER (ORDER BY id) AS n FROM jobs) j WHERE n % 10 > 0)"
    )
    session.run("VACUUM ANALYZE jobs")
    monitor = stage.session(role="vsl_monitor")
    assert monitor.all("SELECT FROM pg_stats WHERE tablename = 'jobs' AND attname = 'prompt'") == []
    pages = session.value("SELECT relpages FROM pg_class WHERE oid = 'jobs'::regclass")
    result = stage.look("table-bloat")
    if pages >= 1000:
        (finding,) = result.findings
        assert finding.subject == "public.jobs"
        assert finding.value == pytest.approx(90, abs=5)
    else:
        session.run("UPDATE pg_class SET relpages = 1000, reltuples = reltuples * 1000 / %s"
                    " WHERE oid = 'jobs'::regclass", pages)  # fmt: skip
        (finding,) = stage.look("table-bloat").findings
        assert finding.value == pytest.approx(90, abs=5)


def test_statements_of_others_are_hidden_from_those_who_may_not_see_them(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE EXTENSION pg_stat_statements")
    session.run("SELECT count(*) FROM jobs")
    plain = stage.session(role="vsl_app")
    session.run("GRANT USAGE ON SCHEMA vsl TO vsl_app")
    session.run("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vsl TO vsl_app")
    session.run("GRANT SELECT ON vsl.health_snapshots TO vsl_app")
    assert plain.value("SELECT (vsl.measure_statements() ->> 'hidden')::int > 0")
    (finding,) = [f for f in stage.look("slow-statements", "vsl_app").findings if f.unknown]
    assert finding.next == "GRANT pg_read_all_stats TO test_vsl_app;"
    hidden = [f for f in stage.look("slow-statements").findings if f.unknown]
    assert hidden == []


@on_18
def test_texts_of_statements_are_not_shown(stage: Stage) -> None:
    session = stage.session()
    session.run("CREATE EXTENSION pg_stat_statements")
    session.run("SELECT pg_sleep(0.03) AS canary_heron")
    snapshot(stage, age="10 minutes")
    session.run("UPDATE vsl.health_snapshots SET measures = measures || jsonb_build_object("
                "'statements', NULL)")  # fmt: skip
    for _ in range(2):
        session.run("SELECT pg_sleep(0.03) AS canary_heron")
    result = stage.look("slow-statements")
    assert "canary" not in str(result)


def test_no_check_takes_a_lock_on_a_table(stage: Stage) -> None:
    """Beside somebody who has locked every table, all answers come, and none is a refusal."""
    add_models(stage).add_job()
    session = stage.session()
    session.run("CREATE TABLE notes (job uuid REFERENCES jobs (id), word text)")
    session.run("CREATE INDEX ON notes (job) WHERE job IS NOT NULL")
    session.run("CREATE INDEX ON notes (lower(word)) WHERE word > 'a'")
    locker = stage.session(autocommit=False)
    tables = stage.session().all(
        "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relkind = 'r'"
        " AND c.relnamespace = 'public'::regnamespace"
    )
    for table in tables:
        locker.run(f"LOCK TABLE {table['name']} IN ACCESS EXCLUSIVE MODE")
    for check in STORAGE:
        result = stage.look(check.id)
        assert not any(finding.unknown for finding in result.findings), result


def test_our_indexes_are_known_by_name(stage: Stage) -> None:
    """No check advises to drop an index of VSL's, or fails to say that VSL needs it."""
    rows = stage.session().all(
        "SELECT c.relname AS name, i.indisunique AS is_unique FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE c.relnamespace = 'public'::regnamespace"
    )
    assert len(rows) >= 16
    invalid, unused, double = (
        check_text(name) for name in ("invalid_indexes", "unused_indexes", "duplicate_indexes")
    )
    for row in rows:
        assert f"'{row['name']}'" in invalid, row
        constraint = row["name"].endswith(("_pkey", "_key"))
        assert constraint or f"'{row['name']}'" in double, row
        assert row["is_unique"] or f"'{row['name']}'" in unused, row
    flush(stage.session())
    assert stage.look("duplicate-indexes").findings == ()


@on_18
def test_an_owner_without_roles_sees_all(server: TestServer, stage: Stage) -> None:
    """An installation by a plain owner, who is in none of VSL's roles."""
    name = server.create_database(owner="plain")
    stage.later(lambda: server.drop_database(name))
    done = server.psql(server.url(name, "plain"), "--quiet", "-f", str(SCHEMA))
    assert done.returncode == 0, done.stderr
    url = server.url(name, "plain")
    blind = {
        check.id: [row.unknown for row in ask(url, check.id) if row.unknown] for check in STORAGE
    }
    assert {check: why for check, why in blind.items() if why} == {
        "pending-restart": ["some settings are hidden from this login"]
    }
