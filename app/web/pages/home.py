"""Home: what is wrong now, and who has it?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.checks import store as checks
from app.incidents import store as incidents
from app.incidents.model import OPEN, Incident, IncidentState
from app.oncall import service as oncall
from app.oncall.model import On
from app.web.board import board
from app.web.route import pages
from app.web.visit import visit

router = pages()
MOST = 500  # open incidents looked at
DAYS = 14  # of coverage


@dataclass(frozen=True, slots=True)
class Duty:
    """One schedule in a line: who is on call, who is next, how much of the coming days is covered."""

    schedule: str
    now: On
    next: On | None
    percent: float


@router.get("/")
def home(request: Request, known: Annotated[list[int], Query()] = []) -> Response:  # noqa: B006 - FastAPI copies it
    """Open incidents, worst first; with none of them, what a calm hour is good for."""
    with visit(request) as v:
        open_ = incidents.listed(v.db, states=OPEN, equal={}, words="", before=None, limit=MOST)
        numbers = {one.number for one in open_}
        missing = [number for number in known[:100] if number not in numbers and 0 < number < 2**63]
        gone: list[Incident] = list(incidents.by_numbers(v.db, missing).values()) if missing else []
        shown = board(v.db, open_, known[:100], gone, v.now)
        duties = _duties(v.db, v.now)
        statuses = checks.count_by_status(v.db)
        latest = (
            incidents.listed(v.db, states=(IncidentState.RESOLVED,), equal={}, words="", before=None, limit=5)
            if not open_
            else []
        )
        return v.page("home.html", board=shown, duties=duties, statuses=statuses, latest=latest, days=DAYS)


def _duties(db: Connection, now: datetime) -> list[Duty]:
    covered = oncall.coverage(db, now, DAYS)
    duties = []
    for name, on in oncall.who(db, now).items():
        following = oncall.who_of(db, name, on.until) if on.until is not None else None
        duties.append(Duty(name, on, following, covered[name].percent))
    return duties
