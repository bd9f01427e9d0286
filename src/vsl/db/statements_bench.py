"""The statements of ``vsl bench``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vsl.db.statement import Command, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedModels(Command):
    """Add the generator's models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HasOtherJobs(Value[bool]):
    """Whether there are jobs that the generator has not made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HasSeededJob(Value[bool]):
    """Whether a chunk of made-up jobs is there already, by its first."""

    seed: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseTriggers(Command):
    """Let rows in unchecked, until the transaction ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedJobs(Command):
    """Make the jobs numbered first to last, of ``jobs`` in all, with outputs and usage."""

    seed: int
    first: int
    last: int
    jobs: int
    users: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeTriggers(Command):
    """Check each row again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumSeeded(Command):
    """Vacuum and analyze the tables that were filled."""
