"""Reading what a Cog server answers. Pure functions.

Servers repeat input in their complaints (a prompt that is too long comes back whole). Such words
go into rows and logs, where no prompt may be: so every stretch of them that the input's own
strings contain is cut out first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vsl.domain.provider import OutputSource, Prediction, PredictionStatus
from vsl.errors import ProviderError
from vsl.providers.source import is_output_url, parse_data_url

MAX_ERROR = 2000  # characters
HIDDEN = "[input]"
MAX_WORD, MAX_FILE_WORD = 200_000, 1000  # characters of an input string that are looked for
WINDOW = 10  # characters in a row that an error and an input may not share

_STATUSES: dict[str, PredictionStatus] = {
    "starting": "processing",
    "processing": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
    "cancelled": "canceled",
}

# The server's own prefix for what a model raised; it comes once or twice.
_PREFIX = "Prediction failed: "

# Failures of the server, not of the model: another attempt may well succeed. What a model raised
# is not repeated, since the same input and seed would most likely raise it again.
_SERVER_FAULTS = ("Worker crashed", "Internal error", "Failed to create output dir")


def read_reply(body: Any, words: tuple[str, ...] = ()) -> Prediction:
    """What a server said about a prediction, from the JSON of its answer.

    words: the input's strings (``hidden_words``), to be cut out of an error.
    Raises ``ProviderError`` when the body is no prediction.
    """
    raw_status = body.get("status") if isinstance(body, Mapping) else None
    status = _STATUSES.get(raw_status) if isinstance(raw_status, str) else None
    if status is None or not isinstance(raw_status, str):
        raise ProviderError(
            "the server's answer is not a prediction: it has no status that Cog knows",
            hint="is it the address of a Cog server?",
        )
    metrics = body.get("metrics")
    metrics = metrics if isinstance(metrics, Mapping) else {}
    took = metrics.get("predict_time")
    outputs: list[OutputSource] = []
    output = _without_bytes(body.get("output"), outputs) if status == "succeeded" else None
    error = _error_text(body.get("error"), words) if status == "failed" else None
    provider_id = body.get("id")
    return Prediction(
        status=status,
        raw_status=raw_status,
        provider_id=provider_id if isinstance(provider_id, str) else None,
        outputs=tuple(outputs),
        output=output,
        error=error,
        retryable=error is not None and error.startswith(_SERVER_FAULTS),
        processing_time=float(took) if isinstance(took, int | float) else None,
        metrics=dict(metrics),
    )


def read_refusal(body: Any, words: tuple[str, ...] = ()) -> Prediction:
    """The failed prediction that a 422 stands for: which inputs are wrong, and why."""
    detail = body.get("detail") if isinstance(body, Mapping) else None
    if isinstance(detail, str):
        problems = [hide(detail, words)]
    elif isinstance(detail, list):
        problems = [_problem(entry, words) for entry in detail if isinstance(entry, Mapping)]
    else:
        error = body.get("error") if isinstance(body, Mapping) else None
        problems = [hide(error, words)] if isinstance(error, str) else []
    text = "; ".join(problem for problem in problems if problem) or "no reason given"
    return Prediction(
        status="failed",
        raw_status="failed",
        error=f"the model refused the input: {_bounded(text)}",
        retryable=False,
    )


def hidden_words(value: Any) -> tuple[str, ...]:
    """Every string in an input, in each of the forms that an error may repeat it in."""
    forms: set[str] = set()
    for whole in _strings(value):
        # Looking through megabytes takes long, and a file is no prompt.
        text = whole[: MAX_FILE_WORD if whole.startswith("data:") else MAX_WORD]
        forms.update(
            (
                text,
                json.dumps(text)[1:-1],
                json.dumps(text, ensure_ascii=False)[1:-1],
                repr(text)[1:-1],
            )
        )
    return tuple(sorted(forms, key=len, reverse=True))


def hide(text: str, words: tuple[str, ...]) -> str:
    """The text without the input: no whole string of it, and no longer part of one."""
    for word in words:
        # Whole first: quick, and the reason that stands behind a long one is then not cut off.
        if len(word) >= WINDOW:
            text = text.replace(word, HIDDEN)
    text = _bounded(text)
    kept: list[str] = []
    at = 0
    while at < len(text):
        end = _longest_shared(text, at, words)
        kept.append(HIDDEN if end > at else text[at])
        at = max(end, at + 1)
    result = "".join(kept)
    for word in words:
        if 2 < len(word) < WINDOW:
            # A short one only where it stands alone: "cat" is not to be cut out of "category".
            result = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", HIDDEN, result)
    return result


def _longest_shared(text: str, at: int, words: tuple[str, ...]) -> int:
    """The end of the longest stretch from ``at`` that some word contains, or ``at``."""
    best = at
    for word in words:
        end = at + WINDOW
        while end <= len(text) and text[at:end] in word:
            best = max(best, end)
            end += 1
    return best


def _problem(entry: Mapping[str, Any], words: tuple[str, ...]) -> str:
    """One entry of a 422: ``{"loc": ["body", "input", "seed"], "msg": "…"}``."""
    location = entry.get("loc")
    parts = [str(part) for part in location] if isinstance(location, list) else []
    names = [part for part in parts if part not in ("body", "input")]
    message = entry.get("msg")
    reason = hide(message, words) if isinstance(message, str) else "not acceptable"
    return f"{'.'.join(names)}: {reason}" if names else reason


def _error_text(error: Any, words: tuple[str, ...]) -> str:
    if not isinstance(error, str) or not error.strip():
        return "the model failed without saying why"
    text = error.strip()
    while text.startswith(_PREFIX) and len(text) > len(_PREFIX):
        text = text.removeprefix(_PREFIX)
    return hide(text, words)


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_ERROR else text[: MAX_ERROR - 1] + "…"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _strings(part)


def _without_bytes(value: Any, outputs: list[OutputSource]) -> Any:
    """The output value fit for a row; every file found on the way is added to ``outputs``."""
    if isinstance(value, str):
        if not is_output_url(value):
            return value
        outputs.append(OutputSource(value))
        data = parse_data_url(value)
        return value if data is None else {"data_url": data.mime, "bytes": data.size}
    if isinstance(value, Mapping):
        return {str(key): _without_bytes(part, outputs) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_bytes(part, outputs) for part in value]
    return value
