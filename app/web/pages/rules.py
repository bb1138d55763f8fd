"""Rules: is this rule worth its pages?"""

from starlette.requests import Request
from starlette.responses import Response

from app.catalog.filter import matchers
from app.catalog.matcher import matches
from app.rules import in_force
from app.web.route import pages
from app.web.rulebook import Row, rows_of
from app.web.visit import visit

router = pages()
MOST = 100


@router.get("/rules")
def listed(request: Request, q: str = "") -> Response:
    """Every rule in force, those that say something first."""
    with visit(request) as v:
        found = rows_of(v.db, in_force.book(v.db).rules)
        wanted = sorted((row for row in found if _wanted(row, q.strip())), key=lambda row: (row.state == "ok", row.rule.name))
        return v.page("rules.html", rows=wanted[:MOST], found=len(wanted), total=len(found), q=q, today=v.now.date())


def _wanted(row: Row, q: str) -> bool:
    labels = {
        "rule": row.rule.name, "check": row.rule.check_name, "state": row.state, "mode": row.rule.spec.mode,
        "owner": row.rule.spec.owner or "", "severity": row.rule.severity.value, "kind": row.rule.spec.kind,
    }  # fmt: skip
    parsed = matchers(q)
    return matches(parsed, labels) if parsed else q.lower() in " ".join(labels.values()).lower()
