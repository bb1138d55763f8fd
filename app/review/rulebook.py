"""The rules in force with the state of each of their series, for people: one form for the API and the command line."""

from collections import defaultdict
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection
from typing_extensions import TypedDict

from app.catalog.model import Family, Severity
from app.rules import in_force, store
from app.rules.active import Active
from app.rules.model import RuleState
from app.wording import PublicReason, because, present_all


class PublicSeries(TypedDict):
    """One label set of a rule, and its newest evaluation."""

    series: str
    state: RuleState
    firing: bool
    value: float | None
    at: datetime
    because: str
    reasons: list[PublicReason]


class PublicRule(TypedDict):
    """A rule and the state of its series; `check:NAME` is the `alert:` of a check."""

    name: str
    kind: str
    check: str
    family: Family
    severity: Severity
    mode: Literal["live", "shadow"]
    owner: str | None
    review_by: date | None
    runbook: str | None
    series: list[PublicSeries]


def rulebook(db: Connection) -> list[PublicRule]:
    """Every rule by name, those that a check's `alert:` stands for as `check:NAME`."""
    series: dict[str, list[PublicSeries]] = defaultdict(list)
    for row in store.listed(db):
        series[row.rule].append(
            {
                "series": row.series,
                "state": row.state,
                "firing": row.firing,
                "value": row.value,
                "at": row.at,
                "because": because(row.reasons),
                "reasons": present_all(row.reasons),
            }
        )
    return [_shown(rule, series[rule.name]) for rule in sorted(in_force.book(db).rules, key=lambda one: one.name)]


def _shown(rule: Active, series: list[PublicSeries]) -> PublicRule:
    spec = rule.spec
    return {
        "name": rule.name,
        "kind": spec.kind,
        "check": rule.check_name,
        "family": spec.family or rule.check.family,
        "severity": rule.severity,
        "mode": spec.mode,
        "owner": spec.owner,
        "review_by": spec.review_by,
        "runbook": spec.runbook,
        "series": series,
    }
