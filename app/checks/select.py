"""Which checks fit: by name, service, family and matchers. The console, the API and the command line all ask here. Pure."""

from collections.abc import Mapping, Sequence

from app.catalog.matcher import Matchers, matches
from app.checks.model import Check, CheckState
from app.errors import NotFound

NONE: Mapping[str, CheckState] = {}


def select(
    declared: Mapping[str, Check],
    states: Mapping[str, CheckState] = NONE,
    names: Sequence[str] = (),
    service: str | None = None,
    family: str | None = None,
    matchers: Matchers = (),
) -> list[str]:
    """The names of those that fit all that is asked, in declared order. Raises NotFound for a name that is not declared."""
    for name in names:
        if name not in declared:
            raise NotFound(f'check "{name}" not found')
    return [
        name
        for name, check in declared.items()
        if (not names or name in names)
        and service in (None, check.service)
        and family in (None, check.family)
        and matches(matchers, labels(name, check, states.get(name)))
    ]


def labels(name: str, check: Check, state: CheckState | None) -> dict[str, str]:
    """What matchers see of a check: its labels, what it is, and its last result."""
    own = {"name": name, "check": name, "probe": check.probe, "family": check.family, "queue": check.queue}
    last = {"status": (state.status if state else None) or "", "message": state.message if state else ""}
    return {**check.labels, **own, **last, "service": check.service or ""}
