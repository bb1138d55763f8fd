"""Creating and deleting overrides, in the caller's transaction: who may, for whom, and the line in the audit log."""

from datetime import datetime
from difflib import get_close_matches

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.db import refresh
from app.errors import Fault, Invalid
from app.oncall import service as oncall
from app.oncall import store
from app.oncall.model import Override
from app.people import audit
from app.people import store as people
from app.people.model import Actor
from app.people.permission import require


def override(
    db: Connection, schedule: str, user: str, start: datetime, end: datetime, reason: str, actor: Actor, now: datetime
) -> Override:
    """Put `user` on call in `schedule`; responders for themselves, editors for anybody. Raises Invalid, NotFound."""
    require(actor, "respond" if user == actor.login else "edit")
    check_pageable(db, user)
    made = oncall.override(db, schedule, user=user, start=start, end=end, reason=reason, now=now, by=actor.login)
    detail = {"id": made.id, "user": user, "start": start.isoformat(), "end": end.isoformat(), "reason": reason}
    audit.record(db, actor, "oncall.override", f"schedule:{schedule}", detail, now)
    refresh(db, "incidents")
    return made


def check_pageable(db: Connection, user: str) -> None:
    """Raise Invalid, with the nearest right name, unless `user` can be paged."""
    directory = people.directory(db, catalog.defaults(db).timezone)
    if user not in directory.people:
        near = get_close_matches(user, directory.pageable, n=1)
        raise Invalid(
            f'there is no user "{user}"' + (f'; did you mean "{near[0]}"?' if near else ""), [Fault("user", "unknown")]
        )
    if user not in directory.pageable:
        raise Invalid(f"{directory.why_not(user)} and cannot be on call", [Fault("user", "cannot be paged")])


def delete_override(db: Connection, id_: int, actor: Actor, now: datetime) -> None:
    """End override `id_`; responders their own, editors any. Raises NotFound."""
    user = store.user_of(db, id_)
    require(actor, "respond" if user == actor.login else "edit")
    oncall.remove(db, id_, now)
    audit.record(db, actor, "oncall.remove", f"override:{id_}", {"user": user}, now)
    refresh(db, "incidents")
