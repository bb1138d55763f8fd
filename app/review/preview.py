"""Who would be paged over an alert, when, over what, and why: the line's own decisions, run ahead of time; nothing is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection
from typing_extensions import TypedDict

from app.alerts.label import Opened, asked
from app.alerts.label import labels as labelled
from app.alerts.model import Alert, AlertState
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.escalation.ahead import Upcoming, ahead
from app.escalation.model import EscalationState
from app.escalation.plan import recipients
from app.escalation.request import page_request
from app.escalation.upcoming import terms_of, who_at
from app.incidents.correlate import Group
from app.incidents.hours import urgency
from app.incidents.joining import board_at
from app.incidents.model import Incident
from app.incidents.place import Board, How, Touched, batch, place
from app.incidents.route import Routed
from app.incidents.routing import Routing
from app.incidents.service import in_force
from app.notify.model import Draft
from app.notify.present import held_until
from app.notify.service import BUILT_IN, drafts
from app.oncall.hours import Timetable
from app.people import store as people
from app.people.model import INBOX, Urgency
from app.signals.model import Signal
from app.walltime import Stamp, utc
from app.wording import PublicReason, present_all, text, texts

PLANNED = timedelta(hours=1)  # further ahead than that, somebody will have resolved what is open now
MOST = 500  # steps of a policy that repeats for long


class PublicMessage(TypedDict):
    """A message that would be sent; `step` is null once escalation is exhausted. `held_until`: the end of quiet hours."""

    at: datetime
    step: int | None
    user: str | None
    channel: str
    kind: str
    contact: str | None
    held_until: Stamp | None
    reason: str
    reasons: list[PublicReason]


class PublicPreview(TypedDict):
    """What an alert would lead to if nobody acknowledged; `route` counts from 1."""

    route: int | None
    policy: str | None
    urgency: Urgency
    labels: dict[str, str]
    suppressed_by: list[dict[str, Any]]
    steps: list[PublicMessage]
    notes: list[str]


@dataclass(slots=True)
class Preview:
    """The decisions, and every message they lead to."""

    routed: Routed
    labels: Mapping[str, str]
    pages: dict[str, Draft] = field(default_factory=dict)  # by key: a second page for the same reason is none
    kinds: Mapping[str, str] = field(default_factory=dict)  # of each channel
    notes: list[str] = field(default_factory=list)

    @property
    def sent(self) -> list[Draft]:
        """The messages in the order in which they leave."""
        return sorted(self.pages.values(), key=lambda one: one.due_at)


def preview(db: Connection, labels: Mapping[str, str], severity: Severity, at: datetime, now: datetime) -> Preview:
    """What an alert with these labels would lead to if it came at `at` and nobody did anything about it.

    An incident that is open now takes it in only up to PLANNED ahead of now.
    """
    at = utc(at)
    routing, alert, opened = _asked(db, labels, severity, at)
    routed = routing.of(alert)
    made = Preview(routed, alert.labels, kinds=channel_kinds(db))
    made.notes += [texts(routed.reasons), f"{routed.urgency} urgency"]
    made.notes += [] if opened is None else [f"hours open then: {', '.join(opened) or 'none'}"]
    alone = batch([alert], set(), catalog.groupings(db))
    of = alone.groups[alert.id]
    made.notes.append(_grouped(of))
    board = board_at(db, of, at)
    if board.open and at - now > PLANNED:
        made.notes.append(f"assumes #{board.open[of.key].number}, open now, is resolved by then; if not, the alert joins it")
        board = Board()
    placed = place(alone, board, routing, at)
    (goes,) = placed.touched
    made.notes += _destination(goes)
    for incident in placed.started:
        escalate(db, made, incident, routing.timetable, at)
    return made


def routed(db: Connection, labels: Mapping[str, str], severity: Severity, at: datetime) -> Routed:
    """Which route an alert with these labels would take at `at`."""
    routing, alert, _ = _asked(db, labels, severity, utc(at))
    return routing.of(alert)


def present(made: Preview) -> PublicPreview:
    """The public form."""
    return {
        "route": made.routed.number,
        "policy": made.routed.policy,
        "urgency": made.routed.urgency,
        "labels": dict(made.labels),
        "suppressed_by": [],
        "steps": [message(one, made.kinds) for one in made.sent],
        "notes": made.notes,
    }


def message(page: Draft, kinds: Mapping[str, str]) -> PublicMessage:
    """The public form of a page that would be sent. kinds: of each channel."""
    return {
        "at": page.due_at,
        "step": page.step,
        "user": page.user,
        "channel": page.channel,
        "kind": kinds.get(page.channel, ""),
        "contact": page.contact,
        "held_until": held_until(page.reasons),
        "reason": texts(page.reasons),
        "reasons": present_all(page.reasons),
    }


def channel_kinds(db: Connection) -> dict[str, str]:
    """The kind of each channel."""
    return {INBOX: BUILT_IN.kind} | {name: channel.kind for name, channel in catalog.channels(db).items()}


def _asked(db: Connection, labels: Mapping[str, str], severity: Severity, at: datetime) -> tuple[Routing, Alert, Opened]:
    """The configuration that routes, the alert that is asked about, and the hours that are open then."""
    routing, signal = in_force(db), asked(labels, severity)
    opened = routing.timetable.open_at(at)
    return routing, alert_of(signal, labelled(signal, catalog.services(db), opened), at), opened


def _destination(goes: Touched) -> list[str]:
    """To which open or recent incident it would come; nothing where it opens one."""
    number, policy, why = f"#{goes.incident.number}", goes.incident.policy_name or "(none)", text(goes.reason)
    if goes.how is How.OPENED:
        return []
    if goes.how is How.REOPENED:
        anew = f": {why}; rerouted," if goes.rerouted else ";"
        return [f"would reopen {number}{anew} policy {policy} restarts at step 1"]
    if goes.how is How.RESTARTED:
        return [f"would join {number}: {why}; rerouted, escalation restarts at step 1"]
    update = "; people already notified get an update" if goes.how is How.UPDATED else ""
    return [f"would join {number}: no new pages ({why}){update}"]


def escalate(db: Connection, made: Preview, incident: Incident, timetable: Timetable, at: datetime) -> None:
    """Add every page of every step, and a note of every step that waits or is skipped."""
    directory = people.directory(db, catalog.defaults(db).timezone)
    terms = terms_of(db, incident)
    start = EscalationState.started(incident.number, incident.generation, at)
    for step in islice(ahead(terms, start, at, who_at(db, terms, directory)), MOST):
        made.notes += _notes(step)
        then = replace(incident, urgency=urgency(incident, timetable, step.at)[0])
        requests = [page_request(then, step.step, target, user) for target, user in recipients(step.step)]
        for draft in drafts([request for request in requests if request is not None], directory, step.at):
            made.pages.setdefault(draft.key, draft)


def _notes(ahead: Upcoming) -> list[str]:
    step = ahead.step
    held = [f"{text(step.reason)}: {text(ahead.held.reason)}"] if ahead.held else []
    reasons = texts(one.reason for one in step.targets) or "no targets"
    return held + ([f"{text(step.reason)}: {reasons}; skipped"] if step.excused else [])


def _grouped(of: Group) -> str:
    by = ", ".join(f'{name}="{value}"' for name, value in of.by.items())
    return f"grouped by {by or 'nothing: one incident for all alerts'}"


def alert_of(signal: Signal, labels: Mapping[str, str], at: datetime) -> Alert:
    """The alert that the signal would become, as far as a decision depends on it."""
    return Alert(
        id=0, fingerprint=signal.fingerprint, source=signal.source, key=signal.key, alertname=labels["alertname"],
        state=AlertState.FIRING, severity=signal.severity, summary=signal.summary, service=signal.service, labels=labels,
        annotations={}, links=(), runbook=None, value=None, reasons=(), reason_in_summary=False, shadow=False,
        trace="", starts_at=at, ends_at=None, seen_at=at, end_reasons=(), suppressed_by=(), incident=None,
    )  # fmt: skip
