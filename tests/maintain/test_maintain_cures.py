"""Real wear, seen and cured."""

from __future__ import annotations

import psycopg
import pytest
from tests.cli.program import Vsl
from tests.maintain.kit import ALONE, Worn


def test_dead_rows_and_bloat_are_seen_and_cured(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 60_000)
    worn.kill("worn", 54_000)
    before = worn.size("worn_note_idx")
    done = maintain.json("db", "maintain", "--yes")
    assert [step["command"] for step in done["plan"]] == ["VACUUM (ANALYZE) public.worn"]
    assert done["plan"][0]["reasons"][0] == "54,000 dead rows, 90.0 % of all"
    assert [(o["command"], o["result"]) for o in done["outcomes"]] == [
        ("VACUUM (ANALYZE) public.worn", "done"),
        ("REINDEX INDEX CONCURRENTLY public.worn_note_idx", "done"),
        ("REINDEX INDEX CONCURRENTLY public.worn_pkey", "done"),
    ]
    vacuum, reindex, _ = done["outcomes"]
    assert (vacuum["before"]["dead"], vacuum["after"]["dead"]) == (54_000, 0)
    assert (reindex["before"]["bytes"], reindex["after"]["bytes"]) == (
        before,
        worn.size("worn_note_idx"),
    )
    assert reindex["after"]["bytes"] < before / 5
    assert reindex["before"]["empty"] > 0.85
    assert reindex["after"]["empty"] < 0.15
    assert worn.dead("worn") == 0
    again = maintain("db", "maintain")  # asks nobody: nothing is due
    assert (again.status, "Nothing is due" in again.out) == (0, True)


def test_it_is_written_down(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 2_000)
    worn.kill("worn", 1_500)
    assert maintain.json("db", "maintain", "--yes")["recorded"] is True
    entry = worn.one("SELECT act, subject, detail, application FROM vsl.audit_entries")
    assert (entry["act"], entry["subject"], entry["application"]) == (
        "maintain",
        "1 of 1 steps",
        "vsl maintain",
    )
    assert entry["detail"]["steps"][0]["command"] == "VACUUM (ANALYZE) public.worn"


def test_without_the_schema_of_vsl_it_works_as_well(empty_database: str, maintain: Vsl) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE mine (id bigint) {ALONE}")
        connection.execute("INSERT INTO mine SELECT generate_series(1, 1000)")
    vsl = maintain.with_variables(DATABASE_URL=empty_database)
    done = vsl.json("db", "maintain", "--yes")
    assert [(o["command"], o["result"]) for o in done["outcomes"]] == [
        ("ANALYZE public.mine", "done")
    ]
    assert done["recorded"] is False


def test_statistics_alone(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 10_000)
    worn.run("UPDATE worn SET note = note WHERE id <= 2000")
    worn.run("VACUUM worn")
    worn.settle()
    (outcome,) = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert (outcome["command"], outcome["result"]) == ("ANALYZE public.worn", "done")
    assert "2,000 rows changed since the last ANALYZE" in outcome["reasons"][0]
    assert maintain.json("db", "maintain")["plan"] == []


def test_dead_rows_of_toast(worn: Worn, maintain: Vsl) -> None:
    worn.run(f"CREATE TABLE documents (id bigint PRIMARY KEY, body text) {ALONE}")
    worn.run("ALTER TABLE documents ALTER body SET STORAGE EXTERNAL")
    worn.run("INSERT INTO documents SELECT i, repeat('x', 8000) FROM generate_series(1, 4200) i")
    worn.settle()
    worn.run("VACUUM (ANALYZE) documents")
    worn.run("DELETE FROM documents WHERE id % 2 = 0")
    worn.settle()
    worn.run("VACUUM (PROCESS_TOAST FALSE) documents")
    worn.run("ANALYZE documents")
    (outcome,) = maintain.json("db", "maintain", "--yes")["outcomes"]
    toast_dead = 2_100 * 5  # chunks of about 2 kB
    assert outcome["result"] == "done"
    assert outcome["before"]["dead"] == toast_dead
    assert outcome["after"]["dead"] == 0


def interrupted_reindex(worn: Worn, index: str) -> None:
    """Have a REINDEX CONCURRENTLY wait for an open transaction, and end it there."""
    with worn.another() as holder, worn.another() as builder:
        holder.autocommit = False
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM jobs")
        builder.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            builder.execute(f"REINDEX INDEX CONCURRENTLY {index}".encode())


def interrupted_build(worn: Worn, definition: str) -> None:
    """The same with a new index."""
    with worn.another() as holder, worn.another() as builder:
        holder.autocommit = False
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM jobs")
        builder.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            builder.execute(f"CREATE INDEX CONCURRENTLY {definition}".encode())


