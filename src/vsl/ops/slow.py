"""A look at slow statements, and what it takes to see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vsl.db.slow import SORTS, SlowStatement, fetch_slow_statements
from vsl.db.statement import Connection, fetch_one
from vsl.db.statements_looks import DescribeStatementLog, StatementLog
from vsl.errors import DatabaseError, InvalidInput, Problem
from vsl.ops.doctor.check import show
from vsl.ops.looks import Remark, looking, quoted

#: A statement is slow from this mean on, in milliseconds, when it was called so often (PgHero).
SLOW_MEAN, SLOW_CALLS = 20.0, 100
#: A statement that takes this part of all time is worth a look (pg-extras).
LARGE_SHARE = 1 / 3
#: What PostgreSQL shows instead of a text that somebody may not see.
_WITHHELD = "<insufficient privilege>"
_NOT_LOADED, _NOT_PERMITTED = "55000", "42501"

# What can hold somebody's data: comments and literals in each of their forms.
_DATA = re.compile(
    r"""(?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
      | (?P<literal> (?:\b[eE])' (?: [^'\\] | \\. | '' )* (?:'|\Z)
        | (?:\b(?:[bBxXnN]|[uU]&))?' (?: [^'] | '' )* (?:'|\Z)
        | \$ (?P<tag> (?:[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*)? ) \$
          .*? (?: \$ (?P=tag) \$ | \Z ) )
      | (?P<name> "(?:[^"]|"")*" )""",
    re.X | re.S,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """Slow statements, sorted by ``sort``. missing: why there are none to see, and what to do."""

    log: StatementLog
    sort: str
    statements: Sequence[SlowStatement]
    missing: Sequence[Remark]


async def look_at_slow(
    connection: Connection, *, sort: str, count: int, all_databases: bool = False
) -> Slow:
    """The slowest statements, their texts without data.

    Raises ``DatabaseError``, and ``InvalidInput`` for a sort that is none.
    """
    if sort not in SORTS:
        raise InvalidInput([Problem("--sort", "is not known", "one of " + ", ".join(SORTS))])
    async with looking(connection):
        log = await fetch_one(connection, DescribeStatementLog())
    if log is None:
        raise DatabaseError("the database does not say what it logs")
    if log.extension_schema is None:
        return Slow(log=log, sort=sort, statements=(), missing=steps_to_enable(log))
    try:
        async with looking(connection):
            found = await fetch_slow_statements(
                connection,
                log.extension_schema,
                sort=sort,
                count=count,
                all_databases=all_databases,
            )
    except DatabaseError as error:
        if error.sqlstate == _NOT_LOADED:
            return Slow(log=log, sort=sort, statements=(), missing=steps_to_enable(log))
        if error.sqlstate == _NOT_PERMITTED:
            return Slow(
                log=log, sort=sort, statements=(), missing=[_use_schema(log.extension_schema, log)]
            )
        raise
    shown = [replace(one, query=None if one.query is None else mask(one.query)) for one in found]
    return Slow(log=log, sort=sort, statements=shown, missing=())


def mask(text: str) -> str:
    """A statement's text on one line, without comments, and with … for each literal.

    The server puts $1 in place of constants, but not in commands that change roles or the schema,
    nor in the body of a DO: there a password or a prompt would still stand.
    """

    def hide(found: re.Match[str]) -> str:
        if found["comment"] is not None:
            return " "
        return found[0] if found["name"] is not None else "'…'"

    return " ".join(_DATA.sub(hide, text).split())


def is_withheld(statement: SlowStatement) -> bool:
    """Whether the text is hidden from who looks."""
    return statement.query is None or statement.query == _WITHHELD


