"""What is right and yet worth a look: gaps, things nobody uses, planned things, cycles. Pure; each is one warning."""

from collections.abc import Iterator, Mapping

from app.catalog.matcher import HOURS, Matcher, Op
from app.catalog.model import Platform, Route, Service
from app.checks import probes
from app.checks.model import Check
from app.configfile import planned
from app.configfile.check import matches_everything
from app.configfile.circle import circle
from app.configfile.kinds import channel_kinds, channel_spec
from app.configfile.mistake import Mistake, hint, mistake
from app.configfile.model import Item, Items
from app.configfile.references import Reference, hours_matched, references, used
from app.configfile.sections import SECTIONS
from app.configfile.tree import Node
from app.errors import Invalid
from app.notify.contact import refused, unfit
from app.rules.summary import NAMES
from app.rules.summary import check as check_template

_USABLE = {
    "policy": "no route names it",
    "schedule": "no policy pages it",
    "hours": "no route names them",
    "channel": "no contact and no policy uses it",
    "runbook": "nothing names it",
}

SUMMARIES = (
    ("rule", "summary", NAMES),
    ("check", "alert.summary", NAMES),
    ("heartbeat", "summary", ("heartbeat", "because", "labels")),
)


def gaps(items: Items) -> list[Mistake]:
    """Every warning across the things of a configuration."""
    named = references(items)
    found = [*_planned_sections(items), *_planned_fields(items), *_unused(items, used(named)), *_nobody(items)]
    found += [*_unreachable(items), *_cycles(items), *_late_timeouts(items), *_no_address(items, named), *_no_service(items)]
    found += [*_broken_summaries(items), *_wrong_addresses(items), *_unknown_metrics(items), *_no_hours(items)]
    return found


def alerting(items: Items) -> list[Item]:
    """What can raise an alert."""
    checks = [one for one in items.get("check", {}).values() if isinstance(one.value, Check) and one.value.alert != "off"]
    return [*checks, *items.get("rule", {}).values(), *items.get("heartbeat", {}).values()]


def _warn(item: Item, message: str, node: Node | None = None) -> Mistake:
    return mistake(item.file, (node or item.node).line, message)


def _planned_sections(items: Items) -> Iterator[Mistake]:
    for key in sorted(planned.SECTIONS):
        first = next(iter(items.get(SECTIONS[key].kind, {}).values()), None)
        if first is not None:
            yield _warn(first, f'"{key}" is not active yet')


def _planned_fields(items: Items) -> Iterator[Mistake]:
    """Each planned word once, where it stands first."""
    owners = [item for kind in ("service", "check", "rule", "grouping") for item in items.get(kind, {}).values()]
    for field, what in sorted(planned.FIELDS.items()):
        first = next((item for item in owners if item.node.child(field) is not None), None)
        if first is not None:
            yield _warn(first, f"{field} of {first.subject}: {what} is not active yet", first.node.child(field))


def _unused(items: Items, names: Mapping[str, set[str]]) -> Iterator[Mistake]:
    for kind, why in _USABLE.items():
        for name, item in items.get(kind, {}).items():
            if name not in names.get(kind, ()):
                yield _warn(item, f"{item.subject} {'are' if kind == 'hours' else 'is'} not used: {why}")


def _no_hours(items: Items) -> Iterator[Mistake]:
    """Patterns that fit no hours, nor their absence."""
    names = ("", *items.get("hours", {}))
    for item, node, one in hours_matched(items):
        if one.op in (Op.MATCHES, Op.NOT_MATCHES):
            pattern = Matcher(HOURS, Op.MATCHES, one.value)
            if not any(pattern.matches({HOURS: name}) for name in names):
                yield _warn(item, f"{item.subject} matches {one}, and there are no such hours", node)


def _nobody(items: Items) -> Iterator[Mistake]:
    """Alerts that would reach nobody."""
    first = next(iter(alerting(items)), None)
    if first is None:
        return
    if not items.get("route"):
        yield _warn(first, f"{first.subject} can alert, but there are no routes: nobody would be paged")
    elif not items.get("policy"):
        yield _warn(first, f"{first.subject} can alert, but there are no policies: nobody would be paged")
    platform = items.get("platform", {}).get("platform")
    if platform is None:
        yield _warn(first, "platform.owners is not set: an exhausted policy would page nobody")
    elif isinstance(platform.value, Platform) and not platform.value.owners:
        yield _warn(platform, "platform.owners is empty: an exhausted policy would page nobody")


