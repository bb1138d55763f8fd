"""Rules as rows: each with the states of its series, the worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.rules import store
from app.rules.active import Active

WORST_FIRST = ("firing", "pending", "unknown", "learning", "ok")


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, and its series, the worst first."""

    rule: Active
    series: tuple[Mapping[str, Any], ...]

    @property
    def state(self) -> str:
        """The worst of its series."""
        return how(self.series[0]) if self.series else "new"


def rows_of(db: Connection, rules: Sequence[Active]) -> list[Row]:
    """These rules in their order."""
    of: dict[str, list[Mapping[str, Any]]] = {}
    for one in store.listed(db, [rule.name for rule in rules]):
        of.setdefault(one["rule"], []).append(one)
    return [Row(rule, tuple(sorted(of.get(rule.name, ()), key=_badness))) for rule in rules]


def how(series: Mapping[str, Any]) -> str:
    """The state of a series for people: an alert that is firing stays so while data is missing."""
    return "firing" if series["firing"] else str(series["state"])


def _badness(series: Mapping[str, Any]) -> tuple[int, str]:
    return WORST_FIRST.index(how(series)), series["series"]
