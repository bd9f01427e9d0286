"""Putting Replicate's calls together, and recognising a prediction in its list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.domain.provider import PredictionRequest
from vsl.errors import ProviderError
from vsl.providers.replicate_call import (
    LARGEST_INLINE,
    build_call,
    cancel_after,
    is_too_large,
    large_files,
    with_addresses,
)
from vsl.providers.replicate_match import Verdict, judge, may_be_input, uploaded_files, window
from vsl.providers.source import data_url

VERSION = "ab" * 32
SINCE = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SMALL = data_url(b"x" * LARGEST_INLINE, "image/png")
LARGE = data_url(b"x" * (LARGEST_INLINE + 1), "image/png")
WHEN = window(
    SINCE, skew=timedelta(0), margin=timedelta(seconds=60), horizon=timedelta(seconds=180)
)


def request(configuration: dict[str, Any], timeout: float = 60, **given: Any) -> PredictionRequest:
    return PredictionRequest(
        prediction_id=uuid4(),
        model_id="flux",
        configuration=configuration,
        input=given or {"prompt": "a heron", "seed": 7},
        timeout=timeout,
    )


FLUX = {"owner": "black-forest-labs", "name": "flux-schnell", "version": None, "deployment": None}


@pytest.mark.parametrize(
    ("configuration", "path", "version"),
    [
        (FLUX, "/predictions", "black-forest-labs/flux-schnell"),
        ({**FLUX, "version": VERSION}, "/predictions", VERSION),
        ({"version": VERSION}, "/predictions", VERSION),
        ({"version": f"a/b:{VERSION}"}, "/predictions", VERSION),
        ({**FLUX, "deployment": "me/mine"}, "/deployments/me/mine/predictions", None),
        ({"owner": "me", "deployment": "mine"}, "/deployments/me/mine/predictions", None),
    ],
)
def test_what_runs_and_where(configuration: dict[str, Any], path: str, version: str | None) -> None:
    asked = request(configuration)
    call = build_call(asked, asked.input)
    assert call.path == path
    expected = {"input": {"prompt": "a heron", "seed": 7}}
    assert call.body == (expected if version is None else {**expected, "version": version})
    assert call.headers == {"Cancel-After": "60s"}
    assert "heron" not in repr(call)


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"owner": "a"},
        {"name": "b"},
        {"owner": "a", "name": "b/../c"},
        {"owner": "..", "name": "b"},
        {"version": "latest"},
        {"version": VERSION.upper()},
        {"version": 5},
        {"deployment": "alone"},
        {"deployment": "a/b/c"},
        {"owner": "a?x", "name": "b"},
    ],
)
def test_what_cannot_run_is_refused(configuration: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="the model flux cannot run at Replicate") as caught:
        build_call(request(configuration), {})
    assert not caught.value.retryable


def test_a_callback_address_goes_along() -> None:
    asked = request({**FLUX, "webhook": "https://vsl.example/webhooks/replicate/token"})
    call = build_call(asked, asked.input)
    assert call.body["webhook"] == "https://vsl.example/webhooks/replicate/token"
    assert call.body["webhook_events_filter"] == ["start", "completed"]


@given(st.floats(min_value=0, max_value=1e6))
def test_a_deadline_is_never_before_the_time_that_is_given(seconds: float) -> None:
    header = cancel_after(seconds)
    assert header.endswith("s")
    assert seconds <= int(header[:-1]) <= max(seconds + 1, 1)


def test_only_large_data_urls_are_uploaded() -> None:
    assert not is_too_large(SMALL)
    assert is_too_large(LARGE)
    assert not is_too_large("https://example.com/" + "x" * 300_000)
    assert not is_too_large("a very long prompt " * 30_000)
    value = {"image": LARGE, "more": [SMALL, {"mask": LARGE + "="}], "n": 4}
    assert list(large_files(value)) == [LARGE, LARGE + "="]
    replaced = with_addresses(value, {LARGE: "https://files/1", LARGE + "=": "https://files/2"})
    assert replaced == {
        "image": "https://files/1",
        "more": [SMALL, {"mask": "https://files/2"}],
        "n": 4,
    }


# --- the list ----------------------------------------------------------------------------------


def item(**more: Any) -> dict[str, Any]:
    return {
        "id": "p1",
        "status": "succeeded",
        "model": "black-forest-labs/flux-schnell",
        "version": "hidden",
        "source": "api",
        "created_at": "2026-11-23T12:00:01.000000Z",
        "input": {"prompt": "a heron", "seed": 7},
        **more,
    }


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, "possible"),
        ({"model": "Black-Forest-Labs/flux-schnell"}, "possible"),
        ({"model": "black-forest-labs/flux-dev"}, "other"),
        ({"model": None}, "possible"),
        ({"source": "web"}, "other"),
        ({"created_at": "2026-11-23T11:58:59Z"}, "other"),
        ({"created_at": "2026-11-23T11:59:30Z"}, "possible"),
        ({"created_at": "2026-11-23T12:03:01Z"}, "other"),
        ({"created_at": None}, "possible"),
        ({"input": {"prompt": "a heron", "seed": 8}}, "other"),
        ({"input": {"prompt": "a heron", "seed": 7, "n": 1}}, "other"),
        ({"input": {"prompt": "a heron"}}, "other"),
        ({"input": {}, "data_removed": True}, "possible"),
        ({"input": None, "data_removed": True}, "possible"),
        ({"input": {"prompt": "a heron", "seed": 8}, "data_removed": True}, "other"),
    ],
)
def test_who_can_be_the_lost_one(more: dict[str, Any], verdict: Verdict) -> None:
    assert judge(item(**more), request(FLUX), WHEN) == verdict


@pytest.mark.parametrize(
    ("configuration", "more", "verdict"),
    [
        ({"version": VERSION}, {"version": VERSION}, "possible"),
        ({"version": VERSION}, {"version": "cd" * 32}, "other"),
        ({"version": VERSION}, {"version": "hidden"}, "possible"),
        ({**FLUX, "version": VERSION}, {"version": "dp-1", "model": "a/b"}, "other"),
        ({"deployment": "me/mine"}, {"deployment": "me/mine", "model": "a/b"}, "possible"),
        ({"deployment": "me/mine"}, {"deployment": "mine", "model": "a/b"}, "possible"),
        ({"deployment": "me/mine"}, {"deployment": "other"}, "other"),
        ({"deployment": "me/mine"}, {}, "possible"),
    ],
)
def test_models_versions_and_deployments(
    configuration: dict[str, Any], more: dict[str, Any], verdict: Verdict
) -> None:
    assert judge(item(**more), request(configuration), WHEN) == verdict


def test_a_callback_address_that_comes_back_settles_it() -> None:
    asked = request({**FLUX, "webhook": "https://vsl.example/w/1"})
    other_input = {"prompt": "something else"}
    mine = item(webhook="https://vsl.example/w/1", input=other_input)
    assert judge(mine, asked, WHEN) == "ours"
    assert judge(item(webhook="https://vsl.example/w/2"), asked, WHEN) == "other"
    assert judge(item(webhook=None), asked, WHEN) == "possible"
    assert judge(item(webhook="https://vsl.example/w/2"), request(FLUX), WHEN) == "possible"


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_wrong_only_widens_the_time(hours: int) -> None:
    skew = timedelta(hours=hours)
    wide = window(SINCE, skew=skew, margin=timedelta(0), horizon=timedelta(minutes=3))
    for moment in (SINCE, SINCE + skew):
        assert wide.begin <= moment <= wide.end
    assert wide.end - wide.begin == timedelta(hours=3, minutes=3)


def test_a_file_may_have_become_an_address() -> None:
    sent = {"prompt": "a heron", "images": [SMALL, "https://a/b.png"]}
    echoed = {"prompt": "a heron", "images": ["https://files/1", "https://a/b.png"]}
    assert may_be_input(sent, echoed)
    assert uploaded_files(sent, echoed) == [(SMALL, "https://files/1")]
    assert not may_be_input({"prompt": "a heron"}, {"prompt": "https://files/1"})
    assert not may_be_input({"image": "https://a/b.png"}, {"image": "https://files/1"})


@pytest.mark.parametrize(
    ("sent", "echoed", "same"),
    [(1, 1.0, True), (1, True, False), (True, 1, False), (0, False, False), (0.5, 0.5, True),
     (None, None, True), ([1], [1, 2], False), ([1, 2], [1, 2], True), ("1", 1, False),
     ({"a": None}, {}, False)],
)  # fmt: skip
def test_values_are_the_same_only_as_json_has_it(sent: Any, echoed: Any, same: bool) -> None:
    assert may_be_input(sent, echoed) is same


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_every_input_is_the_same_as_itself(value: Any) -> None:
    assert may_be_input(value, value)
    assert uploaded_files(value, value) == []
