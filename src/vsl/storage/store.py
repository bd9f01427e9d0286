"""The store over obstore: one class for every kind of place.

A new object is first written under ``.incoming/`` and then given its name, only if that name is
free. So nobody ever sees half an object, and of several writers of one key exactly one wins.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import MemoryStore

from vsl.domain.store import ListedObject, StoredObject
from vsl.errors import InvalidInput, ObjectExists, Problem
from vsl.storage.faults import INCOMING, check_key, faults, is_missing, store_error

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# Bytes that are hashed and written in one go: large enough that changing threads costs nothing,
# small enough that many puts at once stay small.
BLOCK: Final = 1024 * 1024

# Objects of a listing that are taken at a time: what S3 answers to one request.
PAGE: Final = 1000

_T = TypeVar("_T")


async def to_the_end(work: Awaitable[_T]) -> _T:
    """Await ``work`` and let it finish even when cancelled meanwhile; the cancellation follows.

    A thread cannot be stopped: leaving it would let it write to a file that is already closed
    and whose number another file may have by then.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it as forgotten
        raise


class Tally:
    """Counts and hashes what goes through, in blocks of about one mebibyte."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def blocks(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        waiting = bytearray()
        async for chunk in chunks:
            if len(waiting) + len(chunk) < BLOCK:
                waiting += chunk
                continue
            if waiting:
                yield await self._count(bytes(waiting))
                waiting.clear()
            yield await self._count(chunk)
        if waiting:
            yield await self._count(bytes(waiting))

    async def _count(self, block: bytes) -> bytes:
        self.size += len(block)
        await to_the_end(asyncio.to_thread(self._hash.update, block))
        return block


class ObstoreStore:
    """A ``vsl.domain.store.Store`` over any client of obstore.

    bucket: the name recorded with outputs. address: what every URL begins with, no slash at
    its end.
    """

    def __init__(self, client: ObjectStore, *, bucket: str, address: str) -> None:
        self._client = client
        self._bucket = bucket
        self._address = address

    @classmethod
    def in_memory(cls) -> Self:
        """A store that lives as long as the object: for tests."""
        return cls(MemoryStore(), bucket="memory", address="memory://")

    @property
    def bucket(self) -> str:
        return self._bucket

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str
    ) -> StoredObject:
        """Write a new object; see the protocol.

        The stream is read to its end, or closed if the put fails; its own errors pass unchanged.
        Raises ``ObjectExists`` when the key is taken, ``StoreError`` when the store fails, and
        ``InvalidInput`` for a key that is none.
        """
        check_key(key)
        staged = f"{INCOMING}/{uuid4().hex}"
        tally = Tally()
        published = False

        async def publish() -> None:
            nonlocal published
            with faults(f"write {key}", self._where):
                await obstore.rename_async(self._client, staged, key, overwrite=False)
            published = True
            await self._settle(key)

        try:
            # Saves reading a whole stream for nothing; the renaming is what decides.
            if await self.stat(key) is not None:
                raise ObjectExists(f"{self._where}: cannot write {key}: there is an object already")
            async with aclosing(tally.blocks(chunks)) as blocks:
                await self._stage(staged, key, blocks, content_type)
            await to_the_end(publish())
        except BaseException:
            await to_the_end(self._undo([staged, key] if published else [staged]))
            raise
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        return StoredObject(key=key, size=tally.size, sha256=tally.sha256)

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes in chunks of about one mebibyte; ``StoreError`` when it is missing."""
        check_key(key)
        self._check()
        with faults(f"read {key}", self._where):
            found = await obstore.get_async(self._client, key)
        stream = found.stream(min_chunk_size=BLOCK)
        while True:
            with faults(f"read {key}", self._where):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)

    async def stat(self, key: str) -> int | None:
        """The object's size in bytes, or None when there is no such object."""
        check_key(key)
        self._check()
        try:
            facts = await obstore.head_async(self._client, key)
        except (OSError, BaseError) as error:
            if is_missing(error):
                return None
            raise store_error(error, action=f"look at {key}", where=self._where) from error
        return facts["size"]

    async def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        check_key(key)
        self._check()
        await self._remove(key)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """The keys below a prefix (a whole path part; empty for all), in no particular order."""
        async for listed in self.survey(prefix):
            yield listed.key

    async def survey(self, prefix: str) -> AsyncIterator[ListedObject]:
        """The same with sizes and times, a page of the store's at a time."""
        if prefix:
            check_key(prefix)
        self._check()
        batches = obstore.list(self._client, prefix or None, chunk_size=PAGE)
        while True:
            with faults(f"list {prefix or 'the objects'}", self._where):
                batch = await anext(batches, None)
            if batch is None:
                return
            for facts in batch:
                if not facts["path"].startswith(f"{INCOMING}/"):
                    yield ListedObject(facts["path"], facts["size"], facts["last_modified"])

    def url(self, key: str) -> str:
        """The object's lasting address, whether or not the object is there."""
        check_key(key)
        return f"{self._address}/{quote(key)}"

    async def sign(self, key: str, *, expires_in: int) -> str:
        """The object's address: neither a folder nor memory can make one that expires."""
        if expires_in <= 0:
            raise InvalidInput([Problem("expires_in", "is not positive", "seconds")])
        return self.url(key)

    async def sweep(self, older_than: float) -> int:  # noqa: ARG002 - memory ends with its writer
        """Nothing: what writers leave in memory ends with them."""
        return 0

    @property
    def _where(self) -> str:
        """What messages call the store."""
        return f"store {self._address}"

    def _check(self) -> None:
        """Raises ``StoreError`` when the place itself is gone."""

    async def _stage(
        self, staged: str, key: str, blocks: AsyncIterator[bytes], content_type: str
    ) -> None:
        """Write a whole object under its hidden name."""
        writer = obstore.open_writer_async(
            self._client, staged, attributes={"Content-Type": content_type}, max_concurrency=1
        )
        async for block in blocks:
            with faults(f"write {key}", self._where):
                await writer.write(block)
        with faults(f"write {key}", self._where):
            await writer.close()

    async def _settle(self, key: str) -> None:
        """Return when the object would survive a power failure."""

    async def _undo(self, keys: Sequence[str]) -> None:
        """Remove what a failed put wrote; the failure itself is what the caller hears of."""
        for key in keys:
            try:
                await obstore.delete_async(self._client, key)
            except (OSError, BaseError):
                continue

    async def _remove(self, key: str) -> None:
        try:
            await obstore.delete_async(self._client, key)
        except (OSError, BaseError) as error:
            if not is_missing(error):
                raise store_error(error, action=f"remove {key}", where=self._where) from error
