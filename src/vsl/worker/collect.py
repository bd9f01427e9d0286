"""From a prediction's outputs to stored, measured files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from vsl.domain.jobs import ClaimedJob
from vsl.domain.keys import object_key
from vsl.domain.media import MediaFacts, MediaType
from vsl.domain.provider import OutputSource, Provider, RemoteProvider
from vsl.domain.store import Store
from vsl.errors import ObjectExists, StoreError
from vsl.media.measure import measure
from vsl.worker.spool import Spool, read_chunks
from vsl.worker.steps import Steps


@dataclass(frozen=True, slots=True)
class Tools:
    """What executing a job needs besides the database."""

    store: Store
    spool: Spool
    steps: Steps


async def collect(
    job: ClaimedJob,
    attempt: int,
    ordinal: int,
    source: OutputSource,
    *,
    provider: Provider | RemoteProvider,
    tools: Tools,
    keys: list[str],
) -> dict[str, Any]:
    """Bring one output into the store; its row for ``finish_jobs``.

    The file is taken whole to the worker's disk and measured there, so that nothing reaches the
    store that is not what it should be; then it is streamed on. The key is added to keys before the
    store is asked to write under it.
    Raises ``ProviderError``, ``OutputInvalid`` or ``StoreError``.
    """
    media_type = cast(MediaType, job.media_type)
    name = f"{job.epoch}-{ordinal}"
    spooled = await tools.spool.take(name, provider.fetch(source))
    try:
        await tools.steps.reached("spooled", job.id)
        facts = await asyncio.to_thread(measure, spooled.path, media_type)
        key = object_key(
            media_type=media_type,
            user_id=job.user_id,
            created_at=job.created_at,
            job_id=job.job_id,
            attempt=attempt,
            epoch=job.epoch,
            ordinal=ordinal,
            extension=facts.extension,
        )
        keys.append(key)
        try:
            stored = await tools.store.put(
                key, read_chunks(spooled.path), content_type=facts.file_type
            )
        except ObjectExists:
            keys.remove(key)  # That object is somebody else's.
            raise
        await tools.steps.reached("stored", job.id)
    finally:
        spooled.path.unlink(missing_ok=True)
    if (stored.size, stored.sha256) != (spooled.size, spooled.sha256):
        raise StoreError(f"{key} in the store is not the file that was sent")
    return _row(ordinal, facts, key, stored.sha256, tools.store)


def _row(ordinal: int, facts: MediaFacts, key: str, sha256: str, store: Store) -> dict[str, Any]:
    # The column keeps milliseconds; a sound shorter than one still has a length.
    duration = None if facts.duration is None else max(round(facts.duration, 3), 0.001)
    metadata: dict[str, Any] = dict(facts.details)
    if facts.media_type == "image" and duration is not None:
        # The contract gives images no duration: that of an animation is a detail.
        metadata["duration"], duration = duration, None
    return {
        "ordinal": ordinal,
        "media_type": facts.media_type,
        "s3_key": key,
        "s3_url": store.url(key),
        "s3_bucket": store.bucket,
        "file_type": facts.file_type,
        "file_size": facts.file_size,
        "duration": _duration(facts),
        "width": facts.width,
        "height": facts.height,
        "fps": None if facts.fps is None else round(facts.fps, 3),
        "bitrate": facts.bitrate,
        "codec": facts.codec,
        "sha256": sha256,
        "metadata": _metadata(facts),
    }


def _duration(facts: MediaFacts) -> float | None:
    """Seconds for the column, which keeps milliseconds and is for sound and video only."""
    if facts.duration is None or facts.media_type == "image":
        return None
    return max(round(facts.duration, 3), 0.001)


def _metadata(facts: MediaFacts) -> dict[str, Any]:
    """Further facts; an animated image's length is one of them."""
    if facts.media_type == "image" and facts.duration is not None:
        return {**facts.details, "duration": facts.duration}
    return dict(facts.details)
