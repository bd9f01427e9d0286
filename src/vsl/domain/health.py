"""What a check of the database's health answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One row that a check's SQL answers.

    subject: what it is about, such as an index, ``process 4711``, a table. value: the measured
    quantity; None when it is not known. level: None, or ``ok``, ``note``, ``warn`` or ``fail`` when
    the SQL itself decides, because several measures count. evidence: one line in words with the
    numbers. next: the exact next command for this subject. unknown: why it cannot be told.
    """

    subject: str | None = None
    value: float | None = None
    level: str | None = None
    evidence: str | None = None
    next: str | None = None
    unknown: str | None = None
