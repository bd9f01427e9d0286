"""What stands in the way of maintenance, and that it stands in nobody's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from tests.cli.program import Vsl
from tests.conftest import NewPgBouncer
from tests.maintain.kit import ALONE, Worn
from tests.support.waiting import wait_until


def worn_out(worn: Worn, name: str = "worn") -> None:
    worn.table(name, 2_000)
    worn.kill(name, 1_500)


def snapshot(worn: Worn) -> psycopg.Connection[object]:
    """An open transaction that sees what there is now."""
    holder = worn.another()
    holder.execute("SET application_name = 'long report'")
    holder.autocommit = False
    holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    holder.execute("SELECT count(*) FROM jobs")
    return holder


# The horizon.


def test_a_held_horizon_is_named_and_vacuum_left_out(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 2_000)
    holder = snapshot(worn)
    worn.run("VACUUM worn")  # it saw the snapshot: what dies from now on stays
    worn.kill("worn", 1_500)
    done = maintain("db", "maintain", "--yes")
    assert done.status == 1
    pid = holder.info.backend_pid
    assert "VACUUM would remove nothing" in done.out
    assert f"session process {pid} (application long report, user vsl, idle in" in done.out
    assert f"vsl db kill {pid}" in done.out
    assert worn.dead("worn") == 1_500
    (vacuum,) = maintain.json("db", "maintain", "--dry-run")["plan"]
    assert (vacuum["kind"], str(pid) in vacuum["hindrance"]) == ("vacuum", True)

    anyway = maintain("db", "maintain", "--yes", "--anyway", "--json")
    assert anyway.status == 1
    (outcome,) = anyway.document["outcomes"]
    assert outcome["result"] == "useless"
    assert f"1,500 of 1,500 dead rows had to stay for session process {pid}" in outcome["reason"]

    holder.rollback()
    (outcome,) = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert (outcome["result"], outcome["after"]["dead"]) == ("done", 0)


def test_what_could_not_be_known_before_is_told_after(worn: Worn, maintain: Vsl) -> None:
    worn.run(f"CREATE TABLE worn (id bigint PRIMARY KEY) {ALONE}")
    worn.run("INSERT INTO worn SELECT generate_series(1, 2000)")
    worn.run("ANALYZE worn")
    holder = snapshot(worn)
    worn.kill("worn", 1_500)
    done = maintain("db", "maintain", "--yes", "--json")
    assert done.status == 1
    outcome = done.document["outcomes"][0]
    assert outcome["result"] == "useless"
    assert f"process {holder.info.backend_pid}" in outcome["reason"]
    (vacuum,) = maintain.json("db", "maintain", "--dry-run")["plan"]
    assert "VACUUM would remove nothing" in vacuum["hindrance"]


def test_who_may_not_see_others_is_told_so(
    worn: Worn, maintain: Vsl, database: str, role_url: Callable[[str, str], str]
) -> None:
    worn_out(worn)
    worn.run("ALTER TABLE worn OWNER TO vsl_owner")
    holder = snapshot(worn)
    worn.run("VACUUM worn")
    worn.run("UPDATE worn SET note = 'x'")
    worn.settle()
    mine = maintain.with_variables(DATABASE_URL=role_url(database, "vsl_migrator"))
    done = mine("db", "maintain", "--yes")
    assert done.status == 1
    assert "GRANT pg_read_all_stats TO test_vsl_migrator;" in done.out
    # That it has a snapshot, the server tells everybody; not since when.
    assert "rows had to stay" in done.out
    assert f"session process {holder.info.backend_pid} (application long report" in done.out
    holder.close()


# Locks.


def test_a_locked_table_is_left_out_and_the_others_done(worn: Worn, maintain: Vsl) -> None:
    worn_out(worn, "held")
    worn_out(worn, "free")
    holder = worn.another()
    holder.autocommit = False
    holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
    done = maintain("db", "maintain", "--yes", "--json")
    assert done.status == 1
    results = {o["table"]: o for o in done.document["outcomes"] if o["kind"] == "vacuum"}
    assert results["public.free"]["result"] == "done"
    assert results["public.held"]["result"] == "skipped"
    assert f"process {holder.info.backend_pid}" in results["public.held"]["reason"]
    assert results["public.held"]["seconds"] < 10
    holder.rollback()
    assert worn.dead("held") == 1_500


def test_beside_another_vacuum_of_the_table_nothing_is_done(worn: Worn, maintain: Vsl) -> None:
    worn_out(worn)
    slow = worn.another()
    slow.execute("SET vacuum_cost_limit = 1")
    slow.execute("SET vacuum_cost_delay = '100ms'")
    pid = slow.info.backend_pid

    def vacuum() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            slow.execute("VACUUM worn")

    thread = threading.Thread(target=vacuum)
    thread.start()
    wait_until(
        lambda: worn.value("SELECT count(*) FROM pg_stat_progress_vacuum WHERE pid = %s", pid)
    )
    (outcome,) = maintain.json("db", "maintain", "--yes")["outcomes"]
    worn.run("SELECT pg_cancel_backend(%s)", pid)
    thread.join(10)
    assert outcome["result"] == "under way"
    assert f"process {pid}" in outcome["reason"]


def test_an_index_that_is_being_built_is_left_alone(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 100)
    holder = snapshot(worn)
    builder = worn.another()
    pid = builder.info.backend_pid
    done = threading.Event()

    def build() -> None:
        builder.execute("CREATE INDEX CONCURRENTLY worn_upper_idx ON worn (upper(note))")
        done.set()

    thread = threading.Thread(target=build)
    thread.start()
    wait_until(
        lambda: worn.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", pid)
    )
    said = maintain("db", "maintain", "--yes", "--json")
    assert said.status == 1
    (outcome,) = said.document["outcomes"]
    assert outcome["command"] == "REINDEX INDEX CONCURRENTLY public.worn_upper_idx"
    assert outcome["result"] == "skipped"
    assert f"process {pid}" in outcome["reason"]
    assert not done.is_set()
    holder.rollback()
    thread.join(10)
    assert worn.invalid() == []


def test_a_rebuild_that_waits_too_long_is_given_up(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 60_000)
    worn.kill("worn", 54_000)
    worn.run("VACUUM (ANALYZE) worn")
    holder = snapshot(worn)
    done = maintain("db", "maintain", "--yes", "--patience", "1s")
    assert done.status == 1
    said = f"it waited 1 s for process {holder.info.backend_pid} (application long report"
    assert said in done.out
    assert "public.worn_note_idx waits for" in done.err
    assert "what was half built is dropped" in done.err
    assert worn.invalid() == []


@pytest.mark.parametrize("server", [18], indirect=True)
def test_what_cannot_be_dropped_now_is_dropped_by_the_next_run(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 60_000)
    worn.kill("worn", 54_000)
    worn.run("VACUUM (ANALYZE) worn")
    worn.run("DROP INDEX worn_note_idx")
    writer = worn.another()
    writer.autocommit = False
    writer.execute("UPDATE worn SET note = 'y' WHERE id = 60000")
    done = maintain("db", "maintain", "--yes", "--patience", "1s")
    assert done.status == 1
    assert "public.worn_pkey_ccnew is left invalid" in done.err
    assert worn.invalid() == ["worn_pkey_ccnew"]
    writer.rollback()
    outcomes = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert [(o["kind"], o["result"]) for o in outcomes] == [("drop", "done"), ("reindex", "done")]
    assert worn.invalid() == []


def test_when_the_time_is_over(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 60_000)
    worn.kill("worn", 54_000)
    worn.run("VACUUM (ANALYZE) worn")
    holder = snapshot(worn)
    done = maintain("db", "maintain", "--yes", "--max-time", "1s", "--json")
    assert done.status == 1
    first, second = done.document["outcomes"]
    assert (first["result"], first["reason"]) == ("skipped", "the time was over")
    assert (second["result"], second["seconds"]) == ("skipped", 0)
    assert worn.invalid() == []
    holder.close()


# Others of our kind.


def test_beside_a_migration_nothing_is_done(worn: Worn, maintain: Vsl) -> None:
    worn_out(worn)
    migrating = worn.another()
    migrating.execute("SET application_name = 'vsl migrate'")
    migrating.execute("SELECT pg_advisory_lock(hashtext('vsl'), hashtext('migrate'))")
    done = maintain("db", "maintain", "--yes")
    assert done.status == 1
    assert f"a migration is at work: process {migrating.info.backend_pid}" in done.err
    assert worn.dead("worn") == 1_500


def test_through_a_pooler_it_is_refused(
    worn: Worn, maintain: Vsl, database: str, new_pgbouncer: NewPgBouncer
) -> None:
    worn_out(worn)
    pooled = new_pgbouncer(database).url()
    done = maintain.with_variables(DATABASE_URL=pooled)("db", "maintain", "--yes")
    assert done.status == 1
    assert "this address leads through a pooler" in done.err
    assert "VSL_DIRECT_DATABASE_URL" in done.err
    both = maintain.with_variables(DATABASE_URL=pooled, VSL_DIRECT_DATABASE_URL=database)
    assert both("db", "maintain", "--yes").status == 0
    assert worn.dead("worn") == 0


# Rights.


def test_a_migrator_may_and_a_monitor_is_told_what_it_lacks(
    worn: Worn, maintain: Vsl, database: str, role_url: Callable[[str, str], str]
) -> None:
    worn.run("ALTER TABLE user_preferences SET (autovacuum_enabled = false)")
    worn.run("INSERT INTO user_preferences (user_id) SELECT i FROM generate_series(1, 400) i")
    worn.run("DELETE FROM user_preferences")
    worn.settle()
    monitor = maintain.with_variables(DATABASE_URL=role_url(database, "vsl_monitor"))
    done = monitor("db", "maintain", "--yes")
    assert done.status == 1
    assert "test_vsl_monitor may not maintain it; it belongs to vsl_owner" in done.out
    assert "GRANT vsl_owner TO test_vsl_monitor;" in done.out
    right = "GRANT MAINTAIN ON public.user_preferences TO test_vsl_monitor; or "
    assert (right in done.out) == (worn.major >= 17)
    assert worn.dead("user_preferences") == 400
    migrator = maintain.with_variables(DATABASE_URL=role_url(database, "vsl_migrator"))
    (outcome,) = migrator.json("db", "maintain", "--yes")["outcomes"]
    assert (outcome["result"], outcome["after"]["dead"]) == ("done", 0)


def test_what_one_may_is_done_and_the_rest_named(
    worn: Worn, maintain: Vsl, database: str, role_url: Callable[[str, str], str]
) -> None:
    worn_out(worn, "mine")
    worn_out(worn, "theirs")
    worn.run("GRANT USAGE ON SCHEMA public TO plain")
    worn.run("ALTER TABLE mine OWNER TO plain")
    done = maintain.with_variables(DATABASE_URL=role_url(database, "plain"))(
        "db", "maintain", "--yes", "--json"
    )
    assert done.status == 1
    results = {o["table"]: o["result"] for o in done.document["outcomes"]}
    assert results == {"public.mine": "done", "public.theirs": "skipped"}


@pytest.mark.parametrize("server", [18], indirect=True)
def test_the_right_of_17_and_later(
    worn: Worn, maintain: Vsl, database: str, role_url: Callable[[str, str], str]
) -> None:
    worn.table("theirs", 60_000)
    worn.kill("theirs", 54_000)
    url = role_url(database, "plain")
    worn.run("GRANT MAINTAIN ON theirs TO plain")
    done = maintain.with_variables(DATABASE_URL=url)("db", "maintain", "--yes", "--json")
    assert done.status == 0, done.out
    # Without SELECT it sees no statistics, and indexes of fixed width are the ones that it knows.
    assert [(o["kind"], o["result"]) for o in done.document["outcomes"]] == [
        ("vacuum", "done"),
        ("reindex", "done"),
    ]
