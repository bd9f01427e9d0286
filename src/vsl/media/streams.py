"""Facts of audio and video files, measured by decoding them to the end with PyAV."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
from av import AudioFrame, AudioStream, CodecContext, Packet, VideoFrame, VideoStream
from av.container import InputContainer
from av.stream import Disposition, Stream

from vsl.domain.media import MediaFacts, MediaType
from vsl.errors import OutputInvalid
from vsl.media.expected import check_expected
from vsl.media.sniff import StreamKind, brands
from vsl.media.whole import cut_short

# 8192 x 8192, as for images; a decoder holds a dozen frames.
MAX_PIXELS: Final = 2**26
# Seconds and frames: six hours, and that at 60 frames a second with room to spare. Decoding
# takes minutes then; nothing that a model makes today comes near.
MAX_DURATION: Final = 6 * 60 * 60
MAX_FRAMES: Final = 2_000_000

# The share of packets of a self-synchronising stream that may be no sound.
MAX_SKIPPED: Final = 0.05

# Each thread of a decoder holds a frame of its own: memory, not speed, is the reason.
_THREADS: Final = min(4, os.cpu_count() or 1)

_AUDIO_TYPES: Final[dict[StreamKind, tuple[str, str]]] = {
    "mov": ("audio/mp4", "m4a"),
    "matroska": ("audio/x-matroska", "mka"),
    "avi": ("audio/x-msvideo", "avi"),
    "wav": ("audio/wav", "wav"),
    "aiff": ("audio/aiff", "aiff"),
    "mp3": ("audio/mpeg", "mp3"),
    "flac": ("audio/flac", "flac"),
    "ogg": ("audio/ogg", "ogg"),
    "aac": ("audio/aac", "aac"),
}
_VIDEO_TYPES: Final[dict[StreamKind, tuple[str, str]]] = {
    "mov": ("video/mp4", "mp4"),
    "matroska": ("video/x-matroska", "mkv"),
    "avi": ("video/x-msvideo", "avi"),
    "ogg": ("video/ogg", "ogv"),
}
# Streams of frames that each begin with a mark. What lies between them (tags at the end, the
# seams of files that were joined) is skipped by every player.
_SELF_SYNCHRONISING: Final = frozenset[StreamKind]({"mp3", "aac"})
# These tell no length that can be relied on: it is guessed from the bit rate, or, in a WAV that
# was written to a pipe, from a size that nobody knew.
_GUESSED: Final = frozenset[StreamKind]({"mp3", "aac", "wav"})

# A title that is not UTF-8 is no reason to refuse a song. PyAV 19 needs no asking.
_LENIENT: Final[dict[str, Any]] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)


@dataclass(slots=True)
class _Decoded:
    """What has come out of the decoders so far."""

    told: float | None = None
    packets: int = 0
    skipped: int = 0
    frames: int = 0
    samples: int = 0
    first: float | None = None
    end: float = 0.0
    width: int = 0
    height: int = 0

    def extend(self, start: float, length: float) -> None:
        self.first = start if self.first is None else min(self.first, start)
        self.end = max(self.end, start + length)

    @property
    def progress(self) -> str:
        of = f" of {self.told:.1f} s" if self.told else ""
        return f"decoded {self.seconds:.1f} s{of}"

    @property
    def seconds(self) -> float:
        """From the first frame to the end of the last; what lies before zero is not shown."""
        return self.end - max(self.first or 0.0, 0.0)


def measure_streams(
    path: Path, kind: StreamKind, size: int, head: bytes, expected: MediaType
) -> MediaFacts:
    """The facts of a whole audio or video file.

    Raises ``OutputInvalid`` for any other, and, before decoding, for one that is not as
    ``expected``. A video is what holds moving pictures: the cover of a song is none.
    """
    try:
        with av.open(
            str(path.absolute()),
            "r",
            format=kind,
            # A file may name other files and addresses; none is opened.
            container_options={"protocol_whitelist": "file"},
            **_LENIENT,
        ) as container:
            return _measure(container, kind, size, head, expected)
    except av.FFmpegError as error:
        raise OutputInvalid(f"the file is damaged: it cannot be read as {kind}") from error


def _measure(
    container: InputContainer, kind: StreamKind, size: int, head: bytes, expected: MediaType
) -> MediaFacts:
    video = next((s for s in container.streams.video if _moves(s)), None)
    audio = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise OutputInvalid("the file holds neither moving pictures nor sound")
    check_expected("audio" if video is None else "video", expected)
    told = _told(container, kind)
    if told is not None and told > MAX_DURATION:
        raise _too_long()
    decoded = _Decoded(told=told)
    _decode(container, kind, _prepare(video, audio), decoded, size)
    duration = _duration(kind, decoded)
    file_type, extension = _file_type(kind, head, video is not None)
    main = video or audio
    assert main is not None  # noqa: S101 - one of them is there, as was looked at above
    return MediaFacts(
        media_type="audio" if video is None else "video",
        file_type=file_type,
        extension=extension,
        file_size=size,
        duration=round(duration, 6),
        width=decoded.width or None,
        height=decoded.height or None,
        fps=None if video is None else _fps(video, decoded, duration),
        bitrate=round(size * 8 / duration),
        codec=_codec(main),
        details=_details(video, audio, decoded),
    )


def _moves(stream: VideoStream) -> bool:
    return not stream.disposition & Disposition.attached_pic


def _told(container: InputContainer, kind: StreamKind) -> float | None:
    """Seconds, as the file tells them; None when it does not."""
    if kind in _GUESSED or not container.duration or container.duration < 0:
        return None
    return container.duration / av.time_base


def _decode(
    container: InputContainer,
    kind: StreamKind,
    streams: Sequence[VideoStream | AudioStream],
    decoded: _Decoded,
    size: int,
) -> None:
    """Decode the streams to their end."""
    for packet in container.demux(*streams):
        decoded.packets += 1
        for frame in _frames(packet, kind, decoded, size):
            if isinstance(frame, AudioFrame):
                _count_sound(decoded, frame)
            elif isinstance(frame, VideoFrame):
                _count_picture(decoded, frame, packet.stream)
        if decoded.frames > MAX_FRAMES or decoded.seconds > MAX_DURATION:
            raise _too_long()
    if not decoded.seconds > 0:
        raise OutputInvalid("the file holds no frame that can be decoded")
    if decoded.skipped > decoded.packets * MAX_SKIPPED:
        raise OutputInvalid(
            f"the file is damaged: {decoded.skipped} of its {decoded.packets} packets "
            "cannot be decoded"
        )


def _prepare(
    video: VideoStream | None, audio: AudioStream | None
) -> list[VideoStream | AudioStream]:
    streams = [stream for stream in (video, audio) if stream is not None]
    for stream in streams:
        if _codec(stream) is None:
            raise OutputInvalid(f"the file's {stream.type} is of a kind that cannot be decoded")
    if video is not None:
        context = video.codec_context
        if context.width * context.height > MAX_PIXELS:
            raise OutputInvalid(
                f"the video is too large: {context.width} x {context.height} pixels, "
                f"at most {MAX_PIXELS:,} in all"
            )
        video.thread_type = "AUTO"
        context.thread_count = _THREADS
        # Holds for frames that grow in the middle, too.
        context.options = {"max_pixels": str(MAX_PIXELS)}
    return streams


def _frames(
    packet: Packet[Stream], kind: StreamKind, decoded: _Decoded, size: int
) -> Sequence[object]:
    """The packet's frames; raises ``OutputInvalid`` when it is broken."""
    try:
        frames = packet.decode()
    except av.InvalidDataError as error:
        if kind in _SELF_SYNCHRONISING:
            decoded.skipped += 1
            return []
        raise _broken(decoded, packet, size) from error
    # In a WAV without a known size the last packet is always shorter than FFmpeg hoped.
    if packet.is_corrupt and kind != "wav":
        raise _broken(decoded, packet, size)
    return frames


