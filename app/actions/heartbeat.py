"""What a person does to a heartbeat, in the caller's transaction."""

from datetime import datetime

from sqlalchemy import Connection

from app.alerts import service as alerts
from app.checks.heartbeats import service
from app.checks.heartbeats.model import State
from app.db import notify as wake
from app.db import wake_line
from app.people import audit
from app.people.model import Actor
from app.people.permission import require
from app.rules.heartbeats import signal


def pause(db: Connection, name: str, paused: bool, actor: Actor, now: datetime) -> None:
    """Expect nothing until it is resumed or pinged, which ends its alert; or expect it again from now on. Raises NotFound."""
    require(actor, "edit")
    moves = service.pause(db, name, paused, now)
    said = [signal(move) for move in moves if State.DOWN in (move.before, move.after.state)]
    if alerts.accept(db, said, now):
        wake_line(db, "dedup")
    audit.record(db, actor, "heartbeat.pause" if paused else "heartbeat.resume", f"heartbeat:{name}", {}, now)
    wake(db, "console", "checks")


def remove(db: Connection, name: str, actor: Actor, now: datetime) -> None:
    """Remove one that a ping made; its alert ends and nobody is told. Raises NotFound, Conflict."""
    require(actor, "edit")
    service.remove(db, name, now)
    if alerts.retire(db, [f"heartbeat:{name}"], now):
        wake_line(db, "dedup")
    audit.record(db, actor, "heartbeat.remove", f"heartbeat:{name}", {}, now)
    wake(db, "console", "checks")
