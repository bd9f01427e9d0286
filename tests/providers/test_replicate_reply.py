"""Reading Replicate's answers: every status and shape of output, and every way to say "later"."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.domain.hiding import hidden_words
from vsl.errors import ProviderError
from vsl.providers.replicate_reply import (
    DEFAULT_WAIT,
    LONGEST_WAIT,
    SHORTEST_WAIT,
    problem_words,
    read_http_date,
    read_prediction,
    read_retry_after,
    read_time,
    says_nothing_made,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
FILE = "https://replicate.delivery/x/out.png"


def body(status: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {"id": "p1", "status": status, **more}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("starting", "processing"),
        ("processing", "processing"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("aborted", "canceled"),
    ],
)
def test_every_known_status(raw: str, status: str) -> None:
    prediction = read_prediction(body(raw))
    assert (prediction.status, prediction.raw_status) == (status, raw)
    assert prediction.provider_id == "p1"


def test_a_status_not_yet_invented_goes_on_until_it_has_an_end() -> None:
    going = read_prediction(body("pondering", completed_at=None, output=[FILE]))
    assert (going.status, going.raw_status, going.outputs) == ("processing", "pondering", ())
    ended = read_prediction(body("evaporated", completed_at="2026-11-23T12:00:00Z"))
    assert (ended.status, ended.raw_status) == ("failed", "evaporated")
    assert ended.error == "Replicate ended it as 'evaporated', which VSL does not know"
    said = read_prediction(body("evaporated", completed_at="x", error="too hot"))
    assert said.error == "Replicate ended it as 'evaporated': too hot"


@pytest.mark.parametrize(
    ("output", "urls", "kept"),
    [
        (FILE, [FILE], FILE),
        ([FILE, FILE + "2"], [FILE, FILE + "2"], [FILE, FILE + "2"]),
        (
            {"video": FILE, "parts": [{"audio": FILE + "a"}], "n": 3, "text": "a heron"},
            [FILE, FILE + "a"],
            {"video": FILE, "parts": [{"audio": FILE + "a"}], "n": 3, "text": "a heron"},
        ),
        (
            ["data:image/png;base64,AAAA"],
            ["data:image/png;base64,AAAA"],
            [{"data_url": "image/png", "bytes": 3}],
        ),
        ("just words", [], "just words"),
        (["a", "b"], [], ["a", "b"]),
        (None, [], None),
        (7, [], 7),
    ],
)
def test_every_shape_of_output(output: Any, urls: list[str], kept: Any) -> None:
    prediction = read_prediction(body(output=output))
    assert [source.url for source in prediction.outputs] == urls
    assert prediction.output == kept


def test_output_counts_only_once_it_has_succeeded() -> None:
    # A blocking call may show all of it while the status still says processing.
    assert read_prediction(body("processing", output=[FILE])).outputs == ()


def test_an_output_that_was_removed_is_a_failure_that_keeps_its_word() -> None:
    prediction = read_prediction(body(output=None, data_removed=True, input={}))
    assert (prediction.status, prediction.raw_status) == ("failed", "succeeded")
    assert prediction.error == "Replicate has removed the outputs: they are kept for an hour"
    assert not prediction.retryable


def test_an_error_is_told_without_the_input() -> None:
    words = hidden_words({"prompt": "a small boat on a large lake"})
    prediction = read_prediction(
        body("failed", error="NSFW content in: a small boat on a large lake (E005)"), words
    )
    assert prediction.error == "NSFW content in: [input] (E005)"
    assert not prediction.retryable
    assert read_prediction(body("failed")).error == "the model failed without saying why"
    as_object = read_prediction(body("failed", error={"detail": "no memory"}))
    assert as_object.error == "no memory"


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ("Prediction interrupted; please retry (code: PA)", True),
        ("Timeout starting prediction (E6716)", True),
        ("unknown error (E1000)", True),
        ("Service is busy. Try again later.", True),
        ("CUDA out of memory (E1001)", False),
        ("The input was flagged as sensitive (E005)", False),
    ],
)
def test_which_failures_may_pass(error: str, retryable: bool) -> None:
    assert read_prediction(body("failed", error=error)).retryable is retryable


def test_times_and_metrics() -> None:
    metrics = {"predict_time": 1.5, "image_output_count": 1, "resolution_target": "720p"}
    prediction = read_prediction(body(metrics=metrics))
    assert prediction.processing_time == 1.5
    assert prediction.metrics == metrics
    times = {"started_at": "2026-11-23T12:00:00.5Z", "completed_at": "2026-11-23T12:00:03Z"}
    assert read_prediction(body("canceled", **times)).processing_time == 2.5
    backwards = {"started_at": times["completed_at"], "completed_at": times["started_at"]}
    for nothing in ({}, {"metrics": {"predict_time": True}}, {"metrics": "?"}, backwards):
        assert read_prediction(body(**nothing)).processing_time is None


@pytest.mark.parametrize(
    "answer",
    [None, [], "x", {}, {"id": "p1"}, {"id": 1, "status": "failed"}, {"id": "", "status": "x"},
     {"id": "../account", "status": "x"}, {"id": "p1", "status": ""}, {"id": "p1", "status": 4}],
)  # fmt: skip
def test_what_is_no_prediction_is_refused(answer: Any) -> None:
    with pytest.raises(ProviderError, match="not a prediction"):
        read_prediction(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(
    status=st.text(min_size=1),
    more=st.dictionaries(
        st.sampled_from(
            ["output", "error", "metrics", "completed_at", "started_at", "data_removed", "input"]
        ),
        json_values,
    ),
)
def test_anything_beside_id_and_status_can_be_read(status: str, more: dict[str, Any]) -> None:
    prediction = read_prediction({"id": "p1", "status": status, **more}, ("a secret prompt",))
    assert prediction.raw_status == status[:100]
    assert prediction.status in ("processing", "succeeded", "failed", "canceled")
    assert prediction.processing_time is None or prediction.processing_time >= 0
    assert (prediction.error is None) == (prediction.status != "failed")


def test_an_output_nested_without_end_can_be_read() -> None:
    deep: Any = FILE
    for _ in range(400):
        deep = [deep]
    assert read_prediction(body(output=deep)).outputs == ()


# --- problems ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ({"title": "Bad", "detail": "No such size", "status": 422}, "Bad: No such size"),
        ({"detail": "Request was throttled."}, "Request was throttled."),
        ({"detail": [{"loc": ["input", "n"], "msg": "too large"}]}, "too large"),
        ({"title": "Same", "detail": "Same"}, "Same"),
        ({"error": "why"}, "why"),
        ({"status": 500}, None),
        ("<html>", None),
        (None, None),
    ],
)
def test_problems_are_read_leniently(problem: Any, said: str | None) -> None:
    assert problem_words(problem) == said


def test_a_problem_is_told_without_the_input() -> None:
    words = hidden_words({"prompt": "a prompt nobody may see"})
    problem = {"detail": "- input.prompt: 'a prompt nobody may see' is too long"}
    assert problem_words(problem, words) == "- input.prompt: '[input]' is too long"


@pytest.mark.parametrize(
    ("problem", "nothing"),
    [
        ({"detail": "Overloaded: no prediction was created."}, True),
        ({"detail": "The prediction was not created."}, True),
        ({"detail": "Something went wrong."}, False),
        ({"detail": "Timeout while the prediction was created."}, False),
        (None, False),
    ],
)
def test_only_plain_words_say_that_nothing_was_made(problem: Any, nothing: bool) -> None:
    assert says_nothing_made(problem) is nothing


# --- how long to wait --------------------------------------------------------------------------

LOW_CREDIT = (
    "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per"
    " minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit"
    " resets in ~8s."
)


@pytest.mark.parametrize(
    ("headers", "answer", "seconds"),
    [
        ({}, {"detail": LOW_CREDIT, "status": 429, "retry_after": 5}, 5),
        ({}, {"detail": LOW_CREDIT}, 8),
        ({}, {"retry_after": "12.5"}, 12.5),
        ({"Retry-After": "7"}, {"detail": "Request was throttled."}, 7),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, None, 9),
        ({"Retry-After": "2026-11-23T12:00:20Z"}, None, 20),
        ({"Retry-After": format_datetime(NOW - timedelta(days=1), usegmt=True)}, None, 1),
        ({"ratelimit-reset": "11", "ratelimit-remaining": "0"}, {}, 11),
        ({"ratelimit-reset": str(int(NOW.timestamp()) + 42)}, {}, 42),
        ({"Retry-After": "soon", "ratelimit-reset": "13"}, {}, 13),
        ({}, {"detail": "Expected available in 1 second."}, 1),
        ({}, {"detail": "Try again after 1m30s"}, 90),
        ({}, {"detail": "resets in about 2 minutes"}, 120),
        ({}, {"detail": "resets in 1500 ms"}, 1.5),
        ({}, {"detail": "You may make 600 requests per minute."}, DEFAULT_WAIT),
        ({}, {"retry_after": True}, DEFAULT_WAIT),
        ({}, {"retry_after": -4}, DEFAULT_WAIT),
        ({}, {"retry_after": 1e300}, LONGEST_WAIT),
        ({}, {"retry_after": 0}, SHORTEST_WAIT),
        ({}, None, DEFAULT_WAIT),
    ],
)
def test_every_shape_of_a_throttle_answer(
    headers: dict[str, str], answer: Any, seconds: float
) -> None:
    assert read_retry_after(httpx.Headers(headers), answer, NOW) == pytest.approx(seconds)


@given(
    header=st.text(st.characters(codec="latin-1", exclude_characters="\r\n")), answer=json_values
)
def test_a_wait_is_always_sensible(header: str, answer: Any) -> None:
    headers = {"retry-after": header, "ratelimit-reset": header}
    given_answer = {"retry_after": answer, "detail": f"in {header} {json.dumps(header)}s"}
    wait = read_retry_after(headers, given_answer, NOW)
    assert SHORTEST_WAIT <= wait <= LONGEST_WAIT


def test_times_that_are_none() -> None:
    assert read_time("yesterday") is None
    assert read_time(5) is None
    assert read_time("2026-11-23T12:00:00") == NOW
    assert read_http_date("Mon, 99 Nov 2026") is None
    assert read_http_date(None) is None
    assert read_http_date("Mon, 23 Nov 2026 12:00:00 GMT") == NOW
