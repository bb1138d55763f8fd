"""Which alerts become one incident. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b

import orjson

from app.catalog.matcher import matches
from app.catalog.model import Grouping

BY_SERVICE = Grouping(by=("service",))
BY_NAME = Grouping(by=("alertname",))


@dataclass(frozen=True, slots=True)
class Group:
    """The incident an alert belongs to."""

    key: str  # equal for equal `by` labels under the same grouping
    by: Mapping[str, str]
    window: timedelta
    reopen: timedelta
    resolve_after: timedelta


def group(labels: Mapping[str, str], groupings: Sequence[Grouping]) -> Group:
    """The first grouping that matches; by service, else by alertname, when none does. A missing label is empty."""
    chosen = next((one for one in groupings if matches(one.matchers, labels)), None)
    if chosen is None:
        chosen = BY_SERVICE if labels.get("service") else BY_NAME
    by = {name: labels.get(name, "") for name in chosen.by}
    identity = orjson.dumps([list(chosen.match), list(by.items())])
    key = blake2b(identity, digest_size=16).hexdigest()
    return Group(key, by, chosen.window, chosen.reopen, chosen.resolve_after)
