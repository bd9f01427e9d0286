"""What is pending as a script for psql, for those who may not or will not let a program migrate."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from psycopg import sql

from vsl import __version__
from vsl.db.files import SqlFile, database_dir, version_key
from vsl.db.migration import ledger
from vsl.db.migration.apply import GRANTS, STATEMENT_TIMEOUT
from vsl.db.migration.folder import Script, recorded_version, records_itself
from vsl.db.migration.ladder import STRICT, milliseconds
from vsl.db.migration.ledger import Applied
from vsl.db.migration.state import SchemaState
from vsl.db.script import Statement, concurrent_index
from vsl.db.statement import AnyStatement, Command, parameters, statement_text
from vsl.db.statements_schema import (
    ActAsOwner,
    CompleteVersion,
    DropVersion,
    EndStatements,
    OnlyWarnings,
    PrepareFile,
    RecordRepeatable,
    RecordStatement,
    RecordVersion,
    ResetRole,
    ResetSession,
)

#: The version that gave the ledger its newer columns.
_COLUMNS_SINCE = version_key("1.2.0")
_PARAMETER = re.compile(r"%\((\w+)\)s")


def psql_script(
    state: SchemaState, scripts: Iterable[Script], changed: Iterable[SqlFile], *, columns: bool
) -> str:
    """A script that does in psql what a run of migrations would do.

    It stops at the first error with status 3; files that run in a transaction leave all or nothing.
    It refuses a database with other versions than ``state`` has. columns: whether the ledger has
    the newer ones already.
    """
    packaged = [script for script in scripts if script.migration.origin == "vsl"]
    own = [script for script in scripts if script.migration.origin == "user"]
    texts = list(changed)
    recorded = [
        row.version if row.applied else f"{row.version}({row.statements_done or 0})"
        for row in sorted(state.rows, key=lambda row: row.version)
    ]
    parts = [
        f"-- Written by `vsl db sql` of VSL {__version__}. Run it with: psql -f THIS_FILE",
        _template("begin", versions=" ".join(recorded)),
    ]
    bare = []
    for script in packaged:
        columns = columns or script.migration.order >= _COLUMNS_SINCE
        parts += _file(script, state, columns=columns)
        if not columns:
            bare.append(script)
    described = ledger.descriptions(state)
    if columns and (described or bare):
        late = [_completed(script) for script in bare]
        parts += ["-- What the ledger says.", "BEGIN;", *_prepared(), _sent(ActAsOwner())]
        parts += [*(_sent(statement) for statement in (*described, *late)), "COMMIT;"]
    if texts:
        parts += _repeatables(texts)
    for script in own:
        parts += _file(script, state, columns=True)
    return "\n".join([*parts, _template("end")])


def _file(script: Script, state: SchemaState, *, columns: bool) -> list[str]:
    head = f"-- {'-' * 12} {script.migration.path.name}"
    if script.mode == "transaction":
        return [head, *_in_transaction(script, state, columns=columns)]
    return [head, *_one_by_one(script, state)]


def _in_transaction(script: Script, state: SchemaState, *, columns: bool) -> list[str]:
    migration = script.migration
    row = state.begun(migration)
    begun: list[AnyStatement] = (
        [ActAsOwner(), DropVersion(version=row.version), ResetRole()] if row else []
    )
    version = recorded_version(script)
    record = RecordVersion(version=version, description=migration.description)
    return [
        "BEGIN;",
        *_prepared(),
        *(_sent(statement) for statement in begun),
        *([_sent(ActAsOwner())] if migration.origin == "vsl" else []),
        f"{migration.text.rstrip()}\n;",
        _sent(ResetRole()),
        *_prepared(reset=False),
        _sent(ActAsOwner()),
        _sent(record),
        *([_sent(_completed(script))] if columns else []),
        "COMMIT;",
    ]


def _one_by_one(script: Script, state: SchemaState) -> list[str]:
    migration = script.migration
    row = state.begun(migration)
    version = row.version if row is not None else migration.version
    done = (row.statements_done or 0) if row is not None else 0
    parts = [
        _sent(ResetSession()),
        _sent(PrepareFile(local=False, lock_timeout_ms="0", statement_timeout_ms="0")),
        *_recorded(ledger.begun(migration, version)),
    ]
    for number, statement in enumerate(script.statements, 1):
        if number <= done and statement.words[0] not in ("SET", "RESET"):
            continue
        if records_itself(statement):
            # It makes the row itself, which then gets all that was known.
            written = recorded_version(script)
            begun = (ledger.begun(migration, written), _progress(written, number))
            parts += _recorded(DropVersion(version=version), between=statement.text, after=begun)
            version = written
            continue
        parts += _alone(statement)
        parts += _recorded(_progress(version, number))
    return [*parts, *_recorded(EndStatements(version=version)), _sent(ResetSession())]


def _alone(statement: Statement) -> list[str]:
    """One statement outside of a transaction, with the care that a concurrent index needs."""
    index = concurrent_index(statement)
    if index is None:
        return [f"{statement.text}\n;"]
    name = sql.Identifier(*(part for part in index if part is not None)).as_string(None)
    cleared, checked = _template("clear_index", index=name), _template("check_index", index=name)
    return [cleared, f"{statement.text}\n;", checked]


def _progress(version: str, number: int) -> RecordStatement:
    return RecordStatement(version=version, done=number, duration_ms=0)


def _recorded(
    first: Command, *, between: str | None = None, after: Iterable[AnyStatement] = ()
) -> list[str]:
    """Writing to the ledger, in a transaction of its own."""
    parts = ["BEGIN;", _sent(ActAsOwner()), _sent(first)]
    if between is not None:
        parts.append(f"{between}\n;")
    return [*parts, *(_sent(statement) for statement in after), "COMMIT;"]


def _repeatables(files: list[SqlFile]) -> list[str]:
    parts = ["-- Functions, views and grants.", "BEGIN;", *_prepared(), _sent(OnlyWarnings())]
    for file in files:
        parts.append(_sent(ResetRole()))
        if file.path != GRANTS:
            parts.append(_sent(ActAsOwner()))
        parts.append(f"{file.text.rstrip()}\n;")
    parts += [_sent(ResetRole()), _sent(ActAsOwner())]
    parts += [_sent(RecordRepeatable(path=file.path, sha256=file.sha256)) for file in files]
    return [*parts, "COMMIT;"]


def _prepared(*, reset: bool = True) -> list[str]:
    wanted = PrepareFile(
        local=True,
        lock_timeout_ms=milliseconds(STRICT.last),
        statement_timeout_ms=STATEMENT_TIMEOUT,
    )
    return [*([_sent(ResetSession())] if reset else []), _sent(wanted)]


def _completed(script: Script) -> CompleteVersion:
    version, count = recorded_version(script), len(script.statements)
    return ledger.completed(Applied(version, script.migration, "transaction", count, None))


def _sent(statement: AnyStatement) -> str:
    """A statement of the program with its values in it."""
    kind: Any = type(statement)
    values = parameters(statement)
    text = statement_text(kind)
    return _PARAMETER.sub(lambda m: _literal(values[m[1]]), text).rstrip()


def _template(name: str, **values: str) -> str:
    path = database_dir() / "install" / "script" / f"{name}.sql"
    text = path.read_text(encoding="utf-8")
    for placeholder, value in values.items():
        text = text.replace("{{" + placeholder + "}}", _literal(value))
    return text.rstrip()


def _literal(value: object) -> str:
    return sql.Literal(value).as_string(None).strip()
