"""Small real media files, each made once."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
from PIL import Image


def _picture(number: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 3, y * 4, (x * y + number * 40) % 256], axis=-1).astype(np.uint8)


@cache
def image(number: int = 0, kind: str = "png") -> bytes:
    """A still image of 64 x 48 pixels; other numbers, other bytes."""
    file = io.BytesIO()
    Image.fromarray(_picture(number)).save(file, format=kind)
    return file.getvalue()


@cache
def animation(kind: str) -> bytes:
    """Four frames of a tenth of a second each, as an image file."""
    frames = [Image.fromarray(_picture(number)) for number in range(4)]
    file = io.BytesIO()
    frames[0].save(file, format=kind, save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


@cache
def sound() -> bytes:
    """A quarter of a second of sound."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(range(250)) * 16)
    return file.getvalue()


@cache
def video() -> bytes:
    """Half a second of pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(_picture(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
