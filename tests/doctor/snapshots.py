"""Snapshots of the past, for tests of what compares with them."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb
from tests.doctor.kit import Stage
from tests.schema.kit import Session


def flush(session: Session) -> None:
    """Have the session's counts counted now; it would do so within a second or at its end."""
    session.run("SELECT pg_stat_force_next_flush()")


def snapshot(stage: Stage, *, age: str, change: dict[str, Any] | None = None) -> None:
    """A snapshot as it would have been taken a while ago.

    change: what its numbers are more (or less) than those of now, by their place.
    """
    session = stage.session()
    number = session.value("SELECT vsl.take_snapshot(vsl.measure_statements())")
    measures = session.value("SELECT measures FROM vsl.health_snapshots WHERE id = %s", number)
    session.run(
        "UPDATE vsl.health_snapshots SET taken_at = now() - %s::interval, measures = %s"
        " WHERE id = %s",
        age,
        Jsonb(_changed(measures, change or {})),
        number,
    )
    session.connection.close()


def _changed(value: Any, change: Any) -> Any:
    if isinstance(change, dict):
        return {**value, **{name: _changed(value[name], part) for name, part in change.items()}}
    if isinstance(change, list):
        return [_changed(part, by) for part, by in zip(value, change, strict=True)]
    return value + change
