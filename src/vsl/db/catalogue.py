"""What VSL's schema is in a database, as PostgreSQL's own catalogue tells it, and how two differ.

Two installations on the same server and with the same owner are alike exactly when their
fingerprints are equal. Across servers they need not be: PostgreSQL 18 names its NOT NULLs.
"""

from __future__ import annotations

from collections.abc import Mapping

from vsl.db.faults import translated
from vsl.db.statement import Connection, execute, fetch
from vsl.db.statements import Catalogue, CatalogueObject, UsePublic

_SHOWN = 200  # characters of a definition


async def fingerprint(connection: Connection) -> dict[str, str]:
    """Each object of VSL's, by its name, with its definition.

    Names read ``table public.jobs``, ``column public.jobs.status``, ``owner of view …``, ``comment
    on …``, ``grants on function … to vsl_app``. Rows of tables are no part of it, and neither are
    objects of others beside VSL's in schema ``public``. Raises ``DatabaseError``.
    """
    return {found.name: found.definition for found in await list_objects(connection)}


async def list_objects(connection: Connection) -> list[CatalogueObject]:
    """The same with what each is about and which role. Raises ``DatabaseError``."""
    async with translated(), connection.transaction():
        # PostgreSQL prints names with their schema or without, as this setting has it.
        await execute(connection, UsePublic())
        return await fetch(connection, Catalogue())


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """One line for each object that is missing, changed or not expected, by name."""
    return [
        _describe(name, expected.get(name), found.get(name))
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]


def _describe(name: str, expected: str | None, found: str | None) -> str:
    if found is None:
        return f"missing: {name}"
    if expected is None:
        return f"not expected: {name}"
    return f"changed: {name}: {excerpts(expected, found)}"


def excerpts(expected: str, found: str) -> str:
    """Two definitions, each on one line; of long ones, what stands around their difference."""
    where = _first_difference(expected, found)
    return f"expected {_excerpt(expected, where)}, found {_excerpt(found, where)}"


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _excerpt(definition: str, where: int) -> str:
    """The definition on one line; of a long one, what stands around the difference."""
    if len(definition) <= _SHOWN:
        return repr(" ".join(definition.split()))
    start = max(0, where - _SHOWN // 2)
    part = " ".join(definition[start : start + _SHOWN].split())
    before, after = "..." if start else "", "..." if start + _SHOWN < len(definition) else ""
    return repr(f"{before}{part}{after}")
