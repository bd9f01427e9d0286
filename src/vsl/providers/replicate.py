"""The provider ``replicate``: predictions that cost money, at Replicate.

What its API leaves to the caller, and what is done about it here:

- there is no idempotency key, so a creation is one POST that nothing sends again. Everything that
  leaves open whether a prediction was made is ``AnswerLost``: silence, a lost connection, a 5xx;
- nothing of the caller's comes back but the input and perhaps the callback's address, so a lost
  prediction is looked for by these in the account's list;
- outputs are kept for an hour, at other hosts than the API's: they are fetched under the rules of
  ``download``, and the token goes to the API alone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from vsl.domain.hiding import hidden_words
from vsl.domain.provider import OutputSource, Prediction, PredictionRequest, Sweep
from vsl.errors import AnswerLost, ProviderError
from vsl.providers.download import Downloader, DownloadRules
from vsl.providers.replicate_call import build_call, large_files, with_addresses
from vsl.providers.replicate_http import NoAnswerError, ReplicateApi
from vsl.providers.replicate_match import Window, judge, uploaded_files, window
from vsl.providers.replicate_reply import is_provider_id, read_prediction, read_time
from vsl.providers.source import data_chunks, is_http_url, parse_data_url

BASE_URL = "https://api.replicate.com/v1"
OUTPUT_HOSTS = ("replicate.delivery",)  # and every host below them

CREATE_SECONDS = 90.0
HORIZON_SECONDS = 180.0
MARGIN_SECONDS = 60.0
MAX_PAGES = 500
SMALL_SKEW = timedelta(seconds=5)  # between two clocks; the margin is for that

# Answers to a cancel that mean that there is nothing left to be stopped.
_ALREADY_OVER = frozenset({404, 409, 410, 422})
_GONE = frozenset({404, 410})


def default_rules(base_url: str) -> DownloadRules:
    """Outputs come from Replicate's hosts; from another API's own host too, private or not."""
    own = (
        () if base_url.rstrip("/") == BASE_URL else (urlsplit(base_url).netloc.rpartition("@")[2],)
    )
    return DownloadRules(hosts=OUTPUT_HOSTS, private_hosts=own)


class ReplicateProvider:
    """Makes predictions with one Replicate account.

    token: of the account. base_url: of the API, up to and with ``/v1``. rules: where outputs may
    be fetched from; None: see ``default_rules``. create_seconds: how long a creation may take with
    its uploads; past that its answer counts as lost. horizon_seconds: how long after an attempt
    began its prediction is in the list if it is ever; more than ``create_seconds``.
    margin_seconds: how far the clocks of the database and of this machine may differ. now: the
    time here.
    """

    name: Final = "replicate"

    def __init__(
        self,
        token: str,
        *,
        base_url: str = BASE_URL,
        rules: DownloadRules | None = None,
        create_seconds: float = CREATE_SECONDS,
        horizon_seconds: float = HORIZON_SECONDS,
        margin_seconds: float = MARGIN_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if horizon_seconds <= create_seconds:
            raise ValueError("horizon_seconds must be more than create_seconds")
        self._api = ReplicateApi(token, base_url)
        self._downloader = Downloader(rules or default_rules(base_url))
        self._create_seconds = create_seconds
        self._horizon = timedelta(seconds=horizon_seconds)
        self._margin = timedelta(seconds=margin_seconds)
        self._now = now

    def __repr__(self) -> str:
        return f"ReplicateProvider({self._api.place!r})"

    # --- the protocol ---------------------------------------------------------------------------

    async def create(self, request: PredictionRequest) -> Prediction:
        """Make a prediction: uploads where files are large, then one POST.

        Raises ``AnswerLost`` when it is not known whether one was made, ``Throttled`` when the
        account has to wait (out of credit too), and ``ProviderError`` when none was made.
        """
        posted = False
        try:
            async with asyncio.timeout(self._create_seconds):
                call = build_call(request, await self._upload_files(request.input))
                posted = True
                answer = await self._api.send(
                    "POST", call.path, json=call.body, headers=call.headers
                )
        except TimeoutError:
            if posted:
                raise _lost("it does not answer") from None
            raise ProviderError("uploading the files took too long", retryable=True) from None
        except NoAnswerError as error:
            if error.sent:
                raise _lost(error.reason) from None
            raise ProviderError(
                f"Replicate at {self._api.place} cannot be reached", retryable=True
            ) from None
        words = hidden_words(request.input)
        if not answer.good:
            raise self._api.refused_creation(answer, words)
        try:
            return read_prediction(answer.body, words)
        except ProviderError:
            # It says that it did what was asked, and not what that was.
            raise self._api.refused_creation(answer, words) from None

    async def read(self, provider_id: str, request: PredictionRequest) -> Prediction:
        """The present state of a prediction. Raises ``ProviderError``, ``Throttled`` as well."""
        words = hidden_words(request.input)
        path = _path(provider_id)
        answer = await self._api.ask("GET", path, words, missing=f"the prediction {provider_id}")
        return read_prediction(answer.body, words)

    async def stop(self, provider_id: str, request: PredictionRequest) -> None:
        """Ask for a prediction to be stopped; one that has ended, or is not there, is no error."""
        words = hidden_words(request.input)
        await self._api.ask("POST", f"{_path(provider_id)}/cancel", words, over=_ALREADY_OVER)

    async def find(self, request: PredictionRequest, *, since: datetime) -> Sweep:
        """Look through the account's list, newest first, for the prediction of a lost answer.

        One with the attempt's callback address is the one. Without any, all that can be it are
        answered: same model, same time, same input. The sweep is complete when the list was read
        back to before ``since``, and was begun later than the horizon after ``since``.
        """
        late_enough = self._now() >= since + self._horizon
        words = hidden_words(request.input)
        when: Window | None = None
        found: dict[str, Prediction] = {}
        asked = since - self._margin
        params = {"created_after": _iso(asked)}
        for _ in range(MAX_PAGES):
            answer = await self._api.ask("GET", "/predictions", words, params=params)
            items, following = _page(answer.body)
            if when is None:
                skew = self._skew(answer.date)
                when = window(since, skew=skew, margin=self._margin, horizon=self._horizon)
                if when.begin < asked:  # its clock is behind ours: once more, from earlier on
                    params = {"created_after": _iso(when.begin)}
                    continue
            for item in items:
                verdict = judge(item, request, when)
                if verdict == "ours":
                    return Sweep((read_prediction(item, words),), complete=late_enough)
                if verdict == "possible" and await self._same_files(request, item):
                    prediction = read_prediction(item, words)
                    found[str(prediction.provider_id)] = prediction
            if following is None or _is_past(items, when):
                return Sweep(tuple(found.values()), complete=late_enough)
            params = following
        return Sweep(tuple(found.values()), complete=False)

    def _skew(self, date: datetime | None) -> timedelta:
        """How far a server's clock is ahead; its header has no fractions of a second."""
        skew = timedelta(0) if date is None else date - self._now()
        return skew if abs(skew) > SMALL_SKEW else timedelta(0)

    async def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        """The bytes of one output file, in chunks, under the rules for downloads."""
        if source.url[:5].lower() == "data:":
            for chunk in data_chunks(source.url):
                yield chunk
            return
        async with aclosing(self._downloader.read(source.url)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Give back connections."""
        await self._api.close()
        await self._downloader.close()

    # --- files of the input ---------------------------------------------------------------------

    async def _upload_files(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The input with every large data URL uploaded, and its address in its place."""
        files = dict.fromkeys(large_files(given))
        if not files:
            return given
        addresses = {file: await self._upload(file) for file in files}
        replaced: Mapping[str, Any] = with_addresses(given, addresses)
        return replaced

    async def _upload(self, file: str) -> str:
        content, mime = _decoded(file)
        answer = await self._api.ask(
            "POST", "/files", files={"content": ("input", content, mime)}, words=(file[:1000],)
        )
        urls = answer.body.get("urls") if isinstance(answer.body, Mapping) else None
        address = urls.get("get") if isinstance(urls, Mapping) else None
        if not isinstance(address, str) or not is_http_url(address):
            raise ProviderError("Replicate took a file and gave no address for it", retryable=True)
        return address

    async def _same_files(self, request: PredictionRequest, item: Mapping[str, Any]) -> bool:
        """Whether files that became addresses are those that were sent, as far as can be told."""
        for sent, address in uploaded_files(request.input, item.get("input")):
            stated = await self._digest(address)
            if stated is not None and stated != hashlib.sha256(_decoded(sent)[0]).hexdigest():
                return False
        return True

    async def _digest(self, address: str) -> str | None:
        """The SHA-256 that Replicate keeps of an uploaded file, or None when there is none."""
        prefix = f"{self._api.base_url}/files/"
        file_id = address.removeprefix(prefix)
        if not address.startswith(prefix) or not is_provider_id(file_id):
            return None
        # A file that is gone tells nothing: they are kept for a day.
        answer = await self._api.ask("GET", f"/files/{file_id}", over=_GONE)
        sums = answer.body.get("checksums") if isinstance(answer.body, Mapping) else None
        stated = sums.get("sha256") if isinstance(sums, Mapping) else None
        return stated.lower() if isinstance(stated, str) and stated else None


def _lost(reason: str) -> AnswerLost:
    return AnswerLost(
        f"the answer to a creation at Replicate was lost: {reason}",
        hint="it is looked for in the account's list before anything is sent again",
    )


def _path(provider_id: str) -> str:
    if not is_provider_id(provider_id):
        raise ProviderError("a prediction's id at Replicate has characters that no id has")
    return f"/predictions/{provider_id}"


def _decoded(file: str) -> tuple[bytes, str]:
    data = parse_data_url(file)
    try:
        return b"".join(data_chunks(file)), data.mime if data else ""
    except ProviderError:
        raise ProviderError("a file of the input is a malformed data URL") from None


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _page(body: Any) -> tuple[list[Mapping[str, Any]], dict[str, str] | None]:
    """The predictions of a page of the list, and the query of the next one, if there is one.

    Only the query of the next page's address is used, so that the token stays where it is.
    """
    results = body.get("results") if isinstance(body, Mapping) else None
    if not isinstance(results, list) or not all(isinstance(item, Mapping) for item in results):
        raise ProviderError("Replicate's list of predictions cannot be read", retryable=True)
    following = body.get("next")
    if not following:
        return results, None
    query = dict(parse_qsl(urlsplit(str(following)).query))
    if not query:
        raise ProviderError("Replicate's list of predictions has no next page", retryable=True)
    return results, query


def _is_past(items: list[Mapping[str, Any]], when: Window) -> bool:
    """Whether a page, newest first, is all of a time before the attempt."""
    times = [read_time(item.get("created_at")) for item in items]
    return bool(times) and all(time is not None and time < when.begin for time in times)
