"""Rules: list with state."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from app.catalog.filter import filtered
from app.rules import in_force
from app.web.route import pages
from app.web.rulebook import Row, rows_of
from app.web.visit import visit

router = pages()
MOST = 100  # rows of a group


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that somebody wrote, or those that stand for `alert:` of checks."""

    title: str
    rows: Sequence[Row]
    found: int


@router.get("/rules")
def listed(request: Request, q: str = "") -> Response:
    """Every active rule, those firing or unknown first."""
    with visit(request) as v:
        found = rows_of(v.db, in_force.book(v.db).rules)
        wanted, error = filtered(q, found, lambda row: row.labels)
        wanted.sort(key=lambda row: (row.state == "ok", row.rule.name))
        declared = [row for row in wanted if not row.rule.of_check]
        of_checks = [row for row in wanted if row.rule.of_check]
        groups = [Group("Rules", declared[:MOST], len(declared)), Group("Alerts of checks", of_checks[:MOST], len(of_checks))]
        shown = [one for one in groups if one.rows]
        return v.page("rules.html", groups=shown, total=len(found), q=q, error=error, today=v.now.date())
