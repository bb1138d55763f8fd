"""Which alerts become one incident. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b

import orjson

from app.catalog.matcher import matches
from app.catalog.model import Grouping
from app.incidents.model import Incident

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


class Way(StrEnum):
    """How an alert comes to an incident that exists."""

    JOIN = "join"
    REOPEN = "reopen"


def follow(closed: Incident, whole: Incident | None, reopen: timedelta, now: datetime) -> Way | None:
    """What a new alert does to the group's last incident, which is over; None: it opens a new one.

    whole: the incident that one was merged into, if any. One that is open is joined in its place.
    """
    if whole is not None and whole.open:
        return Way.JOIN
    if closed.merged_into is None and closed.resolved_at is not None and now - closed.resolved_at < reopen:
        return Way.REOPEN
    return None


def group(labels: Mapping[str, str], groupings: Sequence[Grouping]) -> Group:
    """The first grouping that matches; by service, else by alertname, when none does. A missing label is empty."""
    chosen = next((one for one in groupings if matches(one.matchers, labels)), None)
    if chosen is None:
        chosen = BY_SERVICE if labels.get("service") else BY_NAME
    by = {name: labels.get(name, "") for name in chosen.by}
    identity = orjson.dumps([list(chosen.match), list(by.items())])
    key = blake2b(identity, digest_size=16).hexdigest()
    return Group(key, by, chosen.window, chosen.reopen, chosen.resolve_after)
