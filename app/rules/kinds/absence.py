"""Fires when an expected sample does not arrive: for each label set that was seen before, or for the check as a whole.

A value is missing if no sample arrived within `window` (default: the check's interval); `for` says how long that may last. If a
label set stays away for `forget`, it is considered gone, and its alert resolves.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from app.downtime import SETTLE, silent_since
from app.reason import Reason
from app.rules.model import Finding, Lookback, Rule, View
from app.units import Duration, format_seconds, parse_duration
from app.wording import Facts, Phrase

AWAITS = True  # a series that does not come is what it waits for, not the series' end
SLACK = 0.05  # of an interval: runs begin a little early or late
LAST = "last"  # in memory: the newest sample, in seconds since 1970
SINCE = "since"  # in memory until a first one comes: from when on it is awaited


class Code(StrEnum):
    """What it finds."""

    RECEIVED = "absence.came"  # a sample is here
    MISSING = "absence.missing"  # none since, whether that is too long or not yet
    GONE = "absence.gone"  # no longer expected


def _missing(facts: Facts) -> str:
    return f"no {facts['metric'] or 'result'} for {format_seconds(facts['seconds'])}"


PHRASES: dict[str, Phrase] = {
    Code.RECEIVED: "sample received",
    Code.MISSING: _missing,
    Code.GONE: lambda f: f"{_missing(f)}: considered gone",
}


class Spec(Rule):
    """What must come, and how often."""

    metric: str | None = Field(
        default=None, description="metric of the check; default: any result that is not unknown", examples=["seconds"]
    )
    window: Duration | None = Field(
        default=None, description="time within which a sample must arrive; default: the check's interval", examples=["5m"]
    )
    forget: Duration = Field(
        default=parse_duration("1d"), description="a label set without samples for this long is considered gone"
    )


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:  # noqa: ARG001
    """It remembers the newest sample itself."""
    return ()


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Whether the newest sample is too old. Before the first one it counts from its own beginning."""
    now = view.at.timestamp()
    if view.newest.value is not None and view.newest.at == view.at:
        return Finding(False, True, view.newest.value, Reason(Code.RECEIVED), memory={LAST: now})
    last = min(memory.get(LAST, memory.get(SINCE, now - view.every.total_seconds())), now)  # a clock may be set back
    missing_for = timedelta(seconds=now - last)
    awaited = spec.window or view.every
    silence = view.at - silent_since(view.at - missing_for, awaited, view.downtimes, SETTLE)
    missing = silence >= awaited - view.every * SLACK
    kept = {LAST if LAST in memory else SINCE: last}
    return Finding(missing, not missing, None, Reason(Code.MISSING, _facts(spec, last, now)), memory=kept)


def gone(spec: Spec, memory: Mapping[str, Any], now: float, labelled: bool, others: bool) -> Reason | None:
    """Why it is no longer expected: a label set missing for `forget`, or a sample without labels where others have some.

    others: samples of other label sets came just now.
    """
    last = memory.get(LAST, memory.get(SINCE, now))
    forgotten = now - memory.get(LAST, now) >= spec.forget.total_seconds()
    over = forgotten if labelled else others and LAST not in memory
    return Reason(Code.GONE, _facts(spec, last, now)) if over else None


def _facts(spec: Spec, last: float, now: float) -> dict[str, Any]:
    return {"metric": spec.metric, "seconds": round(now - last)}
