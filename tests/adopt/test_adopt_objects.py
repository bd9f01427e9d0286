"""What others have built on the original tables: carried over, named, or in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from tests.adopt.conftest import Original
from tests.schema.kit import Session
from tests.support.servers import TestServer

from vsl.errors import DatabaseError, NotAllowed
from vsl.ops.adopt.run import Choices, adopt, look

ON_18 = pytest.mark.parametrize("server", [18], indirect=True, ids=["pg18"])


def add_job(session: Session, job_id: str = "j", **columns: object) -> object:
    whole = {"job_id": job_id, "media_type": "image", "model_id": "m", "user_id": "u"}
    return session.insert("jobs", {**whole, **columns})["id"]


def test_foreign_keys_point_at_the_new_tables(original: Original) -> None:
    session = original.session
    session.run("""
        CREATE TABLE invoices (
            n integer PRIMARY KEY,
            job uuid CONSTRAINT of_job REFERENCES jobs ON DELETE CASCADE,
            public text REFERENCES jobs (job_id) DEFERRABLE INITIALLY DEFERRED
        );
        CREATE SCHEMA shop;
        CREATE TABLE shop."My likes" (output uuid REFERENCES media_outputs)""")
    its_id = add_job(session)
    out = session.insert("media_outputs", {"job_id": its_id, "media_type": "image"})["id"]
    session.run("INSERT INTO invoices VALUES (1, %s, 'j')", its_id)
    session.run('INSERT INTO shop."My likes" VALUES (%s)', out)
    found = original.adopt()
    assert set(found.carried) == {
        "foreign key invoices_public_fkey on public.invoices",
        'foreign key "My likes_output_fkey" on shop."My likes"',
        "foreign key of_job on public.invoices",
    }
    defined = session.all(
        "SELECT conname, confrelid::regclass::text AS target, confdeltype, condeferred"
        " FROM pg_constraint WHERE contype = 'f' AND conrelid IN"
        " ('invoices'::regclass, 'shop.\"My likes\"'::regclass) ORDER BY conname"
    )
    assert [tuple(row.values()) for row in defined] == [
        ("My likes_output_fkey", "media_outputs", "a", False),
        ("invoices_public_fkey", "jobs", "a", True),
        ("of_job", "jobs", "c", False),
    ]
    assert isinstance(
        session.refused("INSERT INTO invoices (n, job) VALUES (2, gen_random_uuid())"),
        psycopg.errors.ForeignKeyViolation,
    )
    # The originals are nobody's parents any more.
    session.run("DROP SCHEMA vsl_original CASCADE")
    assert session.count("invoices") == 1


def test_views_are_made_again_with_all_that_belongs_to_them(
    original: Original, server: TestServer
) -> None:
    session = original.session
    reader = server.login_for("pg_read_all_settings")
    session.run(f"""
        CREATE SCHEMA reports;
        CREATE VIEW reports.done WITH (security_barrier = true) AS
            SELECT job_id, status, estimated_cost FROM jobs WHERE status = 'completed';
        CREATE VIEW "By user" AS
            SELECT s.user_id, s.total_jobs, d.job_id
            FROM v_user_statistics s LEFT JOIN reports.done d ON true;
        COMMENT ON VIEW reports.done IS 'What''s done';
        GRANT SELECT ON reports.done TO {reader} WITH GRANT OPTION;
        GRANT USAGE ON SCHEMA reports TO {reader}""")  # noqa: S608
    add_job(session, status="completed", completed_at="2024-05-06", estimated_cost="0.5")
    found = original.adopt()
    assert found.carried == ("view reports.done", 'view public."By user"')
    now = session.one(
        "SELECT obj_description(oid, 'pg_class') AS words, reloptions,"
        " pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = 'reports.done'::regclass"
    )
    assert now == {
        "words": "What's done",
        "reloptions": ["security_barrier=true"],
        "owner": "plain",
    }
    assert (
        session.value(
            "SELECT has_table_privilege(%s, 'reports.done', 'SELECT WITH GRANT OPTION')", reader
        )
        is True
    )
    add_job(session, "k", status="completed")
    assert session.value('SELECT count(*) FROM "By user"') == 2
    session.run("DROP SCHEMA vsl_original CASCADE")
    assert session.value('SELECT count(*) FROM "By user"') == 2


IN_THE_WAY = {
    "a materialized view": (
        "CREATE MATERIALIZED VIEW summed AS SELECT status, count(*) FROM jobs GROUP BY 1",
        "materialized view public.summed: a materialized view is made again by hand",
    ),
    "a view of a column that VSL has not": (
        "ALTER TABLE jobs ADD priority int;"
        "CREATE VIEW urgent AS SELECT id FROM jobs WHERE priority > 5",
        "view public.urgent: it reads columns that VSL has not: jobs.priority",
    ),
    "a view with a trigger": (
        "CREATE VIEW open AS SELECT id FROM jobs; CREATE FUNCTION f() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER t INSTEAD OF INSERT ON open FOR EACH ROW EXECUTE FUNCTION f()",
        "view public.open: it has triggers",
    ),
    "a function with a parsed body": (
        "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql"
        " BEGIN ATOMIC SELECT count(*) FROM jobs; END",
        "function public.total(): it depends on table public.jobs",
    ),
    "a function of rows": (
        "CREATE FUNCTION newest() RETURNS SETOF jobs LANGUAGE sql AS 'SELECT * FROM jobs'",
        "function public.newest(): it depends on type public.jobs",
    ),
    "a column of rows": (
        "CREATE TABLE copies (one jobs)",
        "table public.copies: it depends on type public.jobs",
    ),
    "a child": (
        "CREATE TABLE more_jobs () INHERITS (jobs)",
        "table public.more_jobs: it depends on table public.jobs",
    ),
    "a foreign key to what is no key of VSL's": (
        "CREATE UNIQUE INDEX one ON jobs (id, user_id);"
        "CREATE TABLE bills (job uuid, who varchar(255),"
        " FOREIGN KEY (job, who) REFERENCES jobs (id, user_id))",
        "bills_job_who_fkey on public.bills: it refers to columns that are no key of VSL's",
    ),
    "JSON as text": (
        "ALTER TABLE jobs ALTER parameters DROP DEFAULT; DROP INDEX idx_jobs_parameters;"
        "ALTER TABLE jobs ALTER parameters TYPE text",
        "jobs.parameters has type text: ALTER TABLE jobs ALTER COLUMN parameters TYPE jsonb"
        " USING parameters::jsonb",
    ),
    "times as numbers": (
        "ALTER TABLE usage_tracking DROP created_at, ADD created_at bigint",
        "usage_tracking.created_at has type bigint",
    ),
    "somebody else's jobs": (
        "ALTER TABLE jobs DROP model_id CASCADE",
        "jobs has no column model_id, so it is not VSL's original table",
    ),
    "another tool's ledger": (
        "ALTER TABLE schema_migrations DROP description",
        "schema_migrations has no column description, so it is not VSL's original table",
    ),
    "a table for a view": (
        "DROP VIEW v_user_statistics; CREATE TABLE v_user_statistics (n int)",
        "v_user_statistics is a table, not a view",
    ),
    "a partitioned table": (
        "DROP TABLE user_preferences;"
        "CREATE TABLE user_preferences (user_id text) PARTITION BY LIST (user_id)",
        "user_preferences is a partitioned table, not a table",
    ),
}


@ON_18
@pytest.mark.parametrize("what", IN_THE_WAY)
def test_in_the_way(original: Original, what: str) -> None:
    statement, expected = IN_THE_WAY[what]
    original.session.run(statement)
    found = original.look()
    assert [line for line in found.obstacles if expected in line], found.obstacles
    with pytest.raises(NotAllowed, match="cannot be adopted as it is"):
        original.adopt(leave=True)
    assert original.session.value("SELECT to_regclass('public.jobs') IS NOT NULL") is True
    assert original.session.value("SELECT to_regnamespace('vsl_original') IS NULL") is True


@ON_18
def test_what_stays_behind_is_named(original: Original, server: TestServer) -> None:
    session = original.session
    web = server.login_for("pg_read_all_stats")
    session.run(f"""
        CREATE TABLE users (id varchar(255) PRIMARY KEY);
        INSERT INTO users VALUES ('u');
        ALTER TABLE jobs ADD CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES users;
        CREATE POLICY own ON jobs USING (user_id = current_user);
        CREATE PUBLICATION told FOR TABLE jobs;
        GRANT SELECT ON jobs TO {web}""")  # noqa: S608
    found = original.adopt()
    assert set(found.left) == {
        "foreign key of_user on jobs, to public.users",
        "policy own on jobs",
        "publication told of jobs",
        "trigger update_jobs_updated_at on jobs",
    }
    assert found.grantees == (web,)


@ON_18
def test_a_key_to_a_row_that_stays_behind(original: Original) -> None:
    session = original.session
    session.run("CREATE TABLE bills (job uuid REFERENCES jobs)")
    session.run("INSERT INTO bills VALUES (%s)", add_job(session, status="limbo"))
    with pytest.raises(NotAllowed, match=r"bills_job_fkey on public\.bills cannot be made again"):
        original.adopt(leave=True)
    assert session.count("bills") == 1
    assert session.value("SELECT to_regnamespace('vsl') IS NULL") is True


@ON_18
@pytest.mark.parametrize(
    "gone",
    [
        ["media_outputs"],
        ["usage_tracking", "user_preferences"],
        ["model_configurations"],
        ["schema_migrations"],
        ["jobs", "media_outputs", "usage_tracking"],
    ],
    ids=" ".join,
)
def test_missing_tables(original: Original, gone: list[str]) -> None:
    session = original.session
    if "jobs" not in gone:
        add_job(session)
    session.run(f"DROP TABLE {', '.join(gone)} CASCADE")
    found = original.adopt()
    assert {table.name for table in found.tables}.isdisjoint(gone)
    assert session.count("jobs") == (0 if "jobs" in gone else 1)
    if "jobs" not in gone:
        assert (
            session.value("SELECT provider FROM model_configurations WHERE model_id = 'm'")
            == "external"
        )
    assert [
        row["version"] for row in session.all("SELECT version FROM schema_migrations ORDER BY 1")
    ][:2] == ["1.0.0", "1.1.0"]


@ON_18
def test_missing_columns(original: Original) -> None:
    session = original.session
    session.run("DROP VIEW v_recent_jobs_with_outputs, v_user_statistics")
    for column in (
        "job_id",
        "media_type",
        "parameters",
        "metadata",
        "retry_count",
        "updated_at",
        "completed_at",
        "replicate_id",
    ):
        session.run(f"ALTER TABLE jobs DROP {column}")
    for column in ("id", "media_type", "metadata", "created_at"):
        session.run(f"ALTER TABLE media_outputs DROP {column}")
    for column in ("id", "provider", "is_active", "tags", "created_at", "configuration"):
        session.run(f"ALTER TABLE model_configurations DROP {column}")
    for column in ("id", "billing_period", "api_calls_count"):
        session.run(f"ALTER TABLE usage_tracking DROP {column}")
    session.insert("model_configurations", {"model_id": "m", "media_type": "video"})
    its_id = session.insert("jobs", {"model_id": "m", "user_id": "u", "status": "completed"})["id"]
    session.insert("media_outputs", {"job_id": its_id, "file_size": 5})
    session.insert("usage_tracking", {"job_id": its_id, "user_id": "u"})
    original.adopt()
    now = session.one("SELECT * FROM jobs")
    assert (now["id"], now["media_type"], now["job_id"]) == (its_id, "video", f"job_{its_id.hex}")
    assert now["completed_at"] == now["created_at"]
    assert session.one("SELECT media_type, metadata, file_size FROM media_outputs") == {
        "media_type": "video",
        "metadata": {},
        "file_size": 5,
    }
    assert session.value("SELECT api_calls_count FROM usage_tracking") == 1
    assert session.one(
        "SELECT provider, is_active, tags FROM model_configurations WHERE model_id = 'm'"
    ) == {
        "provider": "external",
        "is_active": True,
        "tags": [],
    }


def test_nothing_to_adopt(empty_database: str, database: str, original: Original) -> None:
    def refused(url: str) -> str:
        with pytest.raises(NotAllowed) as caught:
            asyncio.run(look(url, Choices()))
        return caught.value.message

    assert "has none of the tables jobs" in refused(empty_database)
    assert "there is nothing to adopt" in refused(database)
    original.session.run("CREATE SCHEMA vsl_original")
    assert "there is a schema vsl_original already" in refused(original.url)
    original.session.run("DROP SCHEMA vsl_original")
    original.adopt()
    assert "was adopted already" in refused(original.url)
    with pytest.raises(NotAllowed, match="was adopted already"):
        original.adopt()


@ON_18
def test_rights_that_are_missing(original: Original, role_url: Callable[[str, str], str]) -> None:
    stranger = role_url(original.url, "pg_read_all_data")
    found = asyncio.run(look(stranger, Choices()))
    words = "\n".join(found.obstacles)
    assert "table jobs belongs to plain: adopt as that role or as a superuser" in words
    assert "may not make schemas: GRANT CREATE ON DATABASE" in words
    assert "may not make tables in schema public" in words
    with pytest.raises(NotAllowed):
        asyncio.run(adopt(stranger, Choices()))


@ON_18
def test_rows_that_a_policy_hides_are_not_left_behind_in_silence(original: Original) -> None:
    session = original.session
    add_job(session)
    session.run("CREATE POLICY none ON jobs USING (false)")
    session.run("ALTER TABLE jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with pytest.raises(DatabaseError, match="row-level security policy"):
        original.adopt()
    session.run("ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY")
    original.adopt()
    assert session.count("jobs") == 1
