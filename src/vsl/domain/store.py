"""The protocol of an object store."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One whole object in the store. size: bytes. sha256: lower-case hex digest of its bytes."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object in a listing. size: bytes. modified: when it was written, by the store's clock."""

    key: str
    size: int
    modified: datetime


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

    def survey(self, prefix: str) -> AsyncIterator[ListedObject]:
        """The same with sizes and times."""

    def url(self, key: str) -> str:
        """The object's lasting address, as recorded in ``media_outputs.s3_url``."""

    async def sign(self, key: str, *, expires_in: int) -> str:
        """An address that whoever holds it can read the object from, for ``expires_in`` seconds.

        A folder's is the file's lasting address: it has none that expires.
        """

    async def sweep(self, older_than: float) -> int:
        """Remove what writers that died left, untouched for ``older_than`` seconds; how many."""
