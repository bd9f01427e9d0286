"""The checks of what goes on now: sessions, replication, jobs, money."""

from __future__ import annotations

from vsl.ops.doctor.check import Check, Limits

GB = 1024.0**3
MB = 1024.0**2

SESSIONS = (
    Check(
        id="connections",
        title="Connections in use",
        area="sessions",
        unit="percent",
        limits=Limits(warn=70, fail=85),
        why="When none is left, workers and applications are refused.",
        next="vsl db connections --kill-idle 10m",
    ),
    Check(
        id="idle-in-transaction",
        title="Sessions idle in a transaction",
        area="sessions",
        unit="seconds",
        # A model must never be waited for inside of a transaction, so seconds are worth a note.
        limits=Limits(note=5, warn=60, fail=300),
        why="A transaction that waits for its client keeps its locks, and keeps vacuum from "
        "removing dead rows.",
        next="vsl db connections --kill-idle 10m",
    ),
    Check(
        id="long-queries",
        title="Statements that run for long",
        area="sessions",
        unit="seconds",
        limits=Limits(warn=60, fail=300),
        why="They take processors and disk from others, and keep vacuum from removing dead rows. "
        "One that is meant to be long can begin with the comment /* vsl:long */.",
        next="vsl db connections",
    ),
    Check(
        id="blocked-sessions",
        title="Waiting for locks, the longest",
        area="sessions",
        unit="seconds",
        limits=Limits(warn=30, fail=120),
        why="Who waits for a lock stands still, and so does who waits for that one.",
        next="vsl db locks",
    ),
    Check(
        id="blocked-crowds",
        title="Waiting for locks, how many",
        area="sessions",
        unit="count",
        limits=Limits(warn=3, fail=10),
        why="One session that blocks many soon uses up all connections.",
        next="vsl db locks",
    ),
    Check(
        id="xmin-horizon",
        title="Who keeps vacuum from removing dead rows",
        area="sessions",
        unit="transactions",
        limits=Limits(note=10_000, warn=100_000, fail=1_000_000),
        why="Rows that died after the oldest snapshot stay, however often vacuum runs: the tables "
        "that change most, the dispatch table first, grow and slow down.",
        next="vsl db connections",
    ),
    Check(
        id="prepared-transactions",
        title="Prepared transactions that nobody ends",
        area="sessions",
        unit="seconds",
        limits=Limits(warn=60, fail=300),
        why="A prepared transaction keeps its locks and holds vacuum back until somebody ends it, "
        "even over a restart.",
        next="SELECT gid, prepared, owner, database FROM pg_prepared_xacts;",
    ),
    Check(
        id="transaction-age",
        title="Age of the oldest transaction number",
        area="sessions",
        unit="transactions",
        limits=Limits(warn=500e6, fail=1e9),
        why="At two thousand million transaction numbers run out and the server refuses to write.",
        next="vsl db maintain",
    ),
    Check(
        id="freeze-age",
        title="Whether autovacuum keeps up with freezing",
        area="sessions",
        unit="percent",
        limits=Limits(warn=110, fail=125),
        why="Autovacuum freezes rows at 100 % whatever happens. Well above, something keeps it "
        "from doing so, and transaction numbers are on the way to running out.",
        next="vsl db maintain",
    ),
)

REPLICATION = (
    Check(
        id="slot-retention",
        title="WAL that replication slots keep",
        area="replication",
        unit="bytes",
        limits=Limits(warn=1 * GB, fail=5 * GB),
        why="A slot whose consumer stays away fills the disk with WAL, and then the server stops.",
        next="SELECT slot_name, active, wal_status, restart_lsn FROM pg_replication_slots;",
    ),
    Check(
        id="inactive-slots",
        title="Replication slots that nobody uses",
        area="replication",
        unit="seconds",
        limits=Limits(warn=600),
        why="A slot that nobody reads keeps WAL, and dead rows with it, for ever.",
        next="SELECT slot_name, active, wal_status, restart_lsn FROM pg_replication_slots;",
    ),
    Check(
        id="replication-lag-bytes",
        title="How far replicas are behind, in WAL",
        area="replication",
        unit="bytes",
        limits=Limits(warn=64 * MB, fail=512 * MB),
        why="What a replica has not received is lost when it takes over; what it has not replayed, "
        "its readers do not see.",
        next="SELECT * FROM pg_stat_replication;",
    ),
    Check(
        id="replication-lag-time",
        title="How far replicas are behind, in time",
        area="replication",
        unit="seconds",
        limits=Limits(warn=5, fail=30),
        why="Readers of a replica see the past; how far back is what this says.",
        next="SELECT * FROM pg_stat_replication;",
    ),
    Check(
        id="wal-archiving",
        title="Archiving of WAL",
        area="replication",
        unit="seconds",
        # The SQL decides: any failure after the last success fails, however long ago.
        limits=Limits(),
        why="WAL that cannot be archived stays on the disk until it is full, and the database "
        "cannot be restored to a moment after the last success.",
        next="Read the server's log for what archive_command said, then: "
        "SELECT * FROM pg_stat_archiver;",
    ),
)

