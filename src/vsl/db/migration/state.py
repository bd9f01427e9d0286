"""How a database compares with the files: pure, from rows and files to what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vsl.db.files import Migration, SqlFile, version_key
from vsl.db.migration.folder import Files, free_version
from vsl.db.script import meaning
from vsl.db.statements_schema import LedgerRow
from vsl.errors import (
    MigrationDuplicate,
    MigrationEdited,
    MigrationMissing,
    MigrationOutOfOrder,
    SchemaNewer,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the ledger and the file that it is about."""

    row: LedgerRow
    migration: Migration


@dataclass(frozen=True, slots=True)
class SchemaState:
    """How a database compares with this program and, where one was given, the user's folder.

    versions: what the database embodies, oldest first. pending: migrations to apply, in order; one
    that was begun and not ended is among them. changed: paths of files whose text is newer than
    what the database has. unknown: versions that this program does not have: the database is newer.

    edited: applied files that say something else now. retouched: those that differ in comments or
    layout only. undescribed: rows that lack what the runner would have recorded. missing: applied
    versions of the user's whose file is not there. misplaced: pending files with a lower version
    than an applied one of the same origin. renumbered: applied ones whose file has another number
    now. unfinished: rows of files that were begun and not ended. taken: files of the user's whose
    version VSL has for something else.
    """

    versions: tuple[str, ...]
    pending: tuple[Migration, ...]
    changed: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: tuple[LedgerRow, ...] = ()
    edited: tuple[Known, ...] = ()
    retouched: tuple[Known, ...] = ()
    undescribed: tuple[Known, ...] = ()
    missing: tuple[str, ...] = ()
    misplaced: tuple[Migration, ...] = ()
    renumbered: tuple[Known, ...] = ()
    unfinished: tuple[LedgerRow, ...] = ()
    taken: tuple[Migration, ...] = ()

    @property
    def current(self) -> bool:
        """Whether nothing is to be applied."""
        return not self.pending and not self.changed and not self.unknown

    @property
    def sound(self) -> bool:
        """Whether nothing stands in the way of a migration."""
        refused = (self.unknown, self.edited, self.missing, self.misplaced, self.taken)
        return not any(refused)

    @property
    def to_write_down(self) -> bool:
        """Whether the ledger is to be brought up to date."""
        return bool(self.retouched or self.undescribed or self.renumbered)

    def begun(self, migration: Migration) -> LedgerRow | None:
        """The row of a migration that was begun and not ended, if it has one."""
        return begun_row(self.rows, migration)


def begun_row(rows: Iterable[LedgerRow], migration: Migration) -> LedgerRow | None:
    """The row of a migration that was begun and not ended, if it has one."""
    mine = (row for row in rows if key_of(row) == migration.order and not row.applied)
    return next((row for row in mine if row.origin in (None, migration.origin)), None)


def key_of(row: LedgerRow) -> tuple[int, ...] | None:
    """A row's version as numbers; None for something else that somebody wrote there."""
    try:
        return version_key(row.version)
    except ValueError:
        return None


def compare(
    rows: Sequence[LedgerRow], files: Files, changed: Iterable[SqlFile], *, whole: bool
) -> SchemaState:
    """Compare a ledger with the files. whole: whether the user's folder was read, too.

    Without it, versions of the user's are nobody's business: they are neither missing nor unknown.
    """
    ledger = _Ledger(rows, files)
    applied = [row for row in rows if row.applied]
    own = {row.version for row in rows if ledger.origin(row) == "user"}
    renumbered = _renumbered(ledger, files) if whole else ()
    moved = {known.row.version for known in renumbered}
    kept = {known.migration.order for known in renumbered}
    matched = tuple(ledger.matched(row) for row in applied if row.version not in moved)
    known = tuple(found for found in matched if found is not None)
    done = {found.migration.order for found in known} | kept
    pending = tuple(m for m in files.all() if m.order not in done)
    begun = {key_of(row) for row in rows if not row.applied}
    strange = [row for row in rows if ledger.matched(row) is None and row.version not in moved]
    return SchemaState(
        versions=tuple(row.version for row in applied),
        pending=pending,
        changed=tuple(file.path for file in changed),
        unknown=tuple(row.version for row in strange if row.version not in own),
        rows=tuple(rows),
        edited=tuple(found for found in known if _differs(found, meaning=True)),
        retouched=tuple(found for found in known if _differs(found, meaning=False)),
        undescribed=tuple(f for f in known if f.row.meaning is None or f.row.origin is None),
        # Those from before an adoption have no files.
        missing=tuple(
            r.version for r in strange if whole and r.version in own and r.mode != "adopted"
        ),
        misplaced=tuple(_misplaced(pending, known, begun)),
        renumbered=renumbered,
        unfinished=tuple(row for row in rows if not row.applied),
        taken=files.taken,
    )


