"""Places alerts into incidents and ends incidents whose alerts are over: load, decide, save, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.alerts.label import within
from app.alerts.model import Alert
from app.alerts.model import State as AlertState
from app.alerts.store import Tally
from app.catalog import store as catalog
from app.incidents import store
from app.incidents.correlate import group
from app.incidents.lifecycle import Move, step
from app.incidents.model import Event, Incident, State
from app.incidents.open import find, rerouted, urgencies
from app.incidents.rise import Effect, Rise, rise
from app.oncall import service as oncall
from app.wording import because


@dataclass(slots=True)
class Placement:
    """What one batch did; the later stages act on it."""

    opened: list[Incident] = field(default_factory=list)
    restarted: list[Incident] = field(default_factory=list)
    updated: list[tuple[Incident, str]] = field(default_factory=list)
    seen: int = 0  # alerts looked at


def place(db: Connection, now: datetime, limit: int = 500, only: Sequence[int] | None = None) -> Placement:
    """Give every changed alert (of `only`) its incident: join the open one, reopen a recent one, or open a new one."""
    opened = oncall.timetable(db).open_at(now)
    changed = [replace(one, labels=within(one.labels, opened)) for one in alerts.claim_changed(db, now, limit, only)]
    placement = Placement(seen=len(changed))
    if not changed:
        return placement
    groupings = catalog.groupings(db)
    mine = {alert.incident for alert in changed if alert.incident is not None}
    ended = store.closed(db, sorted(mine)) if mine else set()
    joining = [alert for alert in changed if alert.incident is None or _outlived(alert, ended)]
    groups = {alert.id: group(alert.labels, groupings) for alert in joining}
    found = find(db, joining, groups, sorted(mine), now)
    placed = {alert.id: found.of_group[groups[alert.id].key].number for alert in joining}
    alerts.place_all(db, {alert.id: placed.get(alert.id, alert.incident) for alert in changed})
    incidents = {one.number: one for one in found.of_group.values()}
    missing = sorted(mine - set(incidents))
    incidents |= store.lock(db, missing) if missing else {}
    _count(db, incidents, joining, placed, changed, found.new, placement, now)
    return placement


def _outlived(alert: Alert, ended: Set[int]) -> bool:
    """Whether it goes on and got worse after somebody resolved its incident by hand: that is news, and wants an incident."""
    return alert.state is AlertState.FIRING and alert.incident in ended


def _count(
    db: Connection,
    incidents: Mapping[int, Incident],
    joining: Sequence[Alert],
    placed: Mapping[int, int],
    changed: Sequence[Alert],
    new: Mapping[int, str],
    placement: Placement,
    now: datetime,
) -> None:
    """Bring each touched incident's counts, severity and end up to date, and note it in its timeline."""
    tallies = alerts.tally(db, sorted(incidents))
    joined, known = defaultdict(list), defaultdict(list)
    for alert in joining:
        joined[placed[alert.id]].append(alert)
    for alert in changed:
        if alert.incident is not None and alert.id not in placed:
            known[alert.incident].append(alert)
    saved, events = [], []
    for number, before in incidents.items():
        tally = tallies.get(number, Tally())
        after = replace(before, alert_count=tally.total, title=tally.title or before.title)
        if number in new:
            after = _grown(db, after, joined[number], now)
            (placement.opened if new[number] == "opened" else placement.restarted).append(after)
        elif before.open:
            after = _risen(db, after, joined[number], known[number], placement, now)
        if after.open:
            quiet = timedelta(seconds=0 if number in new else after.resolve_after)  # over before anybody heard: at once
            after = replace(after, resolve_at=None if tally.open else now + quiet)
        saved.append(after)
        events += _told(number, joined[number], known[number], first=new.get(number))
    store.save_all(db, saved)
    store.record(db, events, now)


def _risen(
    db: Connection, incident: Incident, joined: Sequence[Alert], known: Sequence[Alert], placement: Placement, now: datetime
) -> Incident:
    decided = _rise(db, incident, joined, known, now)
    after = replace(incident, severity=decided.severity, urgency=decided.urgency)
    if decided.by is not None:
        after = retrigger(rerouted(db, after, decided.by, now))
        placement.restarted.append(after)
        policy = f"policy {after.policy_name}" if after.policy_name else "no policy"
        text = f"{decided.because} by {decided.by.alertname}; routed again: {policy}, from step 1"
        store.record(db, [Event(after.number, "restarted", text)], now)
    elif decided.effect is Effect.UPDATE:
        placement.updated.append((after, decided.because))
    return after


def _grown(db: Connection, incident: Incident, joined: Sequence[Alert], now: datetime) -> Incident:
    """A new incident is as bad as the worst alert that came with the first one."""
    decided = _rise(db, incident, joined, (), now)
    after = replace(incident, severity=decided.severity, urgency=decided.urgency)
    return after if decided.by is None else rerouted(db, after, decided.by, now)


def _rise(db: Connection, incident: Incident, joined: Sequence[Alert], known: Sequence[Alert], now: datetime) -> Rise:
    firing = [alert for alert in joined if alert.state is AlertState.FIRING]
    still = [alert for alert in known if alert.state is AlertState.FIRING]
    return rise(incident, firing, still, urgencies(db), now)


def retrigger(incident: Incident) -> Incident:
    """The incident with its policy at the start again: triggered, nobody's, a new generation."""
    return replace(
        incident,
        state=step(incident.state, Move.RETRIGGER),
        generation=incident.generation + 1,
        acknowledged_at=None,
        acknowledged_by=None,
        snoozed_until=None,
    )


def _told(number: int, joined: Iterable[Alert], known: Iterable[Alert], first: str | None) -> list[Event]:
    events = []
    for alert in joined:
        kind, verb = ("opened", "opened it") if first == "opened" else ("joined", "joined")
        events.append(Event(number, kind, f"{alert.alertname} {verb}: {alert.summary}", detail={"alert": alert.id}))
        first = None
    for alert in (*joined, *known):
        if alert.state is AlertState.RESOLVED:
            why = f" ({because(alert.end_reasons)})" if alert.end_reasons else ""
            events.append(Event(number, "alert_resolved", f"{alert.alertname} is over{why}", detail={"alert": alert.id}))
    return events


def end_due(db: Connection, now: datetime, limit: int = 500) -> list[Incident]:
    """Resolve the incidents whose alerts have been over for long enough; those that ended."""
    ended = [
        replace(one, state=State.RESOLVED, resolved_at=now, resolved_by=None, resolve_at=None, snoozed_until=None)
        for one in store.claim_ending(db, now, limit)
    ]
    store.save_all(db, ended)
    store.record(db, [Event(one.number, "resolved", "all its alerts are over") for one in ended], now)
    return ended
