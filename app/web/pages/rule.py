"""One rule: what it evaluates, its state, and its alerts."""

from collections.abc import Mapping
from inspect import getdoc

from starlette.requests import Request
from starlette.responses import Response

from app.alerts.model import Alert
from app.checks import store as checks
from app.errors import NotFound
from app.redact import shown as starred
from app.rules import in_force
from app.rules.active import Active
from app.rules.evaluate import ONE_SERIES, TOO_MANY, series_of
from app.rules.kinds import burn_rate
from app.web import form, history
from app.web.burn import burning
from app.web.graph import Drawn
from app.web.history import Subject, said
from app.web.pages.check import PREFERRED, SPANS
from app.web.route import pages
from app.web.rulebook import Row, how, rows_of
from app.web.trouble import Trouble, trouble
from app.web.visit import Visit, visit

router = pages()
SERIES, ALERTS = 30, 12  # rows shown
SHOWN_APART = ("kind", "check", "owner", "review_by", "runbook", "severity", "mode")


@router.get("/rules/{name}")
def show(request: Request, name: str, span: str = PREFERRED, series: str = "") -> Response:
    """Everything about it on one page."""
    with visit(request) as v:
        known = in_force.book(v.db)
        rule = next((one for one in known.rules if one.name == name), None)
        if rule is None:
            raise NotFound(f'rule "{name}" not found')
        span = span if span in SPANS else PREFERRED
        (row,) = rows_of(v.db, [rule])
        window = (v.now - SPANS[span], v.now)
        found = trouble(v.db, rule.check_name, [rule], window, v.now, series)
        wanted = next((one for one in row.series if one.series == series), next(iter(row.series), None))
        burnt = burning(v.db, rule, wanted, window, v.zone, found.firing) if wanted else None
        members = [one for one in known.rules if one.name in rule.members]
        return v.page(
            "rule.html",
            row=row,
            rule=rule,
            about=(getdoc(rule.kind) or "").partition("\n")[0],
            drawn=None if rule.kind is burn_rate else _drawn(v, row, found, span, series),
            burning=burnt,
            judged=[(one, how(one), _named(one.series, len(row.series) > 1)) for one in row.series[:SERIES]],
            more=max(0, len(row.series) - SERIES),
            members=rows_of(v.db, members),
            alerts=[(one, _series_of(one)) for one in found.alerts[:ALERTS]],
            settings=_settings(rule),
            span=span,
            spans=list(SPANS),
            today=v.now.date(),
        )


def _drawn(v: Visit, row: Row, found: Trouble, span: str, series: str) -> Drawn | None:
    """The metric it reads; that of its check that matters most where it reads results or other rules."""
    rule = row.rule
    metric = rule.metric
    if metric is None:
        state = checks.states_of(v.db, [rule.check_name]).get(rule.check_name)
        metric = history.main_metric(v.db, rule.check_name, state.metrics if state else ())
    window = (v.now - SPANS[span], v.now)
    return history.draw(v.db, Subject(rule.check_name, metric, window, [rule], series, found.firing, found.pending), v.zone)


def _named(series: str, of_several: bool) -> str:
    return "label sets beyond max_series" if series == TOO_MANY else said(series) if of_several or series != ONE_SERIES else ""


def _series_of(alert: Alert) -> str:
    """The label set that an alert of a rule is about, in words; nothing where there is but one."""
    return _named(series_of(alert.alertname, alert.key), False)


def _settings(rule: Active) -> Mapping[str, str]:
    """What was written of it, but for what has a place of its own."""
    written = rule.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    shown = {name: value for name, value in written.items() if name not in SHOWN_APART and value is not None}
    return {name: form.written(value) for name, value in starred(shown).items()}
