"""The statements of the migration runner, and of who asks what schema a database has.

Each one's SQL stands under its name in ``database/queries``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Command, OneRow, Rows, Value

# What there is.


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendPid(Value[int]):
    """The process that serves this statement."""


@dataclass(frozen=True, slots=True)
class SchemaLook:
    """What there is of VSL in a database, and what the login may see and do of it.

    has_columns: whether the ledger has the columns that VSL 1.2.0 added.
    """

    has_ledger: bool
    has_columns: bool
    may_read_ledger: bool
    has_repeatables: bool
    may_read_repeatables: bool
    may_record_acts: bool
    login: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtSchema(OneRow[SchemaLook]):
    """What there is of VSL, by the catalogue alone."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of ``schema_migrations``; the table's file says what each column is."""

    version: str
    description: str | None
    applied_at: datetime
    origin: str | None = None
    sha256: str | None = None
    meaning: str | None = None
    mode: str | None = None
    state: str | None = None
    statements_done: int | None = None
    duration_ms: int | None = None
    applied_by: str | None = None
    program_version: str | None = None
    error: str | None = None

    @property
    def applied(self) -> bool:
        """Whether all of it is done."""
        return self.state in (None, "applied")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLedger(Rows[LedgerRow]):
    """The versions that the database embodies or that a runner has begun, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAppliedText(Value[str | None]):
    """The text of a migration as it was applied; None when that was not recorded."""

    version: str


@dataclass(frozen=True, slots=True)
class Repeatable:
    """The text of a function, view or grants file as last applied."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRepeatables(Rows[Repeatable]):
    """The texts that the database has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameStrangers(Value[str | None]):
    """Relations in schema public that bear names of VSL's; None when there are none."""


# What is recorded.


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVersion(Command):
    """Record a migration, unless its file has done so itself."""

    version: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteVersion(Command):
    """Say all about a migration that was applied."""

    version: str
    origin: str
    sha256: str
    meaning: str
    applied_text: str
    mode: str
    statements: int
    duration_ms: int | None
    program_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeVersion(Command):
    """Fill in what is known of a migration that somebody else recorded."""

    version: str
    origin: str
    sha256: str
    meaning: str
    applied_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptText(Command):
    """Take a file's present text for the one that was applied."""

    version: str
    sha256: str
    meaning: str
    applied_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginStatements(Command):
    """Record that the statements of a migration are being sent one by one."""

    version: str
    description: str
    origin: str
    sha256: str
    meaning: str
    applied_text: str
    program_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStatement(Command):
    """Record that one more statement of a migration is done."""

    version: str
    done: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndStatements(Command):
    """Record that all statements of a migration are done."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailStatements(Command):
    """Record that a statement of a migration failed."""

    version: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropVersion(Command):
    """Forget a version."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenumberVersion(Command):
    """Give a version of the user's the number that its file has now."""

    version: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkVersion(Command):
    """Record that a migration counts as applied."""

    version: str
    description: str
    origin: str
    sha256: str
    meaning: str
    applied_text: str
    program_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRepeatable(Command):
    """Record that a text was applied."""

    path: str
    sha256: str


# One runner at a time, and who stands in its way.


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLockMigrations(Value[bool]):
    """Take the runners' lock for this session; False when another has it. Never waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockMigrations(Value[bool]):
    """Give the runners' lock back; False when this session did not have it."""


@dataclass(frozen=True, slots=True)
class OtherSession:
    """A session that stands in the way. seconds: since it connected, or began; None: not shown.

    pid: 0 for a prepared transaction, which has no session.
    """

    pid: int | None
    login: str | None
    application: str | None
    state: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLockHolder(Rows[OtherSession]):
    """Who has the runners' lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameBlockers(Rows[OtherSession]):
    """Whom a session waits for."""

    pid: int


# The conditions under which a file runs.


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareFile(Value[int]):
    """Settings under which a migration runs. local: for this transaction only."""

    local: bool
    lock_timeout_ms: str
    statement_timeout_ms: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLockTimeout(Value[str]):
    """How long the next statement may wait for a lock, in milliseconds."""

    lock_timeout_ms: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetSession(Command):
    """Undo what a file has set for the whole session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRole(Command):
    """Be the login again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActAsOwner(Value[int]):
    """Act as the owner of VSL's schema for this transaction, where the login may; 1 if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyWarnings(Command):
    """Let a transaction's scripts say what went wrong, and nothing else."""


# Indexes that are built concurrently, and locks.


@dataclass(frozen=True, slots=True)
class FoundIndex:
    """An index. builder: the process that builds it now, if one does."""

    schema: str
    name: str
    valid: bool
    builder: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindIndex(OneRow[FoundIndex]):
    """An index by its name."""

    schema: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """An invalid index of an interrupted REINDEX CONCURRENTLY."""

    schema: str
    name: str
    builder: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReindexLeftovers(Rows[Leftover]):
    """Invalid indexes of interrupted REINDEX CONCURRENTLY.

    scope: TABLE, INDEX, SCHEMA, or anything else for the whole database.
    """

    scope: str
    schema: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRelations(Rows[int]):
    """The relations that are there, by their numbers."""


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock on a relation that a transaction holds. kind: as in ``pg_class.relkind``."""

    relation: int
    name: str
    kind: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOwnLocks(Rows[HeldLock]):
    """The locks on relations, outside of the catalogue, that this transaction holds."""
