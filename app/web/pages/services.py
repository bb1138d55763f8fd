"""Services: the state and team of each."""

from starlette.requests import Request
from starlette.responses import Response

from app.catalog.filter import filtered
from app.web.route import pages
from app.web.standing import standings
from app.web.visit import visit

router = pages()
MOST = 100


@router.get("/services")
def listed(request: Request, q: str = "") -> Response:
    """Every service, the worst first."""
    with visit(request) as v:
        known = standings(v.db, v.now)
        found, error = filtered(q, known.values(), lambda one: one.labels)
        found.sort(key=lambda one: one.order)
        return v.page("services.html", services=found[:MOST], found=len(found), total=len(known), q=q, error=error)
