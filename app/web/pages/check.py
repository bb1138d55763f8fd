"""One check: state, results, and its rules."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.actions import baseline
from app.checks import service
from app.checks import store as checks
from app.checks.model import Check, CheckState
from app.checks.prober import store as prober
from app.checks.samples import store as samples
from app.errors import Conflict, Invalid, NotFound
from app.rules import in_force
from app.units import counted
from app.web import form, history, probes
from app.web.drifted import digest, drifted
from app.web.graph import Drawn
from app.web.history import Subject
from app.web.route import pages
from app.web.rulebook import rows_of
from app.web.toast import Toast
from app.web.trouble import trouble
from app.web.visit import Typed, Visit, go, local_path, visit
from app.web.wall import morning

router = pages()
RESULTS = 15
KNOWN = timedelta(days=1)  # a metric that did not come for so long is not offered any more
SPANS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "1y": timedelta(days=365),
}
PREFERRED = "6h"


@router.get("/checks/{name}")
def show(request: Request, name: str, metric: str = "", span: str = PREFERRED, series: str = "") -> Response:
    """One check: its graph, its results, its rules, its baseline."""
    with visit(request) as v:
        state = checks.states_of(v.db, [name]).get(name)
        if state is None:
            raise NotFound(f'check "{name}" not found')
        check = service.check(v.db, name)
        span = span if span in SPANS else PREFERRED
        metrics = _metrics(v.db, name, state, v.now)
        chosen = metric if metric in metrics else history.main_metric(v.db, name, metrics)
        results = samples.results(v.db, name, v.now - SPANS[span], v.now, RESULTS)
        accepted = checks.baselines(v.db, [name]).get(name)
        return v.page(
            "check.html",
            state=state,
            check=check,
            settings=_settings(check),
            metrics=metrics,
            chosen=chosen,
            drawn=_drawn(v, name, chosen, span, series),
            span=span,
            spans=list(SPANS),
            results=results,
            morning=morning(v.now, v.zone),
            offline_since=_offline_since(v.db, check),
            said=history.said,
            rules=rows_of(v.db, in_force.by_check(v.db).get(name, ())),
            baseline=drifted(accepted) if accepted else None,
        )


@router.post("/checks/{name}/baseline")
def accept(request: Request, name: str, typed: Typed) -> Response:
    """Accept the observation on the page as the baseline; refused if the check has observed something else since."""
    with visit(request) as v:
        before = baseline.shown(v.db, name)
        if typed.get("seen") != digest(before["observed"]):
            raise Conflict(f"the baseline of {name} has changed since this page was loaded")
        now = baseline.accept(v.db, name, v.actor, v.now)
    said = f"Baseline of {name} accepted: {counted(len(now['accepted']), 'entry', 'entries')}; used from the next run"
    return go(local_path(typed.get("back"), "/checks"), Toast.plain(said))


def _drawn(v: Visit, name: str, metric: str, span: str, series: str) -> Drawn | None:
    """The graph, with what its rules say: those that read this metric, and those that read results."""
    window = (v.now - SPANS[span], v.now)
    rules = [rule for rule in in_force.book(v.db).rules if rule.check_name == name]
    found = trouble(v.db, name, [rule for rule in rules if rule.metric in (metric, None)], window, v.now, series)
    return history.draw(v.db, Subject(name, metric, window, rules, series, found.firing, found.pending), v.zone)


def _metrics(db: Connection, name: str, state: CheckState, now: datetime) -> list[str]:
    """Those of the last run, in the probe's order, then those that come in label sets."""
    lately = samples.metrics(db, name, min(state.at or now, now - KNOWN))
    return list(dict.fromkeys([*state.metrics, *lately]))


def _settings(check: Check) -> Mapping[str, str]:
    """Its settings, without their secrets."""
    try:
        known = form.fields(probes.spec_of(check.probe), check.with_)
    except (Invalid, NotFound):  # the module is gone, or broken
        known = ()
    return {name: form.written(value) for name, value in form.safe(known, check.with_).items()}


def _offline_since(db: Connection, check: Check) -> datetime | None:
    return prober.offline(db).get(check.at or "")
