"""Who is on call, now and next, and how much of the coming days is covered; schedules and overrides."""

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from app import clock
from app.actions import pager
from app.api.answer import answer, before_id, listed, whole
from app.api.caller import Caller, router
from app.api.field import MOST, Body, Cursor, Instant, Maybe, MaybeInstant, Name, Text
from app.api.forms import Listed, PublicLayer, PublicOnly, PublicSchedule
from app.db import transaction
from app.oncall import present, service
from app.oncall.model import Layer, Schedule
from app.oncall.present import PublicCoverage, PublicListedOverride, PublicOnCall, PublicOverride, PublicShift

routes = router("on call")
SHOWN = timedelta(days=14)  # of shifts, when nothing else is asked for


class NewOverride(Body):
    """Who is on call, from when to when."""

    user: Text = Field(min_length=1, max_length=128)
    start: Instant
    end: Instant
    reason: Text = Field(default="", max_length=service.REASON_LIMIT)


class EditedOverride(Body):
    """What to change; fields left out keep their values."""

    user: Annotated[Text, Field(min_length=1, max_length=128)] | None = None
    start: Instant | None = None
    end: Instant | None = None
    reason: Annotated[Text, Field(max_length=service.REASON_LIMIT)] | None = None


@routes.get("/oncall", response_model=Listed[PublicOnCall])
def on_call(at: MaybeInstant = None) -> Response:
    """Who is on call at `at` (default: now), for every schedule; `users` is empty where nobody is."""
    with transaction() as db:
        found = service.who(db, at or clock.now(db))
    return whole(present.holding(found))


@routes.get("/oncall/coverage", response_model=Listed[PublicCoverage])
def coverage(days: Annotated[int, Query(ge=1, le=3660)] = 90) -> Response:
    """How much of the coming days is covered by someone on call, for every schedule, with the gaps."""
    with transaction() as db:
        now = clock.now(db)
        found, idle = service.coverage(db, now, days), service.idle(db, now, now + timedelta(days=days))
    return whole([present.covered(name, one, idle.get(name, ())) for name, one in found.items()])


@routes.get("/schedules", response_model=Listed[PublicSchedule])
def schedules() -> Response:
    """List schedules in declared order."""
    with transaction() as db:
        zone = service.default_zone(db).key
        return whole([_shown(name, one, zone) for name, one in service.schedules(db).items()])


@routes.get("/schedules/{name}", response_model=PublicSchedule)
def schedule(name: Name) -> Response:
    """One schedule."""
    with transaction() as db:
        return answer(_shown(name, service.schedule(db, name), service.default_zone(db).key))


@routes.get("/schedules/{name}/shifts", response_model=Listed[PublicShift])
def shifts(
    name: Name,
    from_: Annotated[MaybeInstant, Query(alias="from", description="default: now")] = None,
    to: Annotated[MaybeInstant, Query(description="default: 14 days after `from`")] = None,
    cursor: Cursor = None,
    limit: Annotated[Annotated[int, Field(ge=1, le=MOST)] | None, Maybe, Query(description="default: all of them")] = None,
) -> Response:
    """The final schedule within [from, to): half-open shifts, merged and clipped, in UTC."""
    skip = before_id(cursor) or 0
    with transaction() as db:
        start = from_ or clock.now(db)
        found = service.shifts(db, name, start, to or start + SHOWN)
    page = list(enumerate(found, 1))[skip : skip + limit + 1 if limit else None]
    return listed(page, limit or len(page), lambda row: row[0], lambda row: present.shift(row[1]))


@routes.get("/schedules/{name}/overrides", response_model=Listed[PublicListedOverride])
def overrides(
    name: Name,
    from_: Annotated[MaybeInstant, Query(alias="from", description="default: now")] = None,
    to: Annotated[MaybeInstant, Query(description="default: a year after `from`")] = None,
) -> Response:
    """List overrides and swaps that overlap [from, to). `id` is null for those in the configuration, `origin` says where."""
    with transaction() as db:
        start = from_ or clock.now(db)
        found = service.overrides(db, name, start, to or start + timedelta(days=365))
    return whole([present.listed_override(one) for one in found])


@routes.post("/schedules/{name}/overrides", status_code=201, response_model=PublicOverride)
def override(caller: Caller, name: Name, body: NewOverride) -> Response:
    """Create an override: responders for themselves or within their own shift (a hand-over); editors for anyone."""
    with transaction() as db:
        made = pager.override(db, name, body.user, body.start, body.end, body.reason, caller, clock.now(db))
    return answer(present.override(made), 201)


@routes.delete("/schedules/{name}/overrides/{override_id}", status_code=204)
def remove_override(caller: Caller, name: Name, override_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """Delete an override: responders their own and those they created, editors any."""
    with transaction() as db:
        service.schedule(db, name)
        pager.delete_override(db, override_id, caller, clock.now(db), name)
    return Response(status_code=204)


@routes.patch("/schedules/{name}/overrides/{override_id}", response_model=PublicOverride)
def edit_override(
    caller: Caller, name: Name, override_id: Annotated[int, Path(ge=1, le=2**63 - 1)], body: EditedOverride
) -> Response:
    """Change an override: responders their own, and only shorten those they created for others; editors any.

    Overrides from the configuration are changed in its files.
    """
    with transaction() as db:
        service.schedule(db, name)
        changed = body.model_dump(exclude_none=True)
        after = pager.edit_override(db, name, override_id, caller, clock.now(db), **changed)
    return answer(present.override(after))


def _shown(name: str, one: Schedule, default_zone: str) -> PublicSchedule:
    return {
        "name": name,
        "timezone": one.timezone or default_zone,
        "layers": [_layer(layer) for layer in one.layers],
        "feed_url": None,
    }


def _layer(one: Layer) -> PublicLayer:
    written = one.model_dump(mode="json", by_alias=True)
    only = [PublicOnly({"days": each["days"], "from": each["from"], "to": each["to"]}) for each in written["only"]]
    return {
        "name": one.name,
        "users": list(one.users),
        "every": str(one.every),
        "handoff": written["handoff"],
        "start": one.start,
        "only": only,
        "until": one.until,
    }
