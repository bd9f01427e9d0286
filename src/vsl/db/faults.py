"""PostgreSQL's errors become ours here, by SQLSTATE and constraint, never by message text.

DETAIL is left behind on purpose: it can print a row, and a row can hold a prompt.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout

from vsl.errors import (
    DatabaseError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Problem,
    SchemaVersionError,
    VslError,
)

# VSL's own SQLSTATEs, raised by database/functions.
KEPT_BY_VSL = "VS001"
MOVE_REFUSED = "VS002"
STILL_LIVE = "VS003"
NO_SUCH_JOB = "VS004"

_TABLE = re.compile(r"(?:jobs|media_outputs|model_configurations|usage_tracking)_(?P<rest>\w+)")
#: What the names of constraints end with, after the name of their field.
_RULE = re.compile(
    r"_(?:form|known|key|fkey|length|object|active|priced|range|set|of_model|of_job"
    r"|not_negative|positive)$"
)
#: Constraints that are not named after their field.
_FIELDS = {
    "jobs_completed_has_completed_at": "completed_at",
    "jobs_model_active": "model_id",
    "jobs_model_priced": "model_id",
    "jobs_processing_time_not_negative": "actual_processing_time",
    "media_outputs_audio_is_not_seen": "media_type",
    "media_outputs_driven_is_complete": "output",
    "media_outputs_image_is_still": "media_type",
    "media_outputs_job_id_ordinal_idx": "ordinal",
    "model_configurations_free_or_priced": "is_free",
    "model_configurations_price_not_negative": "pricing_per_unit",
    "model_configurations_time_positive": "estimated_time_seconds",
    "model_configurations_timeout_positive": "timeout_seconds",
    "usage_tracking_calls_not_negative": "api_calls_count",
    "usage_tracking_job_id_run_idx": "run",
    "usage_tracking_time_not_negative": "processing_time_seconds",
}

_NOT_THIS_SCHEMA = (
    pg.UndefinedTable,
    pg.UndefinedFunction,
    pg.UndefinedColumn,
    pg.InvalidSchemaName,
)

# PostgreSQL's words for these quote the value, and a value can be a prompt in the wrong place.
_QUOTES_THE_VALUE = (
    pg.InvalidTextRepresentation,
    pg.NumericValueOutOfRange,
    pg.InvalidDatetimeFormat,
    pg.DatetimeFieldOverflow,
    pg.InvalidParameterValue,
)


def quotes_the_value(error: psycopg.Error) -> bool:
    """Whether PostgreSQL's words for an error quote a value, which must not be printed."""
    return isinstance(error, _QUOTES_THE_VALUE)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Within this block PostgreSQL's errors leave as VSL's."""
    with translated_sync():
        yield


@contextmanager
def translated_sync() -> Iterator[None]:
    """The same for code that is not asynchronous."""
    try:
        yield
    except (PoolTimeout, PoolClosed) as error:
        raise unreachable() from error
    except psycopg.Error as error:
        raise translate(error) from error
    except UnicodeEncodeError:
        # Half of a surrogate pair, which JSON can bring. The error carries the whole text.
        raise InvalidInput([Problem("value", "is not valid Unicode text")]) from None


def unreachable() -> DatabaseError:
    """The database does not answer. The address is not named: it can hold a password."""
    return DatabaseError(
        "the database cannot be reached",
        hint="Is it running? Check DATABASE_URL, or start the embedded one with `vsl up`.",
        retryable=True,
    )


_NO_OPTIONS = (
    "the pooler refuses a setting in the database's address",
    "Take it out of the address (`options`) and set it on the role.",
)
#: What poolers say of their own troubles, and what it means. None of it holds a value.
#: RDS Proxy's is as its users report it, PgBouncer's as measured with 1.18.
_POOLER = {
    "query_wait_timeout": (
        "the pooler had no free connection to the database in time (query_wait_timeout)",
        "All that it may make are in use, or the server does not answer: see `vsl db pool` and "
        "`vsl db connections`.",
    ),
    "max_client_conn": (
        "the pooler takes no more clients (max_client_conn)",
        "See `vsl db pool` for how many there may be.",
    ),
    "server_login_retry": (
        "the pooler cannot log in to the database server (server_login_retry)",
        "Is the server running? The pooler's log says why.",
    ),
    "unsupported startup parameter": _NO_OPTIONS,
    "RDS Proxy currently doesn't support command-line options": _NO_OPTIONS,
}


def _of_pooler(words: str) -> DatabaseError | None:
    """The error that a pooler's words mean; None for anybody else's."""
    found = next((meaning for sign, meaning in _POOLER.items() if sign in words), None)
    return DatabaseError(found[0], hint=found[1], retryable=True) if found else None


#: What libpq says when there is no answer, and what that means.
_NO_ANSWER = {
    "Connection refused": "nothing listens at its address",
    "No such file or directory": "nothing listens at its address",
    "could not translate host name": "its host name is not known",
    "failed to resolve host": "its host name is not known",
    "timeout expired": "it does not answer in time",
    "SSL": "the encrypted connection failed",
}


def _not_connected(words: str) -> DatabaseError:
    """Why there is no connection. The words of libpq name the address, those of the server do not.

    The server's own never hold the password.
    """
    pooler = _of_pooler(words)
    if pooler is not None:
        return pooler
    fatal = re.search(r"FATAL: +(.+)", words)
    if fatal is None:
        reason = next((said for sign, said in _NO_ANSWER.items() if sign in words), None)
        error = unreachable()
        if reason is not None:
            error = DatabaseError(
                f"{error.message}: {reason}", hint=error.hint, retryable=error.retryable
            )
        return error
    passing = re.search("starting up|shutting down|recovery|too many|connection slots", fatal[1])
    return DatabaseError(
        f"the database server refused the connection: {fatal[1]}",
        hint="Try again in a moment."
        if passing
        else "Check the user, the password and the database's name in DATABASE_URL.",
        retryable=True,
    )


def translate(error: psycopg.Error) -> VslError:
    """The VSL error that a PostgreSQL error means."""
    diagnosis = error.diag
    if error.sqlstate is None:
        if isinstance(error, psycopg.OperationalError):
            return _not_connected(str(error))
        return DatabaseError(f"the database driver refused: {type(error).__name__}")
    message = diagnosis.message_primary or "the database refused"
    named = _named(error, message)
    if named is not None:
        return named
    if isinstance(error, pg.UniqueViolation):
        field = _field(diagnosis.constraint_name)
        return InvalidInput([Problem(field, "is taken", "one that is not in use")])
    if isinstance(error, pg.CheckViolation | pg.ForeignKeyViolation):
        return InvalidInput(
            [Problem(_field(diagnosis.constraint_name), message)], hint=diagnosis.message_hint
        )
    if isinstance(error, _NOT_THIS_SCHEMA):
        return SchemaVersionError(
            "the database's schema is not the one that this program needs",
            hint="Run `vsl db migrate`.",
            sqlstate=error.sqlstate,
        )
    if quotes_the_value(error):
        return DatabaseError(
            "a value does not have the form or the range that the database needs",
            sqlstate=error.sqlstate,
        )
    if isinstance(error, pg.DiskFull):
        return DatabaseError(
            "the database's disk is full",
            hint="Free space on the database server.",
            sqlstate=error.sqlstate,
            retryable=True,
        )
    return DatabaseError(
        message,
        hint=diagnosis.message_hint,
        sqlstate=error.sqlstate,
        constraint=diagnosis.constraint_name,
        retryable=isinstance(error, psycopg.OperationalError),
    )


def _named(error: psycopg.Error, message: str) -> VslError | None:
    """What VSL's own SQLSTATEs mean, and a pooler's words; None for PostgreSQL's."""
    if error.sqlstate in (KEPT_BY_VSL, MOVE_REFUSED, STILL_LIVE):
        return NotAllowed(message, hint=error.diag.message_hint)
    if error.sqlstate == NO_SUCH_JOB:
        return NotFound(message, hint="See `vsl jobs list`.")
    return _of_pooler(message) if isinstance(error, pg.ProtocolViolation) else None


def _field(constraint: str | None) -> str:
    """The field that a constraint is about: ``jobs_user_id_form`` is about ``user_id``."""
    if constraint in _FIELDS:
        return _FIELDS[constraint]
    match = _TABLE.fullmatch(constraint or "")
    if match is None:
        return constraint or "value"
    return "id" if match["rest"] == "pkey" else _RULE.sub("", match["rest"])
