"""A prompt stays out of every error: what clients get, what the program says, what the log keeps.

The servers of the tests keep their logs short, so these databases get PostgreSQL's own defaults.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.conftest import Connect
from tests.schema.kit import Row, Session, output_of
from tests.schema.test_refused_jobs import INSERTS, INSERTS_ONLY, NO_FAULT_OF_UPDATES
from tests.support.servers import TestServer, database_name

from vsl.db.faults import translate, translated_sync
from vsl.errors import InvalidInput, VslError

Refuse = Callable[[Callable[[], object]], psycopg.Error]


class Watch:
    """Gathers the errors of a database whose server logs as PostgreSQL does by default."""

    def __init__(self, server: TestServer, admin: Session, database: str) -> None:
        self.canary = f"CANARY-{uuid.uuid4().hex}"
        self.errors: list[psycopg.Error] = []
        self._log = server.embedded.home.log
        for setting, value in (
            ("log_error_verbosity", "default"),
            ("log_min_error_statement", "error"),
            ("log_min_messages", "warning"),
        ):
            name = database_name(database)
            admin.run(f"ALTER DATABASE {name} SET {setting} = '{value}'")
        self._start = self._log.stat().st_size

    def refused(self, action: Callable[..., object], *arguments: Any, **columns: Any) -> None:
        with pytest.raises(psycopg.Error) as caught:
            action(*arguments, **columns)
        self.errors.append(caught.value)

    @property
    def log(self) -> str:
        with self._log.open(errors="replace") as file:
            file.seek(self._start)
            return file.read()

    def require_silence_of_the_program(self) -> None:
        for error in self.errors:
            ours = translate(error)
            assert isinstance(ours, VslError)
            said = f"{ours} {ours!r} {ours.hint} {vars(ours)}"
            assert self.canary not in said, said

    def require_silence_of_the_server(self) -> None:
        for error in self.errors:
            diagnosis = error.diag
            said = {
                name: getattr(diagnosis, name) for name in dir(diagnosis) if name[0] not in "_s"
            }
            assert self.canary not in f"{error} {error!r} {said}", said
        messages = [error.diag.message_primary or "" for error in self.errors]
        log = self.log
        for message in messages:
            assert message in log
        assert log.count("STATEMENT:") >= len(messages)
        assert self.canary not in log


@pytest.fixture
def watch(session: Session, server: TestServer, database: str) -> Watch:
    return Watch(server, session, database)


@pytest.fixture
def app(
    watch: Watch,  # noqa: ARG001 (settings of a database hold for sessions that begin later)
    as_role: Callable[[str], Session],
) -> Session:
    return as_role("vsl_app")


@pytest.fixture
def secrets(watch: Watch) -> Row:
    """The columns of a job that can hold a prompt."""
    hidden = {"text": watch.canary}
    return {"prompt": watch.canary, "parameters": hidden, "metadata": hidden}


def test_every_refused_insert_and_update(watch: Watch, app: Session, secrets: Row) -> None:
    app.add_job("outside", job_id="taken", **secrets)
    tracked = app.add_job("outside", job_id="tracked", status="processing", **secrets)
    driven = app.add_job(job_id="driven", **secrets)
    for case, (columns, rule) in INSERTS.items():
        given = {**secrets, **columns}
        if given["prompt"] is not watch.canary:
            given["prompt"] = (watch.canary * 100_000)[: len(given["prompt"])]
        watch.refused(app.add_job, **given)
        if rule in INSERTS_ONLY:
            continue
        if case not in NO_FAULT_OF_UPDATES:
            watch.refused(app.set, tracked, **given)
        if not {"prompt", "parameters", "metadata"} & columns.keys():
            watch.refused(app.set, driven, **(columns | {"status": "failed"}))
    for column in (
        "job_id", "model_id", "user_id", "status", "parameters", "metadata", "created_at",
        "retry_count", "media_type", "id", "driven",
    ):  # fmt: skip
        watch.refused(app.set, tracked, **{column: None})
    watch.refused(app.set, tracked, status="pending")
    watch.refused(app.run, "DELETE FROM jobs")
    assert len(watch.errors) > 80
    watch.require_silence_of_the_program()
    watch.require_silence_of_the_server()


def test_every_refusal_of_a_function(
    watch: Watch, app: Session, secrets: Row, database: str, connect: Connect
) -> None:
    owner = Session(connect(database))
    job = app.add_job(job_id="mine", **secrets)
    watch.refused(app.run, "SELECT vsl.retry_job('mine')")
    watch.refused(app.add_output, job, **output_of("image"))
    watch.refused(app.run, "SELECT vsl.retry_job('nope')")
    submit = "SELECT vsl.submit_job(%s, %s, %s)"
    for model, user in (("nope", "ada"), ("off", "ada"), ("unpriced", "ada"), ("painter", "")):
        watch.refused(app.run, submit, model, user, watch.canary)
    watch.refused(app.run, submit, "painter", "ada", watch.canary * 9000)
    fail = "SELECT vsl.fail_job(%s, %s, %s, %s, %s, false, %s)"
    results = []
    for changed in (
        {"processing_time": -1},
        {"processing_time": 1e30},
        {"outcome": "splendid"},
        {"outcome": None},
        {"outputs": [output_of("video")]},
        {"outputs": [output_of("image", metadata=[watch.canary])]},
        {"outputs": [output_of("image", sha256="short")]},
        {"outputs": [output_of("image"), output_of("image")]},
        {"outputs": {"no": "array"}},
    ):
        claimed, begun = owner.start()
        answer = owner.finish(claimed, begun, **changed)
        assert watch.canary not in str(answer)
        results.append(answer["result"])
        if answer["result"] == "rejected":
            seconds = changed.get("processing_time")
            ids = claimed["id"], claimed["epoch"], begun["attempt_id"]
            assert owner.value(fail, *ids, "c", "m", seconds) == "failed"
        app.add_job(**secrets)
    assert results.count("rejected") >= 7
    watch.refused(app.run, "SELECT vsl.cancel_job(%s)", owner.job(claimed)["job_id"])
    watch.require_silence_of_the_program()
    watch.require_silence_of_the_server()


def test_locks_and_patience(
    watch: Watch, app: Session, secrets: Row, database: str, connect: Connect
) -> None:
    job = app.add_job("outside", **secrets)
    other = connect(database)
    with other.transaction():
        other.execute("SELECT 1 FROM jobs FOR UPDATE")
        app.run("SET lock_timeout = '1ms'")
        watch.refused(app.set, job, **secrets)
        app.run("SET lock_timeout = 0")
        app.run("SET statement_timeout = '20ms'")
        watch.refused(app.set, job, **secrets)
        app.run("SET statement_timeout = 0")
    app.run("SET default_transaction_isolation = 'repeatable read'")

    def overtaken() -> None:
        with app.connection.transaction():
            app.job(job)
            other.execute("UPDATE jobs SET metadata = '{}'")
            app.set(job, **secrets)

    watch.refused(overtaken)
    app.run("SET default_transaction_read_only = on")
    watch.refused(app.set, job, **secrets)
    assert {e.sqlstate for e in watch.errors} == {"55P03", "57014", "40001", "25006"}
    watch.require_silence_of_the_program()
    watch.require_silence_of_the_server()


def test_binary_copy(watch: Watch, app: Session) -> None:
    """COPY as text prints its line in CONTEXT, which nobody can change; in binary it does not."""

    def copy_rows() -> None:
        with (
            app.connection.cursor() as cursor,
            cursor.copy("COPY jobs (user_id, model_id, prompt) FROM STDIN (FORMAT binary)") as copy,
        ):
            copy.set_types(["text", "text", "text"])
            copy.write_row(("ada", "painter", watch.canary))
            copy.write_row(("ada", "nope", watch.canary))

    watch.refused(copy_rows)
    watch.require_silence_of_the_program()
    watch.require_silence_of_the_server()


def test_what_postgresql_itself_refuses(watch: Watch, app: Session) -> None:
    """Values of a wrong form are quoted by PostgreSQL, but never by the program."""
    insert = "INSERT INTO jobs (user_id, model_id, {0}) VALUES ('ada', 'painter', %s::text::{1})"
    for column, kind in (
        ("parameters", "jsonb"),
        ("id", "uuid"),
        ("created_at", "timestamptz"),
        ("retry_count", "integer"),
        ("estimated_cost", "numeric"),
        ("driven", "boolean"),
    ):
        watch.refused(app.run, insert.format(column, kind), watch.canary)
    for value in (
        '{"prompt": "' + watch.canary,
        json.dumps({"prompt": watch.canary + "\0"}),
        json.dumps({"prompt": watch.canary}) + "x",
    ):
        watch.refused(app.run, insert.format("parameters", "jsonb"), value)
    watch.refused(app.run, insert.format("prompt", "text"), watch.canary + "\0")
    watch.refused(app.run, "INSERT INTO jobs (prompt) VALUES (%s::bytea)", watch.canary.encode())
    watch.refused(app.run, "SELECT set_config('work_mem', %s, true)", watch.canary)
    watch.refused(app.run, "SELECT now() AT TIME ZONE %s", watch.canary)
    assert any(watch.canary in str(error) for error in watch.errors)
    watch.require_silence_of_the_program()


def test_text_that_is_no_unicode(watch: Watch, app: Session) -> None:
    """The driver's own error for it is none of psycopg's, and carries the text."""
    with pytest.raises(InvalidInput) as refused, translated_sync():
        app.add_job(prompt=watch.canary + "\ud800")
    assert "is not valid Unicode text" in str(refused.value)
    assert watch.canary not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_constraint_alone_would_tell(watch: Watch, session: Session) -> None:
    """Why triggers check first: without them PostgreSQL prints the row. So it is watched here."""
    session.run("ALTER TABLE jobs DISABLE TRIGGER ALL")
    row = {"job_id": "x", "media_type": "image", "prompt": watch.canary, "user_id": ""}
    watch.refused(session.add_job, **row)
    assert watch.canary in str(watch.errors[0])
    watch.require_silence_of_the_program()
