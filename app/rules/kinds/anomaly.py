"""Fires when a value is unlike what the series has taught: its level, spread, and season by hour of day and of week.

It learns as results come and is silent until it has seen `learn`. What it takes for unlike follows from `false_alarms`,
the number of wrong alarms a person will bear, and not from a number of deviations: `app/rules/detector` says how.
A level that changes for good alarms and is accepted after 2 to 3 hours. Days in `holidays` are neither judged nor learnt.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from app.holiday import Holiday, is_holiday
from app.people.model import Zone
from app.rules.aggregate import Agg, aggregate
from app.rules.detector import Detector, Direction, Judgement, Knob
from app.rules.model import Band, Finding, Reach, Rule, View
from app.units import Duration, parse_duration

KEEPS = timedelta(days=14)  # a series that stays away is remembered so long: learning it anew takes as long
_RATE = re.compile(r"\s*(\d+)\s+per\s+(\S+)\s*")
_FORM = "write how many in how long: 1 per 30d"


@lru_cache(maxsize=256)
def bearable(text: str) -> timedelta:
    """`2 per 30d` -> the time between two alarms, 15 days. Raises ValueError with the form that is understood."""
    found = _RATE.fullmatch(text)
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r} is not a rate of false alarms; {_FORM}")
    between = parse_duration(found[2]) / int(found[1])
    if not timedelta(hours=1) <= between <= timedelta(days=3650):
        raise ValueError(f"{text!r} is out of bounds; {_FORM}, between one an hour and one in ten years")
    return between


def _known_rate(text: str) -> str:
    bearable(text)
    return " ".join(text.split())


Rate = Annotated[str, AfterValidator(_known_rate)]


class Spec(Rule):
    """The knob is `false_alarms`; the rest says what is compared and when not."""

    metric: str = Field(description="metric of the check")
    false_alarms: Rate = Field(default="1 per 30d", description="how many wrong alarms a person will bear in how long")
    direction: Direction = Field(default="both", description="which side alarms: both, up or down")
    agg: Agg | None = Field(default=None, description="default: last without a window, avg with one")
    window: Duration | None = Field(default=None, description="judge the aggregate over it instead of the newest value")
    timezone: Zone = Field(default="UTC", description="whose hours and weekdays make the season")
    holidays: tuple[Holiday, ...] = Field(
        default=(), description="days not judged and not learnt: dates (2026-12-24), countries (FR) or their parts (US-CA)"
    )
    learn: Duration = Field(default=parse_duration("12h"), description="silent at least this long while it learns")

    @model_validator(mode="after")
    def _window(self) -> "Spec":
        if self.agg not in (None, "last") and self.window is None:
            raise ValueError(f"agg {self.agg} needs a window")
        return self


def reach(spec: Spec) -> tuple[Reach, ...]:
    """The window; what was learnt is in the memory."""
    return (Reach(spec.window or timedelta(0)),)


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Judge the newest value, or the aggregate of the window, by what the series has taught so far; and learn from it."""
    if view.newest.value is None:
        return Finding(None, False, None, view.newest.message or "no sample in the window", memory=memory)
    agg = spec.agg or ("avg" if spec.window else "last")
    value = aggregate(agg, view.span(spec.window)) if spec.window else view.newest.value
    if value is None:
        return Finding(None, False, None, f"{agg} needs more samples than there are in the window", memory=memory)
    return judge(spec, value, view.at, memory)


def judge(spec: Spec, value: float, at: datetime, memory: Mapping[str, Any]) -> Finding:
    """One value at one instant."""
    zone = ZoneInfo(spec.timezone)
    detector = Detector.load(memory, Knob(bearable(spec.false_alarms), spec.direction, spec.learn, zone))
    excluded = bool(spec.holidays) and is_holiday(spec.holidays, at.astimezone(zone).date())
    seen = detector.advance(at, value, excluded)
    return Finding(
        seen.bad,
        seen.clear,
        value,
        seen.because if excluded or seen.learning else f"{spec.metric} {seen.because}",
        memory=detector.memory(),
        score=seen.score,
        learning=seen.learning,
        band=None if seen.learning else _drawn(seen),
    )


def _drawn(seen: Judgement) -> Band:
    """The band for a graph; on a side that is not judged it ends where the value is expected."""
    low, high = (edge if math.isfinite(edge) else seen.expected for edge in (seen.low, seen.high))
    return Band(low, seen.expected, high)
