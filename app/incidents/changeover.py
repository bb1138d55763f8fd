"""What the beginning and end of hours mean for the urgency of an incident."""

from datetime import datetime

from sqlalchemy import Connection

from app.db import wake
from app.incidents import hours, store
from app.incidents.model import Event, Incident
from app.oncall import service as oncall
from app.queues import Queue
from app.reason import Code, Reason, nested


def recheck(db: Connection, now: datetime) -> None:
    """Hours may have changed: the urgency of every open incident that follows them is decided again."""
    store.mark_all_due(db, now)
    wake(db, Queue.DEDUP)


def change_due(db: Connection, now: datetime, limit: int = 500) -> list[Incident]:
    """Decide the urgency of the incidents whose hours began or ended again; those whose urgency changed."""
    due = store.claim_due_changes(db, now, limit)
    if not due:
        return []
    timetable = oncall.timetable(db)
    saved, changed, events = [], [], []
    for before in due:
        after, reason = hours.caught_up(before, timetable, now)
        saved.append(after)
        if after.urgency is not before.urgency:
            changed.append(after)
            why = Reason(Code.URGENCY_CHANGED, {"urgency": after.urgency.value, "why": nested(reason)})
            events.append(Event(before.number, why))
    store.save_all(db, saved)
    store.record(db, events, now)
    return changed
