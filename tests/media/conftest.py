"""Small media files of every kind that VSL reads, made once in a run."""

from __future__ import annotations

import wave
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT, RATE, SECONDS = 160, 120, 25, 2
SAMPLE_RATE = 48000

IMAGES = ("png", "jpg", "webp", "gif", "avif", "tiff", "bmp")
ANIMATIONS = ("gif", "webp", "png", "avif")

# Name: video codec, audio codec, muxer, the muxer's options.
STREAMS: Mapping[str, tuple[str | None, str | None, str, dict[str, str]]] = {
    "video.mp4": ("libx264", "aac", "mp4", {}),
    "front.mp4": ("libx264", "aac", "mp4", {"movflags": "faststart"}),
    "parts.mp4": ("libx264", "aac", "mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "silent.mp4": ("mpeg4", None, "mp4", {}),
    "video.webm": ("libvpx-vp9", "libopus", "webm", {}),
    "video.mkv": ("libx264", "flac", "matroska", {}),
    "video.mov": ("libx264", "pcm_s16le", "mov", {}),
    "video.avi": ("mpeg4", "libmp3lame", "avi", {}),
    "sound.m4a": (None, "aac", "ipod", {}),
    "sound.mp4": (None, "aac", "mp4", {"movflags": "faststart"}),
    "sound.webm": (None, "libopus", "webm", {}),
    "sound.mka": (None, "flac", "matroska", {}),
    "sound.mp3": (None, "libmp3lame", "mp3", {}),
    "plain.mp3": (None, "libmp3lame", "mp3", {"write_xing": "0", "id3v2_version": "0"}),
    "sound.flac": (None, "flac", "flac", {}),
    "sound.ogg": (None, "libopus", "ogg", {}),
    "sound.aac": (None, "aac", "adts", {}),
    "sound.aiff": (None, "pcm_s16be", "aiff", {}),
    "sound.wav": (None, "pcm_s16le", "wav", {}),
}


def picture(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture that compresses neither to nothing nor not at all."""
    noise = np.random.default_rng(number).integers(0, 24, (HEIGHT, WIDTH, 3))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = np.stack([x + number * 7, y * 2, (x * y) // 64 + number], axis=-1)
    return np.asarray((waves + noise) % 256, dtype=np.uint8)


def tone(start: int, count: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    noise = np.random.default_rng(start).integers(-800, 800, count)
    wanted = np.sin(np.arange(start, start + count) * 2 * np.pi * 440 / SAMPLE_RATE) * 8000
    return np.asarray(wanted + noise, dtype=np.int16)


def write_streams(
    path: Path,
    video: str | None,
    audio: str | None,
    muxer: str,
    options: dict[str, str],
    *,
    seconds: int = SECONDS,
    rotation: int = 0,
) -> Path:
    with av.open(str(path), "w", format=muxer, options=options) as container:
        tracks: list[Any] = []
        if video:
            moving = container.add_stream(video, rate=RATE)
            assert isinstance(moving, av.VideoStream)
            moving.width, moving.height, moving.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            if rotation:
                moving.set_display_rotation(rotation)
            tracks.append(moving)
        if audio:
            sounding = container.add_stream(audio, rate=SAMPLE_RATE)
            assert isinstance(sounding, av.AudioStream)
            sounding.layout = "mono"
            tracks.append(sounding)
        count = SAMPLE_RATE // RATE
        for number in range(seconds * RATE):
            for track in tracks:
                frame: Any
                if isinstance(track, av.VideoStream):
                    frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                else:
                    samples = tone(number * count, count)[None]
                    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                    frame.sample_rate, frame.pts = SAMPLE_RATE, number * count
                    frame.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(track.encode(frame))
        for track in tracks:
            container.mux(track.encode(None))
    return path


@pytest.fixture(name="write_streams")
def write_streams_fixture() -> Callable[..., Path]:
    return write_streams


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Every sample by its name; the names of the files themselves say nothing."""
    folder = tmp_path_factory.mktemp("samples")
    made: dict[str, Path] = {}

    def place(name: str) -> Path:
        made[name] = folder / f"{len(made)}.bin"
        return made[name]

    formats = {"jpg": "jpeg"}
    pictures = [Image.fromarray(picture(number * 4)) for number in range(5)]
    for kind in IMAGES:
        pictures[0].save(place(f"image.{kind}"), format=formats.get(kind, kind))
    pictures[0].save(place("progressive.jpg"), format="jpeg", progressive=True)
    for kind in ANIMATIONS:
        pictures[0].save(
            place(f"moving.{kind}"),
            format=kind,
            save_all=True,
            append_images=pictures[1:],
            duration=100,
        )
    for name, (video, audio, muxer, options) in STREAMS.items():
        write_streams(place(name), video, audio, muxer, options)
    with wave.open(str(place("module.wav")), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(bytes(22050 * 4))
    return made
