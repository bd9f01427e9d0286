"""Every error that VSL raises on purpose.

The tree:

    VslError
    ├── InvalidInput          the caller's request is wrong; says which field and what would do
    ├── NotFound              a job or a model that does not exist
    ├── NotAllowed            the request is well formed but the present state forbids it
    │   └── MigrationRefused      files and database do not fit; one class below it for each reason
    ├── DatabaseError         the database refused or cannot be reached
    │   ├── SchemaVersionError    the database's schema does not fit this program
    │   ├── MigrationFailed       a statement of a migration failed
    │   ├── MigrationBlocked      a migration could not get a lock in time
    │   └── MigrationBusy         another runner is at work
    ├── ServerError           the embedded PostgreSQL or a model server does not start or stop
    ├── ProviderError         a model provider failed or cannot be reached
    │   ├── AnswerLost            whether a prediction was made is not known
    │   └── Throttled             the account has to wait
    ├── OutputInvalid         a provider's file is not what it says, or is cut short
    └── StoreError            the object store failed
        └── ObjectExists          a create-only put met an object under its key

``code`` is stable and may be matched by programs; the message is for people and may change.
Messages never hold prompts, secrets or connection strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class VslError(Exception):
    """Base of all errors that VSL raises on purpose.

    ``code``: stable identifier. ``retryable``: whether the same call may succeed later.
    ``hint``: what the reader can do next, or None.
    """

    code: ClassVar[str] = "error"
    retryable: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request: the field, the reason, and what would be accepted."""

    field: str
    reason: str
    accepted: str | None = None

    def __str__(self) -> str:
        suffix = f" ({self.accepted})" if self.accepted else ""
        return f"{self.field}: {self.reason}{suffix}"


class InvalidInput(VslError):
    """The request is wrong. ``problems`` lists everything found, not only the first."""

    code = "invalid_input"

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        super().__init__("; ".join(str(problem) for problem in problems), hint=hint)
        self.problems = tuple(problems)


class NotFound(VslError):
    """A job or a model that does not exist."""

    code = "not_found"


class NotAllowed(VslError):
    """The request is well formed, but the present state forbids it."""

    code = "not_allowed"


class MigrationRefused(NotAllowed):
    """The files of migrations and the database do not fit together; nothing was changed."""

    code = "migration_refused"


class MigrationEdited(MigrationRefused):
    """A file that was applied says something else now. ``diff`` shows it, where that is known."""

    code = "migration_edited"

    def __init__(self, message: str, *, diff: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.diff = diff


class MigrationMissing(MigrationRefused):
    """A version of the user's was applied, and its file is not there."""

    code = "migration_missing"


class MigrationDuplicate(MigrationRefused):
    """Two different files have the same version."""

    code = "migration_duplicate"


class MigrationOutOfOrder(MigrationRefused):
    """A pending file has a lower version than one that was applied."""

    code = "migration_out_of_order"


class SchemaNewer(MigrationRefused):
    """The database has versions that this program does not know."""

    code = "schema_newer"


class SchemaOfOthers(MigrationRefused):
    """The database has relations with names of VSL's that VSL did not make."""

    code = "schema_of_others"


class ConnectionPooled(MigrationRefused):
    """The address leads through a pooler, and the work needs a session of its own."""

    code = "connection_pooled"


class DatabaseError(VslError):
    """The database refused a statement or cannot be reached.

    ``sqlstate`` and ``constraint`` are PostgreSQL's, when there are any. DETAIL is never kept:
    it can print a row, and a row can hold a prompt.
    """

    code = "database_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.retryable = retryable


class SchemaVersionError(DatabaseError):
    """The database's schema is older or newer than this program, or is not there."""

    code = "schema_version"


class MigrationFailed(DatabaseError):
    """A statement of a migration failed. ``file``, ``line`` and ``statement`` (from 1) name it."""

    code = "migration_failed"

    def __init__(
        self,
        message: str,
        *,
        file: str,
        line: int | None = None,
        statement: int | None = None,
        hint: str | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, sqlstate=sqlstate)
        self.file = file
        self.line = line
        self.statement = statement


class MigrationBlocked(DatabaseError):
    """A migration could not get a lock in any of its tries, and left nothing of that file."""

    code = "migration_blocked"


class MigrationBusy(DatabaseError):
    """Another runner or installer is at work in this database."""

    code = "migration_busy"


class ServerError(VslError):
    """The embedded PostgreSQL or a model's server cannot be started, stopped or found."""

    code = "server_error"


class ProviderError(VslError):
    """A model provider failed, refused, or cannot be reached.

    ``retryable``: whether another attempt may succeed.
    """

    code = "provider_error"

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class AnswerLost(ProviderError):
    """A request for a prediction got no answer: whether one was made is not known."""

    code = "answer_lost"


class Throttled(ProviderError):
    """The provider takes no more requests of this account for a while.

    ``retry_after``: seconds to wait, as the provider says them or as its words mean.
    """

    code = "throttled"

    def __init__(self, message: str, *, retry_after: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, retryable=True)
        self.retry_after = retry_after


class OutputInvalid(VslError):
    """A provider's file is not what it says, or is cut short."""

    code = "output_invalid"


class StoreError(VslError):
    """The object store failed: unreachable, full, read-only, or the object is not there."""

    code = "store_error"

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class ObjectExists(StoreError):
    """A create-only put met an object under its key; nothing was written."""

    code = "object_exists"

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)
