"""Where alerts go: changed alerts and the incidents as they are become a Placement, which is then saved. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.alerts.model import Alert, AlertState, Tally
from app.catalog.model import Grouping
from app.incidents.correlate import Group, Way, follow, group
from app.incidents.hours import caught_up
from app.incidents.lifecycle import reopened, retriggered, unassigned
from app.incidents.model import Event, Incident, IncidentState, counted
from app.incidents.rise import Effect, Rise, lead, rise
from app.incidents.routing import Routing
from app.reason import Code, Reason, dumped, nested


@dataclass(frozen=True, slots=True)
class Batch:
    """Alerts to be placed: those that need an incident, with their groups by alert id, and those that have one."""

    joining: tuple[Alert, ...]
    known: tuple[Alert, ...]
    groups: Mapping[int, Group]

    @property
    def wanted(self) -> dict[str, Group]:
        """The groups whose incidents are needed, by key."""
        return {one.key: one for one in reversed([*self.groups.values()])}


@dataclass(frozen=True, slots=True)
class Board:
    """The incidents that a batch may touch, as they are before it."""

    open: Mapping[str, Incident] = field(default_factory=dict)  # group key -> its open incident
    closed: Mapping[str, Incident] = field(default_factory=dict)  # group key without one -> the incident that ended last
    merge_targets: Mapping[int, Incident] = field(default_factory=dict)  # number of such a one -> who has its alerts now
    own: Mapping[int, Incident] = field(default_factory=dict)  # number -> the incident of an alert of the batch
    tallies: Mapping[int, Tally] = field(default_factory=dict)  # number -> its alerts, those of the batch left out


class How(StrEnum):
    """What became of an incident that a batch touched."""

    OPENED = "opened"
    REOPENED = "reopened"
    RESTARTED = "restarted"  # it got worse: routed anew, the policy from step 1
    UPDATED = "updated"  # those who were paged get an update
    QUIET = "quiet"  # nobody is notified


@dataclass(frozen=True, slots=True)
class Touched:
    """One incident after the batch; a new one has a number below 0 until it is saved."""

    incident: Incident
    how: How
    reason: Reason
    events: tuple[Reason, ...] = ()
    rerouted: bool = False  # its policy, and maybe its runbook, are others


@dataclass(frozen=True, slots=True)
class Placement:
    """What a batch leads to. `incident_of`: the number of each alert's incident, by alert id."""

    touched: tuple[Touched, ...] = ()
    incident_of: Mapping[int, int | None] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many alerts were looked at."""
        return len(self.incident_of)

    @property
    def started(self) -> list[Incident]:
        """The incidents whose policy starts at step 1."""
        return [one.incident for one in self.touched if one.how in (How.OPENED, How.REOPENED, How.RESTARTED)]

    @property
    def restarted(self) -> list[Incident]:
        """Those of them that had started before."""
        return [one.incident for one in self.touched if one.how in (How.REOPENED, How.RESTARTED)]

    @property
    def updated(self) -> list[tuple[Incident, Reason]]:
        """The incidents of which those who were paged get an update, and why."""
        return [(one.incident, one.reason) for one in self.touched if one.how is How.UPDATED]

    def over(self, now: datetime) -> bool:
        """Whether one of the incidents has nothing to wait for before it ends."""
        return any(one.incident.resolve_at is not None and one.incident.resolve_at <= now for one in self.touched)

    @property
    def events(self) -> list[Event]:
        """The lines of the timelines."""
        return [Event(one.incident.number, reason) for one in self.touched for reason in one.events]


def batch(changed: Sequence[Alert], ended: Set[int], groupings: Sequence[Grouping]) -> Batch:
    """Cut changed alerts into those that need an incident and those that have one. `ended`: incidents that are resolved.

    One that goes on and got worse after somebody resolved its incident by hand is news, and wants an incident.
    """
    joining = [one for one in changed if one.incident is None or (one.state is AlertState.FIRING and one.incident in ended)]
    ids = {one.id for one in joining}
    groups = {one.id: group(one.labels, groupings) for one in joining}
    return Batch(tuple(joining), tuple(one for one in changed if one.id not in ids), groups)


def place(made: Batch, board: Board, routing: Routing, now: datetime) -> Placement:
    """Give every alert its incident, and every incident what its alerts make of it."""
    together: dict[str, list[Alert]] = defaultdict(list)
    for alert in made.joining:
        together[made.groups[alert.id].key].append(alert)
    wanted = made.wanted
    found: dict[str, tuple[Incident, How]] = {}
    for n, key in enumerate(sorted(together), 1):
        found[key] = _destination(wanted[key], board, routing, now) or (
            opened(-n, wanted[key], _lead(together[key], routing), routing, now), How.OPENED,
        )  # fmt: skip
    incident_of = {one.id: found[made.groups[one.id].key][0].number for one in made.joining}
    incident_of |= {one.id: one.incident for one in made.known if one.incident is not None}
    joined, known = _by_incident(made.joining, incident_of), _by_incident(made.known, incident_of)
    before = {number: (one, How.QUIET) for number, one in board.own.items()}
    before |= {one.number: (one, how) for one, how in found.values()}
    touched = [
        _after(one, how, joined.get(number, []), known.get(number, []), board.tallies.get(number, Tally()), routing, now)
        for number, (one, how) in before.items()
    ]
    return Placement(tuple(touched), incident_of)


def alone(alert: Alert, of: Group, routing: Routing, now: datetime) -> Placement:
    """The incident of its own that an alert opens, whatever the groupings say and whatever is open."""
    return place(Batch((alert,), (), {alert.id: of}), Board(), routing, now)


def opened(number: int, of: Group, by: Alert, routing: Routing, now: datetime) -> Incident:
    """The incident that an alert opens by itself."""
    routed = routing.of(by)
    incident = Incident(
        number=number,
        group_key=of.key,
        title=by.summary,
        state=IncidentState.TRIGGERED,
        severity=by.severity,
        urgency=routed.urgency,
        service=by.service,
        team=by.labels.get("team"),
        labels=dict(of.by),
        opened_at=now,
        runbook=by.runbook,
        links=tuple(by.links),
        reopen=int(of.reopen.total_seconds()),
        resolve_after=int(of.resolve_after.total_seconds()),
        window=int(of.window.total_seconds()),
    )
    return routing.freeze(routed, now).on(incident, routed.urgency)


def _destination(of: Group, board: Board, routing: Routing, now: datetime) -> tuple[Incident, How] | None:
    """The incident a group goes on with: the open one, the one it was merged into, or a recent one; None: a new one."""
    if of.key in board.open:
        return board.open[of.key], How.QUIET
    closed = board.closed.get(of.key)
    if closed is None:
        return None
    target = board.merge_targets.get(closed.number)
    way = follow(closed, target, of.reopen, now)
    if way is Way.JOIN and target is not None:
        return target, How.QUIET
    if way is not Way.REOPEN:
        return None
    return caught_up(unassigned(reopened(closed, now)), routing.timetable, now)[0], How.REOPENED


def _lead(alerts: Sequence[Alert], routing: Routing) -> Alert:
    """The alert that an incident opens with: those that came and went already count only among themselves."""
    return lead(_firing(alerts) or alerts, routing.urgency_of)


def _after(
    before: Incident,
    how: How,
    joined: Sequence[Alert],
    known: Sequence[Alert],
    others: Tally,
    routing: Routing,
    now: datetime,
) -> Touched:
    tally = others.plus((*joined, *known))
    now_has = counted(before, tally)
    new = how is not How.QUIET
    events = ([Reason(Code.REOPENED, {"by": None})] if how is How.REOPENED else []) + _events(joined, known, how)
    if not before.open:
        return Touched(now_has, How.QUIET, Reason(Code.UNCHANGED), tuple(events))
    decided = rise(now_has, _firing(joined), () if new else _firing(known), routing.urgency_of, now)
    after = replace(now_has, severity=decided.severity, urgency=decided.urgency)
    if decided.by is not None:
        after = routing.rerouted(after, decided.by, now)
        if not new:
            after, how = retriggered(after), How.RESTARTED
            events.insert(0, restarted(after, decided))
    elif decided.effect is Effect.UPDATE and not new:
        how = How.UPDATED
    quiet = timedelta(seconds=0 if new else after.resolve_after)  # over before anybody was notified: at once
    after = replace(after, resolve_at=None if tally.open else now + quiet)
    return Touched(after, how, decided.reason, tuple(events), rerouted=decided.by is not None)


def restarted(after: Incident, decided: Rise) -> Reason:
    """Why the policy starts at step 1 though the incident is open."""
    by = decided.by.alertname if decided.by else None
    return Reason(Code.RESTARTED, {"why": nested(decided.reason), "alertname": by, "policy": after.policy_name})


def _events(joined: Sequence[Alert], known: Sequence[Alert], how: How) -> list[Reason]:
    first, events = how is How.OPENED, []
    for alert in joined:
        facts = {"alert": alert.id, "alertname": alert.alertname, "summary": alert.summary}
        events.append(Reason(Code.OPENED if first else Code.JOINED, facts))
        first = False
    for alert in (*joined, *known):
        if alert.state is AlertState.RESOLVED:
            facts = {"alert": alert.id, "alertname": alert.alertname, "why": dumped(alert.end_reasons)}
            events.append(Reason(Code.ALERT_RESOLVED, facts))
    return events


def _firing(alerts: Sequence[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.state is AlertState.FIRING]


def _by_incident(alerts: Sequence[Alert], incident_of: Mapping[int, int | None]) -> dict[int, list[Alert]]:
    found: dict[int, list[Alert]] = defaultdict(list)
    for alert in alerts:
        number = incident_of[alert.id]
        if number is not None:
            found[number].append(alert)
    return found
