"""Facts of a media file, measured from its bytes and never from its name."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import cast

from vsl.domain.media import MediaFacts, MediaType
from vsl.errors import OutputInvalid, StoreError
from vsl.media.expected import check_expected
from vsl.media.pictures import measure_image
from vsl.media.sniff import HEAD, IMAGE_KINDS, ImageKind, StreamKind, describe, id3_size, recognise
from vsl.media.streams import measure_streams
from vsl.media.whole import check_whole, cut_short


def measure(path: Path, expected: MediaType) -> MediaFacts:
    """Decode the file to its end and say what it is.

    Raises ``OutputInvalid`` when the file is empty, cut short, damaged, larger than the limits of
    ``pictures`` and ``streams``, no media file, or not of the type that is expected; and
    ``StoreError`` when it cannot be read. Blocks while it decodes: call it in a thread. The
    file must not change meanwhile.
    """
    try:
        head, inner, size = _first_bytes(path)
        if not size:
            raise OutputInvalid("the file is empty")
        kind = recognise(inner)
        if kind is None:
            raise OutputInvalid(f"not a media file that VSL reads: it looks like {describe(head)}")
        if kind in IMAGE_KINDS:
            check_expected("image", expected)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            check_whole(data, kind)
        if kind in IMAGE_KINDS:
            return measure_image(path, cast(ImageKind, kind), size)
        return measure_streams(path, cast(StreamKind, kind), size, head, expected)
    except OSError as error:
        raise StoreError(f"the file to be measured cannot be read: {error.strerror}") from error


def _first_bytes(path: Path) -> tuple[bytes, bytes, int]:
    """The file's first bytes, those behind an ID3 tag if it begins with one, and its size."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        tag = id3_size(head)
        inner = head
        size = path.stat().st_size
        if tag:
            if tag >= size:
                raise cut_short("there is nothing behind its tag")
            file.seek(tag)
            inner = file.read(HEAD)
        return head, inner, size
