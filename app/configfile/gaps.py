"""What is right and yet worth a look: gaps, things nobody uses, planned things, cycles. Pure; each is one warning."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.catalog.matcher import HOURS, Matcher, Op
from app.catalog.model import Platform, Route, Service
from app.checks import probes
from app.checks.model import Check
from app.configfile.check import matches_everything
from app.configfile.codes import Code
from app.configfile.finding import Finding, finding, nearest
from app.configfile.kinds import channel_kinds, channel_spec
from app.configfile.model import Item, Items
from app.configfile.references import Reference, circle, hours_matched, references, used
from app.configfile.sections import FIELDS_PLANNED, SECTIONS, SECTIONS_PLANNED
from app.configfile.tree import Node, Path
from app.notify.contact import refused, unfit
from app.rules.summary import NAMES
from app.rules.summary import check as check_template

_USABLE = ("policy", "schedule", "hours", "channel", "runbook")  # what is declared to be named by something
SUMMARIES = (
    ("rule", "summary", NAMES),
    ("check", "alert.summary", NAMES),
    ("heartbeat", "summary", ("heartbeat", "because", "labels")),
)


def gaps(items: Items) -> list[Finding]:
    """Every warning across the things of a configuration."""
    named = references(items)
    found = [*_planned_sections(items), *_planned_fields(items), *_unused(items, used(named)), *_reaches_nobody(items)]
    found += [*_unreachable(items), *_cycles(items), *_late_timeouts(items), *_no_address(items, named), *_no_service(items)]
    found += [*_broken_summaries(items), *_wrong_addresses(items), *_unknown_metrics(items), *_no_hours(items)]
    return found


def alerting(items: Items) -> list[Item]:
    """What can raise an alert."""
    checks = [one for one in items.get("check", {}).values() if isinstance(one.value, Check) and one.value.alert != "off"]
    return [*checks, *items.get("rule", {}).values(), *items.get("heartbeat", {}).values()]


def _warn(item: Item, code: Code, node: Node | None = None, path: Path = (), /, **facts: Any) -> Finding:
    return finding(item.file, (node or item.node).line, code, path, **{"subject": item.subject, **facts})


def _planned_sections(items: Items) -> Iterator[Finding]:
    for key in sorted(SECTIONS_PLANNED):
        first = next(iter(items.get(SECTIONS[key].kind, {}).values()), None)
        if first is not None:
            yield _warn(first, Code.SECTION_PLANNED, section=key)


def _planned_fields(items: Items) -> Iterator[Finding]:
    """Each planned word once, where it stands first."""
    owners = [item for kind in ("platform", "service", "check", "rule", "grouping") for item in items.get(kind, {}).values()]
    for field, what in sorted(FIELDS_PLANNED.items()):
        first = next((item for item in owners if item.node.child(field) is not None), None)
        if first is not None:
            yield _warn(first, Code.FIELD_PLANNED, first.node.child(field), (field,), field=field, about=what)


def _unused(items: Items, names: Mapping[str, set[str]]) -> Iterator[Finding]:
    for kind in _USABLE:
        for name, item in items.get(kind, {}).items():
            if name not in names.get(kind, ()):
                yield _warn(item, Code.UNUSED, kind=kind)


def _no_hours(items: Items) -> Iterator[Finding]:
    """Patterns that fit no hours, nor their absence."""
    names = ("", *items.get("hours", {}))
    for item, node, one in hours_matched(items):
        if one.op in (Op.MATCHES, Op.NOT_MATCHES):
            pattern = Matcher(HOURS, Op.MATCHES, one.value)
            if not any(pattern.matches({HOURS: name}) for name in names):
                yield _warn(item, Code.NO_SUCH_HOURS, node, matcher=str(one))


def _reaches_nobody(items: Items) -> Iterator[Finding]:
    """Alerts that would reach nobody."""
    first = next(iter(alerting(items)), None)
    if first is None:
        return
    if not items.get("route"):
        yield _warn(first, Code.NO_ROUTES)
    elif not items.get("policy"):
        yield _warn(first, Code.NO_POLICIES)
    platform = items.get("platform", {}).get("platform")
    if platform is None:
        yield _warn(first, Code.OWNERS_UNSET)
    elif isinstance(platform.value, Platform) and not platform.value.owners:
        yield _warn(platform, Code.OWNERS_EMPTY)


def _unreachable(items: Items) -> Iterator[Finding]:
    routes = list(items.get("route", {}).values())
    for index, item in enumerate(routes[:-1]):
        if isinstance(item.value, Route) and matches_everything(item.value):
            yield _warn(routes[index + 1], Code.ROUTE_UNREACHED, before=item.subject)
            return


def _cycles(items: Items) -> Iterator[Finding]:
    """One warning a circle of services that depend on each other."""
    depends = {
        name: item.value.depends_on for name, item in items.get("service", {}).items() if isinstance(item.value, Service)
    }
    done: set[str] = set()
    for start in depends:
        found = circle(start, depends, done)
        if found:
            item = items["service"][start]
            yield _warn(item, Code.SERVICE_CIRCLE, item.node.child("depends_on"), ("depends_on",), names=found)
            done.update(found)


def _late_timeouts(items: Items) -> Iterator[Finding]:
    for item in items.get("check", {}).values():
        if isinstance(item.value, Check) and item.value.timeout > item.value.every and item.node.child("timeout"):
            yield _warn(item, Code.TIMEOUT_TOO_LONG, item.node.child("timeout"), ("timeout",))


def _no_address(items: Items, named: list[Reference]) -> Iterator[Finding]:
    """A channel that a policy pages but that does not say to whom."""
    warned: set[str] = set()
    for one in named:
        item = items.get("channel", {}).get(one.name) if one.kind == "channel" and one.source.kind != "user" else None
        if item is None or one.name in warned or not item.active or item.node.child("to") is not None:
            continue
        kind = item.node.at("kind").value
        if kind in channel_kinds() and "to" in channel_spec(str(kind)).model_fields:
            warned.add(one.name)
            yield _warn(one.source, Code.CHANNEL_WITHOUT_ADDRESS, Node(None, one.line), channel=one.name)


def _wrong_addresses(items: Items) -> Iterator[Finding]:
    """Contacts that their channel could never reach."""
    for user in items.get("user", {}).values():
        contacts = user.node.at("contacts").value
        for name, node in contacts.items() if isinstance(contacts, dict) else ():
            to = node if isinstance(node.value, str) else node.at("to")
            channel = items.get("channel", {}).get(str(name if to is node else node.at("channel").value))
            kind = str(channel.node.at("kind").value) if channel else ""
            why = refused(kind, to.value) if isinstance(to.value, str) and unfit(to.value) is None else None
            if why is not None:
                yield _warn(user, Code.CONTACT_UNREACHABLE, to, contact=name, why=why)


def _broken_summaries(items: Items) -> Iterator[Finding]:
    """A template that is wrong: the page goes out with plain text, or shows a name that means nothing."""
    for kind, path, names in SUMMARIES:
        for item in items.get(kind, {}).values():
            node = item.node.at(*path.split("."))
            try:
                if isinstance(node.value, str):
                    check_template(node.value, names)
            except ValueError as error:
                yield _warn(item, Code.SUMMARY_BROKEN, node, tuple(path.split(".")), why=str(error))


def _unknown_metrics(items: Items) -> Iterator[Finding]:
    """A rule over a metric that the probe of its check does not give could never fire."""
    for item in items.get("rule", {}).values():
        check = items.get("check", {}).get(getattr(item.value, "check", None) or "")
        metric = getattr(item.value, "metric", None)
        if metric is None or check is None or not isinstance(check.value, Check):
            continue
        known = probes.found(check.value.probe).metrics(check.value.with_)
        if known is not None and not any(_fits(metric, name) for name in known):
            near = nearest(metric, [name for name in known if not name.endswith("*")])
            facts = {"metric": metric, "probe": check.value.probe, "check": check.name, "near": near}
            yield _warn(item, Code.METRIC_UNKNOWN, item.node.child("metric"), ("metric",), **facts)


def _fits(metric: str, name: str) -> bool:
    return metric.startswith(name[:-1]) if name.endswith("*") else metric == name


def _no_service(items: Items) -> Iterator[Finding]:
    """Only worth a word where services exist: such an alert carries no team, so routes by team pass it by."""
    for item in items.get("check", {}).values() if items.get("service") else ():
        if isinstance(item.value, Check) and item.value.service is None:
            yield _warn(item, Code.NO_SERVICE)
