"""Which incident an alert would come to, without opening or locking anything: for whoever asks ahead of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.incidents import store
from app.incidents.correlate import Group, Way, follow, group
from app.incidents.model import Incident


@dataclass(frozen=True, slots=True)
class Destination:
    """The alert's group, and the incident it would join or reopen; None: it would open one."""

    group: Group
    way: Way | None = None
    incident: Incident | None = None


def destination(db: Connection, labels: Mapping[str, str], at: datetime) -> Destination:
    """Where a new alert with these labels would go at `at`; incidents opened after that do not count."""
    found = group(labels, catalog.groupings(db))
    known = store.open_of_group(db, found.key)
    if known is not None and known.since <= at:
        return Destination(found, Way.JOIN, known)
    closed = store.latest_closed(db, [found.key]).get(found.key) if known is None else None
    if closed is None or (closed.resolved_at or closed.opened_at) > at:
        return Destination(found)
    whole = store.merge_targets(db, [closed.number]).get(closed.number) if closed.merged_into is not None else None
    heir = store.get(db, whole) if whole is not None else None
    way = follow(closed, heir, found.reopen, at)
    return Destination(found, way, heir if way is Way.JOIN else closed if way is Way.REOPEN else None)
