"""By which policy somebody is paged by hand: a team's own, else one step with the target. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from app.catalog.matcher import matches
from app.catalog.model import Policy, Route, Service, Severity, Step
from app.errors import Fault, Invalid
from app.escalation.plan import ResolvedTarget
from app.incidents.routing import Routing
from app.people.model import Directory

KINDS = ("user", "team", "schedule")  # what may be paged by hand
ABOUT_A_TEAM = ("team", "service", "tier")  # the labels by which a route is a team's own


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy that could be taken, under the name the incident keeps."""

    name: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Chosen:
    """The policy that is taken, and whom it pages first: people, and channels as `channel NAME`."""

    name: str
    policy: Policy
    first: tuple[str, ...]

    def routing(self, severity: Severity, of: Routing) -> Routing:
        """The routing by which this one incident goes: at once, with the urgency of its severity, whatever the routes say."""
        route = Route(policy=self.name, urgency=severity.urgency)
        return Routing((route,), {self.name: self.policy}, of.timetable)


def check_target(target: str, directory: Directory, schedules: Collection[str]) -> None:
    """Raise Invalid, with the nearest right name, for a target that does not exist or can never be paged by hand."""
    kind, _, name = target.partition(":")
    known: Mapping[str, Collection[str]] = {"user": directory.pageable, "team": directory.teams, "schedule": schedules}
    if kind not in known or not name:
        raise Invalid(f'"{target[:80]}" is not a target; write user:NAME, team:NAME or schedule:NAME', [_unknown()])
    if kind == "user" and name in directory.people and name not in directory.pageable:
        raise Invalid(f"{directory.why_not(name)} and cannot be paged", [Fault("target", "cannot be paged")])
    if name not in known[kind]:
        near = get_close_matches(name, known[kind], n=1)
        hint = f'; did you mean "{kind}:{near[0]}"?' if near else ""
        raise Invalid(f'{kind} "{name[:80]}" not found{hint}', [_unknown()])


def _unknown() -> Fault:
    return Fault("target", "unknown")


def candidates(target: str, labels: Mapping[str, str], services: Mapping[str, Service], routing: Routing) -> list[Candidate]:
    """The policies by which this target may be paged, best first: that of a team's own route, then the target by itself."""
    kind, _, name = target.partition(":")
    alone = Candidate(target, Policy(steps=(Step(page=(target,)),)))
    route = own_route(name, labels, services, routing.routes) if kind == "team" else None
    policy = routing.policies.get(route.policy) if route else None
    return [Candidate(route.policy, policy), alone] if route and policy else [alone]


def own_route(team: str, labels: Mapping[str, str], services: Mapping[str, Service], routes: Sequence[Route]) -> Route | None:
    """The first route that matches because the alert is this team's; one that would match anybody's is not theirs.

    labels: of the alert; a service of another team does not count.
    """
    service = services.get(labels.get("service", ""))
    others = {key: value for key, value in labels.items() if key not in ABOUT_A_TEAM}
    theirs = others | {"team": team}
    if service is not None and service.team == team:
        theirs = {**labels, "team": team}
    return next((one for one in routes if matches(one.matchers, theirs) and not matches(one.matchers, others)), None)


def choose(target: str, found: Sequence[Candidate], who: Mapping[str, ResolvedTarget]) -> Chosen:
    """The first of these policies that reaches somebody now. Raises Invalid: then nothing must be opened.

    who: every target of these policies, resolved.
    """
    for one in found:
        for step in one.policy.steps:
            first = [user for named in step.page for user in who[named].users]
            first += [f"channel {who[named].channel}" for named in step.page if who[named].channel]
            if first:
                return Chosen(one.name, one.policy, tuple(dict.fromkeys(first)))
    kind, _, name = target.partition(":")
    why = f'nobody is on call in "{name}" now' if kind == "schedule" else f'nobody in team "{name}" can be paged'
    raise Invalid(f"{why}; nothing was opened: page a person, or another team or schedule", [Fault("target", "reaches nobody")])
