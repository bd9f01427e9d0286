"""Facts of images, measured by decoding every frame with Pillow."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vsl.domain.media import MediaFacts
from vsl.errors import OutputInvalid
from vsl.media.sniff import ImageKind
from vsl.media.whole import cut_short

# 8192 x 8192. Decoding holds one frame in memory: a quarter of a gigabyte at this size.
MAX_PIXELS: Final = 2**26
# A small file can hold endless frames of one colour; these bound the time that decoding takes to
# about a minute.
MAX_FRAMES: Final = 10_000
MAX_PIXELS_OF_ALL_FRAMES: Final = 2**33

# The classes themselves and not Image.open: it would try every format there is, and prints a
# warning about large images before anybody can look at their size.
_OPENERS: Final[dict[ImageKind, Callable[..., ImageFile]]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "gif": GifImageFile,
    "webp": WebPImageFile,
    "avif": AvifImageFile,
    "tiff": TiffImageFile,
    "bmp": BmpImageFile,
}
_EXTENSIONS: Final[dict[ImageKind, str]] = {"jpeg": "jpg"}
_TURNED: Final = frozenset({5, 6, 7, 8})
_ORIENTATION: Final = 0x0112

# What it says there about broken files is in our own error.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

# Pillow warns through the process-wide module, whose state only one thread at a time may swap.
_QUIET: Final = threading.Lock()


def measure_image(path: Path, kind: ImageKind, size: int) -> MediaFacts:
    """The facts of a whole image file; raises ``OutputInvalid`` for any other.

    An animated image stays an image; its number of frames is in ``details``, its duration in
    seconds where the file tells it.
    """
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as file, _OPENERS[kind](file) as image:
                return _facts(image, kind, size)
    except OutputInvalid:
        raise
    # Pillow's readers raise nearly every kind of error there is for broken files.
    except Exception as error:
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise cut_short("its pixels end before the image does") from error
        raise OutputInvalid(f"the file is damaged: it cannot be read as {kind.upper()}") from error


def _facts(image: ImageFile, kind: ImageKind, size: int) -> MediaFacts:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise OutputInvalid(
            f"the image is too large: {width} x {height} pixels, at most {MAX_PIXELS:,} in all"
        )
    image.load()
    # After loading: some readers turn the picture by themselves and then say so.
    width, height = image.size
    if image.getexif().get(_ORIENTATION) in _TURNED:
        width, height = height, width
    mode = image.mode
    frames, milliseconds = _read_frames(image)
    details: dict[str, str | int | float] = {"mode": mode}
    if frames > 1:
        details["frames"] = frames
    return MediaFacts(
        media_type="image",
        file_type=f"image/{kind}",
        extension=_EXTENSIONS.get(kind, kind),
        file_size=size,
        duration=milliseconds / 1000 if frames > 1 and milliseconds > 0 else None,
        width=width,
        height=height,
        codec=kind,
        details=details,
    )


def _read_frames(image: Image.Image) -> tuple[int, float]:
    """Decode all frames; how many there are, and how long they last in milliseconds."""
    frames, milliseconds = 1, _milliseconds(image)
    pixels = image.width * image.height
    while True:
        try:
            image.seek(frames)
        except EOFError:
            return frames, milliseconds
        image.load()
        frames += 1
        milliseconds += _milliseconds(image)
        pixels += image.width * image.height
        if image.width * image.height > MAX_PIXELS:
            raise OutputInvalid("the image is too large: one of its frames")
        if frames > MAX_FRAMES or pixels > MAX_PIXELS_OF_ALL_FRAMES:
            raise OutputInvalid(
                f"the image is too large: more than {MAX_FRAMES:,} frames, or "
                f"{MAX_PIXELS_OF_ALL_FRAMES:,} pixels in all frames"
            )


def _milliseconds(image: Image.Image) -> float:
    return float(image.info.get("duration") or 0)
