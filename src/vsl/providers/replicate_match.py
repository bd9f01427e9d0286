"""Telling whether a prediction in Replicate's list is the one whose answer was lost.

The list shows the input of every prediction, and perhaps its callback address: there is nothing
else of the caller's in it. A prediction that cannot be excluded is a match, since taking one too
few for ours would buy the same thing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from vsl.domain.provider import PredictionRequest
from vsl.providers.replicate_call import read_target, webhook_of
from vsl.providers.replicate_reply import read_time
from vsl.providers.source import is_http_url

Verdict = Literal["ours", "possible", "other"]


@dataclass(frozen=True, slots=True)
class Window:
    """When the prediction can have been made, by the provider's clock."""

    begin: datetime
    end: datetime


def window(since: datetime, *, skew: timedelta, margin: timedelta, horizon: timedelta) -> Window:
    """The times at which the prediction of an attempt that began at ``since`` can have been made.

    skew: how far the provider's clock is ahead of ours. It widens the window instead of moving
    it, because it can have been another at that time.
    """
    nothing = timedelta(0)
    return Window(since + min(skew, nothing) - margin, since + max(skew, nothing) + horizon)


def judge(item: Mapping[str, Any], request: PredictionRequest, when: Window) -> Verdict:
    """What an item of the list is to an attempt.

    ``ours``: it has the attempt's callback address. ``possible``: model, time and input fit, or
    the input was removed, as it is an hour after the end, and nothing else excludes it.
    """
    created = read_time(item.get("created_at"))
    if created is not None and not when.begin <= created <= when.end:
        return "other"
    webhook, echoed = webhook_of(request), item.get("webhook")
    if webhook is not None and isinstance(echoed, str) and echoed:
        return "ours" if echoed == webhook else "other"
    if item.get("source") == "web" or not _may_be_model(item, request):
        return "other"
    given = item.get("input")
    removed = bool(item.get("data_removed")) and not given
    return "possible" if removed or may_be_input(request.input, given) else "other"


def _may_be_model(item: Mapping[str, Any], request: PredictionRequest) -> bool:
    """Whether an item can be a prediction of what the request asks for.

    A version may be the word ``hidden`` or begin with ``dp-``, which excludes nothing.
    """
    target = read_target(request)
    deployment, model, version = (item.get(key) for key in ("deployment", "model", "version"))
    if target.deployment is not None:
        named = isinstance(deployment, str) and bool(deployment)
        # The deployment may be given by its name alone.
        return not named or target.deployment.lower().endswith(str(deployment).lower())
    if target.version is not None and isinstance(version, str) and len(version) == 64:
        return version == target.version
    if target.model is not None and isinstance(model, str) and model:
        return model.lower() == target.model.lower()
    return True


def may_be_input(sent: Any, echoed: Any) -> bool:
    """Whether an input as the list shows it can be the one that was sent.

    Everything has to be equal, except that a file sent as a data URL may have become an address.
    """
    if isinstance(sent, str):
        if sent == echoed:
            return True
        file = sent[:5].lower() == "data:"
        return file and isinstance(echoed, str) and is_http_url(echoed)
    if isinstance(sent, bool) or isinstance(echoed, bool):
        return sent is echoed
    if isinstance(sent, Mapping):
        return (
            isinstance(echoed, Mapping)
            and sent.keys() == echoed.keys()
            and all(may_be_input(part, echoed[key]) for key, part in sent.items())
        )
    if isinstance(sent, list | tuple):
        return (
            isinstance(echoed, list)
            and len(sent) == len(echoed)
            and all(map(may_be_input, sent, echoed))
        )
    return bool(sent == echoed)


def uploaded_files(sent: Any, echoed: Any) -> list[tuple[str, str]]:
    """The files of an input that became addresses: what was sent, and the address.

    For two inputs for which ``may_be_input`` holds; none when the second was removed.
    """
    if isinstance(sent, str):
        return [(sent, echoed)] if sent != echoed and isinstance(echoed, str) else []
    if isinstance(sent, Mapping) and isinstance(echoed, Mapping):
        both = [key for key in sent if key in echoed]
        return [pair for key in both for pair in uploaded_files(sent[key], echoed[key])]
    if isinstance(sent, list | tuple) and isinstance(echoed, list):
        return [
            pair
            for left, right in zip(sent, echoed, strict=False)
            for pair in uploaded_files(left, right)
        ]
    return []
