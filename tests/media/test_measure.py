"""Facts of whole files, and the refusal of all others."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vsl.domain.media import MEDIA_TYPES, MediaFacts, MediaType
from vsl.errors import OutputInvalid, StoreError
from vsl.media import pictures, streams
from vsl.media.measure import measure

Samples = Mapping[str, Path]

# Name: MIME type, extension, codec.
IMAGE_FACTS = {
    "image.png": ("image/png", "png", "png"),
    "image.jpg": ("image/jpeg", "jpg", "jpeg"),
    "progressive.jpg": ("image/jpeg", "jpg", "jpeg"),
    "image.webp": ("image/webp", "webp", "webp"),
    "image.gif": ("image/gif", "gif", "gif"),
    "image.avif": ("image/avif", "avif", "avif"),
    "image.tiff": ("image/tiff", "tiff", "tiff"),
    "image.bmp": ("image/bmp", "bmp", "bmp"),
    "moving.gif": ("image/gif", "gif", "gif"),
    "moving.webp": ("image/webp", "webp", "webp"),
    "moving.png": ("image/png", "png", "png"),
    "moving.avif": ("image/avif", "avif", "avif"),
}
VIDEO_FACTS = {
    "video.mp4": ("video/mp4", "mp4", "h264"),
    "front.mp4": ("video/mp4", "mp4", "h264"),
    "parts.mp4": ("video/mp4", "mp4", "h264"),
    "silent.mp4": ("video/mp4", "mp4", "mpeg4"),
    "video.webm": ("video/webm", "webm", "vp9"),
    "video.mkv": ("video/x-matroska", "mkv", "h264"),
    "video.mov": ("video/quicktime", "mov", "h264"),
    "video.avi": ("video/x-msvideo", "avi", "mpeg4"),
}
AUDIO_FACTS = {
    "sound.m4a": ("audio/mp4", "m4a", "aac"),
    "sound.mp4": ("audio/mp4", "m4a", "aac"),
    "sound.webm": ("audio/webm", "webm", "opus"),
    "sound.mka": ("audio/x-matroska", "mka", "flac"),
    "sound.mp3": ("audio/mpeg", "mp3", "mp3"),
    "plain.mp3": ("audio/mpeg", "mp3", "mp3"),
    "sound.flac": ("audio/flac", "flac", "flac"),
    "sound.ogg": ("audio/ogg", "ogg", "opus"),
    "sound.aac": ("audio/aac", "aac", "aac"),
    "sound.aiff": ("audio/aiff", "aiff", "pcm_s16be"),
    "sound.wav": ("audio/wav", "wav", "pcm_s16le"),
}
TYPES: dict[str, MediaType] = {
    **dict.fromkeys(IMAGE_FACTS, "image"),
    **dict.fromkeys(VIDEO_FACTS, "video"),
    **dict.fromkeys(AUDIO_FACTS, "audio"),
}

# Nothing but frames, one after the other: cut between two of them, they are whole.
BARE_FRAMES = {"sound.aac", "plain.mp3"}


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """The reason for which these bytes are refused."""

    def reason(data: bytes, expected: MediaType = "image") -> str:
        path = tmp_path / "file.png"
        path.write_bytes(data)
        with pytest.raises(OutputInvalid) as caught:
            measure(path, expected)
        assert str(tmp_path) not in caught.value.message
        return caught.value.message

    return reason


@pytest.mark.parametrize("name", IMAGE_FACTS)
def test_images(samples: Samples, name: str) -> None:
    facts = measure(samples[name], "image")
    assert (facts.file_type, facts.extension, facts.codec) == IMAGE_FACTS[name]
    assert facts.media_type == "image"
    assert facts.file_size == samples[name].stat().st_size
    assert (facts.width, facts.height) == (160, 120)
    assert facts.fps is None
    assert facts.bitrate is None
    moves = name.startswith("moving")
    assert facts.details.get("frames") == (5 if moves else None)
    assert facts.duration == (pytest.approx(0.5) if moves else None)


@pytest.mark.parametrize("name", VIDEO_FACTS)
def test_videos(samples: Samples, name: str) -> None:
    facts = measure(samples[name], "video")
    assert (facts.file_type, facts.extension, facts.codec) == VIDEO_FACTS[name]
    assert facts.media_type == "video"
    assert (facts.width, facts.height, facts.fps) == (160, 120, 25)
    assert facts.duration == pytest.approx(2, abs=0.1)
    assert facts.bitrate == round(facts.file_size * 8 / (facts.duration or 0))
    assert facts.details["frames"] == 50
    assert facts.details["pixel_format"] == "yuv420p"
    if name != "silent.mp4":
        assert facts.details["sample_rate"] == 48000
        assert facts.details["channels"] == 1
        assert facts.details["audio_codec"]


@pytest.mark.parametrize("name", AUDIO_FACTS)
def test_sound(samples: Samples, name: str) -> None:
    facts = measure(samples[name], "audio")
    assert (facts.file_type, facts.extension, facts.codec) == AUDIO_FACTS[name]
    assert facts.media_type == "audio"
    assert (facts.width, facts.height, facts.fps) == (None, None, None)
    assert facts.duration == pytest.approx(2, abs=0.05)
    assert facts.bitrate
    assert facts.details == {"sample_rate": 48000, "channels": 1}


def test_a_wav_of_the_standard_library(samples: Samples) -> None:
    facts = measure(samples["module.wav"], "audio")
    assert facts == MediaFacts(
        media_type="audio",
        file_type="audio/wav",
        extension="wav",
        file_size=44 + 22050 * 4,
        duration=1.0,
        bitrate=(44 + 22050 * 4) * 8,
        codec="pcm_s16le",
        details={"sample_rate": 22050, "channels": 2},
    )


@pytest.mark.parametrize("name", TYPES)
def test_another_type_than_expected(samples: Samples, name: str) -> None:
    words = {"image": "an image", "video": "a video", "audio": "sound"}
    for expected in MEDIA_TYPES:
        if expected != TYPES[name]:
            with pytest.raises(OutputInvalid) as caught:
                measure(samples[name], expected)
            found = f"{words[TYPES[name]]} where {words[expected]} was expected"
            assert caught.value.message == found


@pytest.mark.parametrize("percent", [3, 30, 60, 95])
@pytest.mark.parametrize("name", [*sorted(TYPES.keys() - BARE_FRAMES), "module.wav"])
def test_a_file_that_is_cut(
    samples: Samples, refused: Callable[..., str], name: str, percent: int
) -> None:
    whole = samples[name].read_bytes()
    reason = refused(whole[: len(whole) * percent // 100], TYPES.get(name, "audio"))
    # Before its first sound, FLAC has nothing to measure a cut against.
    assert "cut short" in reason or (name, percent) == ("sound.flac", 3)


@pytest.mark.parametrize("name", TYPES)
def test_a_file_without_its_last_byte(
    samples: Samples, refused: Callable[..., str], name: str
) -> None:
    assert "cut short" in refused(samples[name].read_bytes()[:-1], TYPES[name])


@pytest.mark.parametrize("name", sorted(BARE_FRAMES))
def test_bare_frames_that_are_cut(samples: Samples, tmp_path: Path, name: str) -> None:
    whole = samples[name].read_bytes()
    path = tmp_path / "cut"
    cuts = range(len(whole) // 3, len(whole), 101)
    told = 0
    for size in cuts:
        path.write_bytes(whole[:size])
        try:
            facts = measure(path, "audio")
        except OutputInvalid:
            told += 1
        else:
            assert facts.duration == pytest.approx(2 * size / len(whole), rel=0.1)
    assert told > len(cuts) * 0.9


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(TYPES.keys() - BARE_FRAMES)),
    share=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_a_file_that_is_cut_anywhere(
    samples: Samples, refused: Callable[..., str], name: str, share: float
) -> None:
    whole = samples[name].read_bytes()
    assert refused(whole[: int(len(whole) * share)], TYPES[name])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(list(TYPES)),
    share=st.floats(min_value=0, max_value=1, exclude_max=True),
    noise=st.binary(min_size=1, max_size=64),
)
def test_a_damaged_file_is_measured_or_refused_but_never_breaks_us(
    samples: Samples, tmp_path: Path, name: str, share: float, noise: bytes
) -> None:
    whole = bytearray(samples[name].read_bytes())
    at = int(len(whole) * share)
    whole[at : at + len(noise)] = noise
    path = tmp_path / "damaged"
    path.write_bytes(whole)
    found = TYPES[name]
    with contextlib.suppress(OutputInvalid):
        found = measure(path, TYPES[name]).media_type
    assert found == TYPES[name]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_video_whose_boxes_were_made_to_fit(
    samples: Samples, refused: Callable[..., str], share: float
) -> None:
    """Nothing but decoding can tell: the index in front speaks of two seconds."""
    whole = samples["front.mp4"].read_bytes()
    part = bytearray(whole[: int(len(whole) * share)])
    box = whole.index(b"mdat") - 4
    part[box : box + 4] = (len(part) - box).to_bytes(4, "big")
    reason = refused(bytes(part), "video")
    assert reason.startswith("the file is cut short: decoded ")
    assert reason.endswith(" of 2.0 s")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>", "looks like HTML"),
        (b"\xef\xbb\xbf  <HTML><HEAD>", "looks like HTML"),
        (b'{"detail": "not found"}', "looks like JSON"),
        (b"[1, 2]", "looks like JSON"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "looks like XML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "looks like an SVG drawing"),
        ("Fehler: nicht möglich".encode() * 300, "looks like plain text"),
        (b"%PDF-1.7\n", "looks like a PDF document"),
        (b"PK\x03\x04" + bytes(50), "looks like a ZIP archive"),
        (b"\x00\x00\x00\x1cftypheic" + bytes(16), "looks like a HEIC image"),
        (bytes(5000), "looks like nothing but zero bytes"),
        (b"\x93\x01\xfe\x80" * 40, "looks like bytes of no known kind"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "looks like a playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "looks like plain text"),
        (b"RIFF\x24\x00\x00\x00ACON", "of no known kind"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
        (b"ID3\x04\0\0\0\x7f\0\0", "cut short"),
        (b"\xff\xfb\x90\x64" + bytes(40) + b"Info", "cut short"),
        (b"\xff\xd8\xff" + bytes(400), "cannot be read as JPEG"),
        (b"\xff\xfb\x90\x64" + bytes(range(256)) * 20, "cannot be read as mp3"),
    ],
)
def test_what_is_no_media_file(refused: Callable[..., str], data: bytes, words: str) -> None:
    assert words in refused(data, "audio" if data[1:2] == b"\xfb" else "image")


def test_a_wrong_checksum_in_a_png(samples: Samples, refused: Callable[..., str]) -> None:
    data = bytearray(samples["image.png"].read_bytes())
    data[len(data) // 2] ^= 1
    assert "checksum" in refused(bytes(data))


def test_noise_inside_a_video(samples: Samples, refused: Callable[..., str]) -> None:
    data = bytearray(samples["front.mp4"].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8000] = bytes(8000)
    assert "is damaged" in refused(bytes(data), "video")


def test_a_codec_that_nobody_knows(samples: Samples, refused: Callable[..., str]) -> None:
    data = samples["front.mp4"].read_bytes().replace(b"avc1", b"xxxx")
    assert "video is of a kind that cannot be decoded" in refused(data, "video")


def test_a_file_without_picture_or_sound(tmp_path: Path, refused: Callable[..., str]) -> None:
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x22\x56\0\0\x44\xac\0\0\2\0\x10\0")
    assert "its sound is missing" in refused(empty.read_bytes(), "audio")
    no_samples = empty.read_bytes() + b"data\0\0\0\0"
    assert "no frame that can be decoded" in refused(no_samples, "audio")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        measure(tmp_path / "missing", "image")


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_a_wav_that_was_written_to_a_pipe(samples: Samples, tmp_path: Path, size: bytes) -> None:
    data = bytearray(samples["sound.wav"].read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = size
    path = tmp_path / "piped"
    path.write_bytes(data)
    assert measure(path, "audio").duration == 2.0


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(99), bytes(3000)])
@pytest.mark.parametrize("name", ["sound.mp3", "plain.mp3"])
def test_what_may_follow_an_mp3(samples: Samples, tmp_path: Path, name: str, tail: bytes) -> None:
    path = tmp_path / "song"
    path.write_bytes(samples[name].read_bytes() + tail)
    assert measure(path, "audio").duration == pytest.approx(2, abs=0.05)


def test_mp3s_that_were_joined_as_bytes(samples: Samples, tmp_path: Path) -> None:
    path = tmp_path / "joined"
    path.write_bytes(samples["sound.mp3"].read_bytes() * 3)
    assert measure(path, "audio").duration == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("name", ["sound.flac", "sound.aac", "plain.mp3"])
def test_a_tag_in_front(samples: Samples, tmp_path: Path, name: str) -> None:
    path = tmp_path / "tagged"
    path.write_bytes(b"ID3\x04\0\0\0\0\x30\0" + bytes(0x30 << 7) + samples[name].read_bytes())
    assert measure(path, "audio").file_type == AUDIO_FACTS[name][0]


def test_a_title_that_is_not_utf8(samples: Samples, tmp_path: Path) -> None:
    data = samples["module.wav"].read_bytes()
    title = b"LIST\x12\0\0\0INFOINAM\x06\0\0\0M\xfcller"
    path = tmp_path / "titled"
    path.write_bytes(
        data[:4] + (len(data) - 8 + len(title)).to_bytes(4, "little") + data[8:] + title
    )
    assert measure(path, "audio").duration == 1.0


def test_a_song_with_a_cover_is_sound(tmp_path: Path, samples: Samples) -> None:
    path = tmp_path / "song"
    with (
        av.open(str(samples["sound.flac"])) as source,
        av.open(str(path), "w", format="flac") as target,
    ):
        sound = target.add_stream_from_template(source.streams.audio[0])
        cover = target.add_stream("mjpeg", rate=1)
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 160, 120, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame(160, 120, "yuvj420p")
        target.mux(cover.encode(picture))
        target.mux(cover.encode(None))
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                target.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video
    facts = measure(path, "audio")
    assert (facts.media_type, facts.file_type, facts.width) == ("audio", "audio/flac", None)


@pytest.mark.parametrize(("rotation", "size"), [(90, (120, 160)), (180, (160, 120))])
def test_a_turned_video(
    write_streams: Any, tmp_path: Path, rotation: int, size: tuple[int, int]
) -> None:
    path = write_streams(tmp_path / "v", "libx264", None, "mp4", {}, seconds=1, rotation=rotation)
    facts = measure(path, "video")
    assert (facts.width, facts.height) == size


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (60, 40)), (3, (60, 40)), (6, (40, 60))])
def test_a_turned_image(tmp_path: Path, kind: str, orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (60, 40), "red").save(tmp_path / "i", format=kind, exif=exif)
    facts = measure(tmp_path / "i", "image")
    assert (facts.width, facts.height) == size


def test_an_image_with_too_many_pixels(tmp_path: Path) -> None:
    # 20 kilobytes that would fill 400 megabytes; above Pillow's own limit for warnings, too.
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb", format="png")
    with pytest.raises(OutputInvalid, match="too large: 20000 x 20000 pixels"):
        measure(tmp_path / "bomb", "image")


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_FRAMES", 4), ("MAX_PIXELS_OF_ALL_FRAMES", 50000)]
)
@pytest.mark.parametrize("kind", ["gif", "webp", "png", "avif"])
def test_an_animation_with_too_many_frames(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, kind: str, limit: str, value: int
) -> None:
    monkeypatch.setattr(pictures, limit, value)
    with pytest.raises(OutputInvalid, match="too large"):
        measure(samples[f"moving.{kind}"], "image")


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MAX_PIXELS", 160 * 119, "too large"),
        ("MAX_DURATION", 1, "too long"),
        ("MAX_FRAMES", 49, "too long"),
    ],
)
def test_a_video_above_the_limits(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str
) -> None:
    monkeypatch.setattr(streams, limit, value)
    with pytest.raises(OutputInvalid, match=words):
        measure(samples["video.mp4"], "video")


def test_sound_above_the_limit_that_tells_no_length(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_DURATION", 1)
    with pytest.raises(OutputInvalid, match="too long"):
        measure(samples["sound.aac"], "audio")


def test_nothing_is_printed(
    samples: Samples, refused: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    for name, media_type in TYPES.items():
        measure(samples[name], media_type)
        whole = samples[name].read_bytes()
        refused(whole[: len(whole) // 2], media_type)
    assert capfd.readouterr() == ("", "")


def test_pillows_own_words_are_not_printed(
    samples: Samples, refused: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    data = samples["image.tiff"].read_bytes()
    samples_per_pixel = b"\x15\x01\x03\x00\x01\x00\x00\x00\x03"
    assert samples_per_pixel in data
    assert "damaged" in refused(data.replace(samples_per_pixel, samples_per_pixel[:-1] + b"\xff"))
    assert capfd.readouterr() == ("", "")


def test_file_handles_are_given_back(samples: Samples, refused: Callable[..., str]) -> None:
    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - its entries vanish while looked at

    def measure_all() -> None:
        for name, media_type in TYPES.items():
            measure(samples[name], media_type)
            refused(samples[name].read_bytes()[:-9], media_type)

    measure_all()
    before = open_files()
    measure_all()
    assert open_files() == before


def test_many_threads_at_once(samples: Samples) -> None:
    names = [*TYPES] * 3
    gate = threading.Barrier(4)

    def work(part: int) -> list[MediaFacts]:
        gate.wait(30)
        return [measure(samples[name], TYPES[name]) for name in names[part::4]]

    with ThreadPoolExecutor(4) as pool:
        found = [facts for part in pool.map(work, range(4)) for facts in part]
    assert len(found) == len(names)
    assert {facts.media_type for facts in found} == set(MEDIA_TYPES)
