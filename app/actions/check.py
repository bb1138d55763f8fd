"""What a person does to a check besides running it, in the caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection

from app.alerts import service as alerts
from app.checks import store
from app.db import refresh
from app.errors import NotFound
from app.people import audit
from app.people.model import Actor
from app.people.permission import require
from app.rules import service as rules


def pause(db: Connection, name: str, paused: bool, actor: Actor, now: datetime) -> None:
    """Stop running a check, which ends the alerts of it and of its rules; or go on with it at once. Raises NotFound."""
    require(actor, "edit")
    if not store.set_paused(db, name, paused, now):
        raise NotFound(f'there is no check "{name}"')
    if paused:
        alerts.accept(db, rules.resolve_paused(db, name, now), now)
    audit.record(db, actor, "check.pause" if paused else "check.resume", f"check:{name}", {}, now)
    refresh(db, "checks")
