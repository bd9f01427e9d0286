"""Keeping a job's input out of words that others wrote.

Model servers repeat input in their complaints. Such words go into rows and logs, where no prompt
may be: so every stretch of them that the input's own strings contain is cut out first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_ERROR = 2000  # characters
HIDDEN = "[input]"
MAX_WORD, MAX_FILE_WORD = 200_000, 1000  # characters of an input string that are looked for
WINDOW = 10  # characters in a row that an error and an input may not share


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
    text = bounded(text)
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


def bounded(text: str) -> str:
    """At most ``MAX_ERROR`` characters of a text."""
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
