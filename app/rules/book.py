"""Rules by the check they read: those that are declared, and one for each check's own `alert:`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from app import plugins
from app.checks.model import Check
from app.plugins import RULE_KINDS
from app.rules.active import Active, of_alert
from app.rules.model import Rule


@dataclass(frozen=True, slots=True)
class Book:
    """Rules that read a check, by check; and those made of other rules, each after the ones it is made of."""

    by_check: Mapping[str, tuple[Active, ...]]
    composites: tuple[Active, ...]

    @property
    def rules(self) -> tuple[Active, ...]:
        """Every rule."""
        return (*(rule for of_one in self.by_check.values() for rule in of_one), *self.composites)


def made_of(checks: Mapping[str, Check], declared: Mapping[str, Rule]) -> Book:
    """The book of these checks and rules. A rule that reads a check which is not there is left out."""
    found: dict[str, list[Active]] = {name: [] for name in checks}
    for name, check in checks.items():
        own = of_alert(name, check)
        if own is not None:
            found[name].append(own)
    for name, spec in declared.items():
        if spec.check in checks and not _is_composite(spec):
            found[spec.check].append(_active(name, spec, checks[spec.check], spec.check))
    by_check = {name: tuple(of_one) for name, of_one in found.items()}
    return Book(by_check, _composites(checks, declared, by_check))


def _active(name: str, spec: Rule, check: Check, check_name: str) -> Active:
    return Active(name, f"rule:{name}", name, spec, plugins.module(RULE_KINDS, spec.kind), check, check_name)


def _composites(
    checks: Mapping[str, Check], declared: Mapping[str, Rule], by_check: Mapping[str, tuple[Active, ...]]
) -> tuple[Active, ...]:
    """Composite rules in the order in which they can be decided; one in a circle, or made of what is not there, is left out."""
    known = {rule.name: rule for of_one in by_check.values() for rule in of_one}
    waiting = {name: spec for name, spec in declared.items() if _is_composite(spec)}
    done: list[Active] = []
    while True:
        ready = [name for name, spec in waiting.items() if _names(spec) <= known.keys()]
        if not ready:
            return tuple(done)
        for name in ready:
            spec = waiting.pop(name)
            kind = plugins.module(RULE_KINDS, spec.kind)
            first = known[kind.members(spec)[0]]
            check_name = spec.check if spec.check in checks else first.check_name
            made = _active(name, spec, checks[check_name].model_copy(update={"labels": {}}), check_name)  # labels of one member
            known[name] = made
            done.append(made)


def _is_composite(spec: Rule) -> bool:
    return hasattr(plugins.module(RULE_KINDS, spec.kind), "members")


def _names(spec: Rule) -> set[str]:
    return set(plugins.module(RULE_KINDS, spec.kind).members(spec))
