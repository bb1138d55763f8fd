"""A rule in force, with what it needs to run. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

from app.catalog.model import Severity
from app.checks.model import NO_DATA_INTERVALS, Check, out_of
from app.rules.kinds import status
from app.rules.model import Lookback, Timing

NOW = timedelta(0)  # a range that ends now


@dataclass(frozen=True, slots=True)
class Active:
    """A rule with its kind and its check.

    A kind's module offers `Spec`, and `lookbacks(spec)` with `evaluate(spec, view, memory)`, or `members(spec)` with
    `combine(spec, firing)` where it is made of other rules.
    """

    name: str  # of the rule, or "check:NAME"
    source: str  # "rule:NAME" or "check:NAME": the alert's source
    alertname: str
    spec: Any  # of the kind's own Spec
    kind: ModuleType
    check: Check
    check_name: str

    @property
    def of_check(self) -> bool:
        """Whether it stands for `alert:` of a check, and nobody wrote it."""
        return self.source.startswith("check:")

    @property
    def metric(self) -> str | None:
        """The metric it reads; None when it reads statuses."""
        return getattr(self.spec, "metric", None)

    @property
    def lookbacks(self) -> tuple[Lookback, ...]:
        """The ranges of the past that it needs."""
        found: tuple[Lookback, ...] = self.kind.lookbacks(self.spec)
        return found

    @property
    def ranges(self) -> dict[timedelta, timedelta]:
        """The lengths of the ranges that it needs, by how long before now they end."""
        found = {NOW: timedelta(0)}
        for one in self.lookbacks:
            found[one.back] = max(found.get(one.back, timedelta(0)), one.length)
        return found

    @property
    def members(self) -> tuple[str, ...]:
        """The rules it is made of; none for most kinds."""
        return tuple(self.kind.members(self.spec)) if hasattr(self.kind, "members") else ()

    @property
    def awaits(self) -> bool:
        """Whether a series that does not come is what it waits for."""
        return bool(getattr(self.kind, "AWAITS", False))

    @property
    def keeps(self) -> timedelta:
        """How long a series that has ended is remembered, for kinds that learn."""
        return getattr(self.kind, "KEEPS", timedelta(0))

    @property
    def severity(self) -> Severity:
        """How bad it is where its kind does not say; the worst of several."""
        severity = self.spec.severity
        return severity if isinstance(severity, Severity) else max((one for _, one in severity), key=lambda one: one.rank)

    @property
    def timing(self) -> Timing:
        """How long it waits before it fires, and before missing data is an alert."""
        after = None if getattr(self.kind, "COUNTS_ITSELF", False) or self.spec.after is None else out_of(self.spec.after)
        return Timing(self.spec.for_, self.spec.no_data, self.check.every * NO_DATA_INTERVALS, after)


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
