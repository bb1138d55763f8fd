"""Incidents: the list, with its filter in the URL."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.catalog.matcher import matches
from app.catalog.model import Severity
from app.errors import Invalid
from app.incidents import store
from app.incidents.model import OPEN, Incident, IncidentState
from app.web.board import rows
from app.web.filter import matchers
from app.web.route import pages
from app.web.visit import Visit, visit

router = pages()
PAGE = 20
SEARCHED = 2000  # newest incidents that matchers are tried on
STATES = {"open": OPEN, **{state.value: (state,) for state in IncidentState}, "all": ()}


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for, as it stands in the URL."""

    state: str
    severity: str
    service: str
    q: str

    def url(self, **changed: str) -> str:
        """The list with this filter, a part of it changed."""
        wanted = {"state": self.state, "severity": self.severity, "service": self.service, "q": self.q, **changed}
        return "/incidents?" + urlencode({name: value for name, value in wanted.items() if value})


@router.get("/incidents")
def listed(
    request: Request,
    state: str = "open",
    severity: str = "",
    service: str = "",
    q: str = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Newest first, one page after the other."""
    wanted = Filter(state if state in STATES else "all", severity, service, q.strip())
    if severity and severity not in list(Severity):
        raise Invalid(f'unknown severity "{severity}"; use one of {", ".join(Severity)}')
    with visit(request) as v:
        found = _find(v, wanted, before)
        shown = found[:PAGE]
        older = wanted.url(before=str(shown[-1].number)) if len(found) > PAGE else None
        return v.page(
            "incidents.html",
            rows=rows(v.db, shown, v.now),
            filter=wanted,
            older=older,
            first=before is None,
            states=STATES,
            severities=list(Severity),
            services=list(catalog.services(v.db)),
        )


def _find(v: Visit, wanted: Filter, before: int | None) -> list[Incident]:
    parsed = matchers(wanted.q)
    equal = {name: value for name, value in (("severity", wanted.severity), ("service", wanted.service)) if value}
    found = store.listed(
        v.db,
        states=STATES[wanted.state],
        equal=equal,
        words="" if parsed else wanted.q,
        before=before,
        limit=SEARCHED if parsed else PAGE + 1,
    )
    return [one for one in found if matches(parsed, labels(one))][: PAGE + 1] if parsed else found


def labels(incident: Incident) -> dict[str, str]:
    """What matchers see of an incident."""
    own = {"title": incident.title, "state": incident.state, "severity": incident.severity, "urgency": incident.urgency}
    names = {"service": incident.service, "team": incident.team, "policy": incident.policy_name}
    people = {"acknowledged_by": incident.acknowledged_by, "assigned_to": incident.assigned_to}
    known = {name: value or "" for name, value in (own | names | people).items()}
    return {**incident.labels, **known, "number": str(incident.number)}
