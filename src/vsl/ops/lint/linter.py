"""A migration file judged: squawk, our own rules, the ignores, and the live database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsl.db.script import mode, outside_transaction, split, transaction_control
from vsl.db.statement import Connection
from vsl.db.statements_lint import NamedTable
from vsl.errors import InvalidInput, Problem
from vsl.ops.lint import check_data, check_design, check_locks
from vsl.ops.lint.finding import Draft, Finding, Level, shown
from vsl.ops.lint.ignores import apply, read_ignores
from vsl.ops.lint.live import Live, from_database, is_disproved, look, names_of
from vsl.ops.lint.own_objects import check_own
from vsl.ops.lint.own_rules import OWN
from vsl.ops.lint.reading import Name, Script, read_all
from vsl.ops.lint.squawk import Said, judge, run_squawk
from vsl.ops.looks import looking

#: Bytes of the largest file that is read.
LARGEST = 50_000_000
#: The oldest PostgreSQL that VSL runs on: what holds for it is said when no server is asked.
OLDEST_VERSION = 14


@dataclass(frozen=True, slots=True)
class File:
    """A migration to judge. own: whether it is VSL's, which may change what VSL relies on."""

    name: str
    text: str
    own: bool = False


def read_file(path: Path, *, own: bool = False) -> File:
    """A file's text. Raises ``InvalidInput`` when it cannot be a migration."""
    name = str(path)
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise _unusable(name, "is too large", f"at most {LARGEST // 1_000_000} MB of SQL")
        data = path.read_bytes()
    except OSError as error:
        raise _unusable(name, f"cannot be read: {error.strerror}", "a file of SQL") from None
    if path.suffix.lower() != ".sql":
        raise _unusable(name, "is not a .sql file", "a file of SQL, named *.sql")
    if b"\0" in data:
        raise _unusable(name, "is not a text: it holds a NUL byte", "SQL in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(name, f"is not UTF-8 (byte {error.start + 1})", "SQL in UTF-8") from None
    if not text.strip():
        raise _unusable(name, "is empty", "at least one statement")
    return File(name, text, own)


def _unusable(name: str, reason: str, accepted: str) -> InvalidInput:
    return InvalidInput([Problem(name, reason, accepted)])


async def lint(
    files: Sequence[File], squawk: Path, *, connection: Connection | None, version: int
) -> list[Finding]:
    """All findings, file by file and line by line.

    squawk: the program. connection: to the live database, None when there is none. version:
    PostgreSQL's major one. Raises ``InvalidInput`` naming file and line for a file that cannot be
    read as SQL, ``NotAllowed`` when squawk does not work, ``DatabaseError``.
    """
    scripts = [(file, read_script(file)) for file in files]
    findings: list[Finding] = []
    for file, script in scripts:
        single = script.mode == "transaction"
        said = run_squawk(squawk, file.text, in_transaction=single, version=version)
        drafts = list(_drafts(file, script, said))
        live = await _look(connection, script, drafts)
        findings += judged(file, script, drafts, live)
    return findings


async def _look(connection: Connection | None, script: Script, drafts: Sequence[Draft]) -> Live:
    if connection is None:
        return Live()
    async with looking(connection):
        return await look(connection, names_of(script, drafts))


def read_script(file: File) -> Script:
    """A file's statements. Raises ``InvalidInput`` naming file and line when it is no SQL."""
    try:
        statements = split(file.text)
    except InvalidInput as error:
        problems = [
            Problem(f"{file.name}:{p.field.removeprefix('line ')}", p.reason, p.accepted)
            for p in error.problems
        ]
        raise InvalidInput(problems, hint=error.hint) from None
    if not statements:
        raise _unusable(file.name, "holds no statement, only comments", "at least one statement")
    try:
        kind = mode(statements)
    except InvalidInput:
        kind = None
    return Script(read_all(statements), kind, file.own)


def judged(file: File, script: Script, drafts: Sequence[Draft], live: Live) -> list[Finding]:
    """The findings that are left after the database and the ignores have been asked."""
    ignores, wrong = read_ignores(file.text, [read.statement for read in script.reads])
    drafts = [*drafts, *from_database(script, live)]
    drafts = [draft for draft in drafts if not is_disproved(draft, script, live)]
    kept = [*apply(ignores, drafts), *wrong]
    # Two findings that say the same of the same place are one.
    made = dict.fromkeys(_finding(file, draft, live) for draft in kept)
    return sorted(made, key=lambda found: (found.line, _ORDER[found.level], found.rule))


_ORDER = {"error": 0, "warning": 1, "note": 2}


def _drafts(file: File, script: Script, said: Sequence[Said]) -> Iterator[Draft]:
    yield from judge(script, file.text, said)
    for read in script.reads:
        yield from check_locks.check_statement(read)
        yield from check_locks.check_vacuum_of_all(read)
        yield from check_data.check_statement(read)
        yield from check_design.check_statement(read)
        if not script.own:
            yield from check_own(read)
    yield from check_locks.check_transaction(script)
    yield from check_locks.check_lock_timeout(script)
    yield from check_data.check_enum_values(script)
    yield from check_design.check_keys(script)
    yield from check_design.check_row_security(script)
    yield from _mixture(script)


def _mixture(script: Script) -> Iterator[Draft]:
    """Why a file cannot be run at all: what the runner would refuse."""
    if script.mode is not None:
        return
    statements = [read.statement for read in script.reads]
    controls = [statement for statement in statements if transaction_control(statement)]
    for statement in controls:
        said = f"{statement.words[0]} controls transactions, which the runner does"
        yield Draft(OWN["transaction-control"], statement.line, statement.line, breaks=said)
    for statement in statements:
        name = outside_transaction(statement)
        if name and not controls:
            said = f"{name} cannot run inside a transaction, and others here would run without one"
            yield Draft(OWN["mixed-file"], statement.line, statement.line, breaks=said)


def _finding(file: File, draft: Draft, live: Live) -> Finding:
    rule = draft.rule
    name, table = _subject(draft, live)
    level: Level = rule.level
    if rule.sized and live.is_small(draft.tables):
        level = "note"
    breaks = (draft.breaks or rule.breaks).replace("{table}", name or "the table")
    return Finding(
        file=file.name,
        line=draft.line,
        rule=rule.name,
        level=level,
        breaks=breaks,
        instead=rule.instead,
        table=name,
        rows=table.row_count if table else None,
        bytes=table.byte_count if table else None,
    )


def _subject(draft: Draft, live: Live) -> tuple[str | None, NamedTable | None]:
    """The relation that a finding names, and what is known of it; of an index, its table."""
    if not draft.tables:
        return None, None
    asked: Name = draft.tables[0]
    table = live.tables.get(asked)
    name = (table.table_schema, table.table_name) if table else asked
    return shown(name), table
