"""Statements that compare the rows of outputs with what is in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from vsl.db.statement import Rows, Value


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row that refers to an object. is_marked: as missing or damaged."""

    id: UUID
    storage_key: str
    bucket: str | None
    file_size: int | None
    is_marked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStored(Rows[StoredRow]):
    """A page of the rows that refer to objects, by key. after_id: of the last row of after_key."""

    after_key: str
    after_id: UUID
    count: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the database knows of an object.

    is_doomed: it is to be removed already. is_live: the claim in its key is of a live job.
    is_unknown: that claim is later than any that this database has made.
    """

    storage_key: str
    is_recorded: bool
    is_doomed: bool
    is_live: bool
    is_unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeObjects(Rows[Judged]):
    """What the database knows of objects. epochs: the claim in each key, or a negative number."""

    keys: Sequence[str]
    epochs: Sequence[int]
    bucket: str


@dataclass(frozen=True, slots=True)
class NamedOutput:
    """An output. missing_since, damaged_since: when that was first seen, as ISO 8601."""

    id: UUID
    job_id: str
    ordinal: int | None
    storage_key: str
    file_size: int | None
    missing_since: str | None
    damaged_since: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOutputs(Rows[NamedOutput]):
    """The outputs of some identifiers that are still there."""

    ids: Sequence[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkOutputs(Value[int]):
    """Mark outputs' files as ``missing``, ``damaged`` or ``whole``; how many marks changed."""

    ids: Sequence[UUID]
    state: str
