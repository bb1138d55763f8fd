"""Services: how does each stand, and whose is it?"""

from starlette.requests import Request
from starlette.responses import Response

from app.catalog.filter import matchers
from app.catalog.matcher import matches
from app.web.route import pages
from app.web.standing import Standing, standings
from app.web.visit import visit

router = pages()
MOST = 100


@router.get("/services")
def listed(request: Request, q: str = "") -> Response:
    """Every service, the worst first."""
    with visit(request) as v:
        known = standings(v.db, v.now)
        found = sorted((one for one in known.values() if _wanted(one, q.strip())), key=lambda one: one.order)
        return v.page("services.html", services=found[:MOST], found=len(found), total=len(known), q=q)


def _wanted(one: Standing, q: str) -> bool:
    labels = {
        "service": one.name, "team": one.spec.team or "", "tier": one.spec.tier if one.origin else "", "state": one.state,
        "business": one.spec.business or "", "description": one.spec.description or "",
    }  # fmt: skip
    parsed = matchers(q)
    return matches(parsed, labels) if parsed else q.lower() in " ".join(labels.values()).lower()
