"""``vsl db``: looks at the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {}
