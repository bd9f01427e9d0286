"""What the tests of the engine share: its functions, each called in one line.

Everything goes through the statements of ``vsl.db.statements`` and their SQL files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row, scalar_row

from vsl.db.statement import AnyStatement, OneRow, Rows, Value, parameters, row_type, statement_text
from vsl.db.statements import (
    BeginAttempts,
    BegunAttempt,
    CancelJob,
    ClaimJobs,
    ExtendedLease,
    ExtendLeases,
    FailJob,
    FinishedJob,
    FinishJobs,
    HandBackJobs,
    RecordPrediction,
    RescuedJob,
    RescueJobs,
    RetryJob,
    SubmitJob,
)
from vsl.domain.jobs import ClaimedJob, SubmittedJob

Row = TypeVar("Row")
PRICE = Decimal("0.25")
LANE = "paint"
SHA256 = "ab" * 32

#: Every rule of money and state that holds between any two calls: each query answers no rows.
RULES = {
    "a dispatch row exactly for each live driven job": """
        SELECT j.id FROM public.jobs j FULL JOIN vsl.dispatch d ON d.job_id = j.id
        WHERE coalesce(j.driven AND j.status IN ('pending', 'processing'), false)
            <> (d.job_id IS NOT NULL)""",
    "what is held is the sum of the ledger": """
        SELECT 1 FROM (SELECT coalesce(sum(held), 0) AS s FROM vsl.ledger_entries) l,
            (SELECT coalesce(sum(held), 0) AS s FROM vsl.dispatch) d
        WHERE l.s <> d.s""",
    "closed runs hold nothing": """
        SELECT job_id FROM vsl.ledger_entries
        GROUP BY job_id, run HAVING bool_or(closes) AND sum(held) <> 0""",
    "one hold opens each run": """
        SELECT job_id FROM vsl.ledger_entries
        GROUP BY job_id, run HAVING count(*) FILTER (WHERE NOT closes) <> 1""",
    "a job's cost is what it was charged": """
        SELECT j.id FROM public.jobs j JOIN (
            SELECT job_id, sum(charged) AS charged, bool_or(closes) AS closed
            FROM vsl.ledger_entries GROUP BY job_id
        ) l ON l.job_id = j.id
        WHERE CASE
            WHEN l.closed THEN j.actual_cost IS DISTINCT FROM l.charged
            ELSE j.actual_cost IS NOT NULL
        END""",
    "a usage row for each closed run": """
        SELECT 1 FROM (SELECT job_id, run, charged FROM vsl.ledger_entries WHERE closes) l
        FULL JOIN public.usage_tracking u ON (u.job_id, u.run) = (l.job_id, l.run)
        WHERE u.id IS NULL OR l.job_id IS NULL OR u.actual_cost <> l.charged""",
    "completed has its time and the outputs of one attempt, anything else has neither": """
        SELECT j.id FROM public.jobs j LEFT JOIN (
            SELECT job_id, count(DISTINCT attempt_id) AS attempts
            FROM public.media_outputs GROUP BY job_id
        ) o ON o.job_id = j.id
        WHERE j.driven AND (
            (j.status = 'completed') <> (j.completed_at IS NOT NULL)
            OR (j.status = 'completed') <> (o.attempts IS NOT NULL)
            OR o.attempts > 1
        )""",
    "an open attempt exactly where the dispatch names one": """
        SELECT 1 FROM (SELECT id, job_id FROM vsl.attempts WHERE outcome IS NULL) a
        FULL JOIN (SELECT attempt_id, job_id FROM vsl.dispatch WHERE attempt_id IS NOT NULL) d
        ON (d.attempt_id, d.job_id) = (a.id, a.job_id)
        WHERE a.id IS NULL OR d.attempt_id IS NULL""",
    "a completed job has one completed attempt, another has none": """
        SELECT j.id FROM public.jobs j LEFT JOIN vsl.attempts a ON a.job_id = j.id
        GROUP BY j.id HAVING count(*) FILTER (WHERE a.outcome = 'completed')
            <> (j.driven AND j.status = 'completed')::integer""",
    "at most one live prediction for each job, and it is its attempt's": """
        SELECT a.job_id FROM vsl.predictions p JOIN vsl.attempts a ON a.id = p.attempt_id
        WHERE a.outcome IS NULL
        GROUP BY a.job_id HAVING count(*) > 1""",
    "only an attempt that is under way is waited for": """
        SELECT job_id FROM vsl.dispatch
        WHERE (phase IN ('wait', 'unknown', 'collect')) AND attempt_id IS NULL""",
    "attempts are numbered without gaps": """
        SELECT job_id FROM vsl.attempts
        GROUP BY job_id HAVING max(number) <> count(*) OR min(number) <> 1""",
}


def run(connection: psycopg.Connection[Any], statement: AnyStatement) -> list[Any]:
    """Run a statement of the program on a connection that is not asynchronous."""
    kind: Any = type(statement)
    kept = row_type(kind)
    factory: Any = class_row(kept) if hasattr(kept, "__dataclass_fields__") else scalar_row
    with connection.cursor(row_factory=factory) as cursor:
        cursor.execute(statement_text(kind).encode(), parameters(statement))
        return cursor.fetchall()


def output(ordinal: int = 0, **changed: Any) -> dict[str, Any]:
    """A complete output of an image, as a worker records it."""
    return {
        "ordinal": ordinal,
        "media_type": "image",
        "s3_key": f"images/{ordinal}.png",
        "s3_url": f"file:///{ordinal}.png",
        "s3_bucket": "here",
        "file_type": "image/png",
        "file_size": 1000,
        "width": 64,
        "height": 48,
        "codec": "png",
        "sha256": SHA256,
        "metadata": {"mode": "RGB"},
        **changed,
    }


def result(job: ClaimedJob, begun: BegunAttempt | None, **changed: Any) -> dict[str, Any]:
    """What a worker tells of a job's end: completed with one output unless said otherwise."""
    outcome = changed.get("outcome", "completed")
    key = f"images/{job.job_id}/{job.epoch}.png"
    return {
        "job_id": str(job.id),
        "attempt_id": None if begun is None else str(begun.attempt_id),
        "epoch": job.epoch,
        "outcome": outcome,
        "processing_time": 1.5,
        "outputs": [output(s3_key=key)] if outcome == "completed" else [],
        **changed,
    }


