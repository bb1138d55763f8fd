"""Which changes of a configuration touch an incident: its service, checks, rules, policy, or a route of its alerts. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.alerts.model import Alert
from app.catalog.matcher import matches, parse_matchers
from app.catalog.model import Version
from app.incidents.model import Incident
from app.rules.active import Active

Thing = tuple[str, str]  # kind, name
SOURCES = ("check", "rule", "heartbeat")


@dataclass(frozen=True, slots=True)
class Concern:
    """What an incident is about. rules: those in force, by name: one made of others is about them and their checks, too."""

    incident: Incident
    alerts: Sequence[Alert]
    rules: Mapping[str, Active]

    @property
    def things(self) -> frozenset[Thing]:
        """Whatever of the configuration it is about, but for routes."""
        found = {("service", self.incident.service), ("policy", self.incident.policy_name)}
        for one in self.alerts:
            kind, _, name = one.source.partition(":")
            found |= {("service", one.service), ("check", one.labels.get("check"))}
            found |= {(kind, name)} if kind in SOURCES else set()
            found |= set(self._of_rule(name)) if kind == "rule" else set()
        return frozenset((kind, name) for kind, name in found if name)

    def _of_rule(self, name: str) -> Iterator[Thing]:
        rule = self.rules.get(name)
        if rule is not None:
            yield "check", rule.check_name
            for member in rule.members:
                yield "rule", member
                yield from self._of_rule(member)


def touching(versions: Sequence[Version], concern: Concern) -> list[Version]:
    """The versions that changed something of it, each with those changes alone."""
    things = concern.things
    found = [replace(one, changes=[each for each in one.changes if _touches(each, things, concern)]) for one in versions]
    return [one for one in found if one.changes]


def _touches(change: Mapping[str, str], things: frozenset[Thing], concern: Concern) -> bool:
    if change["kind"] != "route":
        return (change["kind"], change["name"]) in things
    if "matched" not in change:  # an older release wrote it
        return bool(concern.incident.policy_name) and f"policy: {concern.incident.policy_name}" in change["detail"]
    alternatives = [parse_matchers(text) for text in change["matched"].split("\n")]
    return any(matches(matchers, alert.labels) for matchers in alternatives for alert in concern.alerts)
