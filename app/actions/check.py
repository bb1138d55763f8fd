"""What a person does to a check besides running it, in the caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection

from app.alerts import service as alerts
from app.checks import store
from app.checks.model import CheckState
from app.checks.pause import Pause, facts
from app.checks.pause import pause as paused
from app.db import refresh
from app.errors import NotFound
from app.people import audit
from app.people.model import Actor
from app.people.permission import require
from app.rules import service as rules


def pause(db: Connection, name: str, actor: Actor, now: datetime, *, until: datetime | None = None, reason: str = "") -> None:
    """Stop running a check, which ends the alerts of it and of its rules, until then or until it is resumed.

    One that is paused already is so from now on as is asked now. Raises NotFound, Invalid.
    """
    require(actor, "edit")
    wanted = paused(now, actor.login or actor.via, until, reason)
    before = _there(name, store.pause(db, name, wanted))
    alerts.accept(db, rules.resolve_paused(db, name, now), now)
    _note(db, "check.pause", before, wanted, actor, now)


def resume(db: Connection, name: str, actor: Actor, now: datetime) -> None:
    """Go on with a check at once; nothing for one that is not paused. Raises NotFound."""
    require(actor, "edit")
    before = _there(name, store.resume(db, name, now))
    if before.paused:
        _note(db, "check.resume", before, None, actor, now)


def _there(name: str, state: CheckState | None) -> CheckState:
    if state is None:
        raise NotFound(f'check "{name}" not found')
    return state


def _note(db: Connection, action: str, before: CheckState, after: Pause | None, actor: Actor, now: datetime) -> None:
    audit.record(db, actor, action, f"check:{before.name}", audit.changes(facts(before.pause), facts(after)), now)
    refresh(db, "checks")
