"""Who would be paged over an alert, when, over what, and why: the line's own decisions, run ahead of time; nothing is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.alerts.label import labels as enriched
from app.catalog import store as catalog
from app.catalog.model import Policy, Severity
from app.escalation.model import Due, Standing, State
from app.escalation.plan import Move, Reached, called, plan, why
from app.escalation.service import Call, owners, resolve
from app.incidents.correlate import group
from app.incidents.model import Incident
from app.incidents.model import State as IncidentState
from app.incidents.route import Routed, route
from app.notify.model import Draft
from app.notify.service import BUILT_IN, drafts
from app.people import store as people
from app.people.model import INBOX, Directory
from app.signals.model import Said, Signal

MOST = 500  # steps of a policy that repeats for long


@dataclass(slots=True)
class Preview:
    """The decisions, and every message they lead to."""

    routed: Routed
    labels: Mapping[str, str]
    pages: dict[str, Draft] = field(default_factory=dict)  # by key: a second page for the same reason is none
    kinds: Mapping[str, str] = field(default_factory=dict)  # of each channel
    notes: list[str] = field(default_factory=list)


class _Who(Mapping[str, Reached]):
    """Whom targets stand for at one time, looked up when the plan asks for them."""

    def __init__(self, db: Connection, directory: Directory, at: datetime) -> None:
        self.db, self.directory, self.at = db, directory, at
        self.found: dict[str, Reached] = {}

    def __getitem__(self, target: str) -> Reached:
        if target not in self.found:
            self.found |= resolve(self.db, {target}, self.directory, self.at)
        return self.found[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


def preview(db: Connection, labels: Mapping[str, str], severity: Severity, at: datetime) -> Preview:
    """What an alert with these labels would lead to if it came at `at` and nobody did anything."""
    signal = Signal("preview", "preview", Said.FIRING, _title(labels), severity, service=labels.get("service"), labels=labels)
    known = enriched(signal, catalog.services(db)) | ({} if "alertname" in labels else {"alertname": _title(labels)})
    routed = route(known, severity, catalog.routes(db))
    made = Preview(routed, known, kinds={INBOX: BUILT_IN.kind} | {n: c.kind for n, c in catalog.channels(db).items()})
    made.notes += [routed.because, f"{routed.urgency} urgency", _grouped(db, known)]
    policy = catalog.policies(db).get(routed.policy) if routed.policy else None
    incident = _incident(known, severity, routed, policy, at)
    directory = people.directory(db, catalog.defaults(db).timezone)
    for when, move in _moves(db, policy, directory, at):
        if move.excused:
            made.notes.append(f"{move.because}: {'; '.join(one.because for one in move.reached) or 'nobody is named'}; skipped")
        for draft in drafts(_calls(incident, move), directory, when):
            made.pages.setdefault(draft.key, draft)
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


def _moves(db: Connection, policy: Policy | None, directory: Directory, at: datetime) -> Iterator[tuple[datetime, Move]]:
    """Every step with its time, up to and including the first exhaustion."""
    last_resort, place = owners(db), Standing(0, 1, 0, 0, at, Due.STEP, State.RUNNING)
    for _ in range(MOST):
        when = place.due_at or at
        made = plan(policy, last_resort, _Who(db, directory, when), place, when)
        for move in made.moves:
            yield when, move
        place = made.after
        if place.state is State.EXHAUSTED:
            return


def _calls(incident: Incident, move: Move) -> list[Call]:
    return [
        Call(None, incident, move.round, move.step, user, reached.channel, why(move, reached))
        for reached, user in called(move)
        if not reached.nobody
    ]


def _title(labels: Mapping[str, str]) -> str:
    return labels.get("alertname") or "preview"


def _grouped(db: Connection, labels: Mapping[str, str]) -> str:
    by = group(labels, catalog.groupings(db)).by
    return f"grouped by {', '.join(f'{name}={value!r}' for name, value in by.items()) or 'nothing: one incident for all'}"


def _incident(labels: Mapping[str, str], severity: Severity, routed: Routed, policy: Policy | None, at: datetime) -> Incident:
    """The incident it would open, as far as a page depends on it."""
    return Incident(
        number=0, group_key="", title=_title(labels), state=IncidentState.TRIGGERED, severity=severity, urgency=routed.urgency,
        service=labels.get("service"), team=labels.get("team"), policy_name=routed.policy, policy=policy, labels={},
        opened_at=at, acknowledged_at=None, acknowledged_by=None, resolved_at=None, resolved_by=None, snoozed_until=None,
        merged_into=None, assigned_to=None, alert_count=1, runbook=None, links=(), generation=1, resolve_at=None, reopen=0,
        resolve_after=0, window=0,
    )  # fmt: skip