def _unreachable(items: Items) -> Iterator[Mistake]:
    routes = list(items.get("route", {}).values())
    for index, item in enumerate(routes[:-1]):
        if isinstance(item.value, Route) and matches_everything(item.value):
            yield _warn(routes[index + 1], f"{routes[index + 1].subject} is never reached: {item.subject} matches everything")
            return


def _cycles(items: Items) -> Iterator[Mistake]:
    """One warning a circle of services that depend on each other."""
    depends = {
        name: item.value.depends_on for name, item in items.get("service", {}).items() if isinstance(item.value, Service)
    }
    done: set[str] = set()
    for start in depends:
        found = circle(start, depends, done)
        if found:
            item = items["service"][start]
            path = " -> ".join(found)
            yield _warn(
                item,
                f"services depend on each other in a circle ({path}); none of them is suppressed",
                item.node.child("depends_on"),
            )
            done.update(found)


def _late_timeouts(items: Items) -> Iterator[Mistake]:
    for item in items.get("check", {}).values():
        if isinstance(item.value, Check) and item.value.timeout > item.value.every and item.node.child("timeout"):
            yield _warn(
                item, f"timeout of {item.subject} is longer than every: a slow run misses the next", item.node.child("timeout")
            )


def _no_address(items: Items, named: list[Reference]) -> Iterator[Mistake]:
    """A channel that a policy pages but that does not say to whom."""
    told: set[str] = set()
    for one in named:
        item = items.get("channel", {}).get(one.name) if one.kind == "channel" and one.source.kind != "user" else None
        if item is None or one.name in told or not item.active or item.node.child("to") is not None:
            continue
        kind = item.node.at("kind").value
        if kind in channel_kinds() and "to" in channel_spec(str(kind)).model_fields:
            told.add(one.name)
            yield _warn(
                one.source,
                f'{one.source.subject} pages channel "{one.name}", which has no "to": it would reach nobody',
                Node(None, one.line),
            )


def _wrong_addresses(items: Items) -> Iterator[Mistake]:
    """Contacts that their channel could never reach."""
    for user in items.get("user", {}).values():
        contacts = user.node.at("contacts").value
        for name, node in contacts.items() if isinstance(contacts, dict) else ():
            to = node if isinstance(node.value, str) else node.at("to")
            channel = items.get("channel", {}).get(str(name if to is node else node.at("channel").value))
            kind = str(channel.node.at("kind").value) if channel else ""
            why = refused(kind, to.value) if isinstance(to.value, str) and unfit(to.value) is None else None
            if why is not None:
                yield _warn(user, f'contact "{name}" of {user.subject}: {why}; it would never be reached', to)


def _broken_summaries(items: Items) -> Iterator[Mistake]:
    """A template that is wrong: the page goes out with plain text, or shows a name that means nothing."""
    for kind, path, names in SUMMARIES:
        for item in items.get(kind, {}).values():
            node = item.node.at(*path.split("."))
            try:
                if isinstance(node.value, str):
                    check_template(node.value, names)
            except ValueError as error:
                yield _warn(item, f"{path} of {item.subject}: {error}; pages would carry plain text", node)


def _unknown_metrics(items: Items) -> Iterator[Mistake]:
    """A rule over a metric that the probe of its check does not give could never fire."""
    for item in items.get("rule", {}).values():
        check = items.get("check", {}).get(getattr(item.value, "check", None) or "")
        metric = getattr(item.value, "metric", None)
        if metric is None or check is None or not isinstance(check.value, Check):
            continue
        known = _metrics(check.value)
        if known is not None and not any(_fits(metric, name) for name in known):
            near = hint(metric, [name for name in known if not name.endswith("*")])
            told = f"{item.subject} reads {metric}, which probe {check.value.probe} of {check.subject} does not give{near}"
            yield _warn(item, told, item.node.child("metric"))


def _metrics(check: Check) -> frozenset[str] | None:
    try:
        return probes.found(check.probe).metrics(check.with_)
    except (KeyError, Invalid):
        return None  # said already


def _fits(metric: str, name: str) -> bool:
    return metric.startswith(name[:-1]) if name.endswith("*") else metric == name


def _no_service(items: Items) -> Iterator[Mistake]:
    """Only worth a word where services exist: such an alert carries no team, so routes by team pass it by."""
    for item in items.get("check", {}).values() if items.get("service") else ():
        if isinstance(item.value, Check) and item.value.service is None:
            yield _warn(item, f"{item.subject} has no service: its alerts carry no service and no team")
