"""Who names whom: every reference across the maps, found in the files themselves, each with its line. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from app.catalog.matcher import HOURS, Matcher, Matchers, Op, parse_matchers
from app.configfile.codes import Code
from app.configfile.finding import Finding, finding, nearest
from app.configfile.kinds import INBOX
from app.configfile.model import Item, Items
from app.configfile.tree import Node
from app.people.model import FIRST_ADMIN, Role
from app.rules.expression import parse

TARGETS = ("user", "schedule", "team", "channel")
BUILT_IN = {"channel": (INBOX,), "user": (FIRST_ADMIN,)}  # always there
EACH = "*"  # every item of a list; a list of one may be written bare

# kind of the thing, where it names something, what it names; "target" is user:NAME, schedule:NAME, team:NAME, channel:NAME
PLACES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("service", ("team",), "team"),
    ("service", ("depends_on", EACH), "service"),
    ("service", ("runbook",), "runbook"),
    ("check", ("service",), "service"),
    ("check", ("runbook",), "runbook"),
    ("rule", ("check",), "check"),
    ("rule", ("runbook",), "runbook"),
    ("rule", ("owner",), "owner"),
    ("heartbeat", ("service",), "service"),
    ("heartbeat", ("runbook",), "runbook"),
    ("team", ("members", EACH), "user"),
    ("schedule", ("layers", EACH, "users", EACH), "user"),
    ("schedule", ("overrides", EACH, "user"), "user"),
    ("route", ("policy",), "policy"),
    ("route", ("pages",), "hours"),
    ("route", ("urgency", "during"), "hours"),
    ("policy", ("steps", EACH, "page", EACH), "target"),
    ("policy", ("if_exhausted", EACH), "target"),
    ("platform", ("owners", EACH), "target"),
    ("platform", ("emergency", EACH), "target"),
    ("audience", ("via", EACH), "target"),
)
MATCHING = (
    ("route", "match"), ("grouping", "match"), ("maintenance", "match"), ("audience", "match"), ("inhibit", "when"),
    ("inhibit", "mute"),
)  # fmt: skip
MAX_HINTS = 50  # looking for the nearest of thousands of names takes its time
PAGING = frozenset({"team", "schedule", "policy", "platform"})  # who stands there is paged, so no viewer may


@dataclass(frozen=True, slots=True)
class Reference:
    """`source` names the thing `name` of `kind`, at a line."""

    source: Item
    kind: str
    name: str
    line: int


def references(items: Items) -> list[Reference]:
    """Everything that is named, whether it exists or not."""
    found = [
        one
        for kind, path, names in PLACES
        for item in items.get(kind, {}).values()
        for node in _at(item.node, path)
        if (one := _reference(item, names, node)) is not None
    ]
    found += [one for item in items.get("rule", {}).values() for one in _members(item)]
    for item, node, matcher in hours_matched(items):
        found += [Reference(item, "hours", name, node.line) for name in _named(items, matcher)]
    return found + [one for item in items.get("user", {}).values() for one in _contacts(item)]


def dangling(items: Items, found: list[Reference]) -> Iterator[Finding]:
    """What is named and does not exist, or may not hold a pager."""
    known = {kind: _known(items, kind) for kind in {one.kind for one in found}}
    hints = MAX_HINTS
    for one in found:
        if one.name not in known[one.kind]:
            what = "team or user" if one.kind == "owner" else one.kind
            near = nearest(one.name, known[one.kind]) if hints > 0 else None
            hints -= 1
            facts = {"subject": one.source.subject, "kind": what, "name": one.name, "near": near}
            yield finding(one.source.file, one.line, Code.DANGLING, **facts)
        elif one.kind == "user" and one.source.kind in PAGING and _is_viewer(items.get("user", {}).get(one.name)):
            yield finding(one.source.file, one.line, Code.VIEWER_PAGED, subject=one.source.subject, user=one.name)


def used(found: list[Reference]) -> Mapping[str, set[str]]:
    """What is named by something, by kind."""
    names: dict[str, set[str]] = defaultdict(set)
    for one in found:
        names[one.kind].add(one.name)
    return names


def _at(node: Node, path: tuple[str, ...]) -> Iterator[Node]:
    if not path:
        yield node
    elif path[0] != EACH:
        child = node.child(path[0])
        if child is not None:
            yield from _at(child, path[1:])
    else:
        for one in node.value if isinstance(node.value, list) else [node]:
            yield from _at(one, path[1:])


def _reference(item: Item, kind: str, node: Node) -> Reference | None:
    if not isinstance(node.value, str):
        return None
    name = node.value
    if kind == "target":
        kind, _, name = name.partition(":")
        if kind not in TARGETS or not name:
            return None  # said already
    if kind == "owner" and name.partition(":")[0] in ("team", "user") and ":" in name:
        kind, _, name = name.partition(":")
    return Reference(item, kind, name, node.line)


def _members(rule: Item) -> Iterator[Reference]:
    """The rules that a composite names; `check:NAME` is a check's own alert."""
    node = rule.node.child("when")
    if node is None or not isinstance(node.value, str):
        return
    for name in members(node.value):
        kind = "check" if name.startswith("check:") else "rule"
        yield Reference(rule, kind, name.removeprefix("check:"), node.line)


