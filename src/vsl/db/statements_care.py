"""The statements of maintenance and of tuning.

Each one's SQL stands under its name in ``database/queries``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Command, OneRow, Rows, Value

# Maintenance.


@dataclass(frozen=True, slots=True)
class TableMeasures:
    """What maintenance goes by for a table.

    live, dead, changed, inserted: rows as the server counted them, changes since the last ANALYZE
    and insertions since the last VACUUM. rows: as the planner takes them, -1 before the first
    VACUUM or ANALYZE. The triggers are autovacuum's, in rows; insert_trigger is None when it is
    switched off. age, multixact_age: of the oldest row that is not frozen, TOAST included, in
    transactions; freeze_age, multixact_freeze_age: when autovacuum is forced. bytes: with TOAST,
    without indexes.
    """

    relation: int
    schema: str
    name: str
    is_partitioned: bool
    owner: str
    is_owner: bool
    may_maintain: bool
    owns_database: bool
    live: int
    dead: int
    changed: int
    inserted: int
    rows: float
    toast_live: int
    toast_dead: int
    last_vacuum: datetime | None
    last_analyze: datetime | None
    vacuum_count: int
    analyze_count: int
    vacuum_trigger: int
    insert_trigger: int | None
    analyze_trigger: int
    age: int
    freeze_age: int
    multixact_age: int
    multixact_freeze_age: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureTables(Rows[TableMeasures]):
    """What maintenance goes by, for each table of public and vsl, or for one.

    exact: sizes as they are now, for which each table is locked for a moment.
    """

    relation: int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class IndexMeasures:
    """What maintenance goes by for an index.

    relation, table_schema, table_name: its table's, or the table's whose TOAST table it is of.
    pages, rows: by the last VACUUM or ANALYZE, rows -1 before the first; bytes: its size. width:
    bytes of an entry's columns; different: how many entries differ at most; None where statistics
    do not tell. may_deduplicate: equal entries are kept as one.
    """

    index: int
    relation: int
    schema: str
    name: str
    table_schema: str
    table_name: str
    method: str
    is_toast: bool
    pages: int
    rows: float
    page_size: int
    bytes: int
    is_valid: bool
    is_live: bool
    is_exclusion: bool
    may_deduplicate: bool
    fillfactor: int
    width: float | None
    has_nulls: bool
    different: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureIndexes(Rows[IndexMeasures]):
    """What maintenance goes by, for the indexes of each table, or of one. exact: as for tables."""

    relation: int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Maintainer:
    """Who is about to maintain which server, and what it may see.

    data_directory: None when this role may not see it. is_local: over a socket of the server's own
    machine.
    """

    major: int
    role: str
    database: str
    pid: int
    is_standby: bool
    sees_all: bool
    data_directory: str | None
    is_local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMaintainer(OneRow[Maintainer]):
    """Who is about to maintain which server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockMaintenance(Value[bool]):
    """Take the lock that one maintainer at a time has; whether it was to be had."""


@dataclass(frozen=True, slots=True)
class Runner:
    """A session that has one of VSL's own locks. age: of the session, in seconds."""

    pid: int
    user_name: str | None
    application: str
    age: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRunners(Rows[Runner]):
    """Sessions that hold or want one of VSL's own locks. name: ``migrate`` or ``maintain``."""

    name: str


@dataclass(frozen=True, slots=True)
class StandingTransaction:
    """A transaction that stands still. pid: of a session; name: of a prepared transaction."""

    pid: int | None
    name: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStandingTransactions(Rows[StandingTransaction]):
    """Transactions of this database that stand still, and since when."""


@dataclass(frozen=True, slots=True)
class Hinderer:
    """Who is in the way. pid: None or 0 is a prepared transaction. age: of its transaction.

    kind, age and is_vacuum are None when this role may not see them.
    """

    pid: int | None
    user_name: str | None
    application: str
    kind: str | None
    age: float | None
    is_vacuum: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLockHolders(Rows[Hinderer]):
    """Who has a lock on a table that keeps VACUUM out."""

    relation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWaitedFor(Rows[Hinderer]):
    """Whom a process waits for."""

    pid: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a process is. done, total: of what the phase counts; 0 when it counts nothing."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProgress(OneRow[Progress]):
    """How far a process is with vacuuming, analyzing or building an index."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitMaintenance(Command):
    """How long a statement may wait for a lock and take, such as ``1s``; ``0`` for any time."""

    lock: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWithClient(Command):
    """Let the server notice within seconds that its client was killed."""


# Tuning.


@dataclass(frozen=True, slots=True)
class Host:
    """Which server is to be tuned, and what this role may see of it.

    is_local: the session comes over a socket of the server's own machine. has_statements_library:
    pg_stat_statements can be loaded. statements_schema: where it is installed, or None.
    """

    major: int
    version: str
    database: str
    role: str
    is_superuser: bool
    sees_settings: bool
    is_local: bool
    is_rds: bool
    is_aurora: bool
    has_statements_library: bool
    statements_schema: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeHost(OneRow[Host]):
    """Which server is to be tuned."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it is in force for this session.

    setting: in ``unit``, where it has one. type: bool, integer, real, enum or string. context:
    postmaster needs a restart. source, file: where it comes from; file is None when hidden. most:
    the highest that may be set. words: what an enum may be.
    """

    name: str
    setting: str
    unit: str | None
    type: str
    context: str
    source: str
    file: str | None
    most: str | None
    words: Sequence[str] | None
    pending_restart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings(Rows[Setting]):
    """Settings of these names; those that this role may not see are missing."""

    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Override:
    """What a role or a database has of its own; None stands for all."""

    role: str | None
    database: str | None
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettingOverrides(Rows[Override]):
    """Settings of these names that some roles or databases have of their own."""

    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class ServiceLogin:
    """A login of a service. member_of: vsl_app or vsl_worker."""

    name: str
    member_of: str
    statement_timeout: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListServiceLogins(Rows[ServiceLogin]):
    """Logins that have the rights of vsl_app or vsl_worker."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What the database has counted. hit, read: blocks found in memory and not. connected: now."""

    since: datetime | None
    commits: int
    hit: int
    read: int
    temp_files: int
    temp_bytes: int
    started_at: datetime
    connected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCounters(OneRow[Counters]):
    """What this database has counted."""


@dataclass(frozen=True, slots=True)
class EarlierCounters:
    """The same in a snapshot. timed, requested: checkpoints."""

    taken_at: datetime
    commits: int
    hit: int
    read: int
    temp_files: int
    temp_bytes: int
    timed: int
    requested: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEarlierCounters(OneRow[EarlierCounters]):
    """The oldest snapshot to compare with. commits, hit: as they are now."""

    commits: int
    hit: int
