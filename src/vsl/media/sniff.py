"""What kind of file some first bytes begin.

The kind found here chooses the one decoder that may look at the file. FFmpeg's own guessing is
never used: it would take a text for a playlist and open the files and addresses that it names.
"""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

ImageKind = Literal["png", "jpeg", "gif", "webp", "avif", "tiff", "bmp"]
StreamKind = Literal["mov", "matroska", "avi", "wav", "aiff", "mp3", "flac", "ogg", "aac"]
Kind = ImageKind | StreamKind

IMAGE_KINDS: Final = frozenset[str](get_args(ImageKind))

# Bytes that `recognise` and `describe` want to see, where the file has as many.
HEAD: Final = 4096

_IMAGE_STARTS: Final[tuple[tuple[bytes, ImageKind], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_STREAM_STARTS: Final[tuple[tuple[bytes, StreamKind], ...]] = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
)
_RIFF: Final[dict[bytes, Kind]] = {b"WAVE": "wav", b"AVI ": "avi", b"WEBP": "webp"}
# The first box of files older than the ftyp box, and of fragments.
_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_IMAGE_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"})

_KNOWN_OTHERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x7fELF", "a program"),
    (b"#EXTM3U", "a playlist"),
    (b"<?xml", "XML"),
    (b"<svg", "an SVG drawing"),
    (b"FLV\x01", "a Flash video"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL", "a JPEG XL image"),
    (b"8BPS", "a Photoshop document"),
    (b"MThd", "a MIDI file"),
    (b"#!AMR", "AMR sound"),
    (b"0&\xb2u", "a Windows Media file"),
)
_HTML: Final = re.compile(rb"<(?:!doctype html|html|head|body|title|h1|p|center)\b", re.IGNORECASE)
_JSON: Final = re.compile(rb'[\[{]\s*(?:["{\[\]}]|-?\d|true|false|null)')


def recognise(head: bytes) -> Kind | None:
    """The kind of media file that ``head`` begins, or None when it is none that VSL accepts.

    ``head``: the file's first bytes, ``HEAD`` of them where there are so many; an ID3 tag in
    front is to be taken away before.
    """
    for start, image in _IMAGE_STARTS:
        if head.startswith(start):
            return image
    for start, stream in _STREAM_STARTS:
        if head.startswith(start):
            return stream
    if head[:4] in {b"RIFF", b"RF64"}:
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "aiff"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "bmp"
    if head[4:8] in _BOXES:
        return _iso_kind(head)
    return _sync_kind(head)


def brands(head: bytes) -> list[bytes]:
    """The brands of an ISO base media file (MP4, MOV, AVIF), the major one first."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]


def id3_size(head: bytes) -> int:
    """How many bytes an ID3 tag takes at the file's beginning; 0 without one."""
    if head[:3] != b"ID3" or len(head) < 10 or max(head[6:10]) > 127:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    footer = 10 if head[5] & 0x10 else 0
    return 10 + size + footer


def describe(head: bytes) -> str:
    """Words for what a file that is no media file looks like."""
    for start, words in _KNOWN_OTHERS:
        if head.startswith(start):
            return words
    if _HEIC_BRANDS.intersection(brands(head)[:1]):
        return "a HEIC image, which VSL does not read"
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    return _describe_text(head) or "bytes of no known kind"


def _describe_text(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.match(text) or b"<html" in text.lower():
        return "HTML"
    if _JSON.match(text):
        return "JSON"
    if text.startswith(b"<"):
        return "XML"
    # The last characters may be cut in two.
    for cut in range(4):
        try:
            decoded = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        printable = sum(character.isprintable() or character.isspace() for character in decoded)
        return "plain text" if decoded and printable == len(decoded) else None
    return None


def _iso_kind(head: bytes) -> Kind | None:
    names = brands(head)
    if _IMAGE_BRANDS.intersection(names):
        return "avif"
    if names and names[0] in _HEIC_BRANDS:
        return None
    return "mov"


def _sync_kind(head: bytes) -> StreamKind | None:
    """MPEG audio begins with eleven set bits, and AAC with twelve and a layer of zero."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    layer_2_or_3 = head[1] & 0x06 in {0x02, 0x04}
    has_version = head[1] & 0x18 != 0x08
    has_rates = head[2] & 0xF0 not in {0x00, 0xF0} and head[2] & 0x0C != 0x0C
    if head[1] & 0xE0 == 0xE0 and layer_2_or_3 and has_version and has_rates:
        return "mp3"
    return None
