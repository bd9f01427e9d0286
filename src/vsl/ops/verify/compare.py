"""How two installations differ, decided on what their catalogues say. No I/O.

Installations by different owners, and on servers with different roles, are alike: an owner is
compared as "the owner", whoever that is, and grants to a role only where both servers have it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vsl.db.catalogue import excerpts
from vsl.db.files import version_key
from vsl.db.statements import CatalogueObject
from vsl.db.statements_adopt import RecordedVersion

#: The roles that ``roles.sql`` makes, as far as it may.
ROLES = (
    "vsl_app",
    "vsl_backup",
    "vsl_migrator",
    "vsl_monitor",
    "vsl_owner",
    "vsl_reader",
    "vsl_worker",
)

#: PostgreSQL 18 lists each NOT NULL as a constraint as well, under a name of its own making. The
#: column says the same.
_NOT_NULL = re.compile(r"NOT NULL \S+")
_PLACE = re.compile(r"\A(\d+): ?")
_OWNER = "the owner"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An installation as its catalogue and its records say.

    roles: those of ``ROLES`` that its server has. versions, texts: None where this login may not
    read them.
    """

    objects: Sequence[CatalogueObject]
    roles: frozenset[str]
    versions: Sequence[RecordedVersion] | None = ()
    texts: Mapping[str, str] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which an installation is not what it should be.

    kind: ``missing``, ``changed`` or ``not expected``. level: ``difference``, or ``added`` for what
    somebody may well have added and VSL leaves alone. where: ``live``; or ``package``, when the two
    ways to install end differently, which is a fault of VSL's. detail: expected and found.
    """

    kind: Literal["missing", "changed", "not expected"]
    name: str
    level: Literal["difference", "added"] = "difference"
    where: Literal["live", "package"] = "live"
    detail: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class _Entry:
    definition: str
    source: CatalogueObject


def compare(fresh: Snapshot, migrated: Snapshot | None, live: Snapshot) -> list[Difference]:
    """Everything in which the live installation differs, and the two references from each other.

    migrated: None compares with the fresh one only. What is as in either reference is no fault of
    the live one.
    """
    roles = fresh.roles & live.roles
    expected, found = _entries(fresh, roles), _entries(live, roles)
    differences: list[Difference] = []
    if migrated is not None:
        other = _entries(migrated, roles)
        package = [
            Difference(d.kind, d.name, "difference", "package", d.detail)
            for d in _between(expected, other)
        ]
        differences += package
        for broken in package:
            # The live one may be as the one or as the other.
            mine = found.get(broken.name)
            theirs = other.get(broken.name)
            if (mine and mine.definition) == (theirs and theirs.definition):
                expected.pop(broken.name, None)
                found.pop(broken.name, None)
    return [
        *differences,
        *_versions(fresh, live),
        *_texts(fresh, live),
        *_between(expected, found),
        *_orders(fresh, live),
    ]


def _entries(snapshot: Snapshot, roles: frozenset[str]) -> dict[str, _Entry]:
    """What is compared, by name: owners and places made comparable, noise left out."""
    owners = {o.thing: o.role for o in snapshot.objects if o.kind == "owner"}
    owner = _main_owner(owners)
    entries = {}
    for found in snapshot.objects:
        name, definition = found.name, found.definition
        if found.kind == "owner":
            definition = _OWNER if found.role == owner else definition
        elif found.kind == "grants":
            if found.role == owners.get(found.thing):
                name = f"grants on {found.thing} to its owner"
            elif _cannot_be_compared(found, roles):
                continue
        elif found.kind == "object" and _NOT_NULL.fullmatch(definition):
            continue
        elif _is_column(found):
            # Later columns of VSL's come after what a user has added before.
            definition = _PLACE.sub("", definition, count=1)
        entries[name] = _Entry(definition, found)
    return entries


def _main_owner(owners: Mapping[str | None, str | None]) -> str | None:
    """Whom the installation belongs to: the role that owns most of it."""
    counted = Counter(owners.values()).most_common(1)
    return counted[0][0] if counted else None


def _cannot_be_compared(found: CatalogueObject, roles: frozenset[str]) -> bool:
    if found.thing == "schema public" and found.role == "vsl_owner":
        return True  # depends on who owns that schema, and what is granted to all there
    return found.role in ROLES and found.role not in roles


def _is_column(found: CatalogueObject) -> bool:
    return found.kind == "object" and found.name.startswith("column ")


def _orders(expected: Snapshot, found: Snapshot) -> list[Difference]:
    """Tables whose columns stand in another order, those left out that only one of them has."""
    one, other = _columns(expected), _columns(found)
    return [
        Difference("changed", f"order of the columns of {table}")
        for table in sorted(one.keys() & other.keys())
        if [name for name in one[table] if name in other[table]]
        != [name for name in other[table] if name in one[table]]
    ]


def _columns(snapshot: Snapshot) -> dict[str, list[str]]:
    """The columns of each table, in order."""
    placed: dict[str, list[tuple[int, str]]] = {}
    for found in snapshot.objects:
        place = _PLACE.match(found.definition)
        if _is_column(found) and place and found.thing:
            placed.setdefault(found.thing, []).append((int(place[1]), found.name))
    return {table: [name for _, name in sorted(columns)] for table, columns in placed.items()}


def _between(expected: Mapping[str, _Entry], found: Mapping[str, _Entry]) -> list[Difference]:
    differences = []
    for name in sorted(expected.keys() | found.keys()):
        one, other = expected.get(name), found.get(name)
        if one is not None and other is None:
            if not _part_of(one.source, expected, found):
                differences.append(Difference("missing", name))
        elif one is None and other is not None:
            if not _part_of(other.source, found, expected):
                differences.append(Difference("not expected", name, _level(other.source)))
        elif one is not None and other is not None and one.definition != other.definition:
            detail = excerpts(one.definition, other.definition)
            differences.append(Difference("changed", name, detail=detail))
    return differences


def _part_of(
    source: CatalogueObject, here: Mapping[str, _Entry], there: Mapping[str, _Entry]
) -> bool:
    """Whether it belongs to something that is missing as a whole, which says it all."""
    whole = source.thing
    if whole is None or whole not in here:
        return False
    return whole not in there or _part_of(here[whole].source, here, there)


def _level(source: CatalogueObject) -> Literal["difference", "added"]:
    """What more VSL's own roles, or all, may do is nobody's addition."""
    if source.kind == "owner":
        return "difference"
    if source.kind == "grants" and (source.role in ROLES or source.role == "PUBLIC"):
        return "difference"
    return "added"


def _versions(fresh: Snapshot, live: Snapshot) -> list[Difference]:
    if live.versions is None:
        return []
    expected = {version_key(row.version): row for row in fresh.versions or ()}
    found = {_key(row.version): row for row in live.versions}
    lines = [
        Difference("missing", f"version {row.version}")
        for key, row in expected.items()
        if key not in found
    ]
    for key, row in found.items():
        if key not in expected and row.origin != "user":
            lines.append(Difference("not expected", f"version {row.version}"))
        elif row.state not in (None, "applied"):
            detail = f"it is recorded as {row.state}"
            lines.append(Difference("changed", f"version {row.version}", detail=detail))
    return lines


def _key(version: str) -> tuple[int, ...] | str:
    try:
        return version_key(version)
    except ValueError:
        return version


def _texts(fresh: Snapshot, live: Snapshot) -> list[Difference]:
    if live.texts is None:
        return []
    expected, found = fresh.texts or {}, live.texts
    lines = []
    for path in sorted(expected.keys() | found.keys()):
        name = f"text {path}"
        if path not in found:
            lines.append(Difference("missing", name))
        elif path not in expected:
            lines.append(Difference("not expected", name, "added"))
        elif expected[path] != found[path]:
            lines.append(Difference("changed", name, detail="another text was applied last"))
    return lines
