"""Reading what Replicate answers: predictions, problems, and how long to wait. Pure functions.

Problems are RFC 7807 JSON, with fewer members than that at times (a throttle answer has only
``detail``), so everything is read leniently. Words of others go through ``hide`` first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vsl.domain.hiding import bounded, hide
from vsl.domain.provider import Prediction, PredictionStatus
from vsl.errors import ProviderError
from vsl.providers.source import split_output

# https://replicate.com/docs/topics/predictions/lifecycle; `aborted` is a deadline that passed
# before the prediction began to run, and costs nothing on public models.
_STATUSES: dict[str, PredictionStatus] = {
    "starting": "processing",
    "processing": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
    "cancelled": "canceled",
    "aborted": "canceled",
}

# Failures that Replicate's own page of error codes, or its words, call passing: E1000 is an
# unknown fault of the platform, E6716 a prediction that did not start in time.
_PASSING = re.compile(r"\b(E1000|E6716)\b|please (?:retry|try again)|try again later", re.I)

_PROVIDER_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_MAX_STATUS = 100  # characters of a status that nobody has heard of

DEFAULT_WAIT = 30.0  # seconds; about what a throttle answer of Replicate says
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 3600.0
_A_DATE = 1e8  # a number of seconds this large is a time since 1970, not a time to wait

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_AMOUNT = r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
# "resets in ~30s", "available in 1 second", "try again after 1m30s", "wait 5 seconds"
_IN_WORDS = re.compile(rf"\b(?:in|after|wait)\s+(?:about\s+)?~?\s*((?:{_AMOUNT}\s*)+)\b", re.I)


def read_prediction(body: Any, words: tuple[str, ...] = ()) -> Prediction:
    """What Replicate said about a prediction, from the JSON of an answer or of a list's item.

    A status that is not known counts as final when ``completed_at`` is set. Output counts only
    when the prediction has succeeded: a blocking call may show it sooner.

    words: the input's strings (``hidden_words``), to be cut out of an error.
    Raises ``ProviderError`` when the body is no prediction.
    """
    given = body if isinstance(body, Mapping) else {}
    provider_id, raw_status = given.get("id"), given.get("status")
    if not is_provider_id(provider_id) or not isinstance(raw_status, str) or not raw_status:
        raise ProviderError(
            "the answer is not a prediction: it has no usable id or no status",
            hint="is it the address of Replicate's API?",
            retryable=True,
        )
    status, error = _outcome(given, raw_status, words)
    metrics = given.get("metrics")
    metrics = dict(metrics) if isinstance(metrics, Mapping) else {}
    output, outputs = split_output(given.get("output") if status == "succeeded" else None)
    return Prediction(
        status=status,
        raw_status=raw_status[:_MAX_STATUS],
        provider_id=provider_id,
        outputs=outputs,
        output=output,
        error=error,
        retryable=status == "failed" and bool(error and _PASSING.search(error)),
        processing_time=_processing_time(given, metrics),
        metrics=metrics,
    )


def is_provider_id(value: Any) -> bool:
    """Whether a value can be the id of a prediction or of a file, fit to stand in an address."""
    return isinstance(value, str) and _PROVIDER_ID.fullmatch(value) is not None


def _outcome(
    given: Mapping[str, Any], raw_status: str, words: tuple[str, ...]
) -> tuple[PredictionStatus, str | None]:
    status = _STATUSES.get(raw_status)
    if status is None:
        if not given.get("completed_at"):
            return "processing", None
        ended = f"Replicate ended it as {hide(raw_status[:_MAX_STATUS], words)!r}"
        said = _error_text(given.get("error"), words)
        return "failed", f"{ended}: {said}" if said else f"{ended}, which VSL does not know"
    if status == "succeeded" and given.get("data_removed") and given.get("output") is None:
        return "failed", "Replicate has removed the outputs: they are kept for an hour"
    if status == "failed":
        said = _error_text(given.get("error"), words)
        return status, said or "the model failed without saying why"
    return status, None


def _error_text(error: Any, words: tuple[str, ...]) -> str | None:
    if isinstance(error, Mapping):
        error = error.get("detail") or error.get("message")
    return hide(error.strip(), words) if isinstance(error, str) and error.strip() else None


def _processing_time(given: Mapping[str, Any], metrics: Mapping[str, Any]) -> float | None:
    took = _number(metrics.get("predict_time"))
    if took is not None:
        return took
    started, completed = read_time(given.get("started_at")), read_time(given.get("completed_at"))
    if started is None or completed is None or completed < started:
        return None
    return (completed - started).total_seconds()


def _number(value: Any) -> float | None:
    """A finite number that is not negative, also when it is written as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def read_time(value: Any) -> datetime | None:
    """A time in Replicate's answers (ISO 8601), or None."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def read_http_date(value: str | None) -> datetime | None:
    """A time in a header (RFC 9110), or None."""
    if not value:
        return None
    try:
        time = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# --- problems ----------------------------------------------------------------------------------


def problem_words(body: Any, words: tuple[str, ...] = ()) -> str | None:
    """What a problem says for itself, without the input, or None."""
    if not isinstance(body, Mapping):
        return None
    texts: list[str] = []
    for name in ("title", "detail", "error", "message"):
        text = body.get(name)
        if isinstance(text, list):  # as Cog's servers put it: [{"loc": …, "msg": …}]
            parts = [part.get("msg") for part in text if isinstance(part, Mapping)]
            text = "; ".join(part for part in parts if isinstance(part, str))
        if isinstance(text, str) and text.strip() and text.strip() not in texts:
            texts.append(text.strip())
    return bounded(hide(": ".join(texts), words)) if texts else None


def says_nothing_made(body: Any) -> bool:
    """Whether the body of a 5xx says in so many words that no prediction was made."""
    said = problem_words(body)
    return said is not None and bool(
        re.search(
            r"\b(?:no prediction (?:was|has been) (?:made|created)"
            r"|prediction (?:was|has) not (?:been )?(?:made|created)"
            r"|nothing was (?:made|created))\b",
            said,
            re.IGNORECASE,
        )
    )


# --- how long to wait --------------------------------------------------------------------------


def read_retry_after(
    headers: Mapping[str, str], body: Any, now: datetime, default: float = DEFAULT_WAIT
) -> float:
    """Seconds to wait before the account may ask again, wherever an answer says so.

    In turn: ``retry_after`` in the body, the header Retry-After (seconds or a date), the header
    ratelimit-reset (seconds, or a time since 1970), the words of the problem, ``default``.
    headers: with names in lower case, or a mapping that does not tell case apart. now: the time
    that dates are counted from.
    """
    given = body if isinstance(body, Mapping) else {}
    for wait in (
        _number(given.get("retry_after")),
        _header_wait(headers.get("retry-after"), now),
        _header_wait(headers.get("ratelimit-reset"), now),
        _words_wait(problem_words(body)),
    ):
        if wait is not None:
            return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
    return default


def _header_wait(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    number = _number(value.strip())
    if number is not None:
        return number if number < _A_DATE else max(number - now.timestamp(), 0.0)
    time = read_http_date(value) or read_time(value.strip())
    return None if time is None else max((time - now).total_seconds(), 0.0)


def _words_wait(said: str | None) -> float | None:
    match = _IN_WORDS.search(said or "")
    if match is None:
        return None
    amounts = re.findall(_AMOUNT, match[1], re.IGNORECASE)
    return sum(float(number) * _UNITS[_unit(unit.lower())] for number, unit in amounts)


def _unit(word: str) -> str:
    return "ms" if word.startswith(("ms", "milli")) else word[0]
