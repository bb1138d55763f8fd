"""Policies: whom each pages right now, and which routes lead to it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.web.reaching import Policies, reaching
from app.web.route import pages
from app.web.visit import visit

router = pages()
MOST = 50


@router.get("/policies")
def listed(request: Request, q: str = "") -> Response:
    """Every escalation policy in declared order, as it stands now."""
    with visit(request) as v:
        known = catalog.policies(v.db)
        words = q.strip().lower()
        found = [name for name, one in known.items() if words in f"{name} {' '.join(sorted(one.targets))}".lower()]
        shown = {name: known[name] for name in found[:MOST]}
        asked: Policies = {name: known.get(name or "") for name in (*shown, None)}
        return v.page(
            "policies.html",
            policies=shown,
            steps=reaching(v.db, asked, v.now),
            routes=_leading(v.db),
            origins=catalog.origins(v.db, "policy"),
            platform=catalog.origins(v.db, "platform").get("platform"),
            found=len(found),
            total=len(known),
            q=q,
        )


def _leading(db: Connection) -> Mapping[str, Sequence[int]]:
    """The numbers of the routes that lead to each policy."""
    found: dict[str, list[int]] = {}
    for number, one in enumerate(catalog.routes(db), 1):
        found.setdefault(one.policy, []).append(number)
    return found
