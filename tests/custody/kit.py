"""Outputs with and without files, files with and without outputs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from tests.schema.kit import Session

from vsl.db.statement import Connection
from vsl.domain.keys import object_key
from vsl.domain.store import Store
from vsl.ops.storage_check import Comparison, Mended, compare, mend

DAY = datetime(2026, 11, 23, tzinfo=UTC)


def key_of(job: str, *, epoch: int = 1, ordinal: int = 0, user: str = "ann") -> str:
    return object_key(
        media_type="image",
        user_id=user,
        created_at=DAY,
        job_id=job,
        attempt=1,
        epoch=epoch,
        ordinal=ordinal,
        extension="png",
    )


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass
class House:
    """A database, a connection to it for the check, and a store."""

    session: Session
    connection: Connection
    store: Store
    jobs: dict[str, UUID] = field(default_factory=dict)

    async def put(self, key: str, content: bytes = b"content") -> None:
        await self.store.put(key, one(content), content_type="image/png")

    def row(
        self, key: str, *, job: str = "job-1", size: int | None = 7, bucket: str | None = "here"
    ) -> UUID:
        """A row that refers to an object. bucket: ``here`` for the store's own."""
        if job not in self.jobs:
            self.jobs[job] = self.session.value(
                "INSERT INTO jobs (job_id, user_id, model_id, status, completed_at)"
                " VALUES (%s, 'ann', 'outside', 'completed', now()) RETURNING id",
                job,
            )
        made: UUID = self.session.value(
            "INSERT INTO media_outputs (job_id, s3_key, s3_bucket, file_size)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            self.jobs[job],
            key,
            self.store.bucket if bucket == "here" else bucket,
            size,
        )
        return made

    async def stored(self, key: str, *, job: str = "job-1") -> UUID:
        """Both."""
        await self.put(key)
        return self.row(key, job=job)

    def metadata(self, output: UUID) -> dict[str, object]:
        found: dict[str, object] = self.session.value(
            "SELECT metadata FROM media_outputs WHERE id = %s", output
        )
        return found

    def doomed(self) -> list[str]:
        rows = self.session.all("SELECT storage_key FROM vsl.doomed_objects ORDER BY 1")
        return [row["storage_key"] for row in rows]

    async def compare(self, comparison: Comparison, *, older_than: float = -60) -> None:
        """By default nothing is too young."""
        await compare(self.connection, self.store, comparison, older_than=older_than)

    async def differences(self, *, older_than: float = -60) -> list[tuple[str, str, str | None]]:
        """What differs: kind, key and job."""
        with Comparison() as comparison:
            await self.compare(comparison, older_than=older_than)
            found = [(d.kind, d.key, d.job_id) for d in comparison.differences()]
            assert comparison.counts.total() == len(found)
        return sorted(found)

    async def mend(self, *, older_than: float = -60) -> Mended:
        with Comparison() as comparison:
            await self.compare(comparison, older_than=older_than)
            return await mend(self.connection, self.store, comparison)
