"""The files: the packaged migrations, the user's folder of them, and what each holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vsl.db.files import MIGRATION_NAME, Migration, migration_of, migrations, version_key
from vsl.db.script import Mode, Statement, concurrent_index, mode, outside_transaction, split
from vsl.db.script.names import qualified
from vsl.errors import InvalidInput, MigrationDuplicate, Problem

#: Bytes of the largest file that is read. Schema changes are small; rows are loaded by other means.
LARGEST = 50_000_000
#: Characters of ``schema_migrations.version``.
LONGEST_VERSION = 50
#: VSL's own versions stay below this; those of users that begin here never meet them.
FIRST_OF_USERS = "100.0.0"

_ACCEPTED = "V{version}__description.sql, such as V100.1.0__add_tags.sql"
# What somebody meant to be a migration: a V in front and SQL behind, and names in which only the
# case, the V or an underscore is wrong. READMEs and notes are none.
_MEANT = re.compile(r"V.*\.sql|[vV][0-9].*\.[sS][qQ][lL]|[0-9][0-9.]*__.*\.sql")


@dataclass(frozen=True, slots=True)
class Files:
    """All migrations that there are. own: those of the user's folder that are not packaged, too.

    taken: the user's files whose version a packaged file has with another meaning.
    """

    packaged: tuple[Migration, ...]
    own: tuple[Migration, ...] = ()
    taken: tuple[Migration, ...] = ()

    def all(self) -> tuple[Migration, ...]:
        """In the order in which they are applied.

        The packaged ones come first, as in a new installation, where schema.sql brings all of them.
        """
        return self.packaged + self.own


def read_files(folder: Path | None) -> Files:
    """The packaged migrations and those of a folder, which need not exist.

    Raises ``InvalidInput`` naming every bad file, ``MigrationDuplicate`` when the folder has a
    version twice.
    """
    packaged = {found.order: found for found in migrations()}
    own, taken = [], []
    for migration in read_folder(folder) if folder is not None else ():
        other = packaged.get(migration.order)
        if other is None:
            own.append(migration)
        elif not same_meaning(other, migration):
            taken.append(migration)
    return Files(tuple(packaged.values()), tuple(own), tuple(taken))


def same_meaning(one: Migration, other: Migration) -> bool:
    """Whether two files differ in comments and layout at most."""
    return one.sha256 == other.sha256 or one.meaning == other.meaning


def read_folder(folder: Path) -> list[Migration]:
    """The migrations of the user's folder, oldest first; none when there is no such folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if _MEANT.fullmatch(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise InvalidInput([Problem(str(folder), reason, "a folder of migrations")]) from None
    found: list[Migration] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found.append(_read(path))
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems, hint=f"The files are in {folder}.")
    _refuse_twice(found)
    return sorted(found, key=lambda migration: migration.order)


def _read(path: Path) -> Migration:
    name = MIGRATION_NAME.fullmatch(path.name)
    if name is None:
        _refuse(path, "is not named as a migration", _ACCEPTED)
    if len(name["version"]) > LONGEST_VERSION:
        _refuse(path, "has a version that is too long", f"at most {LONGEST_VERSION} characters")
    return migration_of(name, path, _text(path), "user")


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            _refuse(path, "is not a file that can be read", "a text file of SQL")
        if path.stat().st_size > LARGEST:
            _refuse(path, "is too large", f"at most {LARGEST // 1_000_000} MB of SQL")
        data = path.read_bytes()
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror}", "a text file of SQL")
    if b"\0" in data:
        _refuse(path, "is not a text: it holds a NUL byte", "SQL in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path, f"is not UTF-8 (byte {error.start + 1})", "SQL in UTF-8")
    if not text.strip():
        _refuse(path, "is empty", "at least one statement")
    return text


def _refuse(path: Path, reason: str, accepted: str) -> NoReturn:
    raise InvalidInput([Problem(path.name, reason, accepted)])


def _refuse_twice(found: Iterable[Migration]) -> None:
    seen: dict[tuple[int, ...], Migration] = {}
    for migration in found:
        other = seen.setdefault(migration.order, migration)
        if other is not migration:
            raise MigrationDuplicate(
                f"{other.path.name} and {migration.path.name} have the same version",
                hint=f"Rename one of them, such as to V{free_version(seen.values())}__….sql.",
            )


def free_version(taken: Iterable[Migration]) -> str:
    """A version that comes after all of the user's and meets none of VSL's, now and later.

    100.1.0 after 100.0.7, and ``FIRST_OF_USERS`` after everything that is lower than that.
    """
    own = [migration.order for migration in taken if migration.origin == "user"]
    highest = max(own, default=())
    if highest < version_key(FIRST_OF_USERS):
        return FIRST_OF_USERS
    major, minor = (*highest, 0)[:2]
    return f"{major}.{minor + 1}.0"


@dataclass(frozen=True, slots=True)
class Script:
    """A file ready to be run."""

    migration: Migration
    statements: tuple[Statement, ...]
    mode: Mode


def read_script(migration: Migration) -> Script:
    """The statements of a file, and how they are to be run.

    Raises ``InvalidInput`` naming the file and the line for what cannot be run.
    """
    name = migration.path.name
    try:
        statements = split(migration.text)
        if not statements:
            raise InvalidInput([Problem(name, "holds no statement", "at least one")])
        if all(statement.words[0] in ("SET", "RESET") for statement in statements):
            raise InvalidInput([Problem(name, "only sets something", "a statement that changes")])
        how = mode(statements)
        _refuse_unfollowable(statements)
    except InvalidInput as error:
        raise InvalidInput([_of_file(name, p) for p in error.problems], hint=error.hint) from None
    return Script(migration, tuple(statements), how)


def _of_file(name: str, problem: Problem) -> Problem:
    if problem.field == name:
        return problem
    return Problem(f"{name}, {problem.field}", problem.reason, problem.accepted)


def _refuse_unfollowable(statements: Sequence[Statement]) -> None:
    """What would run, but could not be gone on with, or would undo the runner's own precautions."""
    for statement in statements:
        command = outside_transaction(statement)
        if command == "CREATE INDEX CONCURRENTLY" and concurrent_index(statement) is None:
            reason = "a concurrent index needs a name, by which one left invalid can be found"
            raise InvalidInput(
                [Problem(f"line {statement.line}", reason, "CREATE INDEX CONCURRENTLY name ON …")]
            )
        if command == "DISCARD ALL":
            raise InvalidInput(
                [Problem(f"line {statement.line}", "DISCARD ALL would give up the runner's lock")]
            )


def records_itself(statement: Statement) -> bool:
    """Whether a statement writes a row of the ledger, as the seed's example does."""
    found = qualified(statement.words, 2) if statement.words[:2] == ("INSERT", "INTO") else None
    return found is not None and found[1] == "schema_migrations"


def recorded_version(script: Script) -> str:
    """A file's version as its row will have it: as its own INSERT writes it, if it has one."""
    for statement in script.statements:
        if records_itself(statement):
            for word in statement.words:
                if word.startswith("'") and is_same_version(word.strip("'"), script.migration):
                    return word.strip("'")
    return script.migration.version


def is_same_version(version: str, migration: Migration) -> bool:
    """Whether a text is a migration's version, however many zeros it ends with."""
    try:
        return version_key(version) == migration.order
    except ValueError:
        return False
