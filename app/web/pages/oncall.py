"""On call: who is on call, now and next?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Path, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.actions import pager
from app.oncall import service as oncall
from app.oncall import store
from app.oncall.coverage import Coverage
from app.oncall.model import On, Override, Schedule
from app.people import store as people
from app.web import frame, rota, wall
from app.web.rota import Picture
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Typed, Visit, go, visit

router = pages()
DAYS = 14


@dataclass(frozen=True, slots=True)
class Shown:
    """One schedule on the page."""

    name: str
    zone: ZoneInfo  # the schedule's own
    now: On
    next: On | None
    picture: Picture
    coverage: Coverage
    overrides: tuple[Override, ...]
    idle: Mapping[int | None, str]  # why an override is ignored, by its id


@router.get("/oncall")
def timeline(
    request: Request,
    zone: str = "mine",
    shift: Annotated[int, Query(ge=-366, le=366)] = 0,
    schedule: str = "",
    start: str = "",
    end: str = "",
) -> Response:
    """Every schedule: now, next, and two weeks as a picture; a click on a shift fills the form."""
    with visit(request) as v:
        default = oncall.default_zone(v.db)
        known = oncall.schedules(v.db)
        covered = oncall.coverage(v.db, v.now, DAYS) if known else {}
        shown = [_shown(v, name, one.zone(default), zone, shift, covered[name]) for name, one in known.items()]
        form = _prefilled(v, known, schedule, start, end)
        return v.page(
            "oncall.html",
            schedules=shown,
            own_zone=zone != "schedule",
            shift=shift,
            days=DAYS,
            form=form,
            logins=_pageable(v.db),
        )


@router.post("/oncall/override")
def override(request: Request, typed: Typed) -> Response:
    """Create an override."""
    with visit(request) as v:
        start, end = wall.parse(typed.get("start", ""), v.zone, "start"), wall.parse(typed.get("end", ""), v.zone, "end")
        user, name = typed.get("user", ""), typed.get("schedule", "")
        made = pager.override(v.db, name, user, start, end, typed.get("reason", ""), v.actor, v.now)
    frame.invalidate()
    return go("/oncall", Toast.plain(f"Override created: {made.user} on {made.schedule}"))


@router.post("/oncall/overrides/{id_}/remove")
def remove(request: Request, id_: Annotated[int, Path(ge=1, lt=2**63)]) -> Response:
    """Delete an override."""
    with visit(request) as v:
        pager.delete_override(v.db, id_, v.actor, v.now)
    frame.invalidate()
    return go("/oncall", Toast.plain("Override deleted"))


def _shown(v: Visit, name: str, own: ZoneInfo, zone: str, shift: int, covered: Coverage) -> Shown:
    seen_in = own if zone == "schedule" else v.zone
    span = rota.window(v.now, DAYS, shift, seen_in)
    changes = store.overlapping(v.db, *span, name)
    final, layers = oncall.shifts(v.db, name, *span), oncall.layer_shifts(v.db, name, *span)
    on = oncall.who_of(v.db, name, v.now)
    following = oncall.who_of(v.db, name, on.until) if on.until else None
    picture = rota.picture(layers, final, oncall.gaps(v.db, name, *span), span, seen_in, v.person.login, v.now)
    idle = {one.override.id: one.because for one in oncall.idle(v.db, *span).get(name, ())}
    return Shown(name, own, on, following, picture, covered, tuple(changes), idle)


def _prefilled(v: Visit, known: Mapping[str, Schedule], schedule: str, start: str, end: str) -> dict[str, str]:
    """What the form starts with: the clicked shift, or the next hour."""
    hour = v.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return {
        "schedule": schedule if schedule in known else next(iter(known), ""),
        "start": wall.write(wall.parse(start, v.zone, "start") if start else hour, v.zone),
        "end": wall.write(wall.parse(end, v.zone, "end") if end else hour + timedelta(hours=8), v.zone),
        "user": v.person.login,
    }


def _pageable(db: Connection) -> list[str]:
    return sorted(people.directory(db, "UTC").pageable)
