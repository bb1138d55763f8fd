"""Who would be paged over an alert, when, over what, and why: the line's own decisions, run ahead of time; nothing is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from app.alerts.label import asked
from app.alerts.label import labels as labelled
from app.alerts.model import Alert
from app.alerts.model import State as AlertState
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.escalation.ahead import Ahead, ahead
from app.escalation.model import Due, EscalationState, State
from app.escalation.plan import Step, called, why
from app.escalation.service import Call
from app.escalation.upcoming import course_of, who_at
from app.incidents.changeover import kept, raised, turned
from app.incidents.correlate import Way
from app.incidents.joining import Destination, destination
from app.incidents.model import Incident
from app.incidents.model import State as IncidentState
from app.incidents.rise import Effect, rise
from app.incidents.route import Routed, route
from app.notify.model import Draft
from app.notify.service import BUILT_IN, drafts
from app.oncall import service as oncall
from app.oncall.hours import Timetable
from app.people import store as people
from app.people.model import INBOX
from app.signals.model import Signal
from app.walltime import utc

MOST = 500  # steps of a policy that repeats for long


@dataclass(slots=True)
class Preview:
    """The decisions, and every message they lead to."""

    routed: Routed
    labels: Mapping[str, str]
    pages: dict[str, Draft] = field(default_factory=dict)  # by key: a second page for the same reason is none
    kinds: Mapping[str, str] = field(default_factory=dict)  # of each channel
    notes: list[str] = field(default_factory=list)


def preview(db: Connection, labels: Mapping[str, str], severity: Severity, at: datetime) -> Preview:
    """What an alert with these labels would lead to if it came at `at` and nobody did anything."""
    at, timetable, signal = utc(at), oncall.timetable(db), asked(labels, severity)
    opened = timetable.open_at(at)
    known = labelled(signal, catalog.services(db), opened)
    routed = route(known, severity, catalog.routes(db))
    made = Preview(routed, known, kinds={INBOX: BUILT_IN.kind} | {n: c.kind for n, c in catalog.channels(db).items()})
    made.notes += [routed.because, f"{routed.urgency} urgency"]
    made.notes += [] if opened is None else [f"hours open then: {', '.join(opened) or 'none'}"]
    goes = destination(db, known, at)
    made.notes.append(_grouped(goes))
    incident = _opened(db, signal, known, routed, timetable, at)
    if goes.incident is not None:
        found = _joined(made, goes, goes.incident, incident, _alert(signal, known, at), at)
        if found is None:
            return made
        incident = found
    _escalate(db, made, incident, timetable, at)
    return made


def present(made: Preview) -> dict[str, Any]:
    """The public form; `step` is null when the policy is exhausted."""
    pages = sorted(made.pages.values(), key=lambda one: one.due_at)
    return {
        "route": made.routed.number,
        "policy": made.routed.policy,
        "urgency": made.routed.urgency.value,
        "labels": dict(made.labels),
        "suppressed_by": [],
        "steps": [
            {
                "at": one.due_at,
                "step": one.step,
                "user": one.user,
                "channel": one.channel,
                "kind": made.kinds.get(one.channel, ""),
                "contact": one.contact,
                "reason": one.reason,
            }
            for one in pages
        ],
        "notes": made.notes,
    }


def _joined(made: Preview, goes: Destination, known: Incident, new: Incident, alert: Alert, at: datetime) -> Incident | None:
    """The incident as the alert would leave it, to be escalated from step 1; None when nobody new is paged. It says which.

    new: the incident that the alert would open by itself, which carries its routing.
    """
    decided = rise(known, [alert], [], lambda _: new.urgency, at)
    if decided.effect is Effect.RESTART:
        made.notes.append(f"would {goes.way} #{known.number}: {decided.because}, so it is routed anew and starts at step 1")
        return raised(replace(new, number=known.number, generation=known.generation + 1), decided.urgency)
    if goes.way is Way.REOPEN:
        made.notes.append(f"would reopen #{known.number}, whose policy {known.policy_name or '(none)'} starts at step 1")
        return raised(replace(known, generation=known.generation + 1, opened_at=at), decided.urgency)
    told = "; whoever was paged is sent an update" if decided.effect is Effect.UPDATE else ""
    made.notes.append(f"would join #{known.number}, so nobody new is paged: {decided.because}{told}")
    return None


def _escalate(db: Connection, made: Preview, incident: Incident, timetable: Timetable, at: datetime) -> None:
    """Every page of every step, and a note of every step that waits or is skipped."""
    directory = people.directory(db, catalog.defaults(db).timezone)
    course = course_of(db, incident)
    start = EscalationState(incident.number, incident.generation, 0, 0, at, Due.STEP, State.RUNNING)
    for step in islice(ahead(course, start, at, who_at(db, course, directory)), MOST):
        made.notes += _notes(step)
        then = replace(incident, urgency=turned(incident, timetable, step.at)[0])
        for draft in drafts(_calls(then, step.move), directory, step.at):
            made.pages.setdefault(draft.key, draft)


def _notes(step: Ahead) -> list[str]:
    held = [f"{step.move.because}: {step.held.because}"] if step.held else []
    reasons = "; ".join(one.because for one in step.move.reached) or "nobody is named"
    return held + ([f"{step.move.because}: {reasons}; skipped"] if step.move.excused else [])


def _calls(incident: Incident, move: Step) -> list[Call]:
    return [
        Call(None, incident, move.round, move.step, user, reached.channel, why(move, reached))
        for reached, user in called(move)
        if not reached.nobody
    ]


def _grouped(goes: Destination) -> str:
    by = ", ".join(f"{name}={value!r}" for name, value in goes.group.by.items())
    return f"grouped by {by or 'nothing: one incident for all'}"


def _alert(signal: Signal, labels: Mapping[str, str], at: datetime) -> Alert:
    """The alert that the signal would become, as far as a decision depends on it."""
    return Alert(
        id=0, fingerprint=signal.fingerprint, source=signal.source, key=signal.key, alertname=labels["alertname"],
        state=AlertState.FIRING, severity=signal.severity, summary=signal.summary, service=signal.service, labels=labels,
        annotations={}, links=(), runbook=None, value=None, reasons=(), shadow=False, trace="", starts_at=at, ends_at=None,
        seen_at=at, end_reasons=(), suppressed_by=(), incident=None,
    )  # fmt: skip


def _opened(
    db: Connection, signal: Signal, labels: Mapping[str, str], routed: Routed, timetable: Timetable, at: datetime
) -> Incident:
    """The incident it would open, as far as a page depends on it."""
    keeps = kept(routed, catalog.policies(db), timetable, at)
    return Incident(
        number=0, group_key="", title=signal.summary, state=IncidentState.TRIGGERED, severity=signal.severity,
        urgency=routed.urgency, service=signal.service, team=labels.get("team"), policy_name=keeps.policy_name,
        policy=keeps.policy, labels={}, opened_at=at, acknowledged_at=None, acknowledged_by=None, resolved_at=None,
        resolved_by=None, snoozed_until=None, merged_into=None, assigned_to=None, alert_count=1, runbook=None, links=(),
        generation=1, resolve_at=None, reopen=0, resolve_after=0, window=0, hours=keeps.hours, during=keeps.during,
        urgency_at=keeps.urgency_at,
    )  # fmt: skip
