"""The report as people read it."""

from __future__ import annotations

from typing import Any

_HEAD = ("what", "figure", "floor", "ratio", "wanted", "met")


def render(report: dict[str, Any]) -> str:
    """Conditions, then one line for each result, then the notes; Markdown."""
    rows = [_row(result) for result in report["results"]]
    lines = [_conditions(report), "", *_table([_HEAD, *rows]), ""]
    lines += [f"- {_note(result)}" for result in report["results"]]
    if report["quick"]:
        lines += ["", "Sizes were quick ones: these figures say that the benchmarks work, no more."]
    return "\n".join(lines)


def _conditions(report: dict[str, Any]) -> str:
    found = report["conditions"]
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    settings = ", ".join(f"{name} = {value}" for name, value in found["settings"].items())
    return "\n".join(
        (
            f"Machine: {found['machine']}; load {found['load']} before, {report['load']} after.",
            f"Python {found['python']}; {packages}.",
            f"PostgreSQL: {settings}.",
            f"One-row commits a second before the run: {found['commits_per_second']:,}.",
        )
    )


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: "–"}[result["met"]]
    ratio = "–" if result["ratio"] is None else f"{result['ratio']:.2f}"
    return (
        result["name"],
        _figure(result["figure"], result["unit"], result["spread"]),
        _figure(result["floor"], result["unit"], result["floor_spread"]),
        ratio,
        result["wanted"] or "–",
        met,
    )


def _figure(value: float | None, unit: str, spread: tuple[float, float] | None) -> str:
    if value is None:
        return "–"
    around = "" if spread is None else f" ({_number(spread[0])} to {_number(spread[1])})"
    return f"{_number(value)}{around} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _note(result: dict[str, Any]) -> str:
    notes = {**result["notes"], "load": f"{result['load_before']} to {result['load_after']}"}
    words = "; ".join(f"{name.replace('_', ' ')}: {_words(value)}" for name, value in notes.items())
    return f"{result['name']}: {words}"


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    if isinstance(value, (tuple, list)):
        return " to ".join(_words(one) for one in value)
    return str(value)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]
