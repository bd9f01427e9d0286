"""The program ``vsl``: from what was typed to an exit status.

0 good, 1 failure, 2 wrong usage, 128 + number of the signal that stopped it.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

#: The exit status of a program that Ctrl-C stopped.
INTERRUPTED = 130


def main() -> None:
    """The program."""
    try:
        # Loading takes a moment, in which an impatient person may press Ctrl-C already.
        from vsl.cli.commands import make_app

        status = run(make_app(sys.argv[1:]))
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def run(app: Callable[..., Any]) -> int:
    """Run the commands with what was typed; the exit status. Every error becomes words."""
    from vsl.cli.output import report
    from vsl.cli.stopping import Stopped
    from vsl.errors import InvalidInput, Problem, VslError

    as_json = "--json" in sys.argv
    try:
        odd = [number for number, text in enumerate(sys.argv) if not _is_text(text)]
        if odd:
            raise InvalidInput([Problem(f"argument {n}", "is not UTF-8 text") for n in odd])
        status = app(prog_name="vsl", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except VslError as error:
        return report(error, as_json=as_json)
    except Stopped as stopped:
        _complain([stopped.message], stopped.hint, "interrupted", as_json=as_json)
        return stopped.status
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does: there is nobody to tell.
        _discard_output()
        return 1
    except OSError as error:
        _discard_output()
        where = f"{error.filename}: " if error.filename else ""
        words = f"{where}{error.strerror or type(error).__name__}"
        _complain([words], None, "system_error", as_json=as_json)
        return 1
    except Exception as error:
        return _unforeseen(error, as_json=as_json)


def _unforeseen(error: Exception, *, as_json: bool) -> int:
    """Wrong usage, as the parser says it, or a fault of ours."""
    from vsl.cli.output import err

    words = getattr(error, "format_message", None)
    if words is None:
        kind = type(error).__name__
        if _wants_details():
            traceback.print_exception(error)
        _complain(
            [f"something went wrong that VSL did not foresee ({kind})"],
            "Please report it, with what VSL_LOG_LEVEL=debug shows.",
            "internal_error",
            as_json=as_json,
        )
        return 1
    message: str = words()
    if message.startswith("Usage:"):
        err.print(message)  # a group without a command: its help
        return 2
    context = getattr(error, "ctx", None)
    hint = f"See `{context.command_path} --help`." if context is not None else None
    if context is not None and context.command_path == "vsl generate" and "option" in message:
        hint = "A model's parameters are written as name=value, without dashes. " + (hint or "")
    _complain([message[:1].lower() + message[1:]], hint, "usage", as_json=as_json)
    return 2


def _complain(lines: list[str], hint: str | None, code: str, *, as_json: bool) -> None:
    from vsl.cli.output import complain

    described = {"code": code, "message": "\n".join(lines), "hint": hint}
    complain(lines, hint, described if as_json else None)


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that the end of the program does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _wants_details() -> bool:
    from vsl.config import load
    from vsl.errors import InvalidInput

    try:
        return load().log_level == "debug"
    except InvalidInput:
        return False


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    main()
