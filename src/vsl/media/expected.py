"""Whether a file is of the type that its job asked for."""

from __future__ import annotations

from typing import Final

from vsl.domain.media import MediaType
from vsl.errors import OutputInvalid

_ARTICLES: Final[dict[MediaType, str]] = {
    "image": "an image",
    "video": "a video",
    "audio": "sound",
}


def check_expected(found: MediaType, expected: MediaType) -> None:
    """Raises ``OutputInvalid`` when the two differ, naming both."""
    if found != expected:
        raise OutputInvalid(f"{_ARTICLES[found]} where {_ARTICLES[expected]} was expected")