class _Ledger:
    """Which file each row is about."""

    def __init__(self, rows: Sequence[LedgerRow], files: Files) -> None:
        self.rows = rows
        self._packaged = {m.order: m for m in files.packaged}
        self._own = {m.order: m for m in files.own}

    def origin(self, row: LedgerRow) -> str | None:
        """Whose a version is; None for one that nobody has and that does not say so itself."""
        if row.origin is not None:
            return row.origin
        key = key_of(row)
        if key in self._packaged:
            return "vsl"
        return "user" if key in self._own else None

    def matched(self, row: LedgerRow) -> Known | None:
        """A row with its file; None when there is no file that it can be about."""
        key = key_of(row)
        if key is None:
            return None
        packaged = self._packaged.get(key)
        if packaged is not None:
            # A version of the user's from before VSL had one of the same number.
            if row.origin == "user" and row.meaning not in (None, packaged.meaning):
                return None
            return Known(row, packaged)
        own = self._own.get(key)
        return Known(row, own) if own is not None and row.origin != "vsl" else None


def _differs(known: Known, *, meaning: bool) -> bool:
    """Whether a file's text is another than the applied one, and its meaning, too, or not."""
    row, migration = known.row, known.migration
    if row.sha256 is None or row.meaning is None or row.sha256 == migration.sha256:
        return False
    return (row.meaning != migration.meaning) is meaning


def _renumbered(ledger: _Ledger, files: Files) -> tuple[Known, ...]:
    """Rows of the user's without their file, beside files without a row that say the same."""
    lost = [r for r in ledger.rows if r.applied and r.origin == "user" and not ledger.matched(r)]
    if not lost:
        return ()
    keys = {key_of(row) for row in ledger.rows}
    candidates = [m for m in files.own if m.order not in keys]
    found = ((row, next((m for m in candidates if _says(m, row)), None)) for row in lost)
    return tuple(Known(row, migration) for row, migration in found if migration)


def _says(migration: Migration, row: LedgerRow) -> bool:
    """Whether a file says what was applied under another number; its own INSERT names the new."""
    if row.meaning is None:
        return False
    named = migration.text.replace(f"'{migration.version}'", f"'{row.version}'")
    return row.meaning in (migration.meaning, meaning(named))


def _misplaced(
    pending: Iterable[Migration], known: Iterable[Known], begun: set[tuple[int, ...] | None]
) -> Iterable[Migration]:
    highest: dict[str, tuple[int, ...]] = {}
    for found in known:
        origin = found.migration.origin
        highest[origin] = max(highest.get(origin, ()), found.migration.order)
    for migration in pending:
        if migration.order < highest.get(migration.origin, ()) and migration.order not in begun:
            yield migration


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a person has allowed for this once."""

    missing: bool = False
    out_of_order: bool = False


NOTHING = Allowed()


def refuse_unknown(state: SchemaState) -> None:
    """Raise ``SchemaNewer`` when the database has versions that nobody knows here."""
    if state.unknown:
        raise SchemaNewer(
            f"the database's schema is newer than this program: it has {', '.join(state.unknown)}",
            hint="Install a newer VSL. Should it be a migration of your own, put its file into the "
            "folder of your migrations (VSL_MIGRATIONS).",
        )


def refuse(state: SchemaState, allowed: Allowed) -> None:
    """Raise the error that says why a migration cannot begin, if there is a reason.

    ``MigrationEdited`` comes without its diff: the applied text is in the database.
    """
    refuse_unknown(state)
    if state.taken:
        names = ", ".join(migration.path.name for migration in state.taken)
        free = free_version((*(m for m in state.pending if m.origin == "user"), *state.taken))
        raise MigrationDuplicate(
            f"VSL has another migration of the same version as {names}",
            hint=f"Rename your file to a free version, such as {free} (and change the version in "
            "its own INSERT, if it has one). One that was applied already is then recognised.",
        )
    if state.edited:
        names = ", ".join(known.migration.path.name for known in state.edited)
        version = state.edited[0].row.version
        raise MigrationEdited(
            f"applied already, and says something else now: {names}",
            hint="Put the old text back and write a new migration; or, where the database is as "
            f"the new text says, run `vsl db accept-edit {version}`.",
        )
    if state.missing and not allowed.missing:
        raise MigrationMissing(
            f"applied already, but its file is not there: {', '.join(state.missing)}",
            hint="Put the file back (VSL_MIGRATIONS names the folder), or go on without it by "
            "--allow-missing.",
        )
    if state.misplaced and not allowed.out_of_order:
        names = ", ".join(migration.path.name for migration in state.misplaced)
        raise MigrationOutOfOrder(
            f"a higher version was applied already, before {names}",
            hint="Rename it to a version above the highest one, or apply it out of order by "
            "--allow-out-of-order.",
        )
