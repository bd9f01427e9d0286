"""Reading what a Cog server answers. Pure functions.

Servers repeat input in their complaints (a prompt that is too long comes back whole): that is cut
out before anybody sees them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsl.domain.hiding import bounded, hide
from vsl.domain.provider import Prediction, PredictionStatus
from vsl.errors import ProviderError
from vsl.providers.source import split_output

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
    output, outputs = split_output(body.get("output") if status == "succeeded" else None)
    error = _error_text(body.get("error"), words) if status == "failed" else None
    provider_id = body.get("id")
    return Prediction(
        status=status,
        raw_status=raw_status,
        provider_id=provider_id if isinstance(provider_id, str) else None,
        outputs=outputs,
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
        error=f"the model refused the input: {bounded(text)}",
        retryable=False,
    )


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
