"""Fires when an expected sample does not come: for each label set that was seen before, or for the check as a whole.

A value is missing when nothing came for `window` (default: the check's interval); `for` says how long that may last. A label
set that stays away for `forget` is taken for gone, and its alert ends.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from app.downtime import SETTLE, silent_since
from app.rules.model import Finding, Reach, Rule, View
from app.units import Duration, format_duration, parse_duration

AWAITS = True  # a series that does not come is what it waits for, not the series' end
SLACK = 0.05  # of an interval: runs begin a little early or late
LAST = "last"  # in memory: the newest sample, in seconds since 1970
SINCE = "since"  # in memory until a first one comes: from when on it is awaited


class Spec(Rule):
    """What must come, and how often."""

    metric: str | None = Field(default=None, description="metric of the check; default: any result that could tell")
    window: Duration | None = Field(default=None, description="a sample must come within this; default: the check's interval")
    forget: Duration = Field(default=parse_duration("1d"), description="a label set that stays away so long is gone")


def reach(spec: Spec) -> tuple[Reach, ...]:  # noqa: ARG001
    """It remembers the newest sample itself."""
    return ()


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Whether the newest sample is too old. Before the first one it counts from its own beginning."""
    now = view.at.timestamp()
    if view.newest.value is not None and view.newest.at == view.at:
        return Finding(False, True, view.newest.value, "a sample came", memory={LAST: now})
    last = min(memory.get(LAST, memory.get(SINCE, now - view.every.total_seconds())), now)  # a clock may be set back
    away = timedelta(seconds=now - last)
    awaited = spec.window or view.every
    silence = view.at - silent_since(view.at - away, awaited, view.away, SETTLE)
    missing = silence >= awaited - view.every * SLACK
    what = spec.metric or "result"
    because = f"no {what} for {format_duration(timedelta(seconds=round(away.total_seconds())))}"
    return Finding(missing, not missing, None, because, memory={LAST if LAST in memory else SINCE: last})


def gone(spec: Spec, memory: Mapping[str, Any], now: float, labelled: bool, others: bool) -> bool:
    """Whether nobody waits any more: for a label set that stays away, or for a sample without labels where they have some.

    others: samples of other label sets came just now.
    """
    if not labelled:
        return others and LAST not in memory
    return bool(now - memory.get(LAST, now) >= spec.forget.total_seconds())
