"""Checks: list with state, run, pause and resume."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.actions.check import pause, resume
from app.actions.run import run_now
from app.catalog.filter import fits, parsed
from app.checks import service
from app.checks import store as checks
from app.checks.model import CheckState
from app.checks.pause import forgotten
from app.checks.samples import store as samples
from app.checks.select import labels, select
from app.errors import Invalid
from app.plugins import FAMILIES
from app.web import history, pausing
from app.web.graph import sparkline
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Typed, Visit, go, local_path, visit

router = pages()
PAGE = 25
TREND, SLICES = timedelta(hours=1), 60
ORDER = {"critical": 0, "warning": 1, "unknown": 2, None: 3, "ok": 4}


@router.get("/checks")
def listed(
    request: Request, family: str = "", status: str = "", q: str = "", page: Annotated[int, Query(ge=1, le=10_000)] = 1
) -> Response:
    """Worst first, then by name."""
    with visit(request) as v:
        states = checks.states(v.db)
        error, found = "", list[CheckState]()
        try:
            found = sorted(wanted(v, states, family, status, q), key=_worst)
        except Invalid as invalid:
            error = str(invalid)
        shown = found[(page - 1) * PAGE : page * PAGE]
        metric = {one.name: history.main_metric(v.db, one.name, one.metrics) for one in shown}
        url = "/checks?" + urlencode({name: text for name, text in (("family", family), ("status", status), ("q", q)) if text})
        return v.page(
            "checks.html",
            checks=shown,
            trends=_trends(v, metric),
            metric=metric,
            total=len(states),
            found=len(found),
            counts=checks.count_by_status(v.db),
            forgotten_names=forgotten({one.name: one.pause for one in states.values() if one.pause}, v.now),
            families=FAMILIES,
            family=family,
            status_filter=status,
            q=q,
            error=error,
            newer=f"{url}&page={page - 1}" if page > 1 else None,
            older=f"{url}&page={page + 1}" if len(found) > page * PAGE else None,
        )


@router.post("/checks/{name}/run")
def run(request: Request, name: str, typed: Typed) -> Response:
    """Run it now through its queue; its row has the result when this returns."""
    with visit(request) as v:
        actor = v.actor
    result = run_now(name, actor)  # not inside a transaction: it waits for a worker
    said = f"{name} is {result['status']}" + (f": {result['message']}" if result["message"] else "")
    return go(local_path(typed.get("back"), "/checks"), Toast.plain(said))


@router.post("/checks/{name}/pause")
def pause_check(request: Request, name: str, typed: Typed) -> Response:
    """Pause it."""
    with visit(request) as v:
        until = pausing.end(typed, v.now, v.zone)
        pause(v.db, name, v.actor, v.now, until=until, reason=typed.get("reason", ""))
        toast = Toast.plain(pausing.said(name, until, "until resumed", v.now, v.zone))
    return go(local_path(typed.get("back"), "/checks"), toast)


@router.post("/checks/{name}/resume")
def resume_check(request: Request, name: str, typed: Typed) -> Response:
    """Resume it."""
    with visit(request) as v:
        resume(v.db, name, v.actor, v.now)
    return go(local_path(typed.get("back"), "/checks"), Toast.plain(f"{name} resumed"))


def wanted(v: Visit, states: Mapping[str, CheckState], family: str, status: str, q: str) -> list[CheckState]:
    """The states of the checks that the filter shows: matchers, or words that stand in them. Raises Invalid."""
    found, words = parsed(q)
    declared = service.declared(v.db)
    names = select(declared, states, family=family or None, matchers=found)
    known = [states[name] for name in names if name in states and status in ("", states[name].shown)]
    return [one for one in known if fits((), words, labels(one.name, declared[one.name], one))]


def _worst(state: CheckState) -> tuple[bool, int, str]:
    return state.paused, ORDER.get(state.status, 3), state.name


def _trends(v: Visit, metric: Mapping[str, str]) -> dict[str, str]:
    since = v.now - TREND
    found = samples.trends(v.db, metric, since, v.now, TREND.total_seconds() / SLICES) if metric else {}
    return {name: sparkline(points, since, v.now) for name, points in found.items()}