def test_leftovers_are_dropped_and_invalid_indexes_rebuilt(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 100)
    interrupted_reindex(worn, "worn_note_idx")
    interrupted_reindex(worn, "worn_note_idx")
    interrupted_build(worn, "worn_upper_idx ON worn (upper(note))")
    assert sorted(worn.invalid()) == [
        "worn_note_idx_ccnew",
        "worn_note_idx_ccnew1",
        "worn_upper_idx",
    ]
    outcomes = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert [(o["command"], o["result"]) for o in outcomes] == [
        ("DROP INDEX CONCURRENTLY public.worn_note_idx_ccnew", "done"),
        ("DROP INDEX CONCURRENTLY public.worn_note_idx_ccnew1", "done"),
        ("REINDEX INDEX CONCURRENTLY public.worn_upper_idx", "done"),
    ]
    assert worn.invalid() == []
    query = "SELECT count(*) FROM pg_index WHERE indrelid = 'worn'::regclass"
    assert worn.value(query) == 3


def test_an_index_that_cannot_be_unique_says_so_without_the_key(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 10)
    worn.run("UPDATE worn SET note = 'a prompt that nobody may print'")
    worn.settle()
    worn.run("VACUUM ANALYZE worn")
    with worn.another() as builder, pytest.raises(psycopg.errors.UniqueViolation):
        builder.execute("CREATE UNIQUE INDEX CONCURRENTLY worn_unique_idx ON worn (note)")
    done = maintain("db", "maintain", "--yes")
    assert done.status == 1
    assert "worn_unique_idx cannot be unique" in done.out
    assert "nobody may print" not in done.out + done.err
    # It is still there to be built once that is settled, and nothing else is.
    assert worn.invalid() == ["worn_unique_idx"]
    worn.run("UPDATE worn SET note = id::text")
    assert maintain("db", "maintain", "--yes", "--only", "reindex").status == 0
    assert worn.invalid() == []


def test_names_that_need_quotes(worn: Worn, maintain: Vsl) -> None:
    worn.run(f'CREATE TABLE "My ""own"" table" (id bigint) {ALONE}')
    worn.run('INSERT INTO "My ""own"" table" SELECT generate_series(1, 1000)')
    worn.settle()
    (outcome,) = maintain.json("db", "maintain", "--yes")["outcomes"]
    assert outcome["command"] == 'ANALYZE public."My ""own"" table"'
    assert outcome["result"] == "done"


def test_a_dry_run_only_shows(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 2_000)
    worn.kill("worn", 1_500)
    done = maintain("db", "maintain", "--dry-run")
    assert done.status == 0
    assert "VACUUM (ANALYZE) public.worn" in done.out
    assert worn.dead("worn") == 1_500
    assert maintain.json("db", "maintain", "--dry-run")["outcomes"] is None


def test_nobody_to_ask(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 2_000)
    worn.kill("worn", 1_500)
    for options in ((), ("--json",)):
        done = maintain("db", "maintain", *options, stdin="y\n")
        assert done.status == 2
        assert "--yes" in done.err
    assert worn.dead("worn") == 1_500


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_person_is_asked(worn: Worn, maintain: Vsl) -> None:
    worn.table("worn", 2_000)
    worn.kill("worn", 1_500)
    terminal = maintain.terminal("db", "maintain", columns=120)
    terminal.wait_for("Do it now? [y/N]")
    terminal.type("n\n")
    assert terminal.wait() == 0
    assert "Nothing was done." in terminal.text
    assert worn.dead("worn") == 1_500
    terminal = maintain.terminal("db", "maintain", columns=120)
    terminal.wait_for("Do it now? [y/N]")
    terminal.type("y\n")
    assert terminal.wait() == 0
    assert "gives none back to the disk" in terminal.text
    assert worn.dead("worn") == 0


@pytest.mark.parametrize("server", [18], indirect=True)
def test_some_tables_some_groups(worn: Worn, maintain: Vsl) -> None:
    for name in ("one", "two"):
        worn.table(name, 2_000)
        worn.kill(name, 1_500)
    dry = ("db", "maintain", "--dry-run")
    assert len(maintain.json(*dry)["plan"]) == 2
    (step,) = maintain.json(*dry, "--table", "public.two")["plan"]
    assert step["table"] == "public.two"
    assert len(maintain.json(*dry, "--table", "one", "--table", "two")["plan"]) == 2
    assert maintain.json(*dry, "--only", "reindex")["plan"] == []
    (one, two) = maintain.json(*dry, "--only", "analyze")["plan"]
    assert (one["kind"], two["kind"]) == ("analyze", "analyze")


@pytest.mark.parametrize("server", [18], indirect=True)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--table", "nowhere"), "--table: there is no table 'nowhere' (one of "),
        (("--only", "everything"), "--only: is not known (one of vacuum, analyze, reindex)"),
        (("--max-time", "soon"), "--max-time: is not a duration"),
        (("--patience", "-1s"), "--patience: is not a duration"),
    ],
)
def test_wrong_usage(maintain: Vsl, options: tuple[str, ...], words: str) -> None:
    done = maintain("db", "maintain", "--yes", *options)
    assert done.status == 2
    assert words in " ".join(done.err.split())
