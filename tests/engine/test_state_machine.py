"""The state machine of a job: any sequence of calls, against a model of what should happen.

Hypothesis makes up the sequences, with late and repeated calls of old claims among them. After each
call the answer is the model's, every job's state is the model's, and the rules of money and state
hold (``kit.RULES``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.engine.kit import LANE, Engine, by_id, output, result

from vsl.db.statements import BegunAttempt
from vsl.db.statements_remote import DeferJob, ReleaseJobs, ResolveJob
from vsl.domain.jobs import ClaimedJob

SETTINGS = settings(
    max_examples=120,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
#: What a step may be; those that make something to go on with more often.
CALLS = [
    *(["claim"] * 4),
    *(["begin"] * 2),
    *(["finish"] * 4),
    *(["fail"] * 2),
    *(["hand_back"] * 2),
    *(["lose_workers"] * 2),
    *(["let_time_pass"] * 2),
    *(["retry"] * 2),
    *(["answer"] * 2),
    *(["release"] * 2),
    *(["resolve"] * 2),
    *("submit", "cancel", "record", "extend", "set_price", "defer"),
]
MAX_ATTEMPTS = 2
MOST_RESCUES = 5
TABLES = (
    "jobs, media_outputs, usage_tracking, vsl.attempts, vsl.dispatch, vsl.ledger_entries, "
    "vsl.doomed_objects, vsl.predictions, vsl.audit_entries"
)


@dataclass
class Job:
    """What the model knows of a job. ended: the end of each attempt, by its id."""

    id: UUID
    job_id: str
    held: Decimal
    status: str = "pending"
    live: bool = True
    due: bool = True
    worker: str | None = None
    epoch: int = 0
    phase: str = "submit"
    attempt: UUID | None = None
    prediction: str | None = None
    attempts: int = 0
    numbers: int = 0
    retries: int = 0
    run: int = 1
    rescues: int = 0
    cancel: bool = False
    charged: Decimal | None = None
    ended: dict[UUID, tuple[int, str]] = field(default_factory=dict)

    def end(self, outcome: str, epoch: int, *, spent: bool = False) -> None:
        charge = self.held if outcome == "completed" or spent else Decimal(0)
        self.charged = (self.charged or Decimal(0)) + charge
        self.status, self.live = outcome, False
        if self.attempt is not None:
            self.ended[self.attempt] = (epoch, outcome)
        self.attempt = self.worker = self.prediction = None


@dataclass
class Claim:
    """A claim as its worker remembers it, however long it has been over."""

    job: ClaimedJob
    begun: BegunAttempt | None = None

    @property
    def attempt(self) -> UUID | None:
        return self.begun.attempt_id if self.begun else None


class JobMachine(RuleBasedStateMachine):
    """Calls of any number of workers and people, one after another."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.jobs: dict[UUID, Job] = {}
        self.claims: list[Claim] = []
        self.price = Decimal("0.25")
        #: Whose each prediction is, for ever.
        self.predictions: dict[str, UUID] = {}

    @initialize()
    def empty(self) -> None:
        with self.engine.connection.transaction():
            self.engine.connection.execute("SET LOCAL session_replication_role = replica")
            self.engine.connection.execute(f"TRUNCATE {TABLES}".encode())
        self.engine.connection.execute(
            "UPDATE model_configurations SET pricing_per_unit = %s", [self.price]
        )
        self.predictions.clear()
        self.submit()
        self.submit()

    @rule(call=st.sampled_from(CALLS), data=st.data())
    def call(self, call: str, data: st.DataObject) -> None:
        """The one rule: of several, Hypothesis would leave out half in most sequences."""
        getattr(self, call)(data)

    # Choosing.

    def pick(self, data: st.DataObject) -> Claim:
        """One of the claims, recent ones more often."""
        recent = min(3, len(self.claims))
        most = data.draw(st.sampled_from([recent, recent, len(self.claims)]), label="among")
        return self.claims[-data.draw(st.integers(1, most), label="claim from the end")]

    def pick_some(self, data: st.DataObject) -> list[Claim]:
        """Up to three claims of different jobs."""
        if not self.claims:
            return []
        chosen = [self.pick(data) for _ in range(data.draw(st.integers(1, 3), label="how many"))]
        return list({claim.job.id: claim for claim in chosen}.values())

    def pick_job(self, data: st.DataObject) -> Job:
        return data.draw(st.sampled_from(list(self.jobs.values())), label="job")

    def of(self, claim: Claim) -> Job:
        return self.jobs[claim.job.id]

    def is_current(self, claim: Claim) -> bool:
        """Whether the claim may end the job: nobody has claimed it since."""
        job = self.of(claim)
        return job.live and job.epoch == claim.job.epoch and job.attempt == claim.attempt

    def is_held(self, claim: Claim) -> bool:
        job = self.of(claim)
        return job.live and job.epoch == claim.job.epoch and job.worker is not None

    def late_answer(self, claim: Claim) -> tuple[str, str | None]:
        """What a finish that may change nothing answers."""
        ended = self.of(claim).ended.get(claim.attempt) if claim.attempt else None
        if ended and ended[0] == claim.job.epoch:
            return "repeated", ended[1]
        return "stale", None

    # People.

    def submit(self, _: st.DataObject | None = None) -> None:
        if len(self.jobs) == 4:
            return
        made = self.engine.submit()
        assert made.estimated_cost == self.price
        self.jobs[made.id] = Job(made.id, made.job_id, self.price)

    def set_price(self, data: st.DataObject) -> None:
        self.price = data.draw(st.sampled_from([Decimal("0.25"), Decimal("0.4")]), label="price")
        self.engine.connection.execute(
            "UPDATE model_configurations SET pricing_per_unit = %s", [self.price]
        )

    def cancel(self, data: st.DataObject) -> None:
        job = self.pick_job(data)
        if job.status in ("completed", "failed"):
            assert self.refusal(self.engine.cancel, job) == "VS002"
        elif job.live and job.attempt:
            assert self.engine.cancel(job.job_id) == "requested"
            job.cancel = True
            # Somebody is to look at once at one that waits.
            job.due = job.due or job.worker is None
        else:
            assert self.engine.cancel(job.job_id) == "cancelled"
            if job.live:
                job.end("cancelled", job.epoch)

    def retry(self, data: st.DataObject) -> None:
        job = self.pick_job(data)
        if job.status not in ("failed", "cancelled"):
            assert self.refusal(self.engine.retry, job) == "VS002"
            return
        self.engine.retry(job.job_id)
        job.run, job.retries, job.held = job.run + 1, job.retries + 1, self.price
        job.status, job.phase, job.live, job.due, job.cancel = (
            "pending",
            "submit",
            True,
            True,
            False,
        )
        job.epoch = job.attempts = job.rescues = 0

    def refusal(self, call: Any, job: Job) -> str | None:
        with pytest.raises(psycopg.Error) as caught:
            call(job.job_id)
        return caught.value.sqlstate

    # Workers.

    def claim(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 3), label="count")
        worker = data.draw(st.sampled_from(["w1", "w2"]), label="worker")
        free = [job for job in self.jobs.values() if job.live and job.due and job.worker is None]
        claimed = self.engine.claim(count, worker=worker, lanes=[LANE])
        assert len(claimed) == min(count, len(free))
        for found in claimed:
            job = self.jobs[found.id]
            assert job in free
            assert all(found.epoch != claim.job.epoch for claim in self.claims)
            assert found.epoch > job.epoch
            assert (found.run, found.attempts, found.rescues, found.attempt_id, found.phase) == (
                (job.run, job.attempts, job.rescues, job.attempt, job.phase)
            )
            assert found.cancel_requested == job.cancel
            job.epoch, job.worker = found.epoch, worker
            self.claims.append(Claim(found))
            if data.draw(st.integers(0, 3), label="begin unless 0"):
                self.begin_all([self.claims[-1]])

    def begin(self, data: st.DataObject) -> None:
        self.begin_all(self.pick_some(data))

    def begin_all(self, claims: list[Claim]) -> None:
        answers = by_id(self.engine.begin(*(claim.job for claim in claims)))
        for claim in claims:
            job, answer = self.of(claim), answers[claim.job.id]
            if not self.is_held(claim):
                assert (answer.result, answer.attempt_id) == ("stale", None)
                continue
            if job.attempt is None:
                job.attempts, job.numbers = job.attempts + 1, job.numbers + 1
                job.phase, job.status, job.attempt = "submit", "processing", answer.attempt_id
                assert answer.attempt_id is not None
                assert answer.attempt_id not in job.ended
                assert answer.result == "begun"
            assert answer.result in ("begun", "resumed")
            assert (answer.attempt_id, answer.number) == (job.attempt, job.numbers)
            claim.begun = answer

    def record(self, data: st.DataObject) -> None:
        if not self.claims:
            return
        claim, collectable = self.pick(data), data.draw(st.booleans(), label="collectable")
        if claim.attempt is None:
            return
        job = self.of(claim)
        under_way = job.live and job.attempt == claim.attempt
        assert self.engine.record(claim.attempt, collectable=collectable) == under_way
        if under_way:
            job.prediction = "p-1"
            job.phase = "collect" if collectable else job.phase

    def draw_prediction(self, data: st.DataObject, attempt: UUID) -> str:
        """An attempt's own prediction, or one that several are said to have."""
        return data.draw(st.sampled_from([str(attempt), str(attempt), "shared"]), label="id")

    def may_have(self, job: Job, prediction: str) -> bool:
        if job.prediction is not None:
            return job.prediction == prediction
        return self.predictions.get(prediction, job.attempt) == job.attempt

    def has(self, job: Job, prediction: str) -> None:
        assert job.attempt is not None
        if job.prediction is None:
            self.predictions[prediction] = job.attempt
        job.prediction = prediction
        if job.phase in ("submit", "unknown"):
            job.phase = "wait"

    def answer(self, data: st.DataObject) -> None:
        """A provider that remembers predictions says something of one."""
        if not self.claims:
            return
        claim, collectable = self.pick(data), data.draw(st.booleans(), label="collectable")
        if claim.attempt is None:
            return
        job, prediction = self.of(claim), self.draw_prediction(data, claim.attempt)
        said = {"provider_id": prediction, "remembered": True, "collectable": collectable}
        if not (job.live and job.attempt == claim.attempt):
            assert not self.engine.record(claim.attempt, **said)
        elif not self.may_have(job, prediction):
            with pytest.raises(psycopg.Error) as caught:
                self.engine.record(claim.attempt, **said)
            assert caught.value.sqlstate == "VS002"
        else:
            assert self.engine.record(claim.attempt, **said)
            self.has(job, prediction)
            job.phase = "collect" if collectable else job.phase

    def let_go(self, job: Job) -> None:
        job.worker, job.due = None, False
        if job.phase == "submit" and job.attempt:
            job.phase = "unknown"
        # A job that is to be cancelled is due soon: not in the middle of this.
        self.engine.connection.execute(
            "UPDATE vsl.dispatch SET due_at = now() + interval '1 hour' WHERE job_id = %s", [job.id]
        )

    def release(self, data: st.DataObject) -> None:
        claims = self.pick_some(data)
        held = {claim.job.id for claim in claims if self.is_held(claim)}
        statement = ReleaseJobs(
            jobs=[claim.job.id for claim in claims],
            epochs=[claim.job.epoch for claim in claims],
            seconds=[600.0] * len(claims),
        )
        assert set(self.engine.rows(statement)) == held
        for job in held:
            self.let_go(self.jobs[job])

    def defer(self, data: st.DataObject) -> None:
        if not self.claims:
            return
        claim, withdraw = self.pick(data), data.draw(st.booleans(), label="withdraw")
        job, made = self.of(claim), claim.job
        statement = DeferJob(
            job=made.id, epoch=made.epoch, seconds=600.0, code="c", message="m", withdraw=withdraw
        )
        if not self.is_held(claim):
            assert self.engine.one(statement) == "stale"
        elif not withdraw:
            assert self.engine.one(statement) == "deferred"
            self.let_go(job)
        elif job.attempt is None or job.prediction is not None:
            with pytest.raises(psycopg.Error) as caught:
                self.engine.one(statement)
            assert caught.value.sqlstate == "VS002"
        else:
            assert self.engine.one(statement) == ("cancelled" if job.cancel else "deferred")
            job.attempt, job.attempts, job.numbers = None, job.attempts - 1, job.numbers - 1
            if job.cancel:
                job.end("cancelled", job.epoch)
            else:
                job.phase = "submit"
                self.let_go(job)

    def resolve(self, data: st.DataObject) -> None:
        """A person decides about an attempt that got no answer."""
        job = self.pick_job(data)
        decision = data.draw(st.sampled_from(["adopt", "absent", "give-up"]), label="decision")
        adopts = decision == "adopt"
        prediction = self.draw_prediction(data, job.attempt or job.id) if adopts else None
        statement = ResolveJob(job_id=job.job_id, decision=decision, provider_id=prediction)
        if (
            not job.live
            or job.phase != "unknown"
            or (prediction is not None and not self.may_have(job, prediction))
        ):
            with pytest.raises(psycopg.Error) as caught:
                self.engine.one(statement)
            assert caught.value.sqlstate == "VS002"
            return
        answer, nobody = self.engine.one(statement), -1
        if prediction is not None:
            assert answer == "wait"
            self.has(job, prediction)
            job.worker, job.due = None, True
        elif decision == "give-up":
            assert answer == "failed"
            job.end("failed", nobody, spent=True)
        elif not job.cancel and job.attempts < MAX_ATTEMPTS:
            assert answer == "retried"
            self.retried(job, nobody)
        else:
            assert answer == ("cancelled" if job.cancel else "failed")
            job.end(answer, nobody)
        if job.live:
            row = self.engine.dispatch(job.id)
            assert row is not None
            assert row["epoch"] > job.epoch
            job.epoch = row["epoch"]

    def retried(self, job: Job, epoch: int) -> None:
        assert job.attempt is not None
        job.ended[job.attempt] = (epoch, "failed")
        job.attempt = job.worker = job.prediction = None
        job.phase, job.due, job.retries = "backoff", False, job.retries + 1

    def finish(self, data: st.DataObject) -> None:
        claims = self.pick_some(data)
        outcomes, results = {}, []
        for claim in claims:
            outcome = data.draw(st.sampled_from(["completed", "failed", "cancelled"]))
            spent = outcome != "completed" and data.draw(st.booleans(), label="spent")
            changed: dict[str, Any] = {"outcome": outcome, "spent": spent}
            if (
                bad := outcome == "completed"
                and data.draw(st.integers(0, 3), label="bad at 0") == 0
            ):
                changed["outputs"] = [output(0), output(1, file_size=-1)]
            rejected = bad or (outcome == "completed" and claim.attempt is None)
            outcomes[claim.job.id] = (outcome, rejected, spent)
            results.append(result(claim.job, claim.begun, **changed))
        answers = by_id(self.engine.finish(*results))
        for claim in claims:
            outcome, rejected, spent = outcomes[claim.job.id]
            answer = answers[claim.job.id]
            if not self.is_current(claim):
                assert (answer.result, answer.outcome) == self.late_answer(claim)
            elif rejected:
                assert (answer.result, answer.outcome) == ("rejected", None)
            else:
                assert (answer.result, answer.outcome) == ("finished", outcome)
                self.of(claim).end(outcome, claim.job.epoch, spent=spent)

    def fail(self, data: st.DataObject) -> None:
        if not self.claims:
            return
        claim, retryable = self.pick(data), data.draw(st.booleans(), label="retryable")
        job = self.of(claim)
        answer = self.engine.fail(claim.job, claim.begun, retryable=retryable)
        if not self.is_current(claim):
            assert answer == self.late_answer(claim)[0]
        elif claim.attempt and retryable and not job.cancel and job.attempts < MAX_ATTEMPTS:
            assert answer == "retried"
            self.retried(job, claim.job.epoch)
        else:
            assert answer == ("cancelled" if job.cancel else "failed")
            job.end(answer, claim.job.epoch)

    def extend(self, data: st.DataObject) -> None:
        claims = self.pick_some(data)
        kept = by_id(self.engine.extend(*(claim.job for claim in claims)))
        assert set(kept) == {claim.job.id for claim in claims if self.is_held(claim)}
        for answer in kept.values():
            assert answer.cancel_requested == self.jobs[answer.id].cancel

    def hand_back(self, data: st.DataObject) -> None:
        claims = self.pick_some(data)
        held = {claim.job.id for claim in claims if self.is_held(claim)}
        assert set(self.engine.hand_back(*(claim.job for claim in claims))) == held
        for job in held:
            self.jobs[job].worker, self.jobs[job].due = None, True

    # Time.

    def lose_workers(self, data: st.DataObject) -> None:
        """Some leases run out, perhaps not for the first time, and somebody looks for lost jobs."""
        held = [job for job in self.jobs.values() if job.live and job.worker]
        lost = [job for job in held if data.draw(st.booleans(), label="lost")]
        for job in lost:
            if data.draw(st.integers(0, 3), label="many at 0") == 0:
                job.rescues = data.draw(st.integers(job.rescues, MOST_RESCUES), label="rescues")
                self.set_rescues(job)
        self.engine.expire(*(job.id for job in lost))
        answers = by_id(self.engine.rescue())
        assert set(answers) == {job.id for job in lost}
        for job in lost:
            assert answers[job.id].lost_worker == job.worker
            if job.attempt and job.rescues >= MOST_RESCUES:
                assert answers[job.id].result == ("cancelled" if job.cancel else "failed")
                job.end(answers[job.id].result, job.epoch)
                continue
            assert answers[job.id].result == "freed"
            job.rescues += job.attempt is not None
            job.worker, job.due = None, True

    def set_rescues(self, job: Job) -> None:
        self.engine.connection.execute(
            "UPDATE vsl.dispatch SET rescues = %s WHERE job_id = %s", [job.rescues, job.id]
        )

    def let_time_pass(self, _: st.DataObject) -> None:
        self.engine.make_due(*self.jobs)
        for job in self.jobs.values():
            job.due = True

    # What holds after every call.

    @invariant()
    def rules_hold(self) -> None:
        assert self.engine.broken_rules() == []

    @invariant()
    def jobs_are_as_in_the_model(self) -> None:
        rows = self.engine.all(
            "SELECT j.id, j.status, j.actual_cost, j.retry_count, d.epoch, d.worker, d.phase,"
            " d.attempt_id, d.attempts, d.run, d.rescues, d.cancel_requested, d.held,"
            " (SELECT count(*) FROM vsl.attempts a WHERE a.job_id = j.id) AS numbers"
            " FROM jobs j LEFT JOIN vsl.dispatch d ON d.job_id = j.id"
        )
        assert len(rows) == len(self.jobs)
        for row in rows:
            job = self.jobs[row["id"]]
            found = (row["status"], row["actual_cost"], row["retry_count"], row["numbers"])
            assert found == (job.status, job.charged, job.retries, job.numbers)
            if job.live:
                live = ("epoch", "worker", "phase", "attempts", "run", "rescues", "held")
                assert {name: row[name] for name in live} == {
                    name: getattr(job, name) for name in live
                }
                assert (row["attempt_id"], row["cancel_requested"]) == (job.attempt, job.cancel)


def test_any_sequence_of_calls_keeps_the_rules(engine: Engine) -> None:
    engine.connection.execute("DELETE FROM model_configurations WHERE model_id <> 'painter'")
    engine.connection.execute("UPDATE model_configurations SET max_attempts = %s", [MAX_ATTEMPTS])

    class Machine(JobMachine):
        def __init__(self) -> None:
            super().__init__(engine)

    run_state_machine_as_test(Machine, settings=SETTINGS)
