"""Incidents: list, look, act."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from app import clock
from app.actions import service as actions
from app.api.answer import after, answer, listed
from app.api.caller import Caller, router
from app.api.field import LIST, Body, Cursor, Each, Limit, Maybe, MaybeText, Number, Text
from app.catalog.filter import parsed
from app.catalog.model import Severity
from app.db import transaction
from app.incidents.model import IncidentState
from app.incidents.present import present
from app.incidents.search import store as search
from app.incidents.search.model import Order, Search, parse_position, position
from app.review.dossier import dossier, incident

routes = router("incidents")
SHORTEST, LONGEST = int(actions.SNOOZE_SHORTEST.total_seconds()), int(actions.SNOOZE_LONGEST.total_seconds())


class Snooze(Body):
    """How long it stays quiet."""

    seconds: float = Field(strict=True, ge=SHORTEST, le=LONGEST, allow_inf_nan=False)


class Merge(Body):
    """The incident that takes over the alerts."""

    into: int = Field(strict=True, ge=1, le=2**63 - 1)


class Assign(Body):
    """Who works on it."""

    user: Text = Field(max_length=128)


class Note(Body):
    """What somebody found out."""

    text: Text = Field(max_length=actions.NOTE_LIMIT)


@routes.get("/incidents")
def list_incidents(
    state: Annotated[list[IncidentState], Each, Query(description="repeats; default: all")] = [],  # noqa: B006
    service: MaybeText = None,
    team: MaybeText = None,
    severity: Annotated[Severity | None, Maybe, Query()] = None,
    q: MaybeText = None,
    sort: Annotated[
        Order, Query(description="worst: the most severe first, then the unacknowledged, then the oldest")
    ] = Order.NEWEST,
    cursor: Cursor = None,
    limit: Limit = LIST,
) -> Response:
    """List incidents. `q`: words, each in title, number, service, team, or an alert's summary or label values; or matchers on
    the labels of one of its alerts and on what the incident is, such as `region="eu", severity=~"critical|error"`."""
    equal = {"service": service, "team": team, "severity": severity.value if severity else None}
    matchers, words = parsed(q or "")
    wanted = Search(
        states=tuple(state),
        equal={name: value for name, value in equal.items() if value},
        words=words,
        matchers=matchers,
        order=sort,
    )
    last = after(cursor)
    with transaction() as db:
        rows = search.found(db, wanted, parse_position(last, sort) if last else None, limit + 1)
    return listed(rows, limit, lambda one: position(one, sort), present)


@routes.get("/incidents/{number}")
def get_incident(number: Number) -> Response:
    """One incident with its alerts, timeline, pages, and the steps to come."""
    with transaction() as db:
        return answer(dossier(db, number, clock.now(db)))


@routes.post("/incidents/{number}/acknowledge")
def acknowledge(caller: Caller, number: Number) -> Response:
    """Take it: no further step. 409 when it is resolved."""
    with transaction() as db:
        done = actions.acknowledge(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/resolve")
def resolve(caller: Caller, number: Number) -> Response:
    """End it. 409 when it has ended."""
    with transaction() as db:
        done = actions.resolve(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/reopen")
def reopen(caller: Caller, number: Number) -> Response:
    """Take an end back: triggered again, the policy from step 1."""
    with transaction() as db:
        done = actions.reopen(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/snooze")
def snooze(caller: Caller, number: Number, body: Snooze) -> Response:
    """Quiet for so many seconds, then the policy from step 1 unless it was resolved."""
    with transaction() as db:
        done = actions.snooze(db, number, timedelta(seconds=body.seconds), caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/merge")
def merge(caller: Caller, number: Number, body: Merge) -> Response:
    """Give its alerts to another open incident; this one, as it ended."""
    with transaction() as db:
        actions.merge(db, number, body.into, caller, clock.now(db))
        return answer(present(incident(db, number)))


@routes.post("/incidents/{number}/assign")
def assign(caller: Caller, number: Number, body: Assign) -> Response:
    """Name the person who works on it."""
    with transaction() as db:
        done = actions.assign(db, number, body.user, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/notes")
def note(caller: Caller, number: Number, body: Note) -> Response:
    """Add a note to the timeline."""
    with transaction() as db:
        done = actions.note(db, number, body.text, caller, clock.now(db))
    return answer(present(done))