class Engine:
    """The engine as its callers see it, on one connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, statement: Rows[Row]) -> list[Row]:
        return run(self.connection, statement)

    def one(self, statement: OneRow[Row] | Value[Row]) -> Row:
        answer: Row = run(self.connection, statement)[0]
        return answer

    def add_model(self, model_id: str, **columns: Any) -> None:
        """Add a model; an image model of provider ``cog`` unless told otherwise."""
        row = {"media_type": "image", "provider": "cog", "pricing_per_unit": PRICE, **columns}
        names = ", ".join(["model_id", *row])
        places = ", ".join(["%s"] * (len(row) + 1))
        query = f"INSERT INTO model_configurations ({names}) VALUES ({places})"  # noqa: S608
        self.connection.execute(query.encode(), [model_id, *row.values()])

    def submit(self, model_id: str = "painter", **fields: Any) -> SubmittedJob:
        given = {"user_id": "ada", "prompt": "a heron", "parameters": {}, **fields}
        return self.one(SubmitJob(model_id=model_id, **given))

    def submit_many(self, count: int, model_id: str = "painter") -> list[UUID]:
        """Many jobs at once, by one INSERT; all due now."""
        rows = self.connection.execute(
            "INSERT INTO jobs (user_id, model_id, prompt)"
            " SELECT 'ada', %s, 'a heron' FROM generate_series(1, %s) RETURNING id",
            [model_id, count],
        ).fetchall()
        return [row[0] for row in rows]

    def claim(
        self,
        count: int = 1,
        *,
        worker: str = "w1",
        lanes: Sequence[str] = (LANE,),
        lease: float = 60,
    ) -> list[ClaimedJob]:
        return self.rows(ClaimJobs(worker=worker, lanes=lanes, count=count, lease=lease))

    def claim_one(self, **options: Any) -> ClaimedJob:
        (job,) = self.claim(**options)
        return job

    def begin(self, *jobs: ClaimedJob) -> list[BegunAttempt]:
        statement = BeginAttempts(jobs=[j.id for j in jobs], epochs=[j.epoch for j in jobs])
        return self.rows(statement)

    def begin_one(self, job: ClaimedJob) -> BegunAttempt:
        (begun,) = self.begin(job)
        return begun

    def started(self, **fields: Any) -> tuple[ClaimedJob, BegunAttempt]:
        """A new job, claimed and begun."""
        self.submit(**fields)
        job = self.claim_one()
        return job, self.begin_one(job)

    def record(self, attempt: UUID, **changed: Any) -> bool:
        given: dict[str, Any] = {
            "provider_id": "p-1",
            "provider_status": "succeeded",
            "output": {"output": ["http://127.0.0.1/1.png"]},
            "metrics": {"predict_time": 1.5},
            "processing_time": 1.5,
            "collectable": False,
            **changed,
        }
        return self.one(RecordPrediction(attempt=attempt, **given))

    def finish(self, *results: Mapping[str, Any]) -> list[FinishedJob]:
        return self.rows(FinishJobs(results=[dict(r) for r in results]))

    def finish_one(self, job: ClaimedJob, begun: BegunAttempt | None, **changed: Any) -> str:
        (answer,) = self.finish(result(job, begun, **changed))
        return answer.result

    def fail(self, job: ClaimedJob, begun: BegunAttempt | None, **changed: Any) -> str:
        given: dict[str, Any] = {
            "code": "provider_error",
            "message": "the model broke",
            "retryable": True,
            **changed,
        }
        attempt = None if begun is None else begun.attempt_id
        return self.one(FailJob(job=job.id, epoch=job.epoch, attempt=attempt, **given))

    def cancel(self, job_id: str) -> str:
        return self.one(CancelJob(job_id=job_id))

    def retry(self, job_id: str) -> None:
        run(self.connection, RetryJob(job_id=job_id))

    def extend(self, *jobs: ClaimedJob, lease: float = 60) -> list[ExtendedLease]:
        ids, epochs = [j.id for j in jobs], [j.epoch for j in jobs]
        return self.rows(ExtendLeases(jobs=ids, epochs=epochs, lease=lease))

    def hand_back(self, *jobs: ClaimedJob) -> list[UUID]:
        return self.rows(HandBackJobs(jobs=[j.id for j in jobs], epochs=[j.epoch for j in jobs]))

    def rescue(self, count: int = 1000) -> list[RescuedJob]:
        return self.rows(RescueJobs(count=count))

    def expire(self, *jobs: UUID) -> None:
        """Let leases run out."""
        self.connection.execute(
            "UPDATE vsl.dispatch SET lease_until = now() - interval '1 second'"
            " WHERE job_id = ANY (%s) AND worker IS NOT NULL",
            [list(jobs)],
        )

    def make_due(self, *jobs: UUID) -> None:
        """Let back-offs end."""
        self.connection.execute(
            "UPDATE vsl.dispatch SET due_at = now() WHERE job_id = ANY (%s)", [list(jobs)]
        )

    def all(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), arguments).fetchall()

    def job(self, job: UUID) -> dict[str, Any]:
        (row,) = self.all("SELECT * FROM jobs WHERE id = %s", job)
        return row

    def status(self, job: UUID) -> str:
        return str(self.job(job)["status"])

    def dispatch(self, job: UUID) -> dict[str, Any] | None:
        rows = self.all("SELECT * FROM vsl.dispatch WHERE job_id = %s", job)
        return rows[0] if rows else None

    def attempts(self, job: UUID) -> list[dict[str, Any]]:
        return self.all("SELECT * FROM vsl.attempts WHERE job_id = %s ORDER BY number", job)

    def outputs(self, job: UUID) -> list[dict[str, Any]]:
        return self.all("SELECT * FROM media_outputs WHERE job_id = %s ORDER BY ordinal", job)

    def usage(self, job: UUID) -> list[dict[str, Any]]:
        return self.all("SELECT * FROM usage_tracking WHERE job_id = %s ORDER BY run", job)

    def ledger(self, job: UUID) -> list[tuple[Any, ...]]:
        """A job's entries as (run, kind, held, charged)."""
        query = "SELECT run, kind, held, charged FROM vsl.ledger_entries WHERE job_id = %s"
        rows = self.connection.execute(query.encode() + b" ORDER BY run, closes", [job]).fetchall()
        return [tuple(row) for row in rows]

    def broken_rules(self) -> list[str]:
        """Which of ``RULES`` do not hold; asked in one statement, so at one moment."""
        parts = [f"SELECT %s AS name WHERE EXISTS ({query})" for query in RULES.values()]
        return [row["name"] for row in self.all(" UNION ALL ".join(parts), *RULES)]


def by_id(answers: Iterable[Any]) -> dict[UUID, Any]:
    """Answers of a function by the job they are about."""
    return {answer.id: answer for answer in answers}