JOBS = (
    Check(
        id="runnable-jobs",
        title="Jobs that are due and nobody takes",
        area="jobs",
        unit="seconds",
        limits=Limits(warn=60, fail=600),
        why="People wait for them: no worker serves the lane, or too few do.",
        next="vsl worker",
    ),
    Check(
        id="overdue-leases",
        title="Jobs held past their lease",
        area="jobs",
        unit="seconds",
        limits=Limits(warn=60, fail=300),
        why="Each worker frees such jobs every ten seconds, so none is alive.",
        next="vsl worker",
    ),
    Check(
        id="stuck-attempts",
        title="Attempts past their model's timeout",
        area="jobs",
        unit="seconds",
        limits=Limits(warn=60, fail=600),
        why="A worker stops an attempt at its timeout, so this one's hangs or is gone.",
        next="vsl jobs list --status processing",
    ),
    Check(
        id="stale-tracked-jobs",
        title="Unfinished jobs of somebody else's code",
        area="jobs",
        unit="seconds",
        limits=Limits(note=3600, warn=86400),
        why="VSL does not run them: the code that does has lost them, and their users wait.",
        next="vsl db psql -f database/queries/handbook/unfinished_jobs.sql",
    ),
    Check(
        id="dispatch-rows",
        title="Whether live jobs and the dispatch table agree",
        area="jobs",
        unit="rows",
        limits=Limits(fail=1),
        why="A live job without a dispatch row is never run; a row without a live job is run for "
        "nobody. Triggers prevent both, so they were switched off or bypassed.",
        next="Find out who ran with session_replication_role = replica or with triggers disabled, "
        "then cancel or retry the jobs that are named.",
    ),
    Check(
        id="dispatch-dead-rows",
        title="Dead rows of the dispatch table",
        area="jobs",
        unit="rows",
        limits=Limits(warn=10_000, fail=50_000),
        why="Every claim steps over them, so jobs are taken ever more slowly.",
        next="vsl db psql -c 'VACUUM (ANALYZE) vsl.dispatch'",
    ),
    Check(
        id="failed-jobs",
        title="Share of jobs that failed in the last hour",
        area="jobs",
        unit="percent",
        limits=Limits(note=10, warn=25),
        why="A model, its server or the store is broken, and retries cannot help.",
        next="vsl jobs list --status failed",
    ),
    Check(
        id="doomed-objects",
        title="Files that wait for their removal",
        area="jobs",
        unit="seconds",
        limits=Limits(note=3600, warn=86400),
        why="The store fills with files that no row refers to: it refuses to remove them, or no "
        "worker has the bucket.",
        next="See what the worker's log says of removals, and whether its login may delete there.",
    ),
    Check(
        id="ledger-balance",
        title="Whether the money balances",
        area="money",
        unit="count",
        # The SQL decides: any difference, however small, fails.
        limits=Limits(),
        why="Money held for nobody, or charged without use, means that the ledger was written "
        "around the functions that keep it.",
        next="vsl db psql -f database/queries/handbook/ledger_balance.sql",
    ),
)

SCHEMA = (
    Check(
        id="schema-current",
        title="Whether the schema is the one that the program needs",
        area="schema",
        unit="count",
        limits=Limits(fail=1),
        why="Programs refuse to work with another schema than their own.",
        next="vsl db migrate",
    ),
    Check(
        id="unfinished-migrations",
        title="Migrations that were begun and not finished",
        area="schema",
        unit="count",
        # The SQL decides: any unfinished one without a runner fails.
        limits=Limits(),
        why="The schema is between two versions until the rest is done.",
        next="vsl db migrate",
    ),
)

LIVE: tuple[Check, ...] = (*JOBS, *SESSIONS, *REPLICATION, *SCHEMA)
