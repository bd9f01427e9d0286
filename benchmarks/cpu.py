"""CPU time of a server's session: what other programs on the machine hardly change."""

from __future__ import annotations

from pathlib import Path

from benchmarks.place import Connection


def session_seconds(connection: Connection) -> float | None:
    """CPU seconds that the session's process has used; None for a server elsewhere."""
    file = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    try:
        return int(file.read_text().split()[0]) / 1e9
    except OSError:
        return None
