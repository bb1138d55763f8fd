"""When a schedule is asked at all: only while a route that leads to it matches and may page. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from app.catalog.matcher import HOURS, Matcher, Op
from app.catalog.model import Policy, Route
from app.oncall.hours import Timetable
from app.oncall.model import Span
from app.walltime import utc

Opened = tuple[str, ...]


def needs(
    schedules: Collection[str],
    routes: Sequence[Route],
    policies: Mapping[str, Policy],
    always: Collection[str],
    timetable: Timetable,
    start: datetime,
    end: datetime,
) -> dict[str, list[Span]]:
    """The parts of [start, end) in which each schedule is needed; one that is needed all the time is left out.

    A route leads to the schedules of its policy while its matchers of `hours` hold, the hours that it pages in are open, and no
    route before it takes everything that it would. always: targets that are needed at any time, such as the platform's owners.
    A schedule that no route leads to is needed all the time, too: nobody has said when it is not.
    """
    paged = [policies.get(one.policy) for one in routes]
    led = {name: {n for n, policy in enumerate(paged) if policy and f"schedule:{name}" in policy.targets} for name in schedules}
    some = {name: numbers for name, numbers in led.items() if numbers and f"schedule:{name}" not in always}
    pieces = timetable.stretches(start, end) if some and timetable.named else []
    active = {opened: _active(routes, timetable, opened) for _, opened in pieces}
    found = {name: _united([span for span, opened in pieces if active[opened] & numbers]) for name, numbers in some.items()}
    return {name: spans for name, spans in found.items() if pieces and spans != [Span(utc(start), utc(end))]}


def common(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What lies in both; each sorted and disjoint."""
    found, at = [], 0
    for one in spans:
        while at < len(others) and others[at].end <= one.start:
            at += 1
        for other in others[at:]:
            if other.start >= one.end:
                break
            found.append(Span(max(one.start, other.start), min(one.end, other.end)))
    return found


def _active(routes: Sequence[Route], timetable: Timetable, opened: Opened) -> set[int]:
    """The routes that something may take, and be paged by, while these hours are open."""
    open_ = {None, *opened}
    hold = [n for n, one in enumerate(routes) if all(matcher.matches({HOURS: ",".join(opened)}) for matcher in _hours(one))]
    paging = [n for n in hold if routes[n].pages in open_ or routes[n].pages not in timetable.named]
    return {n for n in paging if not any(_others(routes[m]) <= _others(routes[n]) for m in hold if m < n)}


def _hours(route: Route) -> list[Matcher]:
    return [one for one in route.matchers if one.name == HOURS]


def _others(route: Route) -> set[Matcher]:
    """The matchers that tell alerts apart."""
    return {one for one in route.matchers if one.name != HOURS and not (one.op is Op.MATCHES and one.value == ".*")}


def _united(spans: Sequence[Span]) -> list[Span]:
    whole: list[Span] = []
    for span in spans:
        if whole and whole[-1].end == span.start:
            whole[-1] = Span(whole[-1].start, span.end)
        else:
            whole.append(span)
    return whole
