"""Procedural clips from a prompt and a seed: the video model that ships with VSL."""

import secrets
import tempfile
from fractions import Fraction
from pathlib import Path as LocalPath
from typing import Optional

import av
from cog import BaseRunner, Input, Path
from scene import Scene, choose

# H.264 at a quality that keeps soft gradients free of blocks, fast enough for one core. The
# colours are tagged, so that players need not guess. One thread: the same bytes on every machine.
ENCODER = {
    "crf": "19",
    "preset": "veryfast",
    "threads": "1",
    "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709",
}


class Runner(BaseRunner):
    """Animates a picture by arithmetic. It is procedural art, not a neural network.

    The words of the prompt choose the motif and the colours, and together with the seed every
    detail; the clip does not show what the prompt describes. The answer is an MP4 file
    (H.264, yuv420p, without sound) that starts to play before it is loaded whole.
    """

    def setup(self) -> None:
        """Make the folder that the clips are written to."""
        self.scratch = tempfile.TemporaryDirectory(prefix="video-")

    def run(
        self,
        prompt: str = Input(
            description="Words that choose the motif, the colours and every detail",
            min_length=1,
            max_length=4000,
        ),
        style: str = Input(
            description="The motif; auto lets the prompt choose",
            choices=["auto", "horizon", "currents"],
            default="auto",
        ),
        seconds: float = Input(description="Length in seconds", default=3.0, ge=1.0, le=10.0),
        fps: int = Input(description="Frames a second", default=24, ge=8, le=60),
        width: int = Input(description="Width in pixels, even", default=640, ge=64, le=1920),
        height: int = Input(description="Height in pixels, even", default=360, ge=64, le=1080),
        seed: Optional[int] = Input(  # noqa: UP045 - the form that every Cog version reads
            description="The same input and seed give the same clip; left out: any",
            default=None,
            ge=0,
            le=4294967295,
        ),
    ) -> Path:
        """Draw every frame, encode it, and give back the file."""
        if width % 2 or height % 2:
            raise ValueError("width and height must be even numbers")
        chosen = secrets.randbelow(2**32) if seed is None else seed
        self.record_metric("seed", chosen)
        # The server reads the file after we return, so it can only be removed the next time.
        target = LocalPath(self.scratch.name) / "video.mp4"
        target.unlink(missing_ok=True)
        scene = choose(prompt, style, width, height, chosen)
        _encode(scene, target, round(seconds * fps), fps, width, height)
        return Path(target)


def _encode(
    scene: Scene, target: LocalPath, frames: int, fps: int, width: int, height: int
) -> None:
    with av.open(str(target), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, fps)
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(scene.frame(number / fps), format="rgb24")
            frame = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
