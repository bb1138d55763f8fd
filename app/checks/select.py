"""Which checks fit: by name, service, family and matchers. Pure."""

from collections.abc import Mapping, Sequence

from app.catalog.matcher import Matchers, matches
from app.checks.model import Check
from app.errors import NotFound


def select(
    declared: Mapping[str, Check],
    names: Sequence[str] = (),
    service: str | None = None,
    family: str | None = None,
    matchers: Matchers = (),
) -> list[str]:
    """The names of those that fit all that is asked, in declared order. Raises NotFound for a name that is not declared."""
    for name in names:
        if name not in declared:
            raise NotFound(f'there is no check "{name}"')
    return [
        name
        for name, check in declared.items()
        if (not names or name in names)
        and service in (None, check.service)
        and family in (None, check.family)
        and matches(matchers, labels(name, check))
    ]


def labels(name: str, check: Check) -> dict[str, str]:
    """What matchers see of a check: its labels, and what it is."""
    own = {"name": name, "check": name, "probe": check.probe, "family": check.family, "queue": check.queue}
    return {**check.labels, **own, "service": check.service or ""}
