"""What VSL's own indexes are for, as the files of its tables say above each."""

from __future__ import annotations

import re
from functools import cache

from vsl.db.files import manifest

_INDEX = re.compile(
    r"(?P<about>(?:^--[^\n]*\n)+)^CREATE (?:UNIQUE )?INDEX (?P<name>\w+) ON (?P<schema>\w+)\.",
    re.M,
)


@cache
def index_purposes() -> dict[str, str]:
    """The query that each of VSL's indexes serves, by the index's qualified name."""
    return {
        f"{found['schema']}.{found['name']}": _words(found["about"])
        for file in manifest()
        for found in _INDEX.finditer(file.text)
    }


def _words(comment: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in comment.splitlines())
