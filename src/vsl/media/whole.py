"""Whether a file has every byte that its own structure speaks of.

Decoders forgive a missing end: FFmpeg plays an MP3, an AVI, a WAV or a WebM that was cut in the
middle without a word, and Pillow shows a PNG without its last chunk. The sizes written in the
files do not forgive. Kinds that are not here (JPEG, TIFF, BMP, FLAC) are told by their decoders.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable
from typing import Final

from vsl.errors import OutputInvalid
from vsl.media.sniff import Kind, id3_size

Data = mmap.mmap | bytes

# Sizes from here on are what programs write that cannot go back to fill in the real one.
_UNKNOWN_SIZE: Final = 0x7FFF0000
_CRC_STEP: Final = 1024 * 1024

_BOXES: Final = frozenset(
    b"ftyp moov mdat moof mfra free skip wide uuid meta udta sidx styp pdin emsg prft".split()
)
_SEGMENT: Final = b"\x18\x53\x80\x67"
_LONGEST_OGG_PAGE: Final = 27 + 255 + 255 * 255

# Kilobits a second by the four bits of an MPEG audio header: MPEG 1 layers II and III, then both
# layers of MPEG 2 and 2.5. Nobody writes layer I.
_RATES_1: Final[dict[int, tuple[int, ...]]] = {
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_RATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES: Final = (44100, 48000, 32000)
# No MPEG audio frame is longer; what is missing below this, the walk over the frames finds.
_LONGEST_MPEG_FRAME: Final = 2881


def check_whole(data: Data, kind: Kind) -> None:
    """Raises ``OutputInvalid`` when the file's structure says that bytes are missing."""
    check = _CHECKS.get(kind)
    if check is not None:
        check(data)


def cut_short(what: str) -> OutputInvalid:
    """The error for a file whose end is missing."""
    return OutputInvalid(f"the file is cut short: {what}")


def _need(data: Data, size: int) -> None:
    if size > len(data):
        raise cut_short(f"{len(data):,} of at least {size:,} bytes are there")


def _big(data: Data, at: int, size: int = 4) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: Data, at: int, size: int = 4) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _png(data: Data) -> None:
    at = 8
    name = b""
    while name != b"IEND":
        _need(data, at + 12)
        length, name = _big(data, at), data[at + 4 : at + 8]
        end = at + 8 + length
        _need(data, end + 4)
        checksum = 0
        for part in range(at + 4, end, _CRC_STEP):
            checksum = zlib.crc32(data[part : min(part + _CRC_STEP, end)], checksum)
        if checksum != _big(data, end):
            raise OutputInvalid(f"the file is damaged: a checksum is wrong at byte {at:,}")
        at = end + 4


def _gif(data: Data) -> None:
    _need(data, 14)
    at = 13 + _gif_colours(data[10])
    while True:
        _need(data, at + 2)
        mark = data[at]
        if mark == 0x2C:  # an image: its place, its colours, one byte, its blocks
            _need(data, at + 11)
            at += 11 + _gif_colours(data[at + 9])
        elif mark == 0x21:  # an extension: its label, its blocks
            at += 2
        else:
            return
        while True:
            _need(data, at + 2)
            length = data[at]
            at += 1 + length
            if not length:
                break
        if data[at : at + 1] == b";":
            return


def _gif_colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _boxes(data: Data) -> None:
    """MP4, MOV, M4A and AVIF: boxes up to the end, one of which is the index."""
    at = 0
    seen = set()
    while at + 8 <= len(data):
        length, name = _big(data, at), data[at + 4 : at + 8]
        if length == 1:
            length = _big(data, at + 8, 8)
        elif length == 0:
            seen.add(name)
            break
        if name not in _BOXES or length < 8:
            # Some programs leave padding behind the last box.
            break
        _need(data, at + length)
        seen.add(name)
        at += length
    if not seen & {b"moov", b"meta"}:
        raise cut_short("its index, which this file has at its end, is missing")


def _matroska(data: Data) -> None:
    header, at = _vint(data, 4)
    at += header or 0
    if data[at : at + 4] != _SEGMENT:
        return
    length, start = _vint(data, at + 4)
    if length is not None:
        _need(data, start + length)


def _vint(data: Data, at: int) -> tuple[int | None, int]:
    """An EBML number, None for the one that means unknown; and where what follows begins."""
    _need(data, at + 1)
    width = 9 - data[at].bit_length()
    _need(data, at + width)
    bits = 7 * width
    value = _big(data, at, width) & (1 << bits) - 1
    return (None if value == (1 << bits) - 1 else value), at + width


def _avi(data: Data) -> None:
    at = 0
    while data[at : at + 4] == b"RIFF":
        length = _little(data, at + 4)
        if not 0 < length < _UNKNOWN_SIZE:
            return
        _need(data, at + 8 + length)
        at += 8 + length + length % 2


def _webp(data: Data) -> None:
    _need(data, 8 + _little(data, 4))


def _wav(data: Data) -> None:
    at = 12
    large = 0
    while at + 8 <= len(data):
        name, length = data[at : at + 4], _little(data, at + 4)
        if name == b"ds64":
            large = _little(data, at + 16, 8)
        elif name == b"data":
            if large and length == 0xFFFFFFFF:
                _need(data, at + 8 + large)
            elif length < _UNKNOWN_SIZE:
                _need(data, at + 8 + length)
            return
        at += 8 + length + length % 2
    raise cut_short("its sound is missing")


def _aiff(data: Data) -> None:
    length = _big(data, 4)
    if 0 < length < _UNKNOWN_SIZE:
        _need(data, 8 + length)


def _ogg(data: Data) -> None:
    """The last page is complete and marked as the last."""
    at = data.rfind(b"OggS\0", max(0, len(data) - 2 * _LONGEST_OGG_PAGE))
    if at < 0:
        raise cut_short("its last page is missing")
    _need(data, at + 27)
    lacing = at + 27 + data[at + 26]
    _need(data, lacing)
    _need(data, lacing + sum(data[at + 27 : lacing]))
    if not data[at + 5] & 0x04:
        raise cut_short("the mark of its end is missing")


def _aac(data: Data) -> None:
    at = id3_size(data[:10])
    while at + 7 <= len(data) and data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0:
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if length < 7:
            return
        _need(data, at + length)
        at += length


def _mp3(data: Data) -> None:
    at = id3_size(data[:10])
    _need(data, at + 4)
    head = data[at : at + 200]
    tag = max(head.find(b"Xing"), head.find(b"Info"))
    if tag > 0:
        tag += at
        _need(data, tag + 16)
        if data[tag + 7] & 2:
            # The size of all frames follows the flags, and their number if that is there.
            size = _big(data, tag + (12 if data[tag + 7] & 1 else 8))
            _need(data, at + size - _LONGEST_MPEG_FRAME)
    while length := _mpeg_frame(data[at : at + 4]):
        _need(data, at + length)
        at += length


def _mpeg_frame(header: bytes) -> int:
    """The length of the MPEG audio frame that begins with ``header``; 0 when none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, sample, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer not in _RATES_1 or rate in {0, 15} or sample == 3:
        return 0
    bits = (_RATES_1[layer] if version == 3 else _RATES_2)[rate] * 1000
    hertz = _SAMPLE_RATES[sample] // {3: 1, 2: 2, 0: 4}[version]
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


_CHECKS: Final[dict[Kind, Callable[[Data], None]]] = {
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "avif": _boxes,
    "mov": _boxes,
    "matroska": _matroska,
    "avi": _avi,
    "wav": _wav,
    "aiff": _aiff,
    "mp3": _mp3,
    "ogg": _ogg,
    "aac": _aac,
}
