"""Procedural pictures from a prompt and a seed: the image model that ships with VSL."""

import secrets
import tempfile
from pathlib import Path as LocalPath
from typing import Optional

from cog import BaseRunner, Input, Path
from painting import paint
from PIL import Image

# What each format is saved with. WebP's method 4 is Pillow's own default, said for clearness.
SAVE_OPTIONS: dict[str, dict[str, int | bool]] = {
    "png": {"compress_level": 4},
    "webp": {"quality": 90, "method": 4},
    "jpeg": {"quality": 92, "optimize": True},
}


class Runner(BaseRunner):
    """Paints a picture by arithmetic. It is procedural art, not a neural network.

    The words of the prompt choose the motif and the colours, and together with the seed every
    detail; the picture does not show what the prompt describes.
    """

    def setup(self) -> None:
        """Make the folder that the pictures are written to."""
        self.scratch = tempfile.TemporaryDirectory(prefix="image-")

    def run(
        self,
        prompt: str = Input(
            description="Words that choose the motif, the colours and every detail",
            min_length=1,
            max_length=4000,
        ),
        style: str = Input(
            description="The motif; auto lets the prompt choose",
            choices=["auto", "landscape", "flow", "nebula"],
            default="auto",
        ),
        width: int = Input(description="Width in pixels", default=768, ge=64, le=2048),
        height: int = Input(description="Height in pixels", default=512, ge=64, le=2048),
        output_format: str = Input(
            description="The file's format", choices=["png", "webp", "jpeg"], default="png"
        ),
        seed: Optional[int] = Input(  # noqa: UP045 - the form that every Cog version reads
            description="The same input and seed give the same picture; left out: any",
            default=None,
            ge=0,
            le=4294967295,
        ),
    ) -> Path:
        """Paint the picture and give back the file."""
        chosen = secrets.randbelow(2**32) if seed is None else seed
        self.record_metric("seed", chosen)
        folder = LocalPath(self.scratch.name)
        # The server reads the file after we return, so it can only be removed the next time.
        for old in folder.iterdir():
            old.unlink()
        target = folder / f"image.{output_format}"
        picture = Image.fromarray(paint(prompt, style, width, height, chosen))
        picture.save(target, format=output_format.upper(), **SAVE_OPTIONS[output_format])
        return Path(target)
