"""One measured figure, and whether it is what was wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Mark:
    """What was wanted of a figure or of its ratio to the floor."""

    what: Literal["figure", "ratio"]
    relation: Literal["at least", "at most"]
    limit: float

    def __str__(self) -> str:
        sign = "≥" if self.relation == "at least" else "≤"
        return f"{self.what} {sign} {self.limit:g}"

    def met_by(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.limit if self.relation == "at least" else value <= self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report.

    figure: in ``unit``, the median of several chunks where there are several; spread: their
    quartiles. floor: what the plainest way of doing the same gives, in the same unit. ratio: figure
    to floor, the median over pairs of chunks that ran one after the other. notes: what else was
    seen, for people.
    """

    name: str
    figure: float
    unit: str
    spread: tuple[float, float] | None = None
    floor: float | None = None
    floor_spread: tuple[float, float] | None = None
    ratio: float | None = None
    wanted: Mark | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether it is what was wanted; None where nothing was."""
        value = self.figure if self.wanted and self.wanted.what == "figure" else self.ratio
        return None if self.wanted is None or value is None else self.wanted.met_by(value)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; every field is there, ``None`` where it does not apply."""
        return {
            **asdict(self),
            "wanted": None if self.wanted is None else str(self.wanted),
            "met": self.met,
        }


def quartiles(values: Sequence[float]) -> tuple[float, float] | None:
    """The first and third quartile; None of fewer than two values."""
    if len(values) < 2:
        return None
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def compared(
    name: str,
    unit: str,
    figures: Sequence[float],
    floors: Sequence[float],
    *,
    wanted: Mark | None = None,
    notes: dict[str, Any] | None = None,
) -> Result:
    """A result from chunks measured in turn; ``figures[n]`` ran next to ``floors[n]``."""
    ratios = [figure / floor for figure, floor in zip(figures, floors, strict=True)]
    return Result(
        name=name,
        figure=median(figures),
        unit=unit,
        spread=quartiles(figures),
        floor=median(floors),
        floor_spread=quartiles(floors),
        ratio=median(ratios),
        wanted=wanted,
        notes={"chunks": len(figures), "ratio_quartiles": quartiles(ratios), **(notes or {})},
    )
