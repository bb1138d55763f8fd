"""Rules as rows: each with the states of its series, the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.rules import store
from app.rules.active import Active
from app.rules.model import SeriesStatus

WORST_FIRST = ("firing", "pending", "unknown", "learning", "ok")


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, and its series, the worst first."""

    rule: Active
    series: tuple[SeriesStatus, ...]

    @property
    def state(self) -> str:
        """The worst of its series."""
        return how(self.series[0]) if self.series else "new"

    @property
    def labels(self) -> dict[str, str]:
        """What a search sees of it."""
        spec = self.rule.spec
        return {
            "rule": self.rule.name, "check": self.rule.check_name, "state": self.state, "mode": spec.mode,
            "owner": spec.owner or "", "severity": self.rule.severity.value, "kind": spec.kind,
        }  # fmt: skip


def rows_of(db: Connection, rules: Sequence[Active]) -> list[Row]:
    """These rules in their order."""
    of: dict[str, list[SeriesStatus]] = {}
    for one in store.listed(db, [rule.name for rule in rules]):
        of.setdefault(one.rule, []).append(one)
    return [Row(rule, tuple(sorted(of.get(rule.name, ()), key=_badness))) for rule in rules]


def how(series: SeriesStatus) -> str:
    """The state of a series for people: an alert that is firing stays so while data is missing."""
    return "firing" if series.firing else series.state.value


def _badness(series: SeriesStatus) -> tuple[int, str]:
    return WORST_FIRST.index(how(series)), series.series
