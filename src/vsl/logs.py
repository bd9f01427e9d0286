"""Log lines, readable or JSON. What a caller puts in ``extra`` becomes fields.

Prompts and parameters are never logged: no caller passes them.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(*, format: str, level: str, stream: TextIO | None = None) -> None:  # noqa: A002
    """Send the log to a stream (standard error). format: ``text`` or ``json``."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their lines at `info` hold addresses of requests, one for each call.
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # Each of its tries to reach a lost database is a warning; ours say it once.
    logging.getLogger("psycopg.pool").setLevel(max(logging.ERROR, root.level))


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller put in ``extra``."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """``12:00:01 info    message  job=… attempt=…``, local time."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        extra = "".join(f"  {key}={value}" for key, value in fields(record).items())
        line = f"{clock} {record.levelname.lower():<7} {record.getMessage()}{extra}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