def _count_sound(decoded: _Decoded, frame: AudioFrame) -> None:
    start = decoded.samples / frame.sample_rate if frame.time is None else frame.time
    decoded.samples += frame.samples
    decoded.extend(start, frame.samples / frame.sample_rate)


def _count_picture(decoded: _Decoded, frame: VideoFrame, stream: Stream) -> None:
    rate = stream.average_rate
    length = float((frame.duration or 0) * (frame.time_base or 0))
    length = length or (float(1 / rate) if rate else 0.0)
    start = decoded.frames * length if frame.pts is None else frame.time
    if not decoded.frames:
        shown = frame.width, frame.height
        turned = frame.rotation % 180 != 0
        decoded.width, decoded.height = shown[::-1] if turned else shown
    decoded.frames += 1
    decoded.extend(start, length)


def _duration(kind: StreamKind, decoded: _Decoded) -> float:
    """Seconds: what the file tells, if what was decoded agrees, else what was decoded."""
    told = decoded.told
    if told is None:
        return decoded.seconds
    # Sound is padded to whole packets, and clocks are rounded; but FLAC counts its samples.
    tolerance = 0.01 if kind == "flac" else max(0.5, 0.05 * told)
    if told - decoded.seconds > tolerance:
        raise cut_short(decoded.progress)
    return told


def _broken(decoded: _Decoded, packet: Packet[Stream], size: int) -> OutputInvalid:
    if packet.pos is not None and packet.pos + packet.size >= size:
        return cut_short(decoded.progress)
    return OutputInvalid(
        f"the file is damaged: it cannot be decoded to its end, {decoded.progress}"
    )


def _too_long() -> OutputInvalid:
    return OutputInvalid(
        f"the file is too long: at most {MAX_DURATION // 3600} hours and {MAX_FRAMES:,} frames"
    )


def _fps(video: VideoStream, decoded: _Decoded, duration: float) -> float:
    rate = float(video.average_rate or 0)
    return round(rate or decoded.frames / duration, 6)


def _codec(stream: Stream) -> str | None:
    # PyAV's types do not say that the context is None for a codec that FFmpeg does not know.
    context: CodecContext | None = getattr(stream, "codec_context", None)
    return None if context is None else context.codec.canonical_name


def _details(
    video: VideoStream | None, audio: AudioStream | None, decoded: _Decoded
) -> dict[str, str | int | float]:
    details: dict[str, str | int | float] = {}
    if video is not None:
        details["frames"] = decoded.frames
        details["pixel_format"] = video.codec_context.pix_fmt or "unknown"
    if audio is not None:
        details["sample_rate"] = audio.codec_context.sample_rate
        details["channels"] = audio.codec_context.channels
        if video is not None:
            details["audio_codec"] = _codec(audio) or "unknown"
    return details


def _file_type(kind: StreamKind, head: bytes, has_video: bool) -> tuple[str, str]:
    if kind == "matroska" and b"webm" in head[:64]:
        return ("video/webm", "webm") if has_video else ("audio/webm", "webm")
    if kind == "mov" and has_video:
        major = (brands(head) or [b"qt  "])[0]
        if major == b"qt  ":
            return "video/quicktime", "mov"
        if major.startswith(b"3g"):
            return "video/3gpp", "3gp"
    return (_VIDEO_TYPES if has_video else _AUDIO_TYPES)[kind]
