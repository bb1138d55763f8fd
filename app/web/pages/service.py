"""One service: its state, and who is paged when it fails."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.alerts import store as alerts
from app.catalog import store as catalog
from app.catalog.matcher import Matcher, Op
from app.catalog.model import Severity
from app.checks import service as checks
from app.checks import store as states
from app.checks.heartbeats import store as heartbeats
from app.checks.heartbeats.present import HeartbeatView, view
from app.configfile.sections import RUNBOOK, Runbook
from app.errors import NotFound
from app.incidents.model import OPEN, IncidentState
from app.incidents.route import Routed
from app.incidents.search import store as incidents
from app.incidents.search.model import Order, Search
from app.people.model import Urgency
from app.review.preview import routed
from app.rules import in_force
from app.web.board import Page, board
from app.web.guard import base_url
from app.web.reaching import StepNow, reaching
from app.web.route import pages
from app.web.rulebook import rows_of
from app.web.standing import UNDECLARED, Standing, standings
from app.web.visit import Visit, visit

router = pages()
INCIDENTS, RESOLVED, CHECKS = 5, 5, 50  # rows shown


@dataclass(frozen=True, slots=True)
class Way:
    """How alerts of these severities are routed now."""

    severities: tuple[Severity, ...]
    routed: Routed


@dataclass(frozen=True, slots=True)
class Paged:
    """Whom one policy reaches now, and what comes to it."""

    ways: tuple[Way, ...]
    steps: tuple[StepNow, ...]


@router.get("/services/{name:path}")  # an alert from outside may name one with a slash
def show(request: Request, name: str, page: Page) -> Response:
    """Everything about it on one page; of an undeclared one, what is known."""
    with visit(request) as v:
        every = standings(v.db, v.now)
        wanted = Search(OPEN, matchers=(Matcher("service", Op.EQUAL, name),), order=Order.WORST)
        closed = Search((IncidentState.RESOLVED,), matchers=wanted.matchers)
        latest = incidents.found(v.db, closed, limit=RESOLVED)
        if name not in every and not latest and not _is_named(v.db, name):
            raise NotFound(f'service not found: "{name}" is neither declared nor named by an alert')
        one = every.get(name, Standing(name, UNDECLARED, None, None))
        own = {check: state for check, state in states.states(v.db).items() if _of(v.db, check) == name}
        return v.page(
            "service.html",
            service=one,
            query=str(wanted.matchers[0]),
            board=board(v.db, wanted, v.now, INCIDENTS, page=page, by_service=False),
            latest=latest,
            paged=_paged(v.db, name, v.now),
            checks=sorted(own.values(), key=lambda state: (state.shown in ("ok", "paused"), state.name))[:CHECKS],
            checks_more=max(0, len(own) - CHECKS),
            heartbeats=_heartbeats(v, name),
            rules=rows_of(v.db, [rule for rule in in_force.book(v.db).rules if rule.check_name in own]),
            needs=[every[other] for other in one.spec.depends_on if other in every],
            needed_by=[other for other in every.values() if name in other.spec.depends_on],
            runbook=catalog.declared(v.db, RUNBOOK, Runbook).get(one.spec.runbook or ""),
        )


def _is_named(db: Connection, name: str) -> bool:
    """Whether an alert or a heartbeat names it, be it one that opened no incident."""
    named = alerts.listed(db, state=None, service=None, labels={"service": name}, before=None, limit=1)
    return bool(named) or any(one.spec.service == name for one in heartbeats.listed(db))


def _of(db: Connection, check: str) -> str | None:
    declared = checks.declared(db).get(check)
    return declared.service if declared else None


def _heartbeats(v: Visit, name: str) -> list[HeartbeatView]:
    return [view(one, v.now, base_url(v.request)) for one in heartbeats.listed(v.db) if one.spec.service == name]


def _paged(db: Connection, name: str, now: datetime) -> list[Paged]:
    """Which route and policy an alert of each severity would get, those that get the same together."""
    alike: dict[tuple[int | None, Urgency], list[Severity]] = {}
    by: dict[tuple[int | None, Urgency], Routed] = {}
    for severity in Severity:
        way = routed(db, {"service": name}, severity, now)
        alike.setdefault((way.number, way.urgency), []).append(severity)
        by[way.number, way.urgency] = way
    ways = [Way(tuple(severities), by[key]) for key, severities in alike.items()]
    policies = catalog.policies(db)
    steps = reaching(db, {one.routed.policy: policies.get(one.routed.policy or "") for one in ways}, now)
    return [Paged(tuple(one for one in ways if one.routed.policy == policy), found) for policy, found in steps.items()]
