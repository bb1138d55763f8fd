"""Home: what is wrong now, and who is working on it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.checks import store as checks
from app.incidents.model import OPEN, IncidentState
from app.incidents.search import store as incidents
from app.incidents.search.model import Order, Search
from app.oncall import service as oncall
from app.oncall.model import On
from app.web.board import Page, board
from app.web.handover import UNTIL, hand_overs
from app.web.pages.incidents import of_service
from app.web.route import pages
from app.web.visit import visit

router = pages()
SHOWN = 20  # rows
DAYS = 14  # of coverage


@dataclass(frozen=True, slots=True)
class Duty:
    """One schedule in a line: who is on call, who is next, how much of the coming days is covered."""

    schedule: str
    now: On
    next: On | None
    percent: float


@router.get("/")
def home(request: Request, page: Page) -> Response:
    """Open incidents, worst first; below them on call and checks."""
    with visit(request) as v:
        open_ = board(v.db, Search(OPEN, order=Order.WORST), v.now, SHOWN, page=page)
        resolved = Search((IncidentState.RESOLVED,))
        holding = oncall.who(v.db, v.now)
        latest = incidents.found(v.db, resolved, limit=1) if not open_.total else []
        return v.page(
            "home.html",
            board=open_,
            duties=_duties(v.db, holding, v.now),
            hand_overs=hand_overs(v.db, v.actor, v.person, holding, v.now) if v.may("respond") else {},
            until_names=UNTIL,
            statuses=checks.count_by_status(v.db),
            latest=latest,
            days=DAYS,
            of_service=of_service,
        )


def _duties(db: Connection, holding: Mapping[str, On], now: datetime) -> list[Duty]:
    covered = oncall.coverage(db, now, DAYS)
    duties = []
    for name, on in holding.items():
        following = oncall.who_of(db, name, on.until) if on.until is not None else None
        duties.append(Duty(name, on, following, covered[name].percent))
    return duties
