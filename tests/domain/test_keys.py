"""Storage keys: safe, injective, reversible."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.domain.keys import MAX_SEGMENT, decode_segment, encode_segment, job_prefix, object_key
from vsl.domain.media import MEDIA_TYPES
from vsl.errors import InvalidInput

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAFE = re.compile(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*")

# Any text, lone surrogates and control characters included, and the shapes that break paths.
texts = st.one_of(
    st.text(st.characters(), min_size=1, max_size=40),
    st.text(st.sampled_from("./\\%~\0\n aä"), min_size=1, max_size=12),
    st.text(min_size=1, max_size=8).map(lambda part: part * 60),
)


def key(**changes: Any) -> str:
    parts: dict[str, Any] = {
        "media_type": "image",
        "user_id": "ann",
        "created_at": NOON,
        "job_id": "job-1",
        "attempt": 1,
        "epoch": 57,
        "ordinal": 0,
        "extension": "png",
    }
    return object_key(**(parts | changes))


def test_a_key_reads_as_documented() -> None:
    assert key() == "images/ann/2026/11/23/job-1/1.57-0/original.png"
    assert key(media_type="video", extension="mp4").startswith("videos/ann/")
    assert key(media_type="audio", extension="wav").startswith("audio/ann/")


def test_a_key_starts_with_its_jobs_prefix() -> None:
    prefix = job_prefix(media_type="image", user_id="a/b", created_at=NOON, job_id="job-1")
    assert prefix == "images/a%2Fb/2026/11/23/job-1"
    assert key(user_id="a/b").startswith(prefix + "/")


def test_the_day_is_taken_in_utc() -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert "/2026/11/24/" in key(created_at=late)


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        (".", "%2E"),
        ("..", "%2E."),
        (".incoming", "%2Eincoming"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("a\0b", "a%00b"),
        ("50%", "50%25"),
        ("~x", "%7Ex"),
        ("ä b", "%C3%A4%20b"),
        ("ann@example.org", "ann%40example.org"),
        ("x" * 255, "x" * 255),
    ],
)
def test_segments_by_example(text: str, segment: str) -> None:
    assert encode_segment(text) == segment
    assert decode_segment(segment) == text


@given(texts)
def test_a_segment_is_one_safe_name(text: str) -> None:
    segment = encode_segment(text)
    assert SAFE.fullmatch(segment)
    assert len(segment.encode()) <= MAX_SEGMENT
    assert segment not in {".", ".."}
    assert PurePosixPath(segment).parts == (segment,)


@given(texts)
def test_a_segment_that_was_not_shortened_is_reversible(text: str) -> None:
    segment = encode_segment(text)
    assert decode_segment(segment) == (None if "~" in segment else text)


@given(texts, texts)
def test_different_texts_have_different_segments(one: str, other: str) -> None:
    assert (encode_segment(one) == encode_segment(other)) == (one == other)


@given(st.integers(min_value=0, max_value=40))
def test_long_texts_are_shortened_without_meeting(extra: int) -> None:
    text = "ü" * 43 + "x" * extra
    segment = encode_segment(text)
    assert ("~" in segment) == (43 * 6 + extra > MAX_SEGMENT)
    assert segment != encode_segment(text + "y")
    # A cut escape such as "%C" would not be a name that other tools can decode.
    assert re.fullmatch(r"(?:%[0-9A-F]{2}|[A-Za-z0-9._-])*(?:~[0-9a-f]{64})?", segment)


def test_a_shortened_segment_is_not_the_segment_of_its_own_text() -> None:
    segment = encode_segment("x" * 10_000)
    assert len(segment) == MAX_SEGMENT
    assert encode_segment(segment) != segment


@given(
    st.sampled_from(MEDIA_TYPES),
    texts,
    texts,
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
        allow_imaginary=False,
    ),
    st.tuples(st.integers(0, 99), st.integers(0, 2**63), st.integers(0, 99)),
)
def test_every_key_has_eight_safe_parts(
    media_type: Any, user: str, job: str, created: datetime, numbers: tuple[int, int, int]
) -> None:
    attempt, epoch, ordinal = numbers
    made = key(
        media_type=media_type,
        user_id=user,
        job_id=job,
        created_at=created,
        attempt=attempt,
        epoch=epoch,
        ordinal=ordinal,
    )
    parts = made.split("/")
    assert len(parts) == 8
    assert all(SAFE.fullmatch(part) for part in parts)
    assert decode_segment(parts[1]) in {user, None}
    assert parts[6] == f"{attempt}.{epoch}-{ordinal}"
    # S3 allows 1024 bytes.
    assert len(made) < 700


def test_two_claims_never_share_a_key() -> None:
    numbers = [(1, 12, 0), (11, 2, 0), (1, 1, 20), (1, 120, 0), (1, 12, 1)]
    keys = {key(attempt=a, epoch=e, ordinal=o) for a, e, o in numbers}
    assert len(keys) == len(numbers)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"user_id": ""}, {"user_id"}),
        ({"user_id": "", "job_id": ""}, {"user_id", "job_id"}),
        ({"created_at": datetime(2026, 1, 1)}, {"created_at"}),  # noqa: DTZ001
        ({"media_type": "text"}, {"media_type"}),
        ({"attempt": -1, "epoch": -1, "ordinal": -1}, {"attempt", "epoch", "ordinal"}),
        ({"extension": ""}, {"extension"}),
        ({"extension": ".png"}, {"extension"}),
        ({"extension": "../png"}, {"extension"}),
        ({"extension": "png\n"}, {"extension"}),
    ],
)
def test_bad_parts_are_named(changes: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        key(**changes)
    assert {problem.field for problem in caught.value.problems} == fields


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(InvalidInput):
        encode_segment("")
