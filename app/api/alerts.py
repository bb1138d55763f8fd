"""Alerts: list, filtered by state, service and matchers."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy import Connection

from app.alerts import store
from app.alerts.model import Alert, AlertState
from app.alerts.present import PublicAlert, present
from app.api.answer import answer as reply
from app.api.answer import before_id, cursor, listed
from app.api.caller import router
from app.api.field import LIST, Cursor, Limit, Match, Maybe, MaybeText, matchers
from app.api.forms import Listed
from app.catalog.matcher import Matchers, Op, matches
from app.db import transaction

routes = router("alerts")
CHUNK, CHUNKS = 1000, 20  # rows looked at a time, and times, for matchers that no index answers


@routes.get("/alerts", response_model=Listed[PublicAlert])
def list_alerts(
    state: Annotated[AlertState | None, Maybe, Query()] = None,
    service: MaybeText = None,
    match: Match = [],  # noqa: B006
    cursor: Cursor = None,
    limit: Limit = LIST,
) -> Response:
    """List alerts, newest first; `match` repeats: `env="prod"`, `team=~"db|web"`."""
    wanted = matchers(match)
    exact = {one.name: one.value for one in wanted if one.op is Op.EQUAL and one.value}
    rest = tuple(one for one in wanted if one.op is not Op.EQUAL or not one.value or exact[one.name] != one.value)
    before = before_id(cursor)
    with transaction() as db:
        if rest:
            return _filtered(db, state, service, exact, rest, before, limit)
        rows = store.listed(db, state=state, service=service, labels=exact, before=before, limit=limit + 1)
    return listed(rows, limit, lambda one: one.id, present)


def _filtered(
    db: Connection,
    state: AlertState | None,
    service: str | None,
    exact: dict[str, str],
    rest: Matchers,
    before: int | None,
    limit: int,
) -> Response:
    """A page of matches; when matches are rare it ends early with a cursor, so that no call scans the whole table."""
    found: list[Alert] = []
    for _ in range(CHUNKS):
        rows = store.listed(db, state=state, service=service, labels=exact, before=before, limit=CHUNK)
        found += [row for row in rows if matches(rest, row.labels)]
        if len(found) > limit or len(rows) < CHUNK:
            return listed(found[: limit + 1], limit, lambda one: one.id, present)
        before = rows[-1].id
    return reply({"items": [present(one) for one in found], "next": cursor(before)})
