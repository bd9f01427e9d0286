"""What a command says of itself while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vsl.cli.output import err, say


@contextmanager
def steps(*, lines: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows what is being done: on a terminal in a line that goes away.

    lines: elsewhere as plain lines on standard error, for work that changes something.
    """
    if err.is_terminal:
        with err.status("") as status:
            yield status.update
    else:
        yield (lambda step: say(f"{step} …", to=err)) if lines else (lambda _: None)
