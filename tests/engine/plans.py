"""Sees the plans of the statements inside the functions, through auto_explain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.errors import Diagnostic

#: The tables that grow. Scanning one of these whole, or hashing it, costs more with every job.
LARGE = {
    "dispatch",
    "jobs",
    "attempts",
    "media_outputs",
    "ledger_entries",
    "usage_tracking",
    "predictions",
}


@dataclass(frozen=True)
class Plan:
    """A statement's plan as it ran, with the rows that each part touched."""

    query: str
    tree: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        return _nodes(self.tree)

    def problems(self, most_rows: int) -> list[str]:
        """What makes this plan cost more with every job. most_rows: in one scan."""
        found = []
        for node in self.nodes():
            table, kind = node.get("Relation Name"), node["Node Type"]
            if table in LARGE and kind == "Seq Scan":
                found.append(f"sequential scan of {table}")
            if kind == "Hash":
                hashed = {str(part.get("Relation Name")) for part in _nodes(node)} & LARGE
                found += [f"hash over {name}" for name in sorted(hashed)]
            if table in LARGE and (rows := _touched(node)) > most_rows:
                found.append(f"{kind} of {table} touched {rows:.0f} rows, not {most_rows}")
        return [f"{problem}: {' '.join(self.query.split())[:200]}" for problem in found]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _nodes(part)


def _touched(node: dict[str, Any]) -> float:
    """Rows that a scan looked at, kept or not. A write's own node counts none twice."""
    if node["Node Type"] == "ModifyTable":
        return 0
    removed = sum(
        float(node.get(f"Rows Removed by {why}", 0)) for why in ("Filter", "Index Recheck")
    )
    return (float(node.get("Actual Rows", 0)) + removed) * float(node.get("Actual Loops", 1))


class Watcher:
    """Collects the plans of everything that one session runs, nested statements included."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._plans: list[Plan] = []
        for setting in (
            "LOAD 'auto_explain'",
            "SET client_min_messages = log",
            "SET auto_explain.log_min_duration = -1",
            "SET auto_explain.log_nested_statements = on",
            "SET auto_explain.log_analyze = on",
            "SET auto_explain.log_timing = off",
            "SET auto_explain.log_format = json",
        ):
            connection.execute(setting.encode())
        connection.add_notice_handler(self._heard)

    def _heard(self, notice: Diagnostic) -> None:
        _, found, text = (notice.message_primary or "").partition("plan:\n")
        if found:
            plan = json.loads(text)
            self._plans.append(Plan(plan["Query Text"], plan["Plan"]))

    @contextmanager
    def watching(self) -> Iterator[list[Plan]]:
        """The plans of what runs within the block; complete when it ends."""
        self._plans = []
        self._connection.execute("SET auto_explain.log_min_duration = 0")
        yield self._plans
        self._connection.execute("SET auto_explain.log_min_duration = -1")
