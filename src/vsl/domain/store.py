"""The protocol of an object store."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One whole object in the store. size: bytes. sha256: lower-case hex digest of its bytes."""

    key: str
    size: int
    sha256: str


class Store(Protocol):
    """Where outputs live: a folder, or S3 and what speaks its protocol.

    Keys are relative paths with ``/`` between their parts. Every method raises ``StoreError``
    when the store fails; its message names the key and the reason, never a credential.
    """

    @property
    def bucket(self) -> str:
        """The name recorded with each output, such as ``file`` or an S3 bucket's name."""

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str
    ) -> StoredObject:
        """Write a new object from a stream, never holding it whole in memory.

        The object appears under its key only when it is whole; when the stream or the store
        fails, nothing is left behind. Raises ``ObjectExists`` when the key is taken.
        """

    def open(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes, in chunks."""

    async def stat(self, key: str) -> int | None:
        """The object's size in bytes, or None when there is no such object."""

    async def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""

    def list(self, prefix: str) -> AsyncIterator[str]:
        """The keys below a prefix (a whole path part), in no particular order."""

    def url(self, key: str) -> str:
        """The object's lasting address, as recorded in ``media_outputs.s3_url``."""

    async def sign(self, key: str, *, expires_in: int) -> str:
        """An address that whoever holds it can read the object from, for ``expires_in`` seconds."""
