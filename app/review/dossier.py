"""Everything about one incident: its alerts, what happened, who was notified how, and the next escalations."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection
from typing_extensions import TypedDict

from app.alerts import store as alerts
from app.alerts.present import PublicAlert
from app.alerts.present import present as present_alert
from app.escalation import store as escalations
from app.escalation.ahead import Upcoming
from app.escalation.upcoming import quiet, upcoming
from app.incidents import store as incidents
from app.incidents.model import Incident
from app.incidents.present import PublicIncident, PublicTimelineEntry, present, present_event
from app.incidents.service import absent
from app.notify import store as pages
from app.notify.present import PublicPage
from app.notify.present import present as present_page
from app.reason import Code, Reason
from app.walltime import Stamp
from app.wording import PublicReason, present_all, text, texts


class PublicHold(TypedDict):
    """Somebody whose pages wait for the end of their quiet hours."""

    user: str
    until: Stamp
    reason: str


class PublicEscalation(TypedDict):
    """A step that runs unless the incident is acknowledged; `step` is null once escalation is exhausted."""

    at: datetime
    step: int | None
    round: int
    users: list[str]
    channels: list[str]
    excused: bool
    held_until: datetime | None
    held: list[PublicHold]
    reason: str
    reasons: list[PublicReason]


class PublicDossier(PublicIncident):
    """An incident with its alerts, timeline and pages; `upcoming`: the next escalations."""

    alerts: list[PublicAlert]
    also_affected: list[PublicAlert]
    timeline: list[PublicTimelineEntry]
    pages: list[PublicPage]
    upcoming: list[PublicEscalation]


def incident(db: Connection, number: int) -> Incident:
    """One incident. Raises NotFound."""
    found = incidents.get(db, number)
    if found is None:
        raise absent(db, number)
    return found


def dossier(db: Connection, number: int, now: datetime) -> PublicDossier:
    """The public form of an incident with all that belongs to it. Raises NotFound."""
    found = incident(db, number)
    sent = pages.of_incidents(db, [number])
    attempts = pages.attempts(db, [page.id for page in sent])
    to_come = upcoming(db, found, escalations.get(db, number), now)
    return {
        **present(found),
        "alerts": [present_alert(one) for one in alerts.of_incidents(db, [number])],
        "also_affected": [],
        "timeline": [present_event(line) for line in incidents.timeline(db, number)],
        "pages": [present_page(page, attempts[page.id]) for page in sent],
        "upcoming": [coming(one, held) for one, held in zip(to_come, quiet(db, found, to_come), strict=True)],
    }


def coming(one: Upcoming, held: Mapping[str, Reason]) -> PublicEscalation:
    """The public form of an escalation to come. held: whose pages wait, and why."""
    step = one.step
    reasons = [Reason(Code.STARTED_AGAIN)] if one.starts_again else []
    reasons += [one.held.reason] if one.held else []
    reasons += [step.reason, *(target.reason for target in step.targets)]
    return {
        "at": one.at,
        "step": step.step,
        "round": step.round,
        "users": list(dict.fromkeys(user for target in step.targets for user in target.users)),
        "channels": [target.channel for target in step.targets if target.channel],
        "excused": step.excused,
        "held_until": one.held.until if one.held else None,
        "held": [{"user": user, "until": why.facts["until"], "reason": text(why)} for user, why in held.items()],
        "reason": texts(reasons),
        "reasons": present_all(reasons),
    }
