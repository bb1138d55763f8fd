"""On-call as JSON: the same in the API and in the command line's answers. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from typing_extensions import TypedDict

from app.oncall.coverage import Coverage
from app.oncall.model import Idle, Kind, ListedOverride, On, Override, Shift, Source


class PublicOnCall(TypedDict):
    """Who is on call in a schedule; `since` and `until` are null where that is beyond the horizon."""

    schedule: str
    users: list[str]
    since: datetime | None
    until: datetime | None


class PublicShift(TypedDict):
    """A shift of the final schedule, half-open; `layer` is null for overrides and swaps."""

    user: str
    start: datetime
    end: datetime
    source: Source
    layer: str | None


class PublicOverride(TypedDict):
    """An override, or a swap, which replaces one person only. `id` is null for those that the files declare."""

    id: int | None
    schedule: str
    user: str
    start: datetime
    end: datetime
    kind: Kind
    replaces: str | None
    reason: str


class PublicListedOverride(PublicOverride):
    """An override or swap; `ignored`: why it has no effect, null where it has; `origin`: FILE:LINE of one in the files."""

    ignored: str | None
    origin: str | None


class PublicIgnored(PublicOverride):
    """An override or swap of somebody who can no longer be paged, and why."""

    because: str


class PublicGap(TypedDict):
    """A time in which nobody is on call, half-open."""

    start: datetime
    end: datetime


class PublicCoverage(TypedDict):
    """Coverage of one schedule. `needed_seconds`: how much of the time its routes need; null is all of it."""

    schedule: str
    percent: float
    needed_seconds: int | None
    gaps: list[PublicGap]
    ignored: list[PublicIgnored]


def holding(found: Mapping[str, On]) -> list[PublicOnCall]:
    """Who is on call, schedule by schedule."""
    return [{"schedule": name, "users": list(on.users), "since": on.since, "until": on.until} for name, on in found.items()]


def shift(one: Shift) -> PublicShift:
    """A stretch of the final schedule."""
    return {"user": one.user, "start": one.start, "end": one.end, "source": one.source, "layer": one.layer}


def override(one: Override) -> PublicOverride:
    """An override or a swap."""
    return {
        "id": one.id,
        "schedule": one.schedule,
        "user": one.user,
        "start": one.start,
        "end": one.end,
        "kind": one.kind,
        "replaces": one.replaces,
        "reason": one.reason,
    }


def listed_override(one: ListedOverride) -> PublicListedOverride:
    """One in the list of its schedule."""
    return {**override(one.override), "ignored": one.ignored, "origin": one.origin}


def covered(name: str, one: Coverage, idle: Iterable[Idle]) -> PublicCoverage:
    """One schedule's coverage; `ignored` are overrides and swaps of people who can no longer be paged."""
    return {
        "schedule": name,
        "percent": one.percent,
        "needed_seconds": None if one.needed is None else int(one.needed.total_seconds()),
        "gaps": [{"start": gap.start, "end": gap.end} for gap in one.gaps],
        "ignored": [{**override(each.override), "schedule": name, "because": each.because} for each in idle],
    }
