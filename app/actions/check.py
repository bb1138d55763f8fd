"""What a person does to a check besides running it, in the caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection

from app.checks import store
from app.db import notify as wake
from app.errors import NotFound
from app.people import audit
from app.people.model import Actor
from app.people.permission import require


def pause(db: Connection, name: str, paused: bool, actor: Actor, now: datetime) -> None:
    """Stop running a check, or go on with it at once. Raises NotFound."""
    require(actor, "edit")
    if not store.set_paused(db, name, paused, now):
        raise NotFound(f'there is no check "{name}"')
    audit.record(db, actor, "check.pause" if paused else "check.resume", f"check:{name}", {}, now)
    wake(db, "console", "checks")
