"""Somebody to be reached: what a step hands to the notify stage. Pure."""

from dataclasses import dataclass

from app.escalation.plan import ResolvedTarget, Step
from app.incidents.model import Incident
from app.people.model import Urgency
from app.reason import Reasons


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Somebody to be reached now, over one channel or by their contacts."""

    incident: int
    generation: int
    urgency: Urgency
    round: int
    step: int | None  # counts from 1; None when the policy is exhausted
    user: str | None
    channel: str | None
    reasons: Reasons
    obligation: int | None = None  # which it is to keep
    breached: int | None = None  # the obligation in whose place it is


def page_request(incident: Incident, step: Step, target: ResolvedTarget, user: str | None) -> PageRequest | None:
    """The call of one person, or channel, in a step; None when the target is nobody."""
    if target.nobody:
        return None
    return PageRequest(
        incident=incident.number,
        generation=incident.generation,
        urgency=incident.urgency,
        round=step.round,
        step=step.step,
        user=user,
        channel=None if user else target.channel,
        reasons=(step.reason, target.reason),
    )
