"""Whom a change would page differently, in words. Pure, and modest: it says what is decided differently, not who sleeps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.catalog.model import Declaration, During, Policy, Route
from app.checks.model import Check
from app.configfile.diff import Action, Change
from app.people.model import Urgency
from app.units import format_duration

REACH = ("contacts", "notify", "quiet_hours", "timezone")  # fields of a person that say when and over what


def whom(changes: Sequence[Change], after: Sequence[Declaration]) -> list[str]:
    """One sentence for each change that pages somebody else, at another time, or over something else."""
    found: list[str] = []
    for change in changes:
        say = _DESCRIBE.get(change.kind)
        if say is not None:
            found += say(change, after)
    return found


def retired(changes: Sequence[Change]) -> list[str]:
    """Sources (`check:NAME`, `rule:NAME`, `heartbeat:NAME`) whose alerts nobody would end: removed, silent, in shadow."""
    gone = []
    for change in changes:
        if change.kind not in ("check", "rule", "heartbeat") or change.before is None:
            continue
        if change.after is None or (_speaks(change.kind, change.before) and not _speaks(change.kind, change.after)):
            gone.append(f"{change.kind}:{change.name}")
    return gone


def _speaks(kind: str, spec: Mapping[str, Any]) -> bool:
    """Whether it raises alerts that page."""
    if kind == "rule":
        return spec.get("mode") != "shadow"
    return kind == "heartbeat" or Check.model_validate(spec).alert != "off"


def _route(change: Change, _: Sequence[Declaration]) -> Iterator[str]:
    before = Route.model_validate(change.before) if change.before is not None else None
    after = Route.model_validate(change.after) if change.after is not None else None
    if after is not None and (before is None or before.match != after.match):
        yield f"alerts that match {_match(after)} and no earlier route go to {_to(after)}"
    if before is not None and (after is None or before.match != after.match):
        yield f"alerts that match {_match(before)} no longer go to {_to(before)} through that route"
    if before is not None and after is not None and before.match == after.match:
        yield f"alerts that match {_match(after)} go to {_to(after)} instead of {_to(before)}"


def _match(route: Route) -> str:
    return " and ".join(route.match) or "anything"


def _to(route: Route) -> str:
    said = [f"{route.urgency.value} urgency"] if isinstance(route.urgency, Urgency) else []
    if isinstance(route.urgency, During):
        said = [f"{route.urgency.then} urgency during {route.urgency.during} hours, else {route.urgency.else_}"]
    said += [f"paged during {route.pages} hours"] if route.pages else []
    return f'policy "{route.policy}"' + (f" ({', '.join(said)})" if said else "")


def _policy(change: Change, after: Sequence[Declaration]) -> Iterator[str]:
    if change.after is None:
        yield f"{change.subject} is removed; open incidents keep their copy of it"
        return
    now = describe(Policy.model_validate(change.after))
    if change.before is None:
        yield f"{change.subject}{_through(change.name, after)} pages {now}"
    elif (was := describe(Policy.model_validate(change.before))) != now:
        yield f"{change.subject}{_through(change.name, after)} pages {now}; before: {was}"


def describe(policy: Policy) -> str:
    """`schedule:shop, after 5m user:cy and channel:room, 2 times; then user:dee`."""
    steps, wait = [], ""
    for step in policy.steps:
        steps.append(wait + " and ".join(step.page))
        wait = f"after {format_duration(step.wait)} "
    again = f", {policy.repeat + 1} times" if policy.repeat else ""
    last = " and ".join(policy.if_exhausted) if policy.if_exhausted else "platform.owners"
    restart = f"; restarts {format_duration(policy.ack_timeout)} after an acknowledgement" if policy.ack_timeout else ""
    return f"{', '.join(steps)}{again}; {wait}{last}{restart}"


def _through(policy: str, after: Sequence[Declaration]) -> str:
    count = sum(one.kind == "route" and one.spec.get("policy") == policy for one in after)
    return "" if count else " (no route uses it)"


def _target(change: Change, after: Sequence[Declaration]) -> Iterator[str]:
    """A schedule or team: who stands behind a target."""
    target, policies = f"{change.kind}:{change.name}", [one for one in after if one.kind == "policy"]
    users = [one.name for one in policies if target in Policy.model_validate(one.spec).targets]
    by = ", ".join(f'"{name}"' for name in users)
    where = f" (paged by {'policy' if len(users) == 1 else 'policies'} {by})" if users else " (no policy pages it)"
    details = f": {'; '.join(change.details)}" if change.details else ""
    what = {Action.ADDED: "is added", Action.REMOVED: "is removed", Action.CHANGED: "reaches different people"}[change.action]
    yield f"{change.subject}{where} {what}{details}"


def _user(change: Change, _: Sequence[Declaration]) -> Iterator[str]:
    reach = [words for one, words in zip(change.fields, change.details, strict=True) if not one.path or one.path[0] in REACH]
    if change.action is Action.REMOVED:
        yield f"{change.name} can no longer be paged"
    elif reach and change.action is Action.CHANGED:
        yield f"{change.name} is notified differently: {'; '.join(reach)}"


def _platform(change: Change, _: Sequence[Declaration]) -> Iterator[str]:
    owners = ", ".join((change.after or {}).get("owners", ())) or "not set"
    yield f"platform.owners, paged when escalation is exhausted: {owners}"


def _channel(change: Change, _: Sequence[Declaration]) -> Iterator[str]:
    if change.action is Action.REMOVED:
        yield f"{change.subject} is removed: nothing more is sent through it"
    elif change.action is Action.CHANGED:
        yield f"{change.subject} sends differently: {'; '.join(change.details)}"


def _source(change: Change, _: Sequence[Declaration]) -> Iterator[str]:
    if retired([change]):
        if _speaks(change.kind, change.before or {}):
            yield f"{change.subject} no longer pages; its open alerts are resolved without a notification"
        else:
            yield f"{change.subject} is removed; it paged no one"
    elif change.action is Action.ADDED:
        speaks = "alerts after its first ping" if change.kind == "heartbeat" else "can alert"
        yield f"{change.subject} {speaks if _speaks(change.kind, change.after or {}) else 'is added and does not page'}"
    elif change.action is Action.CHANGED:
        yield f"{change.subject} is evaluated differently: {'; '.join(change.details)}"


def _hours(change: Change, after: Sequence[Declaration]) -> Iterator[str]:
    """Hours, and the routes that wait for them, change their urgency or match by them."""
    routes = {one.name: Route.model_validate(one.spec) for one in after if one.kind == "route"}
    users = [str(int(name)) for name, route in routes.items() if change.name in route.hours]
    where = f" (routes {', '.join(users)})" if len(users) > 1 else f" (route {users[0]})" if users else ""
    if change.action is Action.CHANGED:
        yield f"{change.subject}{where}: hours changed: {'; '.join(change.details)}"
    elif change.action is Action.REMOVED:
        yield f"{change.subject}: removed; pages held for them are sent at once"


_DESCRIBE = {
    "hours": _hours,
    "route": _route,
    "policy": _policy,
    "schedule": _target,
    "team": _target,
    "user": _user,
    "platform": _platform,
    "channel": _channel,
    "check": _source,
    "rule": _source,
    "heartbeat": _source,
}
