"""The statements of ``vsl db``'s looks and of its ways through an incident.

Each one's SQL stands under its name in ``database/queries``. Ages are seconds, by the server's
clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vsl.db.statement import Command, Json, OneRow, Rows, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLook(Command):
    """Let this transaction only read, and neither run long nor wait long."""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A database as a whole. counted_since: when its counters were set back; None: not known.

    role: who looks. sees_all: whether nothing of other roles' sessions is hidden from it.
    """

    name: str
    bytes: int | None
    counted_since: datetime | None
    started_at: datetime
    role: str
    sees_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeDatabase(OneRow[DatabaseFacts]):
    """The database that is looked at, and who looks."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table and the bytes of its parts. rows: an estimate; None when nothing was counted yet.

    heap: the rows themselves; toast: long values, kept beside them, with their index.
    """

    schema: str
    name: str
    rows: int | None
    heap: int
    indexes: int
    toast: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTableSizes(Rows[TableSize]):
    """Tables by size. exact: ask for the files, which needs a moment's lock on each table."""

    all_schemas: bool
    exact: bool


@dataclass(frozen=True, slots=True)
class Growth:
    """What a table's rows have gained since a snapshot, in bytes; and the whole database."""

    schema: str
    name: str
    growth: int
    database_growth: int | None
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGrowth(Rows[Growth]):
    """Growth since a week ago; nothing when no snapshot is as old."""


@dataclass(frozen=True, slots=True)
class IndexUse:
    """An index and how often it was used. last_scan: from PostgreSQL 16 on.

    serves: its comment. constraint_name: of the constraint that it is part of. definition: None
    when sizes are not exact.
    """

    schema: str
    table_name: str
    name: str
    bytes: int
    scans: int
    last_scan: datetime | None
    is_valid: bool
    is_being_built: bool
    is_unique: bool
    is_primary: bool
    is_replica_identity: bool
    constraint_name: str | None
    serves: str | None
    definition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListIndexes(Rows[IndexUse]):
    """Indexes, the least used first. exact: as in ``ListTableSizes``."""

    all_schemas: bool
    exact: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A process of the server that has a client, or any when all kinds are asked for.

    is_hidden: this role may not see more than user, database and application. is_own: it is the one
    that asks. query: None unless it was asked for; it may hold prompts.
    """

    pid: int
    started_at: datetime | None
    user_name: str | None
    application: str
    database: str | None
    client: str | None
    kind: str
    state: str | None
    state_age: float | None
    transaction_age: float | None
    wait_event_type: str | None
    wait_event: str | None
    blocked_by: Sequence[int]
    is_hidden: bool
    is_own: bool
    query: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions(Rows[Session]):
    """Sessions of all databases. all_kinds: the server's own processes too."""

    all_kinds: bool
    with_queries: bool


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be. -1: any number.

    for_members: kept for pg_use_reserved_connections, or for the administrator of RDS.
    """

    server: int
    for_superusers: int
    for_members: int
    database: int
    role: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetConnectionLimits(OneRow[ConnectionLimits]):
    """How many connections the server, this database and this role may have."""


@dataclass(frozen=True, slots=True)
class LockWait:
    """Somebody who waits for a lock. blocked_by: processes; 0 is a prepared transaction."""

    pid: int
    mode: str
    object: str
    waited: float | None
    blocked_by: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLockWaits(Rows[LockWait]):
    """Who waits for a lock, the longest first."""


@dataclass(frozen=True, slots=True)
class StrongLock:
    """A strong lock on a table. pid: None for a prepared transaction."""

    pid: int | None
    mode: str
    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStrongLocks(Rows[StrongLock]):
    """Locks on tables that keep out more than a change of the schema."""


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """A transaction that was prepared and waits to be committed."""

    gid: str
    user_name: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPreparedTransactions(Rows[PreparedTransaction]):
    """Transactions of this database that were prepared and are still there."""


@dataclass(frozen=True, slots=True)
class DeadRows:
    """A table's rows, live and dead, and what autovacuum waits for.

    dead_for_autovacuum: it comes when more rows than that are dead, by the settings in force.
    toast_rows: chunks, as the last vacuum counted them; None when none did.
    """

    schema: str
    name: str
    live: int
    dead: int
    last_vacuum: datetime | None
    last_autovacuum: datetime | None
    is_autovacuumed: bool
    dead_for_autovacuum: int
    is_being_vacuumed: bool
    pages: int
    toast_pages: int | None
    toast_rows: int | None
    toast_dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDeadRows(Rows[DeadRows]):
    """Dead rows of each table, most first."""

    all_schemas: bool


@dataclass(frozen=True, slots=True)
class Bloat:
    """A table or an index (index_name), its pages, and how many it would need.

    needed: None when a column's width or the rows are not known.
    """

    schema: str
    table_name: str
    index_name: str | None
    pages: int
    needed: int | None
    page_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBloat(Rows[Bloat]):
    """What VSL's tables and B-tree indexes have, and what they would need: an estimate."""


