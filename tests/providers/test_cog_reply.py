"""Reading a Cog server's words, and keeping the prompt out of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.domain.hiding import HIDDEN, MAX_ERROR, WINDOW, hidden_words, hide
from vsl.domain.provider import OutputSource
from vsl.providers.cog_reply import read_refusal, read_reply

PICTURE = "data:image/png;base64,AAECAw=="


@pytest.mark.parametrize(
    ("output", "kept", "files"),
    [
        (None, None, []),
        ("words", "words", []),
        ("data: is what we need, he said", "data: is what we need, he said", []),
        ("http://a b", "http://a b", []),
        ("http://host/a.png", "http://host/a.png", ["http://host/a.png"]),
        (PICTURE, {"data_url": "image/png", "bytes": 4}, [PICTURE]),
        ("data:,a%20b", {"data_url": "text/plain", "bytes": 3}, ["data:,a%20b"]),
        ([], [], []),
        (["a", " b"], ["a", " b"], []),
        (
            {"z": PICTURE, "a": [{"b": "https://h/x"}, 1.5, True]},
            {"z": {"data_url": "image/png", "bytes": 4}, "a": [{"b": "https://h/x"}, 1.5, True]},
            [PICTURE, "https://h/x"],
        ),
    ],
)
def test_outputs_are_found_in_order(output: object, kept: object, files: list[str]) -> None:
    prediction = read_reply({"status": "succeeded", "output": output, "id": "p1"})
    assert prediction.output == kept
    assert prediction.outputs == tuple(map(OutputSource, files))
    assert prediction.provider_id == "p1"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("starting", "processing"),
        ("processing", "processing"),
        ("canceled", "canceled"),
        ("cancelled", "canceled"),
    ],
)
def test_statuses(said: str, meant: str) -> None:
    prediction = read_reply({"status": said})
    assert (prediction.status, prediction.raw_status) == (meant, said)


@pytest.mark.parametrize(
    ("error", "told", "retryable"),
    [
        ("Prediction failed: Prediction failed: ValueError: no", "ValueError: no", False),
        ("Prediction failed: ", "Prediction failed:", False),
        ("Worker crashed", "Worker crashed", True),
        ("", "the model failed without saying why", False),
        (None, "the model failed without saying why", False),
        ("x" * 9999, "x" * (MAX_ERROR - 1) + "…", False),
    ],
)
def test_errors(error: object, told: str, retryable: bool) -> None:
    prediction = read_reply({"status": "failed", "error": error, "output": PICTURE})
    assert (prediction.error, prediction.retryable) == (told, retryable)
    assert prediction.outputs == ()


@pytest.mark.parametrize("metrics", [None, [], {"predict_time": "soon"}, {"other": 1}])
def test_metrics_that_say_nothing(metrics: object) -> None:
    assert read_reply({"status": "succeeded", "metrics": metrics}).processing_time is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"a red fox in the snow" is too long', f'"{HIDDEN}" is too long'),
        ("near 'red fox in th...'", f"near '{HIDDEN}...'"),
        ("cat is not a category", f"{HIDDEN} is not a category"),
        ("line one\\nline two!", f"{HIDDEN}!"),
        ("caf\\u00e9 au lait, please", f"{HIDDEN}, please"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_what_is_hidden(text: str, told: str) -> None:
    given_input = {
        "prompt": "a red fox in the snow",
        "more": ["cat", {"deep": "line one\nline two"}, "café au lait"],
        "number": 7,
    }
    assert hide(text, hidden_words(given_input)) == told


@given(
    prompt=st.text(min_size=WINDOW, max_size=60),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    form=st.sampled_from([str, json.dumps, repr]),
)
def test_no_long_part_of_a_prompt_survives(
    prompt: str, before: str, after: str, form: Callable[[str], str]
) -> None:
    words = hidden_words({"prompt": prompt})
    told = hide(before + form(prompt) + after, words)
    rest = [part for part in told.split(HIDDEN) if part]
    assert not any(
        part[at : at + WINDOW] in word
        for part in rest
        for word in words
        for at in range(len(part) - WINDOW + 1)
    )


def test_a_refusal_names_every_field() -> None:
    detail = [
        {"loc": ["body", "input", "width"], "msg": "65 is not a multiple of 2"},
        {"loc": ["body", "input", "tags", 3], "msg": "Field required"},
        {"msg": "odd"},
        {"loc": ["body", "input", "seed"]},
    ]
    assert read_refusal({"detail": detail}).error == (
        "the model refused the input: width: 65 is not a multiple of 2; tags.3: Field required; "
        "odd; seed: not acceptable"
    )
