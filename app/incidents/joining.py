"""The incidents that an alert may come to, without locking anything: for whoever asks ahead of time."""

from datetime import datetime

from sqlalchemy import Connection

from app.incidents import store
from app.incidents.correlate import Group
from app.incidents.place import Board


def board_at(db: Connection, of: Group, at: datetime) -> Board:
    """What is known of a group at `at`; incidents opened, or resolved, after that do not count."""
    known = store.open_of_group(db, of.key)
    if known is not None:
        return Board(open={of.key: known}) if known.since <= at else Board()
    closed = store.latest_closed(db, [of.key]).get(of.key)
    if closed is None or (closed.resolved_at or closed.opened_at) > at:
        return Board()
    number = store.merge_targets(db, [closed.number]).get(closed.number) if closed.merged_into is not None else None
    target = store.get(db, number) if number is not None else None
    return Board(closed={of.key: closed}, merge_targets={closed.number: target} if target else {})