def steps_to_enable(log: StatementLog) -> list[Remark]:
    """What is to be done, in order, until slow statements can be seen."""
    steps = []
    if not log.is_available:
        steps.append(
            Remark(
                says="The server does not have the extension's files.",
                next="Install PostgreSQL's contrib package on the server.",
            )
        )
    loaded = [name.strip() for name in (log.preloaded or "").split(",")]
    if log.preloaded is None:
        steps.append(_preload(log, f"{log.role} may not see whether the server has loaded it."))
    elif "pg_stat_statements" not in loaded:
        steps.append(_preload(log, "The server has not loaded it."))
    if log.extension_schema is None:
        steps.append(
            Remark(
                says=f"It is not installed in database {log.database}.",
                next="CREATE EXTENSION pg_stat_statements;",
            )
        )
    return steps


def _use_schema(schema: str, log: StatementLog) -> Remark:
    name, role = quoted(schema), quoted(log.role)
    return Remark(
        says=f"{log.role} may not use schema {name}, where pg_stat_statements is.",
        next=f"GRANT USAGE ON SCHEMA {name} TO {role};",
    )


def _preload(log: StatementLog, reason: str) -> Remark:
    if log.is_rds:
        done = (
            "Add pg_stat_statements to shared_preload_libraries in the instance's parameter group, "
            "and reboot it."
        )
    else:
        before = f"{log.preloaded}, " if log.preloaded else ""
        done = (
            f"ALTER SYSTEM SET shared_preload_libraries = {before}pg_stat_statements; "
            "as a superuser, then restart the server."
        )
    return Remark(says=reason, next=done)


def log_setting(log: StatementLog) -> str:
    """What the server's own log takes of slow statements now."""
    if log.logged_from < 0:
        taken = "no statement for its duration"
    elif log.logged_from == 0:
        taken = "every statement"
    else:
        taken = f"statements from {show(log.logged_from, 'milliseconds')} on"
    return f"The server's log takes {taken} (log_min_duration_statement, from: {log.logged_by})."


def log_rights(log: StatementLog) -> Remark:
    """How to change that, and who may: it is no setting that the owner of a database may change."""
    change = f"ALTER DATABASE {quoted(log.database)} SET log_min_duration_statement = 1000;"
    if log.is_rds:
        who = "rds_superuser, or the instance's parameter group"
    elif log.major >= 15:
        grant = f"GRANT SET ON PARAMETER log_min_duration_statement TO {quoted(log.role)}"
        who = f"a superuser, or a role for which one has run {grant}"
    else:
        who = "a superuser; rights to a single setting come with PostgreSQL 15"
    said = f"To log those from 1 s on takes {who}. The log then holds their values too: prompts."
    return Remark(says=said, next=change)


def remarks_on_slow(found: Slow) -> list[Remark]:
    """What stands out among statements."""
    statements = found.statements
    remarks = []
    withheld = sum(is_withheld(statement) for statement in statements)
    if withheld:
        remarks.append(
            Remark(
                says=f"{withheld} of these texts belong to others and are hidden from "
                f"{found.log.role}.",
                next=f"GRANT pg_read_all_stats TO {quoted(found.log.role)};",
            )
        )
    slow = [one for one in statements if (one.mean or 0) >= SLOW_MEAN and one.calls >= SLOW_CALLS]
    if slow:
        many = "1 statement takes" if len(slow) == 1 else f"{len(slow)} statements take"
        remarks.append(
            Remark(
                says=f"{many} at least {SLOW_MEAN:.0f} ms on average, in {SLOW_CALLS} calls or "
                "more. Look at its plan with EXPLAIN (ANALYZE, BUFFERS)."
            )
        )
    heavy = max(statements, key=lambda one: one.share or 0, default=None)
    if heavy is not None and (heavy.share or 0) >= LARGE_SHARE:
        share = show(100 * (heavy.share or 0), "percent")
        said = f"One statement takes {share} of all time."
        next_ = None if found.sort == "total" else "vsl db slow --sort total"
        remarks.append(Remark(says=said, next=next_))
    return remarks or [Remark(says="Nothing stands out.", next="vsl db indexes")]
