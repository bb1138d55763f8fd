"""Incidents: list, show, act."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from app import clock
from app.actions import manual
from app.actions import service as actions
from app.actions.manual import ManualPage
from app.api.answer import after, answer, listed, whole
from app.api.caller import Caller, router
from app.api.field import LIST, Body, Cursor, Each, Limit, Maybe, MaybeText, Number, Text
from app.api.forms import Listed
from app.catalog.filter import parsed
from app.catalog.model import Severity
from app.db import transaction
from app.errors import Fault, Invalid
from app.incidents.model import IncidentState
from app.incidents.present import PublicIncident, present
from app.incidents.search import store as search
from app.incidents.search.model import Order, Search, parse_position, position
from app.review.choices import PublicChoice, person_choices, present_choices, step_choices
from app.review.dossier import PublicDossier, dossier, incident
from app.review.manual import PublicManualPreview, preview
from app.signals.model import SUMMARY_LIMIT

routes = router("incidents")
SHORTEST, LONGEST = int(actions.SNOOZE_SHORTEST.total_seconds()), int(actions.SNOOZE_LONGEST.total_seconds())


class Snooze(Body):
    """For how long."""

    seconds: float = Field(strict=True, ge=SHORTEST, le=LONGEST, allow_inf_nan=False)


class Merge(Body):
    """The incident that takes over the alerts."""

    into: int = Field(strict=True, ge=1, le=2**63 - 1)


class Assign(Body):
    """The assignee."""

    user: Text = Field(max_length=128)


class Escalate(Body):
    """A later step (counts from 1), or a user to assign; neither: the next step."""

    step: int | None = Field(default=None, strict=True, ge=1, le=1000)
    user: Annotated[Text, Field(max_length=128)] | None = None


class New(Body):
    """Who to page, and why. `key`: while its incident is open, the same key returns it and pages no one again."""

    target: Text = Field(
        min_length=1, max_length=manual.TARGET_LIMIT, description="user:NAME, team:NAME or schedule:NAME", examples=["user:bo"]
    )
    summary: Text = Field(min_length=1, max_length=SUMMARY_LIMIT)
    severity: Severity = Field(default=Severity.CRITICAL, description="critical and error page at high urgency")
    service: Text | None = Field(default=None, max_length=manual.SERVICE_LIMIT)
    details: Text | None = Field(default=None, max_length=manual.DETAILS_LIMIT)
    key: Text | None = Field(default=None, max_length=manual.KEY_LIMIT)

    @property
    def asked(self) -> ManualPage:
        """The same without its empty fields."""
        return ManualPage(
            target=self.target,
            summary=self.summary,
            severity=self.severity,
            service=self.service or "",
            details=self.details or "",
            key=self.key or "",
        )


class Note(Body):
    """A note."""

    text: Text = Field(max_length=actions.NOTE_LIMIT)


@routes.get("/incidents", response_model=Listed[PublicIncident])
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


@routes.post("/incidents", status_code=201, response_model=PublicIncident)
def open_incident(caller: Caller, body: New) -> Response:
    """Page a person, team or schedule now: opens an incident. A team is paged by the policy of its own route, if it has one.
    422: the target reaches no one now."""
    with transaction() as db:
        done = manual.page(db, body.asked, caller, clock.now(db))
    return answer(present(done), 201)


@routes.post("/incidents/preview", response_model=PublicManualPreview)
def preview_incident(caller: Caller, body: New) -> Response:
    """Who opening an incident would page if no one acknowledged. Nothing is sent."""
    with transaction() as db:
        return answer(preview(db, body.asked, caller, clock.now(db))[1])


@routes.get("/incidents/{number}", response_model=PublicDossier)
def get_incident(number: Number) -> Response:
    """One incident with its alerts, timeline, pages and next escalations."""
    with transaction() as db:
        return answer(dossier(db, number, clock.now(db)))


@routes.post("/incidents/{number}/acknowledge", response_model=PublicIncident)
def acknowledge(caller: Caller, number: Number) -> Response:
    """Acknowledge: escalation stops. 409 if already resolved."""
    with transaction() as db:
        done = actions.acknowledge(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/resolve", response_model=PublicIncident)
def resolve(caller: Caller, number: Number) -> Response:
    """Resolve. 409 if already resolved."""
    with transaction() as db:
        done = actions.resolve(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/reopen", response_model=PublicIncident)
def reopen(caller: Caller, number: Number) -> Response:
    """Reopen: triggered again, escalation restarts at step 1. 409 if not resolved."""
    with transaction() as db:
        done = actions.reopen(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/snooze", response_model=PublicIncident)
def snooze(caller: Caller, number: Number, body: Snooze) -> Response:
    """Snooze: no escalation for this many seconds; then it restarts at step 1, unless resolved meanwhile."""
    with transaction() as db:
        done = actions.snooze(db, number, timedelta(seconds=body.seconds), caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/merge", response_model=PublicIncident)
def merge(caller: Caller, number: Number, body: Merge) -> Response:
    """Merge into another open incident, which takes over the alerts; returns this one, resolved."""
    with transaction() as db:
        actions.merge(db, number, body.into, caller, clock.now(db))
        return answer(present(incident(db, number)))


@routes.post("/incidents/{number}/assign", response_model=PublicIncident)
def assign(caller: Caller, number: Number, body: Assign) -> Response:
    """Assign to a user, who is paged now; without an acknowledgement, escalation continues after the policy's first wait.

    Assigning yourself does not page.
    """
    with transaction() as db:
        done = actions.assign(db, number, body.user, caller, clock.now(db))
    return answer(present(done))


@routes.get("/incidents/{number}/escalate", response_model=Listed[PublicChoice])
def escalation_choices(
    caller: Caller,
    number: Number,
    user: Annotated[list[Text], Each, Query(max_length=100, description="repeats")] = [],  # noqa: B006
) -> Response:
    """Who escalating would page: the next step, each later one of this round, and each `user`. Nothing is sent."""
    with transaction() as db:
        found, now = incident(db, number), clock.now(db)
        choices = step_choices(db, found, now) + person_choices(db, found, user, caller.login, now)
        return whole(present_choices(db, choices))


@routes.post("/incidents/{number}/escalate", response_model=PublicIncident)
def escalate(caller: Caller, number: Number, body: Escalate | None = None) -> Response:
    """Escalate: page the next step now, or a later `step`; or `user`, as assign. 409: not triggered, or step already run."""
    wanted = body or Escalate()
    if wanted.step is not None and wanted.user is not None:
        raise Invalid("choose a step or a user, not both", [Fault("step", "beside a user")])
    with transaction() as db:
        if wanted.user is not None:
            done = actions.assign(db, number, wanted.user, caller, clock.now(db))
        else:
            done = actions.escalate(db, number, caller, clock.now(db), wanted.step)
    return answer(present(done))


@routes.post("/incidents/{number}/undo", response_model=PublicIncident)
def undo(caller: Caller, number: Number) -> Response:
    """Undo your own escalate or assign, if it is the last change. 409, which says why: acknowledged, another step ran, or
    somebody else did it. An acknowledgement or snooze is undone by unacknowledge, a resolution by reopen."""
    with transaction() as db:
        done = actions.undo(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/unacknowledge", response_model=PublicIncident)
def unacknowledge(caller: Caller, number: Number) -> Response:
    """Unacknowledge, or end a snooze: escalation restarts at step 1. 409 if not acknowledged."""
    with transaction() as db:
        done = actions.release(db, number, caller, clock.now(db))
    return answer(present(done))


@routes.post("/incidents/{number}/notes", response_model=PublicIncident)
def note(caller: Caller, number: Number, body: Note) -> Response:
    """Add a note to the timeline."""
    with transaction() as db:
        done = actions.note(db, number, body.text, caller, clock.now(db))
    return answer(present(done))
