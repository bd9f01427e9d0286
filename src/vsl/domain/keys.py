"""Where an output lies in the store.

One key for one file of one claim::

    {images|videos|audio}/{user}/{YYYY}/{MM}/{DD}/{job}/{attempt}.{epoch}-{ordinal}/original.{ext}

An epoch is given to one claim and never again, so no two claims share a key: a worker that lost
its claim cannot overwrite what the winner wrote, and the loser's files can be removed without
looking at anybody else's.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from vsl.domain.media import MediaType
from vsl.errors import InvalidInput, Problem

# Bytes: what file systems allow for one name.
MAX_SEGMENT: Final = 255

FOLDERS: Final[dict[MediaType, str]] = {"image": "images", "video": "videos", "audio": "audio"}

_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_ESCAPED: Final = tuple(chr(n) if n in _PLAIN else f"%{n:02X}" for n in range(256))
_CLAIM: Final = re.compile(r"/\d+\.(?P<epoch>\d+)-\d+/original\.\w+$")
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,10}")
_CUT_ESCAPE: Final = re.compile(r"%[0-9A-F]?\Z")
# Encoding never yields this character, so a shortened name is never another text's full one.
_SHORTENED: Final = "~"


def encode_segment(text: str) -> str:
    """Any text that is not empty, as one safe path segment of at most 255 ASCII bytes.

    Letters, digits, ``-``, ``_`` and dots stay; every other byte of the UTF-8 form becomes
    ``%XX``, and so does a leading dot: no segment is hidden, ``.`` or ``..``. What would be longer
    is cut and ends in ``~`` and the SHA-256 of the whole text. Different texts give different
    segments. Raises ``InvalidInput`` for empty text.
    """
    if not text:
        raise InvalidInput([Problem("text", "is empty", "at least one character")])
    raw = text.encode("utf-8", "surrogatepass")
    encoded = "".join(_ESCAPED[byte] for byte in raw)
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if len(encoded) <= MAX_SEGMENT:
        return encoded
    suffix = _SHORTENED + hashlib.sha256(raw).hexdigest()
    return _CUT_ESCAPE.sub("", encoded[: MAX_SEGMENT - len(suffix)]) + suffix


def decode_segment(segment: str) -> str | None:
    """The text that ``encode_segment`` was given, or None when the segment was shortened."""
    if _SHORTENED in segment:
        return None
    return unquote_to_bytes(segment).decode("utf-8", "surrogatepass")


def job_prefix(*, media_type: MediaType, user_id: str, created_at: datetime, job_id: str) -> str:
    """The key prefix that all files of one job share, without a slash at its end.

    ``created_at`` is the job's; its day is taken in UTC. Raises ``InvalidInput`` when a part
    is empty or the time has no zone.
    """
    problems = [
        Problem(field, "is empty", "at least one character")
        for field, text in (("user_id", user_id), ("job_id", job_id))
        if not text
    ]
    if media_type not in FOLDERS:
        problems.append(Problem("media_type", "is unknown", "video, image or audio"))
    if created_at.utcoffset() is None:
        problems.append(Problem("created_at", "has no time zone", "a time with its zone"))
    if problems:
        raise InvalidInput(problems)
    day = created_at.astimezone(UTC)
    # Not strftime: it writes the year 800 with three digits.
    date = f"{day.year:04}/{day.month:02}/{day.day:02}"
    return f"{FOLDERS[media_type]}/{encode_segment(user_id)}/{date}/{encode_segment(job_id)}"


def object_key(
    *,
    media_type: MediaType,
    user_id: str,
    created_at: datetime,
    job_id: str,
    attempt: int,
    epoch: int,
    ordinal: int,
    extension: str,
) -> str:
    """The key of one output file.

    attempt: the attempt's number. epoch: of the claim that writes. ordinal: the output's place
    among the attempt's outputs. extension: lower-case letters and digits, without a dot.
    Raises ``InvalidInput`` with everything that is wrong with the last four, or as
    ``job_prefix`` does.
    """
    prefix = job_prefix(
        media_type=media_type, user_id=user_id, created_at=created_at, job_id=job_id
    )
    numbers = (("attempt", attempt), ("epoch", epoch), ("ordinal", ordinal))
    problems = [Problem(name, "is negative", "0 or more") for name, n in numbers if n < 0]
    if not _EXTENSION.fullmatch(extension):
        problems.append(
            Problem("extension", "is not one", "1 to 10 lower-case letters or digits, no dot")
        )
    if problems:
        raise InvalidInput(problems)
    return f"{prefix}/{attempt}.{epoch}-{ordinal}/original.{extension}"


def key_epoch(key: str) -> int:
    """The number of the claim that wrote an object, as its key says; -1 for a foreign key."""
    match = _CLAIM.search(key)
    return int(match["epoch"]) if match else -1
