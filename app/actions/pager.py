"""Creating, changing and deleting overrides, in the caller's transaction: who may, for whom, and the line in the audit log."""

from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.db import refresh
from app.errors import Fault, Invalid, NotFound
from app.oncall import service as oncall
from app.oncall import store
from app.oncall.model import Override
from app.people import audit
from app.people import store as people
from app.people.model import Actor
from app.people.permission import may, require


def override(
    db: Connection, schedule: str, user: str, start: datetime, end: datetime, reason: str, actor: Actor, now: datetime
) -> Override:
    """Put `user` on call in `schedule`; responders for themselves or in their own shift, editors for anybody.

    Raises Invalid, NotFound.
    """
    own = user == actor.login or may_hand_over(db, schedule, actor, start, end)
    require(actor, "respond" if own else "edit")
    check_pageable(db, user)
    made = oncall.override(db, schedule, user=user, start=start, end=end, reason=reason, now=now, by=actor.login)
    audit.record(db, actor, "oncall.override", f"schedule:{schedule}", {"id": made.id, **_facts(made)}, now)
    refresh(db, "incidents")
    return made


def check_pageable(db: Connection, user: str) -> None:
    """Raise Invalid, with the nearest right name, unless `user` can be paged."""
    directory = people.directory(db, catalog.defaults(db).timezone)
    if user not in directory.people:
        near = get_close_matches(user, directory.pageable, n=1)
        raise Invalid(f'user "{user}" not found' + (f'; did you mean "{near[0]}"?' if near else ""), [Fault("user", "unknown")])
    if user not in directory.pageable:
        raise Invalid(f"{directory.why_not(user)} and cannot be on call", [Fault("user", "cannot be paged")])


def edit_override(
    db: Connection,
    schedule: str,
    id_: int,
    actor: Actor,
    now: datetime,
    *,
    user: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    reason: str | None = None,
) -> Override:
    """Change what is given of override `id_`; responders their own, or to less, editors any. As it was: nothing changes.

    Whoever makes more of it than it was has made it: a shift that somebody took over this way is not theirs to give away.
    Raises NotFound, Invalid, Denied.
    """
    before = _owned(db, id_, actor, schedule)
    after = replace(
        before,
        user=before.user if user is None else user,
        start=before.start if start is None else start,
        end=before.end if end is None else end,
        reason=before.reason if reason is None else reason,
    )
    less = after.user == before.user and before.start <= after.start and after.end <= before.end
    require(actor, "respond" if after.user == actor.login or less else "edit")
    if after == before:
        return before
    check_pageable(db, after.user)
    oncall.change(db, after if less else replace(after, made_by=actor.login))
    changed = {"schedule": before.schedule, **audit.changes(_facts(before), _facts(after))}
    audit.record(db, actor, "oncall.edit", f"override:{id_}", changed, now)
    refresh(db, "incidents")
    return after


def delete_override(db: Connection, id_: int, actor: Actor, now: datetime, schedule: str | None = None) -> Override:
    """End override `id_`; responders their own and those that they made, editors any. Raises NotFound."""
    before = _owned(db, id_, actor, schedule)
    oncall.remove(db, id_, now)
    audit.record(db, actor, "oncall.remove", f"override:{id_}", {"schedule": before.schedule, **_facts(before)}, now)
    refresh(db, "incidents")
    return before


def _owned(db: Connection, id_: int, actor: Actor, schedule: str | None) -> Override:
    """One in force, locked, if the actor may change it. Raises NotFound, Denied."""
    found = store.lock(db, id_)
    own = found is not None and actor.login is not None and actor.login in (found.user, found.made_by)
    require(actor, "respond" if own else "edit")
    if found is None or schedule not in (None, found.schedule):
        raise NotFound(f"override {id_} not found; overrides from the configuration are changed in its files")
    return found


def may_hand_over(db: Connection, schedule: str, actor: Actor, start: datetime, end: datetime) -> bool:
    """Whether [start, end) is the actor's to give away: an editor's any time, a responder's their own shift.

    What they have taken over themselves is not their own shift. Raises as `oncall.shifts`.
    """
    if may(actor.role, "edit"):
        return True
    shifts = oncall.shifts(db, schedule, start, end, taken_by=actor.login)
    whole = sum((one.end - one.start for one in shifts), timedelta(0)) == end - start
    return whole and {one.user for one in shifts} == {actor.login}


def _facts(one: Override) -> dict[str, str]:
    return {"user": one.user, "start": one.start.isoformat(), "end": one.end.isoformat(), "reason": one.reason}
