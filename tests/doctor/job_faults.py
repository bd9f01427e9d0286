"""Faults of jobs and of their money, and what only looks like one."""

from __future__ import annotations

from typing import Any

from tests.doctor.kit import Calm, Fault, Stage, add_models
from tests.support.waiting import wait_until

from vsl.ops.doctor.check import Level


def job_nobody_takes(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.run("UPDATE vsl.dispatch SET due_at = now() - interval '601 s'")


def jobs_beside_a_busy_worker(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.start()
    session.add_job()
    session.run("UPDATE vsl.dispatch SET due_at = now() - interval '61 s' WHERE worker IS NULL")


def job_due_later(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.run("UPDATE vsl.dispatch SET due_at = now() + interval '1 hour'")


def lease_past_due(seconds: int) -> Any:
    def inject(stage: Stage) -> None:
        session = add_models(stage)
        session.add_job()
        session.start()
        past = "UPDATE vsl.dispatch SET lease_until = now() - make_interval(secs => %s)"
        session.run(past, seconds)

    return inject


def attempt_past_its_timeout(seconds: int) -> Any:
    """painter's attempts may take 900 s."""

    def inject(stage: Stage) -> None:
        session = add_models(stage)
        session.add_job()
        session.start()
        past = "UPDATE vsl.attempts SET started_at = now() - make_interval(secs => %s)"
        session.run(past, 900 + seconds)

    return inject


def stale_tracked_job(age: str) -> Any:
    def inject(stage: Stage) -> None:
        session = add_models(stage)
        session.run(
            "INSERT INTO jobs (user_id, model_id, status, created_at, updated_at)"
            " SELECT 'ada', 'outside', 'processing', now() - a.age, now() - a.age"
            " FROM (SELECT %s::interval) AS a (age)",
            age,
        )

    return inject


def dispatch_without_job(stage: Stage) -> None:
    session = stage.session()
    session.run(
        "INSERT INTO vsl.dispatch (job_id, lane, max_attempts, held)"
        " VALUES (gen_random_uuid(), 'cog', 3, 0)"
    )


def job_without_dispatch(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.run("DELETE FROM vsl.dispatch")


def dispatch_of_an_ended_job(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.run("SET session_replication_role = replica")
    session.run("UPDATE jobs SET status = 'failed'")


def dead_rows(dead: int, live: int) -> Any:
    """In one go: so many rows of the dispatch table that stay, and so many that were there."""

    def inject(stage: Stage) -> None:
        session = stage.session()
        session.run("ALTER TABLE vsl.dispatch SET (autovacuum_enabled = off)")
        add = (
            "INSERT INTO vsl.dispatch (job_id, lane, max_attempts, held)"
            " SELECT gen_random_uuid(), '{}', 3, 0 FROM generate_series(1, {})"
        )
        session.run(add.format("live", live))
        session.run(add.format("dead", dead))
        session.run("DELETE FROM vsl.dispatch WHERE lane = 'dead'")
        counted = (
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'vsl.dispatch'::regclass"
        )
        session.run("SELECT pg_stat_force_next_flush()") if stage.server.major >= 15 else None
        wait_until(lambda: session.value(counted) == dead)

    return inject


def failures(failed: int, good: int) -> Any:
    def inject(stage: Stage) -> None:
        session = add_models(stage)
        add = (
            "INSERT INTO jobs (user_id, model_id, status, error_code, completed_at)"
            " SELECT 'ada', 'outside', '{}', {}, {} FROM generate_series(1, {})"
        )
        session.run(add.format("failed", "'prediction_failed'", "NULL", failed))
        session.run(add.format("completed", "NULL", "now()", good))

    return inject


def doomed_for_long(stage: Stage) -> None:
    session = stage.session()
    session.run(
        "INSERT INTO vsl.doomed_objects (storage_key, bucket, reason, created_at, tries)"
        " VALUES ('k', 'here', 'test', now() - interval '25 hours', 290)"
    )


def doomed_just_now(stage: Stage) -> None:
    stage.session().run(
        "INSERT INTO vsl.doomed_objects (storage_key, bucket, reason) VALUES ('k', 'here', 'test')"
    )


def money_held_for_nobody(stage: Stage) -> None:
    """The way around: with triggers off, a job and its dispatch row are removed."""
    session = add_models(stage)
    session.add_job()
    session.run("SET session_replication_role = replica")
    session.run("DELETE FROM vsl.dispatch")


def money_held_wrongly(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.run("UPDATE vsl.dispatch SET held = held + 0.00000001")


def money_charged_without_use(stage: Stage) -> None:
    session = add_models(stage)
    session.add_job()
    session.run_job()
    session.run("UPDATE usage_tracking SET actual_cost = 0")


def money_of_all_kinds(stage: Stage) -> None:
    """Charged, released, held, retried, and of a job that was deleted: it balances."""
    session = add_models(stage)
    for outcome in ("completed", "failed", "cancelled", "completed"):
        job = session.add_job()
        changed: dict[str, Any] = {"outputs": [], "error_code": "x"}
        session.run_job(outcome, **({} if outcome == "completed" else changed))
    session.run("DELETE FROM jobs WHERE id = %s", job["id"])
    failed = session.one("SELECT job_id FROM jobs WHERE status = 'failed'")
    session.run("SELECT vsl.retry_job(%s)", failed["job_id"])
    session.add_job()


FAULTS = (
    Fault(
        "runnable-jobs",
        "no worker",
        job_nobody_takes,
        Level.fail,
        "^lane cog",
        "1 job is due; nothing of the lane runs, and no worker",
        "^vsl worker --lanes cog$",
    ),
    Fault(
        "runnable-jobs",
        "too few workers",
        jobs_beside_a_busy_worker,
        Level.warn,
        "^lane cog",
        "1 of the lane run, at 1 workers",
        "^vsl worker --lanes cog$",
    ),
    Fault(
        "overdue-leases",
        "for a minute",
        lease_past_due(61),
        Level.warn,
        "^worker w$",
        "1 job is held",
        "^vsl worker --lanes cog$",
    ),
    Fault(
        "overdue-leases",
        "for long",
        lease_past_due(301),
        Level.fail,
        "^worker w$",
        "1 job is held",
        "^vsl worker --lanes cog$",
    ),
    Fault(
        "stuck-attempts",
        "for a minute",
        attempt_past_its_timeout(61),
        Level.warn,
        "^model painter",
        "the 900 s that",
        r"^vsl jobs show job_\w+$",
    ),
    Fault(
        "stuck-attempts",
        "for long",
        attempt_past_its_timeout(601),
        Level.fail,
        "^model painter",
        "held by w",
        r"^vsl jobs show job_\w+$",
    ),
    Fault(
        "stale-tracked-jobs",
        "for hours",
        stale_tracked_job("2 hours"),
        Level.note,
        "^model outside",
        "1 job is",
        "unfinished_jobs.sql",
    ),
    Fault(
        "stale-tracked-jobs",
        "for days",
        stale_tracked_job("2 days"),
        Level.warn,
        "^model outside",
        "1 job is",
        "unfinished_jobs.sql",
    ),
    Fault(
        "dispatch-rows",
        "without a job",
        dispatch_without_job,
        Level.fail,
        "^vsl.dispatch",
        "^1 rows",
        "session_replication_role",
    ),
    Fault(
        "dispatch-rows",
        "of a job that ended",
        dispatch_of_an_ended_job,
        Level.fail,
        "^vsl.dispatch",
        "^1 rows",
        "session_replication_role",
    ),
    Fault(
        "dispatch-rows",
        "a job without",
        job_without_dispatch,
        Level.fail,
        "^jobs",
        "^1 live jobs",
        "session_replication_role",
    ),
    Fault(
        "dispatch-dead-rows",
        "more dead than live",
        dead_rows(1001, 1000),
        Level.warn,
        "^vsl.dispatch",
        "1001 dead and 1000 live",
        "VACUUM",
    ),
    Fault(
        "dispatch-dead-rows",
        "many",
        dead_rows(10_000, 10_001),
        Level.warn,
        "^vsl.dispatch",
        "10000 dead",
        "VACUUM",
    ),
    Fault(
        "dispatch-dead-rows",
        "very many",
        dead_rows(50_000, 0),
        Level.fail,
        "^vsl.dispatch",
        "50000 dead",
        "VACUUM",
    ),
    Fault(
        "failed-jobs",
        "a quarter",
        failures(5, 15),
        Level.warn,
        "^the last hour",
        r"5 of 20 jobs failed \(5 prediction_failed\); of the last day 25.0 %",
        "--status failed",
    ),
    Fault(
        "failed-jobs",
        "a tenth",
        failures(2, 18),
        Level.note,
        "^the last hour",
        "2 of 20",
        "--status failed",
    ),
    Fault(
        "failed-jobs",
        "too few to judge",
        failures(2, 1),
        Level.note,
        "^the last hour",
        "too few",
        "--status failed",
    ),
    Fault(
        "doomed-objects",
        "that the store refuses",
        doomed_for_long,
        Level.warn,
        "^bucket here",
        "1 object waits, tried up to 290",
        "worker's log",
    ),
    Fault(
        "ledger-balance",
        "a hold for nobody",
        money_held_for_nobody,
        Level.fail,
        "^money held",
        "the ledger holds 0.25000000, live jobs 0; wrong for",
        "ledger_balance",
    ),
    Fault(
        "ledger-balance",
        "the smallest amount",
        money_held_wrongly,
        Level.fail,
        "^money held",
        "live jobs 0.25000001",
        "ledger_balance",
    ),
    Fault(
        "ledger-balance",
        "a charge without use",
        money_charged_without_use,
        Level.fail,
        "^money charged",
        "their runs used 0",
        "ledger_balance",
    ),
)

CALM = (
    Calm("runnable-jobs", "due later", job_due_later),
    Calm("overdue-leases", "for less than a minute", lease_past_due(50)),
    Calm("stuck-attempts", "for less than a minute", attempt_past_its_timeout(50)),
    Calm("stuck-attempts", "within the timeout", attempt_past_its_timeout(-50)),
    Calm("stale-tracked-jobs", "for less than an hour", stale_tracked_job("50 minutes")),
    Calm("dispatch-dead-rows", "a thousand", dead_rows(1000, 10)),
    Calm("dispatch-dead-rows", "fewer than live", dead_rows(1001, 1001)),
    Calm("failed-jobs", "few", failures(1, 19)),
    Calm("failed-jobs", "none of few", failures(0, 3)),
    Calm("doomed-objects", "just now", doomed_just_now),
    Calm("ledger-balance", "of all kinds", money_of_all_kinds),
)
