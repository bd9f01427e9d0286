"""What VSL knows about a media file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

MediaType = Literal["video", "image", "audio"]
MEDIA_TYPES: tuple[MediaType, ...] = get_args(MediaType)


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """Facts measured from the bytes of one whole, decodable media file.

    file_type: MIME type, such as ``image/png``. extension: without the dot, such as ``png``.
    file_size: bytes. duration: seconds; None for a still image. width, height: pixels of the
    first frame as shown (rotation applied); None for audio. fps: frames a second; None unless
    video. bitrate: bits a second over the whole file; None for images. codec: of the main
    stream, as FFmpeg or Pillow names it. details: further facts, such as channels and sample_rate.
    """

    media_type: MediaType
    file_type: str
    extension: str
    file_size: int
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    bitrate: int | None = None
    codec: str | None = None
    details: dict[str, str | int | float] = field(default_factory=dict)
