"""Hears pings and judges heartbeats: load, decide, save, in the caller's transaction."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app import uptime
from app.checks.heartbeats import store
from app.checks.heartbeats.decide import assess, restored
from app.checks.heartbeats.decide import receive as received
from app.checks.heartbeats.manage import Spec, changed, free_name
from app.checks.heartbeats.model import (
    SLUG,
    Assessment,
    Beat,
    Cause,
    Heartbeat,
    HeartbeatRecord,
    HeartbeatState,
    Judged,
    Kind,
    MeasuredRun,
    PingRequest,
)
from app.checks.pause import Pause, facts
from app.db import refresh
from app.downtime import Downtime, united
from app.errors import Conflict, NotFound
from app.people import audit
from app.people.model import SYSTEM
from app.reason import Code, Reason

EACH = 500  # pings of one heartbeat judged at once
MADE = 1000  # heartbeats that pings may make
BY_PING = {"every": "1d", "grace": "1h"}  # what Healthchecks expects of one that a ping makes


@dataclass(frozen=True, slots=True)
class Received:
    """A ping that is kept. `urgent`: somebody should look now, and not within a second."""

    n: int
    urgent: bool
    made: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A heartbeat's way from one state to the next, or what is newly said of one that is down."""

    name: str
    spec: Heartbeat
    before: HeartbeatState
    after: Beat
    at: datetime


def sync(db: Connection, declared: Mapping[str, Heartbeat], zone: str, now: datetime) -> None:
    """Make the declared heartbeats exactly these; those that pings made stay. `zone`: of those that name none."""
    store.remove_others(db, list(declared), now)
    by_zone: dict[str, list[dict[str, Any]]] = {}
    for name, one in declared.items():
        by_zone.setdefault(one.timezone or zone, []).append(_declared(name, one.model_dump(mode="json", exclude_unset=True)))
    for of, rows in by_zone.items():
        _put_all(db, rows, "config", of, now)


def _put_all(db: Connection, rows: Sequence[Mapping[str, Any]], origin: str, zone: str, now: datetime) -> None:
    """Make these, change them, or bring them back."""
    returning = store.lock_removed(db, [row["name"] for row in rows])
    store.sync(db, rows, origin, zone, now)
    back = [(one, Assessment(restored(one.beat, now))) for one in returning]
    if back:
        store.save(db, [Judged(id=one.id, assessment=found, judged=one.pings, look_at=now) for one, found in back])


def receive_all(db: Connection, calls: Sequence[PingRequest], now: datetime | None = None) -> list[Received | None]:
    """Keep pings, in their order; None for one that is nobody's, or whose slug is that of several."""
    found = store.receive(db, calls, now)
    return [
        Received(found[place][0], call.kind is Kind.FAIL or found[place][1] is not HeartbeatState.UP)
        if place in found
        else None
        for place, call in enumerate(calls)
    ]


def receive(db: Connection, call: PingRequest, now: datetime | None = None) -> Received | None:
    """Keep a ping; None when it is nobody's. Raises Conflict when its slug is that of several."""
    (found,) = receive_all(db, [call], now)
    if found is not None:
        return found
    if call.slug is not None and store.count_slug(db, call.slug) > 1:
        raise Conflict(f'more than one heartbeat has the slug "{call.slug}"; ping one of them by its UUID')
    return None


def make(db: Connection, call: PingRequest, service: str | None, now: datetime) -> Received | None:
    """Make the heartbeat that this ping by slug is for, as Healthchecks does, and keep the ping; None when there are enough."""
    if call.slug is None or store.count_made(db) >= MADE:
        return None
    spec = {**BY_PING, **({"service": service} if service else {})}
    _put_all(db, [_declared(call.slug, spec)], "ping", "UTC", now)
    kept = receive(db, call, now)
    return replace(kept, made=True) if kept else None


def put(db: Connection, known: HeartbeatRecord | None, spec: Spec, service: str | None, now: datetime) -> str:
    """Make a heartbeat over the management API, or change one; its name. Raises Conflict for one that is declared."""
    if known is not None and known.origin == "config":
        raise Conflict(f'heartbeat "{known.name}" is managed in the configuration; change it there')
    if known is None and store.count_made(db) >= MADE:
        raise Conflict(f"{MADE} heartbeats created by pings and clients already exist; remove some")
    after = changed(known.spec if known is not None else None, spec)
    if known is None and service:
        after["service"] = service
    name = known.name if known is not None else free_name(spec, {one.name for one in store.listed(db)})
    slug = spec.slug if spec.slug is not None else known.slug if known is not None else slug_of(name)
    _put_all(db, [{"name": name, "slug": slug, "spec": after}], "ping", after.get("timezone", "UTC"), now)
    return name


def judge(db: Connection, now: datetime, limit: int) -> tuple[list[Move], int]:
    """Take what was heard into account and see who is late; what that changed, and how many were looked at."""
    return _judge(db, store.claim(db, now, limit), now)


