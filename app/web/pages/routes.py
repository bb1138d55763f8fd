"""Routes: which alert gets which policy. The first match wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.catalog.matcher import HOURS, Matcher, Op
from app.catalog.model import Route
from app.oncall import service as oncall
from app.web.route import pages
from app.web.visit import visit

router = pages()
MOST = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One route; `preview` is the preview of an alert with the labels that it asks for, as far as it names them."""

    number: int
    route: Route
    origin: str
    preview: str
    exact: bool  # such an alert passes every matcher


@router.get("/routes")
def listed(request: Request) -> Response:
    """Every route in the order in which they are tried."""
    with visit(request) as v:
        origins = catalog.origins(v.db, "route")
        known = catalog.declared(v.db, "route", Route)
        rows = [_row(number, one, origins[name]) for number, (name, one) in enumerate(known.items(), 1)]
        catches = next((row.number for row in rows if not row.route.matchers), None)
        timetable = oncall.timetable(v.db)
        hours = {name: timetable.is_open(name, v.now) for name in timetable.named}
        return v.page(
            "routes.html",
            rows=rows[:MOST],
            more=max(0, len(rows) - MOST),
            catches=catches,
            hours=hours,
            hour_origins=catalog.origins(v.db, "hours"),
        )


def _row(number: int, route: Route, origin: str) -> Row:
    labels = {one.name: one.value for one in route.matchers if one.op is Op.EQUAL and one.value and one.name != HOURS}
    exact = all(one.matches(labels) for one in route.matchers)
    return Row(number, route, origin, f"/preview?{urlencode(_asked(labels))}", exact)


def _asked(labels: Mapping[str, str]) -> dict[str, str]:
    """The fields of the preview's form."""
    own = {name: labels[name] for name in ("service", "severity") if name in labels}
    others = [str(Matcher(name, Op.EQUAL, value)) for name, value in labels.items() if name not in own]
    return {**own, **({"labels": ", ".join(others)} if others else {})}
