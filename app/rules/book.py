"""The rules in force, by check: those that are declared, and one for each check's own `alert:`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sqlalchemy import Connection

from app import plugins
from app.catalog import store as catalog
from app.checks.model import Check
from app.checks.service import declared as declared_checks
from app.rules.kinds import status
from app.rules.model import NO_DATA_INTERVALS, Patience, Rule

KINDS = "app.rules.kinds"


@dataclass(frozen=True, slots=True)
class Active:
    """A rule with what it needs to run."""

    name: str  # of the rule, or "check:NAME"
    source: str  # "rule:NAME" or "check:NAME": the alert's source
    alertname: str
    spec: Any  # of the kind's own Spec
    kind: ModuleType
    check: Check
    check_name: str

    @property
    def metric(self) -> str | None:
        """The metric it reads; None when it reads statuses."""
        return getattr(self.spec, "metric", None)

    @property
    def patience(self) -> Patience:
        """How long it waits before it fires, and before it calls silence an alert."""
        return Patience(self.spec.for_, self.spec.no_data, self.check.every * NO_DATA_INTERVALS)


_books: dict[int, Mapping[str, tuple[Active, ...]]] = {}


def by_check(db: Connection) -> Mapping[str, tuple[Active, ...]]:
    """Every active rule under its check's name; cached by version."""
    version = catalog.version(db)
    if version not in _books:
        _books.clear()
        _books[version] = _read(db)
    return _books[version]


def _read(db: Connection) -> Mapping[str, tuple[Active, ...]]:
    checks = declared_checks(db)
    found: dict[str, list[Active]] = {name: [] for name in checks}
    for name, check in checks.items():
        own = of_alert(name, check)
        if own is not None:
            found[name].append(own)
    for row in catalog.specs(db, "rule"):
        kind = plugins.module(KINDS, row.spec["kind"])
        spec = kind.Spec.model_validate(row.spec)
        if spec.check in checks:
            found[spec.check].append(Active(row.name, f"rule:{row.name}", row.name, spec, kind, checks[spec.check], spec.check))
    return {name: tuple(rules) for name, rules in found.items()}


def of_alert(name: str, check: Check) -> Active | None:
    """The rule that `alert:` of a check stands for; None when it is off."""
    if check.alert == "off":
        return None
    spec = status.Spec.model_validate(
        {
            "kind": "status",
            "check": name,
            "severity": check.alert.severity,
            "after": check.alert.after,
            "clear_after": check.alert.clear_after,
            "summary": check.alert.summary,
            "no_data": check.unknown_means,
            "runbook": check.runbook,
        }
    )
    return Active(f"check:{name}", f"check:{name}", name, spec, status, check, name)


def rules(db: Connection) -> Mapping[str, Rule]:
    """Declared rules by name, in their kind's own form."""
    return {
        row.name: plugins.module(KINDS, row.spec["kind"]).Spec.model_validate(row.spec) for row in catalog.specs(db, "rule")
    }
