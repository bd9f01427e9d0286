"""What can go wrong at the fake Replicate server, on demand or at random."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Collection
from enum import StrEnum


class Fault(StrEnum):
    """One thing that goes wrong once. The word before the first underscore is where."""

    # The answer to a creation, which is lost before or after the prediction was made.
    CREATE_DROP_BEFORE = "create_drop_before"  # the connection ends, and nothing was made
    CREATE_DROP_AFTER = "create_drop_after"  # it was made, and the connection ends
    CREATE_CUT_AFTER = "create_cut_after"  # it was made, and half of the answer comes
    CREATE_SILENT_BEFORE = "create_silent_before"  # nothing is made and nothing is answered
    CREATE_SILENT_AFTER = "create_silent_after"  # it was made, and nothing is answered
    CREATE_PROXY_BEFORE = "create_proxy_before"  # a 502 of something in front, nothing was made
    CREATE_PROXY_AFTER = "create_proxy_after"  # the same, but it was made
    CREATE_ERROR_BEFORE = "create_error_before"  # a 500 in JSON, nothing was made
    CREATE_ERROR_AFTER = "create_error_after"  # the same, but it was made
    CREATE_NOT_MADE = "create_not_made"  # a 503 that says that nothing was made
    CREATE_NO_CREDIT = "create_no_credit"  # a 402

    # A creation refused with 429, in every shape that was seen or may be.
    CREATE_THROTTLE_WORDS = "create_throttle_words"  # detail alone
    CREATE_THROTTLE_BODY = "create_throttle_body"  # low credit: retry_after in the body
    CREATE_THROTTLE_HEADER = "create_throttle_header"  # Retry-After in seconds
    CREATE_THROTTLE_DATE = "create_throttle_date"  # Retry-After as a date
    CREATE_THROTTLE_RESET = "create_throttle_reset"  # ratelimit-reset
    CREATE_THROTTLE_BARE = "create_throttle_bare"  # no word about when

    # Reads, lists and cancels.
    READ_ERROR = "read_error"
    READ_DROP = "read_drop"
    READ_THROTTLE = "read_throttle"

    # Output files.
    DOWNLOAD_CUT = "download_cut"  # the connection ends half way
    DOWNLOAD_SLOW = "download_slow"  # in small pieces, with pauses
    DOWNLOAD_ERROR = "download_error"  # a 503

    # Callbacks.
    CALLBACK_DUPLICATE = "callback_duplicate"
    CALLBACK_LATE = "callback_late"
    CALLBACK_REORDER = "callback_reorder"  # comes after the one that follows it
    CALLBACK_DROP = "callback_drop"
    CALLBACK_FORGED = "callback_forged"  # a false one comes before it

    # How a prediction ends, whatever its plan says.
    OUTCOME_FAILED = "outcome_failed"
    OUTCOME_ABORTED = "outcome_aborted"
    OUTCOME_CANCELED = "outcome_canceled"
    OUTCOME_STRANGE = "outcome_strange"  # a status that nobody has heard of

    @property
    def area(self) -> str:
        """Where it happens: create, read, download, callback or outcome."""
        return self.value.partition("_")[0]

    @property
    def after(self) -> bool:
        """Whether a creation with this fault makes the prediction."""
        return self.value.endswith("_after")


class Faults:
    """Which faults come: those that were ordered first, then by chance, from a seed.

    injected: how often each really happened.
    """

    def __init__(self, seed: int = 0) -> None:
        self.injected: Counter[Fault] = Counter()
        self._ordered: dict[str, deque[Fault]] = {}
        self._rates: dict[Fault, float] = {}
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def order(self, fault: Fault, times: int = 1) -> None:
        """Let the next calls of the fault's area have it."""
        self._ordered.setdefault(fault.area, deque()).extend([fault] * times)

    def rate(self, fault: Fault, probability: float) -> None:
        """Let every call of the fault's area have it with a probability."""
        if not 0 <= probability <= 1:
            raise ValueError("a probability is between 0 and 1")
        self._rates[fault] = probability

    def clear(self) -> None:
        """No more faults."""
        self._ordered.clear()
        self._rates.clear()

    def take(self, area: str, *, without: Collection[Fault] = ()) -> Fault | None:
        """The fault of the call that happens now, counted as injected, or None.

        without: faults that make no sense for this call; ordered ones wait for another.
        """
        fault = self._next(area, without)
        if fault is not None:
            self.injected[fault] += 1
        return fault

    def _next(self, area: str, without: Collection[Fault]) -> Fault | None:
        ordered = self._ordered.get(area, deque())
        for fault in ordered:
            if fault not in without:
                ordered.remove(fault)
                return fault
        chance = self._random.random()
        for fault, probability in self._rates.items():
            if fault.area == area and fault not in without:
                if chance < probability:
                    return fault
                chance -= probability
        return None
