"""Whose an alert is: the first route that matches decides policy and urgency. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.catalog.matcher import HOURS, matches
from app.catalog.model import During, Route, Severity
from app.people.model import Urgency
from app.reason import Code, Reason, Reasons


@dataclass(frozen=True, slots=True)
class Routed:
    """The decision, with its reason."""

    policy: str | None  # None: no route matches; the platform's owners are paged
    urgency: Urgency
    number: int | None  # counts from 1
    reasons: Reasons
    hours: str | None = None  # pages wait for these hours
    during: During | None = None  # `urgency` is this rule's answer at the instant of the labels, and changes with its hours


def route(labels: Mapping[str, str], severity: Severity, routes: Sequence[Route]) -> Routed:
    """The first match wins; urgency is the route's, else that of the severity. Which hours are open, the labels say."""
    usual = severity.urgency
    for number, one in enumerate(routes, 1):
        if matches(one.matchers, labels):
            matched = Reason(Code.ROUTED, {"number": number, "match": list(one.match)})
            if isinstance(one.urgency, During):
                opened = labels.get(HOURS, "").split(",")
                reasons = (matched, by_hours(one.urgency, opened))
                return Routed(one.policy, one.urgency.at(opened), number, reasons, one.pages, one.urgency)
            return Routed(one.policy, one.urgency or usual, number, (matched,), one.pages)
    return Routed(None, usual, None, (Reason(Code.NO_ROUTE),))


def by_hours(rule: During, opened: Collection[str]) -> Reason:
    """What a rule says while these hours are open."""
    facts = {"urgency": rule.at(opened).value, "hours": rule.during, "open": rule.during in opened}
    return Reason(Code.URGENCY_BY_HOURS, facts)
