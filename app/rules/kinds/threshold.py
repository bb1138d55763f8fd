"""Fires while an aggregate over a window is above or below a limit.

The aggregate is taken over `(t - window, t]`; without a window it is the newest value. `clear` is the recovery limit: a rule
with `above: 0.8, clear: 0.6` recovers below 0.6.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from app.reason import Reason
from app.rules.aggregate import Agg, aggregate
from app.rules.model import Finding, Lookback, Rule, View
from app.units import Duration, format_seconds, rounded
from app.wording import Facts, Phrase


class Code(StrEnum):
    """What it finds."""

    ABOVE = "threshold.above"  # bad: above `above`
    NOT_ABOVE = "threshold.not_above"
    BELOW = "threshold.below"  # bad: below `below`
    NOT_BELOW = "threshold.not_below"
    FEW_SAMPLES = "threshold.few_samples"  # the aggregate needs more than the window has


def _is(sign: str) -> Phrase:
    def describe(facts: Facts) -> str:
        over = f" over {format_seconds(facts['window'])}" if facts["window"] is not None else ""
        return f"{facts['agg']} {facts['metric']} {rounded(facts['value'], facts['limit'])} {sign} {facts['limit']:g}{over}"

    return describe


PHRASES: dict[str, Phrase] = {
    Code.ABOVE: _is(">"),
    Code.NOT_ABOVE: _is("<="),
    Code.BELOW: _is("<"),
    Code.NOT_BELOW: _is(">="),
    Code.FEW_SAMPLES: "{agg} needs more samples than the {samples} in the window",
}


class Spec(Rule):
    """`above` or `below`, and how the window is summed up."""

    metric: str = Field(description="metric of the check", examples=["seconds"])
    agg: Agg | None = Field(
        default=None, description="aggregate; default: last without a window, avg with one", examples=["p95"]
    )
    window: Duration | None = Field(
        default=None, description="window to aggregate; default: only the newest value", examples=["10m"]
    )
    above: float | None = Field(default=None, description="fires above this, in the metric's unit", examples=[0.8])
    below: float | None = Field(default=None, description="fires below this, in the metric's unit")
    clear: float | None = Field(
        default=None, description="recovers only beyond this; default: the limit itself", examples=[0.6]
    )

    @model_validator(mode="after")
    def _one_limit(self) -> "Spec":
        if (self.above is None) == (self.below is None):
            raise ValueError("a threshold rule needs exactly one of above and below")
        if self.clear is not None:
            if self.above is not None and self.clear > self.above:
                raise ValueError("clear must be at most above")
            if self.below is not None and self.clear < self.below:
                raise ValueError("clear must be at least below")
        if self.agg not in (None, "last") and self.window is None:
            raise ValueError(f"agg {self.agg} needs a window")
        return self


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:
    """The window."""
    return (Lookback(spec.window or timedelta(0)),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:  # noqa: ARG001
    """Compare the aggregate of the window that ends now; unknown when the newest result is."""
    if view.newest.value is None:
        return Finding(None, False, None, view.newest.unknown_reason())
    agg = spec.agg or ("avg" if spec.window else "last")
    span = view.span(spec.window) if spec.window else None
    value = aggregate(agg, span) if span is not None else view.newest.value
    if value is None:
        return Finding(None, False, None, Reason(Code.FEW_SAMPLES, {"agg": agg, "samples": len(span or ())}))
    bad, clear = _compare(spec, value)
    codes = (Code.NOT_ABOVE, Code.ABOVE) if spec.above is not None else (Code.NOT_BELOW, Code.BELOW)
    limit = spec.above if spec.above is not None else spec.below
    window = spec.window.total_seconds() if spec.window else None
    facts = {"agg": agg, "metric": spec.metric, "value": value, "limit": limit, "window": window}
    return Finding(bad, clear, value, Reason(codes[bad], facts))


def _compare(spec: Spec, value: float) -> tuple[bool, bool]:
    if spec.above is not None:
        return value > spec.above, value < spec.clear if spec.clear is not None else value <= spec.above
    assert spec.below is not None
    return value < spec.below, value > spec.clear if spec.clear is not None else value >= spec.below
