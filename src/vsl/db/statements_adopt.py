"""The statements of `vsl db verify` and `vsl db adopt`.

Those that read and copy the original tables, whose columns are not known, are scripts in
``database/adopt``; see ``vsl.db.adoption``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Command, Json, OneRow, Rows, Value


@dataclass(frozen=True, slots=True)
class Installation:
    """A server, the login, and VSL's installation in this database, if there is one.

    owner: whom most of it belongs to. owner_taken: whether the login can act as that owner.
    may_create: whether the login may create databases. roles: those of VSL's that exist.
    """

    database: str
    server_version: str
    major: int
    login: str
    installed: bool
    owner: str | None
    owner_taken: bool
    may_create: bool
    roles: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeInstallation(OneRow[Installation]):
    """The server, the login and VSL's roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameScratchDatabase(Value[str]):
    """A name for a scratch database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListForgottenScratchDatabases(Rows[str]):
    """Scratch databases that a killed run left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActAsLogin(Command):
    """Be the login itself, whatever role its sessions begin with."""


@dataclass(frozen=True, slots=True)
class RecordedVersion:
    """A row of the ledger of migrations. An older ledger has neither origin, mode nor state."""

    version: str
    origin: str | None
    mode: str | None
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRecordedVersions(Rows[RecordedVersion]):
    """What the ledger of migrations says."""


# Adoption: what is there.


@dataclass(frozen=True, slots=True)
class OriginalDatabase:
    """A database that may be adopted, and what this login may do there.

    time_zone: the session's, in which times without a zone are read. installed: whether VSL is
    there. kept: whether the schema is there that adoption moves the originals to.
    """

    database: str
    server_version: str
    login: str
    time_zone: str
    installed: bool
    kept: bool
    may_make_schemas: bool
    may_make_temporary: bool
    may_make_tables: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeOriginals(OneRow[OriginalDatabase]):
    """What an adoption would find, and whether this login may do it."""


@dataclass(frozen=True, slots=True)
class OriginalRelation:
    """A relation in schema public with a name of VSL's. owned: by this login or a role of its."""

    name: str
    kind: str
    owner: str
    owned: bool
    readable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOriginals(Rows[OriginalRelation]):
    """Relations in schema public that bear names of VSL's."""


@dataclass(frozen=True, slots=True)
class OriginalColumn:
    """A column of an original table beside VSL's.

    found: its type, None when it is missing. expected: VSL's type, None when VSL has no such
    column. kind: what is read from it. required: without it, this is another table.
    """

    table: str
    column: str
    found: str | None
    expected: str | None
    kind: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOriginalColumns(Rows[OriginalColumn]):
    """The columns of the original tables beside VSL's."""


@dataclass(frozen=True, slots=True)
class Dependent:
    """What depends on an original table, and how it is taken away and made again.

    depth: how many views lie between. obstacle: why adoption cannot carry it over.
    """

    kind: str
    name: str
    depth: int
    taken: str | None
    made: list[str] | None
    obstacle: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOriginalDependents(Rows[Dependent]):
    """What depends on the original tables. columns: those that VSL has, by table."""

    columns: Json


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What stays with the original tables, or who may use them (kind ``grantee``)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOriginalExtras(Rows[LeftBehind]):
    """What stays with the original tables and does not come along."""


@dataclass(frozen=True, slots=True)
class OriginalVersion:
    """A row of the original ledger of migrations."""

    version: str
    description: str | None
    applied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOriginalVersions(Rows[OriginalVersion]):
    """What the original ledger of migrations says."""


@dataclass(frozen=True, slots=True)
class UniqueColumn:
    """A column in which no value comes twice."""

    table: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUniqueColumns(Rows[UniqueColumn]):
    """Columns of the original tables in which no value comes twice."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session, or a prepared transaction, that uses a table. age: seconds of its transaction."""

    pid: int | None
    user_name: str | None
    application: str | None
    state: str | None
    age: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListHoldersOfOriginals(Rows[Holder]):
    """Who uses the original tables at this moment."""


# Adoption: doing it.


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareAdoption(Command):
    """Settings of the transaction in which an original layout is looked at or adopted."""

    time_zone: str | None
    user_id: str | None
    model_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAdoptionLock(Value[bool]):
    """Take the lock that only one runner can have; False when another has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAdoptedVersion(Command):
    """Record a version of the schema that came by adoption."""

    version: str
    description: str | None
    applied_at: datetime | None
    origin: str
    sha256: str | None
    meaning: str | None
    applied_text: str | None
    program_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeContract(Command):
    """Count the rows that have just come, for the planner."""
