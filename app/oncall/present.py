"""On-call as JSON: the same in the API and in the command line's answers. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.oncall.coverage import Coverage
from app.oncall.model import Idle, On, Override, Shift


def holding(found: Mapping[str, On]) -> list[dict[str, Any]]:
    """Who is on call, schedule by schedule."""
    return [{"schedule": name, "users": list(on.users), "since": on.since, "until": on.until} for name, on in found.items()]


def shift(one: Shift) -> dict[str, Any]:
    """A stretch of the final schedule."""
    return {"user": one.user, "start": one.start, "end": one.end, "source": one.source.value, "layer": one.layer}


def override(one: Override) -> dict[str, Any]:
    """An override or a swap."""
    return {
        "id": one.id,
        "schedule": one.schedule,
        "user": one.user,
        "start": one.start,
        "end": one.end,
        "kind": one.kind.value,
        "replaces": one.replaces,
        "reason": one.reason,
    }


def covered(name: str, one: Coverage, idle: Iterable[Idle]) -> dict[str, Any]:
    """One schedule's coverage; `ignored` are overrides and swaps that hold nobody because of who they name.

    needed_seconds: how much of the time its routes need; null is all of it.
    """
    return {
        "schedule": name,
        "percent": one.percent,
        "needed_seconds": None if one.needed is None else int(one.needed.total_seconds()),
        "gaps": [{"start": gap.start, "end": gap.end} for gap in one.gaps],
        "ignored": [{**override(each.override), "schedule": name, "because": each.because} for each in idle],
    }