def pause(db: Connection, name: str, wanted: Pause, now: datetime) -> tuple[HeartbeatRecord, list[Move]]:
    """Expect nothing of a heartbeat until its pause is over, or it is resumed or pinged; how it was. Raises NotFound."""
    one, moves = _judged(db, name, now)
    store.pause(db, one.id, wanted)
    reasons = (Reason(Code.HEARTBEAT_PAUSED),)
    after = replace(one.beat, state=HeartbeatState.PAUSED, cause=Cause.NONE, reasons=reasons, since=now, runs=())
    return one, [*moves, _move(db, one, after, now)]


def resume(db: Connection, name: str, now: datetime) -> tuple[HeartbeatRecord, list[Move]]:
    """Expect it again from now on; how it was. Raises NotFound."""
    one, moves = _judged(db, name, now)
    if one.beat.state is HeartbeatState.PAUSED:
        moves.append(_move(db, one, _resumed(one.beat, now), now))
    return one, moves


def _judged(db: Connection, name: str, now: datetime) -> tuple[HeartbeatRecord, list[Move]]:
    moves, _ = _judge(db, [_locked(db, name)], now)
    return _locked(db, name), moves


def _move(db: Connection, one: HeartbeatRecord, after: Beat, now: datetime) -> Move:
    assessment = assess(after, one.expectation, now, _away(db, now))
    store.save(db, [Judged(id=one.id, assessment=assessment, judged=one.judged, look_at=assessment.due_at)])
    return Move(one.name, one.spec, one.beat.state, assessment.beat, now)


def _resumed(beat: Beat, now: datetime) -> Beat:
    after = replace(beat, state=HeartbeatState.UP if beat.counts_from else HeartbeatState.NEW, reasons=(), since=now)
    return replace(after, counts_from=now if beat.counts_from else None)


def remove(db: Connection, name: str, now: datetime) -> None:
    """Remove a heartbeat that a ping made. Raises NotFound, or Conflict for one that the configuration declares."""
    if _locked(db, name).origin == "config":
        raise Conflict(f'heartbeat "{name}" is managed in the configuration; remove it there')
    store.remove(db, name, now)


def get(db: Connection, name: str) -> HeartbeatRecord:
    """One heartbeat. Raises NotFound."""
    return _there(name, store.get(db, name))


def slug_of(name: str) -> str:
    """A name as it may stand in a ping's address: `Nightly Backup` -> `nightly-backup`."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:SLUG].rstrip("-")


def _judge(db: Connection, records: Sequence[HeartbeatRecord], now: datetime) -> tuple[list[Move], int]:
    if not records:
        return [], 0
    waiting = store.unjudged(db, {one.id: one.judged for one in records}, EACH)
    away = _away(db, now)
    moves: list[Move] = []
    saved, runs, over = [], [], []
    for one in records:
        pings, beat, expectation = waiting[one.id], one.beat, one.expectation
        way: list[tuple[HeartbeatState, Beat, datetime]] = []
        for ping in pings:
            before = beat
            beat, seconds = received(beat, ping, expectation.grace)
            way.append((before.state, beat, ping.at))
            if seconds is not None:
                runs.append(MeasuredRun(id=one.id, name=one.name, n=ping.n, at=ping.at, seconds=seconds))
        if beat.state is HeartbeatState.PAUSED and one.pause and one.pause.until and one.pause.until <= now:
            beat = _resumed(beat, now)
            over.append(one)
        assessment = assess(beat, expectation, now, away)
        if assessment.beat.state is not beat.state or assessment.beat.reasons != beat.reasons or not pings:
            way.append((beat.state, assessment.beat, assessment.beat.since or now))
        moves += [Move(one.name, one.spec, before, after, at) for before, after, at in way if _worth_saying(before, after)]
        last, look_at = pings[-1].n if pings else one.judged, now if len(pings) >= EACH else assessment.due_at
        saved.append(Judged(id=one.id, assessment=assessment, judged=last, look_at=look_at))
    store.save(db, saved)
    store.measured(db, runs)
    _note_resumed(db, over, now)
    return moves, len(records)


def _note_resumed(db: Connection, over: Sequence[HeartbeatRecord], now: datetime) -> None:
    """These go on as if somebody had resumed them."""
    if over:
        changed = {f"heartbeat:{one.name}": audit.changes(facts(one.pause), facts(None)) for one in over}
        audit.record_all(db, SYSTEM, "heartbeat.resume", changed, now)
        refresh(db, "checks")


def _away(db: Connection, now: datetime) -> Sequence[Downtime]:
    """When nobody heard pings, or nobody could judge them, oldest first."""
    found = uptime.downtimes(db, (uptime.INTAKE, uptime.CHECKS), now)
    return united(found[uptime.INTAKE], found[uptime.CHECKS])


def _worth_saying(before: HeartbeatState, after: Beat) -> bool:
    """Its alert begins or ends, or is still on: then its reason or its severity may be new."""
    return HeartbeatState.DOWN in (before, after.state)


def _locked(db: Connection, name: str) -> HeartbeatRecord:
    return _there(name, store.lock(db, name))


def _there(name: str, found: HeartbeatRecord | None) -> HeartbeatRecord:
    if found is None:
        raise NotFound(f'heartbeat "{name}" not found')
    return found


def _declared(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "slug": slug_of(name), "spec": dict(spec)}