@dataclass(frozen=True, slots=True)
class HorizonHolder:
    """What keeps dead rows from being removed. transactions: how far behind it is.

    kind: session, standby, prepared transaction or replication slot; name: of the last two.
    """

    kind: str
    pid: int | None
    name: str | None
    user_name: str | None
    application: str | None
    state: str | None
    transactions: int
    age: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListHorizonHolders(Rows[HorizonHolder]):
    """What keeps dead rows of this database from being removed, the oldest first."""


@dataclass(frozen=True, slots=True)
class StatementLog:
    """What a server keeps of slow statements.

    extension_schema: where pg_stat_statements is; None when it is not installed in this database.
    is_available: whether the server has its files. preloaded: the setting; None when hidden.
    logged_from: milliseconds, -1 for never. logged_by: where that setting comes from.
    """

    extension_schema: str | None
    is_available: bool
    preloaded: str | None
    logged_from: int
    logged_by: str
    is_rds: bool
    major: int
    database: str
    role: str
    sees_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeStatementLog(OneRow[StatementLog]):
    """What is known of slow statements, and how."""


@dataclass(frozen=True, slots=True)
class IdleSession:
    """A session that has been idle for long.

    kept: why it stays: listens, migrates, superuser or not_permitted; None when it may be ended.
    was_signalled: None unless it was to be ended.
    """

    pid: int
    started_at: datetime
    user_name: str
    application: str
    database: str
    client: str | None
    state: str
    state_age: float
    transaction_age: float | None
    kept: str | None
    was_signalled: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndIdleSessions(Rows[IdleSession]):
    """Sessions idle for so many seconds; with ``act``, ended in the same breath.

    pids, starts: only these, or None for all.
    """

    states: Sequence[str]
    idle: float
    all_databases: bool
    user_name: str | None
    application: str | None
    pids: Sequence[int] | None
    starts: Sequence[datetime] | None
    act: bool


@dataclass(frozen=True, slots=True)
class Victim:
    """A process of the server that somebody wants to end.

    kind: as PostgreSQL calls its processes; None, like started_at, when this role may not see it.
    prevents_wraparound: a vacuum without which the database would stop. migrates: it holds the lock
    of VSL's migrations. blocks: who waits for it.
    """

    pid: int
    started_at: datetime | None
    user_name: str | None
    application: str
    database: str | None
    client: str | None
    kind: str | None
    state: str | None
    state_age: float | None
    transaction_age: float | None
    query_start: datetime | None
    wait_event_type: str | None
    wait_event: str | None
    leader_pid: int | None
    is_own: bool
    is_superuser: bool
    prevents_wraparound: bool | None
    may_signal: bool
    blocks: Sequence[int]
    migrates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSession(OneRow[Victim]):
    """One process of the server; None when there is none of that number."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSession(Value[bool]):
    """Cancel a session's statement, or terminate it; whether it was still there."""

    pid: int
    started_at: datetime
    terminate: bool


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that a worker holds."""

    job_id: str
    phase: str
    lease_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobsOfWorker(Rows[HeldJob]):
    """The jobs that a worker holds. worker: its name, or as much of it as an application's has."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitAct(Command):
    """Let this transaction, which writes down an act, hold nobody up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAct(Value[int]):
    """Write down an administrative act; its number."""

    act: str
    subject: str
    detail: Json


@dataclass(frozen=True, slots=True)
class Act:
    """An administrative act as it was written down."""

    id: int
    happened_at: datetime
    actor: str
    application: str
    act: str
    subject: str
    detail: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ListActs(Rows[Act]):
    """The newest administrative acts."""

    count: int
