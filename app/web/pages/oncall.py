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
from app.errors import NotFound
from app.oncall import service as oncall
from app.oncall import store
from app.oncall.coverage import Coverage
from app.oncall.model import ListedOverride, On, Override, Schedule
from app.people import store as people
from app.walltime import clock
from app.web import frame, rota, wall
from app.web.handover import TAKEN, UNTIL, choices, hand_overs, take_overs, takes, until
from app.web.rota import Bar, Picture
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Typed, Visit, go, local_path, visit

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
    overrides: tuple[ListedOverride, ...]

    def edited(self, bar: Bar) -> int | None:
        """The override behind a bar of the final schedule, if it was made here."""
        if bar.kind not in ("override", "swap"):
            return None
        made = [listed.override for listed in self.overrides if listed.override.user == bar.user]
        return next((one.id for one in reversed(made) if one.start <= bar.start and bar.end <= one.end), None)


@router.get("/oncall")
def timeline(
    request: Request,
    zone: str = "mine",
    shift: Annotated[int, Query(ge=-366, le=366)] = 0,
    schedule: str = "",
    start: str = "",
    end: str = "",
    override: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Every schedule: now, next, and two weeks as a picture; a click on a shift fills the form, on an override edits it."""
    with visit(request) as v:
        default = oncall.default_zone(v.db)
        known = oncall.schedules(v.db)
        covered = oncall.coverage(v.db, v.now, DAYS) if known else {}
        shown = [_shown(v, name, one.zone(default), zone, shift, covered[name]) for name, one in known.items()]
        form = _edited(v, override) if override else _prefilled(v, known, schedule, start, end)
        holding = {one.name: one.now for one in shown}
        return v.page(
            "oncall.html",
            schedules=shown,
            own_zone=zone != "schedule",
            shift=shift,
            days=DAYS,
            form=form,
            edited=override,
            hand_overs=hand_overs(v.db, v.actor, v.person, holding, v.now) if v.may("respond") else {},
            take_overs=take_overs(v.person, holding, v.now) if v.may("respond") else {},
            until_names=UNTIL,
            taken_names=TAKEN,
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
    return go("/oncall", Toast.override(made.id or 0, f"Override created: {made.user} on {made.schedule}"))


@router.post("/oncall/hand-over")
def hand_over(request: Request, typed: Typed) -> Response:
    """Put someone else on call for the rest of the visitor's shift, or part of it."""
    with visit(request) as v:
        name, user = typed.get("schedule", ""), typed.get("user", "")
        end = until(choices(oncall.who_of(v.db, name, v.now), v.now, v.zone), typed.get("until", ""))
        made = pager.override(v.db, name, user, v.now, end, "hand-over", v.actor, v.now)
        text = f"{user} is on call in {name} until {clock(end, v.now, v.zone)}"
    frame.invalidate()
    return go(local_path(typed.get("back"), "/oncall"), Toast.override(made.id or 0, text))


@router.post("/oncall/take-over")
def take_over(request: Request, typed: Typed) -> Response:
    """Put the visitor on call from now on, for a while."""
    with visit(request) as v:
        name = typed.get("schedule", "")
        end = until(takes(oncall.who_of(v.db, name, v.now), v.now, v.zone), typed.get("until", ""))
        made = pager.override(v.db, name, v.person.login, v.now, end, "taken over", v.actor, v.now)
        text = f"You are on call in {name} until {clock(end, v.now, v.zone)}"
    frame.invalidate()
    return go("/oncall", Toast.override(made.id or 0, text))


@router.post("/oncall/overrides/{id_}")
def edit(request: Request, id_: Annotated[int, Path(ge=1, lt=2**63)], typed: Typed) -> Response:
    """Change an override."""
    with visit(request) as v:
        before = _made(v.db, id_)
        start = wall.reread(typed.get("start", ""), before.start, v.zone, "start")
        end = wall.reread(typed.get("end", ""), before.end, v.zone, "end")
        name, user, reason = typed.get("schedule", ""), typed.get("user", ""), typed.get("reason", "")
        pager.edit_override(v.db, name, id_, v.actor, v.now, user=user, start=start, end=end, reason=reason)
    frame.invalidate()
    return go("/oncall", Toast.plain("Override changed"))


@router.post("/oncall/overrides/{id_}/remove")
def remove(request: Request, id_: Annotated[int, Path(ge=1, lt=2**63)], typed: Typed) -> Response:
    """Delete an override."""
    with visit(request) as v:
        pager.delete_override(v.db, id_, v.actor, v.now)
    frame.invalidate()
    return go(local_path(typed.get("back"), "/oncall"), Toast.plain("Override deleted"))


def _shown(v: Visit, name: str, own: ZoneInfo, zone: str, shift: int, covered: Coverage) -> Shown:
    seen_in = own if zone == "schedule" else v.zone
    span = rota.window(v.now, DAYS, shift, seen_in)
    final, layers = oncall.shifts(v.db, name, *span), oncall.layer_shifts(v.db, name, *span)
    on = oncall.who_of(v.db, name, v.now)
    following = oncall.who_of(v.db, name, on.until) if on.until else None
    picture = rota.picture(layers, final, oncall.gaps(v.db, name, *span), span, seen_in, v.person.login, v.now)
    return Shown(name, own, on, following, picture, covered, tuple(oncall.overrides(v.db, name, *span)))


def _edited(v: Visit, id_: int) -> dict[str, str]:
    """What the form starts with for an override. Raises NotFound."""
    found = _made(v.db, id_)
    return {
        "schedule": found.schedule,
        "start": wall.write(found.start, v.zone),
        "end": wall.write(found.end, v.zone),
        "user": found.user,
        "reason": found.reason,
    }


def _made(db: Connection, id_: int) -> Override:
    found = store.get(db, id_)
    if found is None:
        raise NotFound(f"override {id_} not found")
    return found


def _prefilled(v: Visit, known: Mapping[str, Schedule], schedule: str, start: str, end: str) -> dict[str, str]:
    """What the form starts with: the clicked shift, or from now."""
    hour = v.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return {
        "schedule": schedule if schedule in known else next(iter(known), ""),
        "start": wall.write(wall.parse(start, v.zone, "start") if start else v.now, v.zone),
        "end": wall.write(wall.parse(end, v.zone, "end") if end else hour + timedelta(hours=8), v.zone),
        "user": v.person.login,
        "reason": "",
    }


def _pageable(db: Connection) -> list[str]:
    return sorted(people.directory(db, "UTC").pageable)
