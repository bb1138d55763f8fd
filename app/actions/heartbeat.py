"""What a person does to a heartbeat, in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from app.alerts import service as alerts
from app.checks.heartbeats import service
from app.checks.heartbeats.manage import Spec
from app.checks.heartbeats.model import HeartbeatRecord, HeartbeatState, PingRequest
from app.checks.heartbeats.service import Move, Received
from app.checks.pause import Pause, facts
from app.checks.pause import pause as paused
from app.db import refresh
from app.people import audit
from app.people.model import Actor, Role
from app.people.permission import require
from app.rules.heartbeats import signal
from app.signals.model import Integration


def client(integration: Integration) -> Actor:
    """Who acts where all that is known is an integration's key."""
    return Actor(integration.source, Role.EDITOR, "api")


def make(db: Connection, call: PingRequest, integration: Integration, now: datetime) -> Received | None:
    """Make the heartbeat that a ping asks for, and keep the ping; None when there are enough."""
    received = service.make(db, call, integration.service, now)
    if received is not None:
        audit.record(db, client(integration), "heartbeat.create", f"heartbeat:{call.slug}", {"by": "ping"}, now)
        refresh(db, "checks")
    return received


def put(db: Connection, known: HeartbeatRecord | None, spec: Spec, integration: Integration, now: datetime) -> HeartbeatRecord:
    """Make a heartbeat, or change the `known` one; how it is then. Raises Conflict for one that is declared."""
    after = service.get(db, service.put(db, known, spec, integration.service, now))
    if known is None or (known.slug, known.spec) != (after.slug, after.spec):
        asked = spec.model_dump(exclude_unset=True, exclude={"unique"})
        action = "heartbeat.create" if known is None else "heartbeat.update"
        audit.record(db, client(integration), action, f"heartbeat:{after.name}", asked, now)
        refresh(db, "checks")
    return after


def pause(db: Connection, name: str, actor: Actor, now: datetime, *, until: datetime | None = None, reason: str = "") -> None:
    """Expect nothing until then, or until it is resumed or pinged, which ends its alert. Raises NotFound, Invalid."""
    require(actor, "edit")
    wanted = paused(now, actor.login or actor.via, until, reason)
    before, moves = service.pause(db, name, wanted, now)
    _accept(db, moves, now)
    _note(db, "heartbeat.pause", before, wanted, actor, now)


def resume(db: Connection, name: str, actor: Actor, now: datetime) -> None:
    """Expect it again from now on; nothing for one that is not paused. Raises NotFound."""
    require(actor, "edit")
    before, moves = service.resume(db, name, now)
    _accept(db, moves, now)
    if before.pause is not None:
        _note(db, "heartbeat.resume", before, None, actor, now)


def _accept(db: Connection, moves: Sequence[Move], now: datetime) -> None:
    alerts.accept(db, [signal(move) for move in moves if HeartbeatState.DOWN in (move.before, move.after.state)], now)


def _note(db: Connection, action: str, before: HeartbeatRecord, after: Pause | None, actor: Actor, now: datetime) -> None:
    change = audit.changes(facts(before.pause), facts(after))
    audit.record(db, actor, action, f"heartbeat:{before.name}", change, now)
    refresh(db, "checks")


def remove(db: Connection, name: str, actor: Actor, now: datetime) -> None:
    """Remove one that a ping made; its alert ends and nobody is notified. Raises NotFound, Conflict."""
    require(actor, "edit")
    service.remove(db, name, now)
    alerts.retire(db, [f"heartbeat:{name}"], now)
    audit.record(db, actor, "heartbeat.remove", f"heartbeat:{name}", {}, now)
    refresh(db, "checks")
