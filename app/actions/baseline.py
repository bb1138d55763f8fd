"""Accepts what a check sees now as normal, in the caller's transaction."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.checks import service, store
from app.checks.baseline import drift
from app.db import refresh
from app.errors import NotFound
from app.people import audit
from app.people.model import Actor
from app.people.permission import require


def shown(db: Connection, name: str) -> dict[str, Any]:
    """The baseline of a check, what it saw last, and how they differ. Raises NotFound where there is none."""
    service.check(db, name)
    kept = store.baselines(db, [name]).get(name)
    if kept is None:
        raise NotFound(f'check "{name}" has no baseline; the first run of a probe that uses a baseline records it')
    found = drift(kept.accepted, kept.observed)
    return {"check": name, "added": found.added, "gone": found.gone, "changed": found.changed, **asdict(kept)}


def accept(db: Connection, name: str, actor: Actor, now: datetime) -> dict[str, Any]:
    """Make the newest observation the baseline: the next run compares with it. Raises NotFound."""
    require(actor, "edit")
    before = shown(db, name)
    store.accept(db, name, actor.login or actor.via, now)
    what = {
        "added": {thing: before["observed"][thing] for thing in before["added"]},
        "gone": {thing: before["accepted"][thing] for thing in before["gone"]},
        "changed": {thing: [before["accepted"][thing], before["observed"][thing]] for thing in before["changed"]},
    }
    audit.record(db, actor, "check.accept", f"check:{name}", {key: value for key, value in what.items() if value}, now)
    refresh(db, "checks")
    return shown(db, name)
