"""Finds or opens the incident of each group of alerts."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from app.alerts.model import Alert
from app.alerts.model import State as AlertState
from app.catalog import store as catalog
from app.incidents import store
from app.incidents.changeover import by_hours_now, kept, raised
from app.incidents.correlate import Group, Way, follow
from app.incidents.lifecycle import reopened
from app.incidents.model import Event, Incident
from app.incidents.rise import lead
from app.incidents.route import route
from app.oncall import service as oncall
from app.people.model import Urgency


@dataclass(frozen=True, slots=True)
class Found:
    """The incident of each group, and which of them this batch opened or reopened."""

    of_group: Mapping[str, Incident]
    new: Mapping[int, str]  # number -> "opened" | "reopened"


def find(db: Connection, joining: Sequence[Alert], groups: Mapping[int, Group], others: Sequence[int], now: datetime) -> Found:
    """The incident of every group of `joining`: the open one, the one it was merged into, a recent one, or a new one.

    `others` are incidents the caller changes, too: all are locked at once in one order, so that two callers never wait for
    each other.
    """
    together: dict[str, list[Alert]] = defaultdict(list)
    wanted: dict[str, Group] = {}
    for alert in joining:
        together[groups[alert.id].key].append(alert)
        wanted.setdefault(groups[alert.id].key, groups[alert.id])
    known = store.lock_open(db, sorted(wanted), others)
    missing = sorted(set(wanted) - set(known))
    if not missing:
        return Found(known, {})
    new: dict[int, str] = {}
    for key, former in _former(db, missing, wanted, now).items():
        if former.open:
            known[key] = former
        else:
            known[key] = by_hours_now(db, reopened(former, now), now)
            new[former.number] = "reopened"
    store.save_all(db, [known[key] for key in missing if key in known and known[key].number in new])
    store.record(db, [Event(number, "reopened", "its alerts are back") for number in new], now)
    urgency_of = urgencies(db)
    rows = [_row(db, _lead(together[key], urgency_of), wanted[key], now) for key in missing if key not in known]
    for incident in store.open_all(db, rows) if rows else []:
        known[incident.group_key] = incident
        new[incident.number] = "opened"
    known |= store.lock_open(db, [key for key in missing if key not in known])  # somebody else was first
    return Found(known, new)


def _former(db: Connection, keys: Sequence[str], groups: Mapping[str, Group], now: datetime) -> dict[str, Incident]:
    """Per group an incident to go on with: open if the group's was merged into it, resolved if it is to be reopened."""
    usable: dict[str, Incident] = {}
    closed = store.latest_closed(db, keys)
    merged = [one.number for one in closed.values() if one.merged_into is not None]
    merge_targets = store.merge_targets(db, merged) if merged else {}
    targets = store.lock(db, sorted(set(merge_targets.values()))) if merge_targets else {}
    recent: dict[int, str] = {}
    for key, one in closed.items():
        target = targets.get(merge_targets.get(one.number, 0)) if one.merged_into is not None else None
        way = follow(one, target, groups[key].reopen, now)
        if way is Way.JOIN and target is not None:
            usable[key] = target
        elif way is Way.REOPEN:
            recent[one.number] = key
    locked = store.lock(db, sorted(recent)) if recent else {}
    return usable | {recent[number]: one for number, one in locked.items()}


def urgencies(db: Connection) -> Callable[[Alert], Urgency]:
    """With which urgency an alert is routed now."""
    routes = catalog.routes(db)
    return lambda alert: route(alert.labels, alert.severity, routes).urgency


def rerouted(db: Connection, incident: Incident, by: Alert, now: datetime) -> Incident:
    """The incident under the route of an alert that rose: its policy is frozen anew, its urgency never falls."""
    routed = route(by.labels, by.severity, catalog.routes(db))
    urgency = Urgency.HIGH if Urgency.HIGH in (incident.urgency, routed.urgency) else Urgency.LOW
    keeps = kept(routed, catalog.policies(db), oncall.timetable(db), now)
    after = replace(keeps.on(incident, routed.urgency), runbook=by.runbook or incident.runbook)
    after = raised(after, urgency)
    store.freeze(db, after)
    return after


def _lead(together: Sequence[Alert], urgency_of: Callable[[Alert], Urgency]) -> Alert:
    """The alert that an incident opens with: those that came and went already count only among themselves."""
    firing = [alert for alert in together if alert.state is AlertState.FIRING]
    return lead(firing or together, urgency_of)


def _row(db: Connection, alert: Alert, group: Group, now: datetime) -> dict[str, object]:
    routed = route(alert.labels, alert.severity, catalog.routes(db))
    keeps = kept(routed, catalog.policies(db), oncall.timetable(db), now)
    return {
        "group_key": group.key,
        "title": alert.summary,
        "state": "triggered",
        "severity": alert.severity.value,
        "urgency": routed.urgency.value,
        "service": alert.service,
        "team": alert.labels.get("team"),
        "policy_name": keeps.policy_name,
        "policy": store.dumped(keeps.policy) if keeps.policy else None,
        "hours": keeps.hours,
        "during": store.dumped(keeps.during) if keeps.during else None,
        "urgency_at": keeps.urgency_at,
        "labels": dict(group.by),
        "opened_at": now,
        "runbook": alert.runbook,
        "links": list(alert.links),
        "reopen": int(group.reopen.total_seconds()),
        "resolve_after": int(group.resolve_after.total_seconds()),
        "window": int(group.window.total_seconds()),
    }