def hours_matched(items: Items) -> Iterator[tuple[Item, Node, Matcher]]:
    """Every matcher of the label `hours`, with where it stands."""
    for kind, key in MATCHING:
        for item in items.get(kind, {}).values():
            for node in _at(item.node, (key, EACH)):
                for one in _matchers(node.value):
                    if one.name == HOURS:
                        yield item, node, one


def _matchers(text: object) -> Matchers:
    try:
        return parse_matchers(text) if isinstance(text, str) else ()
    except ValueError:
        return ()  # its own field has said so


def _named(items: Items, matcher: Matcher) -> list[str]:
    """The hours that a matcher names: the one it says, or those of the declared ones that its pattern fits."""
    if matcher.op in (Op.EQUAL, Op.NOT_EQUAL):
        return [matcher.value] if matcher.value else []
    return [name for name in items.get("hours", {}) if matcher.matches({HOURS: name}) is (matcher.op is Op.MATCHES)]


def members(when: str) -> tuple[str, ...]:
    """The names in a composite's expression; none when it is wrong, which its own field says."""
    try:
        return parse(when).names
    except ValueError:
        return ()


def _contacts(user: Item) -> Iterator[Reference]:
    """A contact's channel: its name, or what `channel` says."""
    contacts = user.node.child("contacts")
    for name, node in (contacts.value if contacts and isinstance(contacts.value, dict) else {}).items():
        channel = node.child("channel")
        if isinstance(node.value, str):
            yield Reference(user, "channel", name, node.line)
        elif channel is not None and isinstance(channel.value, str):
            yield Reference(user, "channel", channel.value, channel.line)


def _known(items: Items, kind: str) -> dict[str, None]:
    """Every name that a reference of this kind may be."""
    if kind == "owner":
        return dict.fromkeys([*items.get("team", {}), *items.get("user", {}), FIRST_ADMIN])
    return dict.fromkeys([*items.get(kind, {}), *BUILT_IN.get(kind, ())])


def _is_viewer(user: Item | None) -> bool:
    role = user.node.child("role") if user else None
    return role is not None and role.value in list(Role) and not Role(str(role.value)).pageable


def circle(start: str, depends: Mapping[str, Collection[str]], done: set[str]) -> list[str]:
    """The shortest way from `start` back to itself, avoiding what is `done`; empty when there is none."""
    ways, seen = [[start]], {start}
    while ways and start not in done:
        way = ways.pop(0)
        for after in depends.get(way[-1], ()):
            if after == start:
                return [*way, start]
            if after not in seen and after not in done:
                seen.add(after)
                ways.append([*way, after])
    return []
