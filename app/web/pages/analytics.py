"""Analytics: which alerts cost sleep and needed no action?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.catalog.matcher import Matcher, Op
from app.catalog.model import Severity
from app.people import store as people
from app.review.analytics.calendar import asked
from app.review.analytics.model import DEFINITIONS, LONGEST, USUAL, Analytics, Day, Filter, Key, Level, Listing
from app.review.analytics.service import analytics
from app.rules import in_force
from app.web.days import Days, Part, draw
from app.web.route import pages
from app.web.template import path
from app.web.visit import visit

router = pages()
SPANS = (7, 30, 90)  # days
FIRST, SHOWN = 10, 25  # rows of a list that are seen, and those that opening it shows
TITLES = {
    "pages": "Pages", "night": "At night", "weekend": "Weekend", "incidents": "Incidents",
    "needed_nobody": "Incidents that needed no action", "pages_needed_nobody": "Pages that needed no action",
    "night_needed_nobody": "Night pages that needed no action",
    "acknowledge": "Time to acknowledge", "resolve": "Time to resolve",
    "reopened": "Reopened", "escalated": "Escalated beyond step 1", "by_alert": "Alerts", "by_user": "People",
    "previous": "Before",
}  # fmt: skip
Text = Annotated[str, Query(max_length=512)]


@router.get("/analytics")
def show(
    request: Request,
    days: Annotated[int, Query(ge=1, le=LONGEST)] = USUAL,
    service: Text = "",
    team: Text = "",
    user: Text = "",
) -> Response:
    """The last `days` days in the viewer's time zone, compared with the period before."""
    only = Filter(service=service or None, team=team or None, user=user or None)
    with visit(request) as v:
        found = analytics(v.db, asked(days, None, None, v.zone, v.now), only)
        rules = {rule.source: rule.name for rule in in_force.book(v.db).rules}
        return v.page(
            "analytics.html",
            of=found,
            days=days,
            spans=SPANS,
            chosen={"service": service, "team": team, "user": user},
            choices=_choices(v.db, only),
            url=lambda **change: _url(days, only, **change),
            leads=lambda key: _leads(key, rules, days, only),
            needless=[row for row in found.alerts.rows if row.now.paged.needed_nobody or row.now.opened.needed_nobody][:FIRST],
            paged=_paged(found),
            opened=_opened(found),
            lists=_lists(found),
            first=FIRST,
            shown=SHOWN,
            says=DEFINITIONS,
            titles=TITLES,
        )


def _choices(db: Connection, only: Filter) -> Mapping[str, Sequence[str]]:
    """What may be asked for; what is asked for already stands there, whether or not it is declared."""
    directory = people.directory(db, "UTC")
    known = {"service": catalog.services(db), "team": directory.teams, "user": directory.people}
    given = {"service": only.service, "team": only.team, "user": only.user}
    return {name: sorted({*names, *filter(None, [given[name]])}) for name, names in known.items()}


def _url(span: int, only: Filter, **change: object) -> str:
    given = {"days": span, "service": only.service, "team": only.team, "user": only.user, **change}
    return f"/analytics?{urlencode({name: value for name, value in given.items() if value})}"


def _leads(key: Key, rules: Mapping[str, str], days: int, only: Filter) -> str:
    """Where more of it is shown: an alert's rule, its incidents where it has none here; the same figures of anything else."""
    if key.level is not Level.ALERT:
        return _url(days, only, **{key.level.value: key.name})
    if rule := rules.get(key.source or ""):
        return path("rules", rule)
    return "/incidents?" + urlencode({"state": "all", "q": str(Matcher("alertname", Op.EQUAL, key.name or ""))})


def _paged(found: Analytics) -> Days:
    return _drawn(
        "page", found, ("d-night", "at night", lambda day: day.paged.night),
        ("d-day", "by day", lambda day: day.paged.pages - day.paged.night),
    )  # fmt: skip


def _opened(found: Analytics) -> Days:
    of = [(f"d-{one}", one.value, lambda day, one=one: day.severities.get(one, 0)) for one in Severity]
    return _drawn("incident", found, *of)


def _drawn(what: str, found: Analytics, *parts: tuple[str, str, Callable[[Day], int]]) -> Days:
    made = [Part(style, name, tuple(count(day) for day in found.days)) for style, name, count in parts]
    return draw(what, [day.day for day in found.days], made)


def _lists(found: Analytics) -> Sequence[tuple[str, str, Listing]]:
    """Heading, name of a row, the list; only those with something in them."""
    every = (
        ("Alerts", "alert", found.alerts), ("Services", "service", found.services), ("Teams", "team", found.teams),
        ("People", "user", found.users),
    )  # fmt: skip
    return [(title, name, of) for title, name, of in every if of.rows]
