"""Rules: is this rule worth its pages?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.catalog.matcher import matches
from app.rules import book, store
from app.rules.active import Active
from app.web.filter import matchers
from app.web.route import pages
from app.web.visit import visit

router = pages()
MOST = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, and where each of its series stands."""

    rule: Active
    standings: tuple[Mapping[str, Any], ...]

    @property
    def state(self) -> str:
        """The worst of its series."""
        order = ("firing", "pending", "unknown", "learning", "ok")
        states = {one["state"] for one in self.standings}
        return next((state for state in order if state in states), "new")


@router.get("/rules")
def listed(request: Request, q: str = "") -> Response:
    """Every rule in force, those that say something first."""
    with visit(request) as v:
        of: dict[str, list[Mapping[str, Any]]] = {}
        for one in store.states(v.db):
            of.setdefault(one["rule"], []).append(one)
        found = [Row(rule, tuple(of.get(rule.name, ()))) for rule in book.book(v.db).rules]
        wanted = sorted((row for row in found if _wanted(row, q.strip())), key=lambda row: (row.state == "ok", row.rule.name))
        return v.page("rules.html", rows=wanted[:MOST], found=len(wanted), total=len(found), q=q, today=v.now.date())


def _wanted(row: Row, q: str) -> bool:
    labels = {
        "rule": row.rule.name, "check": row.rule.check_name, "state": row.state, "mode": row.rule.spec.mode,
        "owner": row.rule.spec.owner or "", "severity": row.rule.severity.value, "kind": row.rule.spec.kind,
    }  # fmt: skip
    parsed = matchers(q)
    return matches(parsed, labels) if parsed else q.lower() in " ".join(labels.values()).lower()
