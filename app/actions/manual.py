"""Paging somebody by hand: an incident of its own, opened in the caller's transaction, and its policy from step 1.

It goes the way of every alert: a signal becomes an alert, `place` opens its incident, and escalation begins. Only the routing
is not the configuration's but the caller's: the policy of the target.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.alerts import service as alerts
from app.alerts import store as alert_store
from app.alerts.label import labels as labelled
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.db import refresh
from app.errors import Busy, Conflict, Fault, Invalid
from app.escalation import service as escalation
from app.escalation.manual import Chosen, candidates, check_target, choose
from app.incidents import service as incidents
from app.incidents import store
from app.incidents.correlate import Group
from app.incidents.model import Event, Incident
from app.incidents.routing import Routing
from app.incidents.service import in_force
from app.oncall import service as oncall
from app.people import audit
from app.people import store as people
from app.people.model import Actor
from app.people.permission import require
from app.reason import Code, Reason
from app.signals.model import SUMMARY_LIMIT, Signal, SignalStatus, manual_source

ALERTNAME = "manual page"
TARGET_LIMIT, SERVICE_LIMIT, DETAILS_LIMIT, KEY_LIMIT = 264, 256, 4_096, 512  # characters
NONE = timedelta(0)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualPage:
    """What somebody asks for. key: the same key pages nobody again while its incident is open; empty: always a new incident."""

    target: str  # user:NAME, team:NAME or schedule:NAME
    summary: str
    severity: Severity = Severity.CRITICAL
    service: str = ""
    details: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of it, before anything is written."""

    signal: Signal
    chosen: Chosen
    routing: Routing
    assigned_to: str | None
    team: str | None  # None: its service's

    @property
    def group(self) -> Group:
        """What nothing else joins."""
        return Group(self.signal.fingerprint, {}, NONE, NONE, NONE)


def page(db: Connection, asked: ManualPage, actor: Actor, now: datetime) -> Incident:
    """Open an incident that pages the target at once and goes on if nobody acknowledges; that of `key` if it is open.

    Raises Denied, Invalid for what is wrong or reaches nobody, Conflict for a key that is used for another target, Busy.
    """
    require(actor, "respond")
    check(asked)
    if asked.key:
        alert_store.take_turns(db, [manual_source(actor.login)], alone=True)
    if (known := known_of(db, asked, actor)) is not None:
        return known
    made = decide(db, replace(asked, key=asked.key or secrets.token_hex(8)), actor, now)
    alerts.accept(db, [made.signal], now)
    alert = alert_store.open_of(db, made.signal.fingerprint)
    if alert is None:
        raise Busy("the alert has just been resolved; retry")
    opened = incidents.open_alone(db, alert, made.group, made.routing, now, assigned_to=made.assigned_to, team=made.team)
    escalation.begin(db, [opened], now)
    facts = {"by": actor.login, "via": actor.via, "target": asked.target, "summary": opened.title}
    store.record(db, [Event(opened.number, Reason(Code.PAGED, facts | {"users": list(made.chosen.first)}), actor.login)], now)
    kept = {"target": asked.target, "summary": opened.title, "severity": opened.severity.value, "policy": made.chosen.name}
    audit.record(db, actor, f"incident.{Code.PAGED}", f"incident:{opened.number}", kept, now)
    refresh(db, "incidents")
    return opened


def decide(db: Connection, asked: ManualPage, actor: Actor, now: datetime) -> Decided:
    """Whom it pages, by which policy, and the signal that says so; nothing is written. Raises Invalid."""
    directory = people.directory(db, catalog.defaults(db).timezone)
    check_target(asked.target, directory, oncall.schedules(db))
    signal, routing, services = _signal(asked, actor), in_force(db), catalog.services(db)
    labels = labelled(signal, services, routing.timetable.open_at(now))
    found = candidates(asked.target, labels, services, routing)
    wanted = {target for one in found for step in one.policy.steps for target in step.page}
    chosen = choose(asked.target, found, escalation.resolve(db, wanted, directory, now))
    kind, _, name = asked.target.partition(":")
    return Decided(
        signal,
        chosen,
        chosen.routing(asked.severity, routing),
        assigned_to=name if kind == "user" else None,
        team=name if kind == "team" else None,
    )


def check(asked: ManualPage) -> None:
    """Raise Invalid that names each field that is wrong; whether the target exists is not asked."""
    limits = [
        ("target", asked.target, 1, TARGET_LIMIT),
        ("summary", asked.summary.strip(), 1, SUMMARY_LIMIT),
        ("service", asked.service, 0, SERVICE_LIMIT),
        ("details", asked.details, 0, DETAILS_LIMIT),
        ("key", asked.key, 0, KEY_LIMIT),
    ]
    faults = [Fault(name, _wrong(least, most)) for name, text, least, most in limits if not least <= len(text) <= most]
    faults += [
        Fault(name, "contains a character that cannot be stored") for name, text, *_ in limits if _UNSTORABLE.search(text)
    ]
    if faults:
        raise Invalid(_listed(faults), faults)


def _wrong(least: int, most: int) -> str:
    return f"must be {least} to {most:,} characters long" if least else f"must be at most {most:,} characters long"


def _listed(faults: Sequence[Fault]) -> str:
    return "; ".join(f"{one.field} {one.detail}" for one in faults)


def _signal(asked: ManualPage, actor: Actor) -> Signal:
    facts = {"by": actor.login, "via": actor.via, "target": asked.target, "details": asked.details.strip()}
    return Signal(
        source=manual_source(actor.login),
        key=asked.key,
        status=SignalStatus.FIRING,
        summary=asked.summary.strip(),
        severity=asked.severity,
        alertname=ALERTNAME,
        service=asked.service or None,
        reasons=(Reason(Code.REPORTED, facts),),
    )


def known_of(db: Connection, asked: ManualPage, actor: Actor) -> Incident | None:
    """The open incident of this key, if there is one. Raises Conflict when it pages somebody else."""
    if not asked.key:
        return None
    fingerprint = _signal(asked, actor).fingerprint
    alert = alert_store.open_of(db, fingerprint)
    found = store.get(db, alert.incident) if alert and alert.incident else store.open_of_group(db, fingerprint)
    if found is None:
        return None
    target = alert.reasons[0].facts["target"] if alert else asked.target
    if target != asked.target:
        raise Conflict(f'#{found.number} is open for the key "{asked.key}" and pages {target}; use another key')
    return found
