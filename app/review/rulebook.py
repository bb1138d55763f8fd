"""The rules in force with the state of each of their series, for people: one form for the API and the command line."""

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection

from app.rules import in_force, store
from app.rules.active import Active
from app.wording import because, present_all


def rulebook(db: Connection) -> list[dict[str, Any]]:
    """Every rule by name, those that a check's `alert:` stands for as `check:NAME`."""
    series: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in store.listed(db):
        kept = ("series", "state", "firing", "value", "at")
        why = {"because": because(row.reasons), "reasons": present_all(row.reasons)}
        series[row.rule].append({**{name: getattr(row, name) for name in kept}, **why})
    return [_shown(rule, series[rule.name]) for rule in sorted(in_force.book(db).rules, key=lambda one: one.name)]


def _shown(rule: Active, series: list[dict[str, Any]]) -> dict[str, Any]:
    spec = rule.spec
    return {
        "name": rule.name,
        "kind": spec.kind,
        "check": rule.check_name,
        "family": spec.family or rule.check.family,
        "severity": rule.severity.value,
        "mode": spec.mode,
        "owner": spec.owner,
        "review_by": spec.review_by,
        "runbook": spec.runbook,
        "series": series,
    }
