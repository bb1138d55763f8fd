"""Taking the pager over, and giving it back, in the caller's transaction: who may, for whom, and the line in the audit."""

from datetime import datetime

from sqlalchemy import Connection

from app.db import notify as wake
from app.errors import Fault, Invalid
from app.oncall import service as oncall
from app.oncall import store
from app.oncall.model import Override
from app.people import audit
from app.people import store as people
from app.people.model import Actor, Role
from app.people.permission import require


def override(
    db: Connection, schedule: str, user: str, start: datetime, end: datetime, reason: str, actor: Actor, now: datetime
) -> Override:
    """`user` takes the pager of `schedule`; responders for themselves, editors for anybody. Raises Invalid, NotFound."""
    require(actor, "respond" if user == actor.login else "edit")
    person = people.get(db, user)
    if person is None:
        raise Invalid(f'there is no user "{user}"', [Fault("user", "unknown")])
    if person.role is Role.VIEWER:
        raise Invalid(f'"{user}" is a viewer and cannot hold a pager', [Fault("user", "a viewer")])
    made = oncall.override(db, schedule, user=user, start=start, end=end, reason=reason, now=now, by=actor.login)
    detail = {"id": made.id, "user": user, "start": start.isoformat(), "end": end.isoformat(), "reason": reason}
    audit.record(db, actor, "oncall.override", f"schedule:{schedule}", detail, now)
    wake(db, "console", "incidents")
    return made


def give_back(db: Connection, id_: int, actor: Actor, now: datetime) -> None:
    """End override `id_`; responders their own, editors any. Raises NotFound."""
    user = store.user_of(db, id_)
    require(actor, "respond" if user == actor.login else "edit")
    oncall.remove(db, id_, now)
    audit.record(db, actor, "oncall.remove", f"override:{id_}", {"user": user}, now)
    wake(db, "console", "incidents")
