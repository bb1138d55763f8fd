"""What becomes of two incidents when one is merged into the other. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from app.alerts.model import Tally
from app.incidents.lifecycle import merged, retriggered
from app.incidents.model import Incident, IncidentState, counted
from app.incidents.rise import starts_anew
from app.incidents.routing import Frozen, with_urgency
from app.people.model import highest


@dataclass(frozen=True, slots=True)
class Merge:
    """Both after it; `restarted`: the target is routed as the source was, its policy from step 1."""

    source: Incident
    target: Incident
    restarted: bool


def merge(source: Incident, target: Incident, tally: Tally, by: str | None, now: datetime) -> Merge:
    """`tally`: the alerts of both. Raises Conflict when the source is resolved.

    The target is as bad as the worse of both. Where the source is that and either is unacknowledged, the target goes on under
    the source's policy: who would have been paged for that one still is.
    """
    severity = max(source.severity, target.severity, key=lambda one: one.rank)
    urgency = highest(source.urgency, target.urgency)
    grown = replace(
        counted(target, tally),
        severity=severity,
        resolve_at=None if tally.open else target.resolve_at,
    )
    restarted = starts_anew(target, source.severity, source.urgency) and IncidentState.TRIGGERED in (source.state, target.state)
    if restarted:
        grown = retriggered(Frozen.of(source).on(grown, source.urgency))
    return Merge(merged(source, target.number, by, now), with_urgency(grown, urgency), restarted)
