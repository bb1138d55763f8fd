"""Whose an alert is: the first route that matches decides policy and urgency. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.catalog.matcher import matches
from app.catalog.model import Route, Severity
from app.people.model import Urgency


@dataclass(frozen=True, slots=True)
class Routed:
    """The decision, with its reason."""

    policy: str | None  # None: no route matches; the platform's owners are paged
    urgency: Urgency
    number: int | None  # counts from 1
    because: str


def route(labels: Mapping[str, str], severity: Severity, routes: Sequence[Route]) -> Routed:
    """The first match wins; urgency is the route's, else critical and error are high."""
    usual = Urgency.HIGH if severity.rank >= Severity.ERROR.rank else Urgency.LOW
    for number, one in enumerate(routes, 1):
        if matches(one.matchers, labels):
            what = ", ".join(one.match) or "everything"
            return Routed(one.policy, one.urgency or usual, number, f"route {number} matches {what}")
    return Routed(None, usual, None, "no route matches; the platform's owners answer")
