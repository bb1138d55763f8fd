"""Errors that no single field shows: routes that catch nothing, addresses nobody may reach, zones that do not exist. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from app.catalog.matcher import Op, parse_matchers
from app.catalog.model import Route
from app.checks.model import Check
from app.configfile.codes import Code
from app.configfile.finding import Finding, finding
from app.configfile.kinds import INBOX
from app.configfile.model import Item, Items
from app.configfile.references import circle, dangling, members, references
from app.configfile.tree import Path, strings
from app.net.address import refuse_literal
from app.net.header import CONTROL, describe_character
from app.notify.contact import unfit
from app.people.model import known_zone

_HOSTS = ("host", "hostname", "address", "server", "target")  # fields that hold a bare host


def check(items: Items, *, whole: bool = True) -> list[Finding]:
    """Every error across the things of a configuration; those that another file could fix only when it is `whole`."""
    found = list(dangling(items, references(items))) if whole else []
    for one in (_last_route, _addresses, _zones, _inboxes, _contacts, _composites, _hours):
        found += one(items)
    return found


def matches_everything(route: Route) -> bool:
    """Whether no alert passes this route by."""
    return all(one.op is Op.MATCHES and one.value == ".*" for one in route.matchers)


def _last_route(items: Items) -> Iterator[Finding]:
    routes = list(items.get("route", {}).values())
    if routes and not _catches_all(routes[-1]):
        yield finding(routes[-1].file, routes[-1].line, Code.LAST_ROUTE, subject=routes[-1].subject)


def _catches_all(route: Item) -> bool:
    """Also of a route with errors, as far as it can be read: what is wrong elsewhere in it hides nothing."""
    if isinstance(route.value, Route):
        return matches_everything(route.value)
    node = route.node.child("match")
    texts = [one.value for one in (node.value if isinstance(node.value, list) else [node])] if node is not None else []
    try:
        matchers = [one for text in texts if isinstance(text, str) for one in parse_matchers(text)]
    except ValueError:
        return False  # it says something, if nothing sound
    return all(one.op is Op.MATCHES and one.value == ".*" for one in matchers)


def _addresses(items: Items) -> Iterator[Finding]:
    """Metadata addresses that stand in a URL or host as they are; what a name resolves to is looked at when connecting."""
    for item in (*items.get("check", {}).values(), *items.get("channel", {}).values()):
        for path, node in strings(item.node):
            text = str(node.value)
            host = _host(text) if "://" in text else text.partition(":")[0] if _field(path) in _HOSTS else None
            try:
                if host:
                    refuse_literal(host)
                    refuse_literal(text)
            except ValueError as error:
                yield finding(item.file, node.line, Code.INVALID, path, subject=item.subject, why=str(error))


ON_ONE_LINE = frozenset(
    {
        *("address", "broker", "dsn", "host", "hostname", "server", "server_name", "target", "uri", "url"),
        *("from", "from_address", "hello", "login", "name", "recipient", "reply_to", "sender", "to", "user", "username"),
        *("api_key", "method", "password", "subject_prefix", "token"),
    }
)


def lines(items: Items) -> Iterator[Finding]:
    """Line breaks and other control characters in addresses, URLs, names and headers: what is sent in one line must not
    begin another.
    """
    for item in (one for kind in ("check", "channel", "user", "platform") for one in items.get(kind, {}).values()):
        for path, node in strings(item.node):
            if not path or "contacts" in path or not (_field(path) in ON_ONE_LINE or "headers" in path[:-1]):
                continue
            if found := CONTROL.search(str(node.value)) or CONTROL.search(str(path[-1])):
                facts = {"subject": item.subject, "character": describe_character(found[0])}
                yield finding(item.file, node.line, Code.CONTROL_CHARACTER, path, **facts)


def _field(path: Path) -> str:
    """The key a value stands under, also inside a list."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None  # the field's own type has said so


def _zones(items: Items) -> Iterator[Finding]:
    """Zones that are plain text in their type."""
    for kind in ("defaults", "maintenance", "heartbeat"):
        for item in items.get(kind, {}).values():
            node = item.node.child("timezone")
            try:
                if node is not None and isinstance(node.value, str):
                    known_zone(node.value)
            except ValueError as error:
                line = node.line if node else item.line
                yield finding(item.file, line, Code.INVALID, ("timezone",), subject=item.subject, why=str(error))


def _composites(items: Items) -> Iterator[Finding]:
    """Rules made of rules that are made of them: nothing could be decided."""
    yield from _silent_members(items)
    depends = {name: members(str(item.node.at("when").value or "")) for name, item in items.get("rule", {}).items()}
    done: set[str] = set()
    for name, item in items.get("rule", {}).items():
        found = circle(name, depends, done)
        if found:
            done.update(found)
            yield finding(item.file, item.node.at("when").line, Code.RULE_CIRCLE, subject=item.subject, names=found)


def _silent_members(items: Items) -> Iterator[Finding]:
    """A composite over a check that never alerts could never be decided."""
    for item in items.get("rule", {}).values():
        node = item.node.child("when")
        for name in members(node.value) if node is not None and isinstance(node.value, str) else ():
            watched = items.get("check", {}).get(name.removeprefix("check:")) if name.startswith("check:") else None
            if watched is not None and isinstance(watched.value, Check) and watched.value.alert == "off" and node is not None:
                yield finding(item.file, node.line, Code.SILENT_MEMBER, subject=item.subject, check=watched.name)


def _contacts(items: Items) -> Iterator[Finding]:
    """Addresses that are none, whatever they are for; what a kind of channel cannot use is a warning."""
    for user in items.get("user", {}).values():
        contacts = user.node.at("contacts").value
        for name, node in contacts.items() if isinstance(contacts, dict) else ():
            to = node if isinstance(node.value, str) else node.at("to")
            why = unfit(to.value) if isinstance(to.value, str) else None
            if why is not None:
                yield finding(user.file, to.line, Code.CONTACT_INVALID, subject=user.subject, contact=name, why=why)


def _hours(items: Items) -> Iterator[Finding]:
    """Their names stand together in one label, with commas between them."""
    for name, item in items.get("hours", {}).items():
        if "," in name:
            yield finding(item.file, item.line, Code.HOURS_NAME, subject=item.subject)


def _inboxes(items: Items) -> Iterator[Finding]:
    """The inbox is everybody's already."""
    channel = items.get("channel", {}).get(INBOX)
    if channel is not None:
        yield finding(channel.file, channel.line, Code.INBOX_CHANNEL, subject=channel.subject, channel=INBOX)
    for user in items.get("user", {}).values():
        node = user.node.at("contacts").child(INBOX)
        if node is not None:
            yield finding(user.file, node.line, Code.INBOX_CONTACT, subject=user.subject, channel=INBOX)
