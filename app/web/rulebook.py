"""Rules as rows: each with where its series stand, the worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.rules import store
from app.rules.active import Active

WORST_FIRST = ("firing", "pending", "unknown", "learning", "ok")


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, and where each of its series stands, the worst first."""

    rule: Active
    standings: tuple[Mapping[str, Any], ...]

    @property
    def state(self) -> str:
        """The worst of its series."""
        return how(self.standings[0]) if self.standings else "new"


def rows_of(db: Connection, rules: Sequence[Active]) -> list[Row]:
    """These rules in their order."""
    of: dict[str, list[Mapping[str, Any]]] = {}
    for one in store.states(db, [rule.name for rule in rules]):
        of.setdefault(one["rule"], []).append(one)
    return [Row(rule, tuple(sorted(of.get(rule.name, ()), key=_badness))) for rule in rules]


def how(standing: Mapping[str, Any]) -> str:
    """How a series stands for people: an alert that is on stays so while data is missing."""
    return "firing" if standing["firing"] else str(standing["state"])


def _badness(standing: Mapping[str, Any]) -> tuple[int, str]:
    return WORST_FIRST.index(how(standing)), standing["series"]
