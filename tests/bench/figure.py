"""A measured figure beside its bound, and the table that a reader sees first."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, once a round, and what it must and should be."""

    what: str
    rounds: Sequence[float]
    unit: str = ""
    must: float | None = None
    aim: float | None = None
    most: bool = False  # the bounds are upper ones
    beside: str = ""  # the same in plain terms

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        """How the median stands to its bounds."""
        if self.aim is not None and self._keeps(self.aim):
            return "target met"
        if self.must is not None:
            kept = "bound met, target missed" if self.aim is not None else "bound met"
            return kept if self._keeps(self.must) else "**missed**"
        return "**missed**" if self.aim is not None else ""

    def _keeps(self, bound: float) -> bool:
        return self.median <= bound if self.most else self.median >= bound

    def row(self) -> str:
        """A line of the table."""
        unit = f" {self.unit}" if self.unit else ""
        spread = f" ({_number(min(self.rounds))} to {_number(max(self.rounds))})" if len(self.rounds) > 1 else ""
        measured = f"{_number(self.median)}{unit}{spread}"
        cells = (self.what, measured, self._bound(self.must), self._bound(self.aim), self.verdict, self.beside)
        return f"| {' | '.join(cells)} |"

    def _bound(self, bound: float | None) -> str:
        return "" if bound is None else f"{'≤' if self.most else '≥'} {_number(bound)}"


def table(figures: Iterable[Figure]) -> str:
    """The figures as Markdown."""
    head = "| what | median (range over rounds) | bound | target | result | details |\n| --- | --- | --- | --- | --- | --- |"
    return "\n".join((head, *(one.row() for one in figures)))


def _number(value: float) -> str:
    if value == float("inf"):
        return "too large to measure"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"
