"""The store in an S3 bucket, or at a server that speaks S3.

S3 shows an object only when it is whole, so nothing is staged and renamed as in a folder. What
makes a put create-only differs by size. One request carries up to ``PART`` bytes, with
``If-None-Match: *``, and the server decides. A larger file goes in parts, and obstore cannot send
that header with the request that completes them: so writers of VSL's agree by a small object under
``.incoming/`` that is itself created with the header. Nobody else who writes the same key in those
seconds is kept from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store as S3Client

from vsl.domain.store import StoredObject
from vsl.errors import InvalidInput, ObjectExists, Problem, StoreError
from vsl.storage.faults import INCOMING, check_key, faults, is_missing
from vsl.storage.s3_address import S3Address
from vsl.storage.store import ObstoreStore, Tally, to_the_end

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

# Bytes of one request. S3 allows 10,000 parts of one object, so a file may have 78 GiB.
PART: Final = 8 * 1024 * 1024
# Parts on their way at a time; with the one being filled, what a put holds in memory.
CONCURRENCY: Final = 2
#: Seconds: the longest that a signature of version 4 can hold.
LONGEST_LINK: Final = 7 * 24 * 60 * 60
# Metadata of an object that says which put made it: a request that was sent again after a lost
# answer must know its own object from another's.
MARK: Final = "vsl-put"

_CLIENT: Final[ClientConfig] = {
    # As AWS_ENDPOINT_URL says; with no such variable it is https.
    "allow_http": True,
    "connect_timeout": "5s",
    # Without an answer to one request, or without a byte of it.
    "read_timeout": "60s",
    # Of a whole answer, however slowly its reader takes it.
    "timeout": "6h",
    "user_agent": "vsl",
}
_RETRY: Final[RetryConfig] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}


@dataclass(frozen=True, slots=True)
class _Put:
    """One put. attributes: what the object is to carry, its mark included."""

    key: str
    mark: str
    attributes: dict[str, str]


class S3Store(ObstoreStore):
    """Objects in a bucket, below a prefix.

    Endpoint, region and credentials come from the AWS variables, as obstore reads them. Making
    one asks the network nothing.
    """

    def __init__(self, address: S3Address, **config: Any) -> None:
        """config: of obstore's client, before what the environment says."""
        if address.sse is not None:
            config["server_side_encryption"] = address.sse
        if address.sse_kms_key_id is not None:
            config["sse_kms_key_id"] = address.sse_kms_key_id
        if address.checksum:
            config.setdefault("checksum_algorithm", "SHA256")
        with faults("use it", f"store s3://{address.place}"):
            client = S3Client(
                address.bucket,
                prefix=address.prefix or None,
                client_options=_CLIENT,
                retry_config=_RETRY,
                # One request for one object, which every server knows.
                disable_bulk_delete=True,
                **config,
            )
        super().__init__(client, bucket=address.place, address=f"s3://{address.place}")
        self._signer = client
        self._storage_class = address.storage_class

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, content_type: str
    ) -> StoredObject:
        """Write a new object; see the protocol and the module. Raises as in a folder."""
        check_key(key)
        tally = Tally()
        put = self._new_put(key, content_type)
        try:
            async with aclosing(tally.blocks(chunks)) as blocks:
                first = await _gather(blocks)
                if len(first) < PART:
                    await self._put_at_once(put, first)
                else:
                    await self._put_in_parts(put, first, blocks, tally)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        return StoredObject(key=key, size=tally.size, sha256=tally.sha256)

    async def sign(self, key: str, *, expires_in: int) -> str:
        """A presigned GET. expires_in: seconds, at most a week; ``InvalidInput`` otherwise.

        It stops working earlier when the credentials that signed it do.
        """
        check_key(key)
        if not 0 < expires_in <= LONGEST_LINK:
            raise InvalidInput([Problem("expires_in", "is not from 1 to 604800", "seconds")])
        with faults(f"sign {key}", self._where):
            return await obstore.sign_async(self._signer, "GET", key, timedelta(seconds=expires_in))

    async def sweep(self, older_than: float) -> int:
        """Remove reservations older than ``older_than`` seconds, which dead writers left; how many.

        Parts of uploads that were never completed are not objects, and obstore cannot list them:
        a lifecycle rule of the bucket removes them.
        """
        oldest, removed = time.time() - older_than, 0
        with faults("remove reservations", self._where):
            async for batch in obstore.list(self._client, INCOMING):
                for facts in batch:
                    if facts["last_modified"].timestamp() <= oldest:
                        await self._remove(facts["path"])
                        removed += 1
        return removed

    def _new_put(self, key: str, content_type: str) -> _Put:
        mark = uuid4().hex
        attributes = {"Content-Type": content_type, MARK: mark}
        if self._storage_class is not None:
            attributes["Storage-Class"] = self._storage_class
        return _Put(key, mark, attributes)

    async def _put_at_once(self, put: _Put, data: bytes) -> None:
        try:
            await to_the_end(self._create(put, data))
        except ObjectExists:
            raise
        except BaseException:
            # It may have got there nevertheless.
            await to_the_end(self._undo_own(put))
            raise

    async def _create(self, put: _Put, data: bytes) -> None:
        with faults(f"write {put.key}", self._where):
            try:
                await obstore.put_async(
                    self._client, put.key, data, mode="create", attributes=put.attributes
                )
            except AlreadyExistsError:
                if await self._own_size(put) is None:
                    raise

    async def _put_in_parts(
        self, put: _Put, first: bytes, blocks: AsyncGenerator[bytes, None], tally: Tally
    ) -> None:
        name = hashlib.sha256(put.key.encode()).hexdigest()
        reservation = _Put(f"{INCOMING}/{name}", put.mark, {MARK: put.mark})
        try:
            await self._put_at_once(reservation, b"")
        except ObjectExists:
            raise ObjectExists(
                f"{self._where}: cannot write {put.key}: another writer has begun to"
            ) from None
        try:
            if await self.stat(put.key) is not None:
                raise ObjectExists(
                    f"{self._where}: cannot write {put.key}: there is an object already"
                )
            await self._upload(put, first, blocks, tally)
        finally:
            await to_the_end(self._undo([reservation.key]))

    async def _upload(
        self, put: _Put, first: bytes, blocks: AsyncGenerator[bytes, None], tally: Tally
    ) -> None:
        writer = obstore.open_writer_async(
            self._client,
            put.key,
            attributes=put.attributes,
            buffer_size=PART,
            max_concurrency=CONCURRENCY,
        )
        try:
            await self._write(put, writer.write(first))
            async for block in blocks:
                await self._write(put, writer.write(block))
            await to_the_end(self._complete(put, writer.close(), tally))
        except BaseException as error:
            await to_the_end(self._abort(put, writer, error))
            raise

    async def _write(self, put: _Put, writing: Awaitable[int]) -> None:
        with faults(f"write {put.key}", self._where):
            await writing

    async def _complete(self, put: _Put, closing: Awaitable[None], tally: Tally) -> None:
        """Complete the upload, and look at what became of it: the answer may be lost, too."""
        failed: Exception | None = None
        try:
            await closing
        except (OSError, BaseError) as error:
            failed = error
        with faults(f"write {put.key}", self._where):
            size = await self._own_size(put)
            if size is None and failed is not None:
                raise failed
        if size != tally.size:
            raise StoreError(f"{self._where}: cannot write {put.key}: it did not arrive whole")

    async def _abort(self, put: _Put, writer: Any, error: BaseException) -> None:
        """Give up an upload; the failure itself is what the caller hears of."""
        with contextlib.suppress(OSError, BaseError):
            # Leaving its block with an error is how obstore's writer is told to abort.
            await writer.__aexit__(type(error), error, None)
        await self._undo_own(put)

    async def _undo_own(self, put: _Put) -> None:
        with contextlib.suppress(OSError, BaseError):
            if await self._own_size(put) is not None:
                await self._undo([put.key])

    async def _own_size(self, put: _Put) -> int | None:
        """The size of the object that this put made; None when there is none or another's."""
        try:
            found = await obstore.get_async(self._client, put.key, options={"head": True})
        except (OSError, BaseError) as error:
            if is_missing(error):
                return None
            raise
        return found.meta["size"] if found.attributes.get(MARK) == put.mark else None


async def _gather(blocks: AsyncGenerator[bytes, None]) -> bytes:
    """The first ``PART`` bytes or more of a stream; less only when it has no more."""
    gathered = bytearray()
    async for block in blocks:
        gathered += block
        if len(gathered) >= PART:
            break
    return bytes(gathered)
