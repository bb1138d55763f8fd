"""Which checks fit: by name, service, family and matchers. The console, the API and the command line all ask here. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.catalog.matcher import Matchers, matches
from app.checks.model import Check
from app.errors import NotFound

State = Mapping[str, Any]  # a row of check_state
NONE: Mapping[str, State] = {}


def select(
    declared: Mapping[str, Check],
    states: Mapping[str, State] = NONE,
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
        and matches(matchers, labels(name, check, states.get(name, {})))
    ]


def labels(name: str, check: Check, state: State) -> dict[str, str]:
    """What matchers see of a check: its labels, what it is, and its last result."""
    own = {"name": name, "check": name, "probe": check.probe, "family": check.family, "queue": check.queue}
    last = {"status": state.get("status") or "", "message": state.get("message") or ""}
    return {**check.labels, **own, **last, "service": check.service or ""}
