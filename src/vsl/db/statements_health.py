"""Statements of ``vsl db doctor`` that are not checks themselves."""

from __future__ import annotations

from dataclasses import dataclass

from vsl.db.statement import Command, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginCheck(Command):
    """Make this transaction a harmless one. program: the schema that this program needs."""

    program: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSnapshot(Command):
    """Keep the server's counters as they are now."""
