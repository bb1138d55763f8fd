"""What to draw for a check, a rule or an incident: metric, series, and the limits and states of its rules."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection

from app.alerts.model import Alert
from app.checks import store as checks
from app.checks.samples import store as samples
from app.checks.samples.store import Slice
from app.incidents.model import Incident
from app.rules import in_force
from app.rules import store as rules
from app.rules.active import Active
from app.rules.evaluate import ONE_SERIES, series_name, series_of
from app.web.burn import burning
from app.web.graph import Choice, Curve, Drawn, Limit, Scene, Spot, Stretch, graph

LONGEST, SHORTEST = timedelta(days=7), timedelta(hours=1)  # drawn of an incident
PLAIN = "seconds"  # every check has it: how long it took
LINES, CHOICES = 6, 60  # series drawn together, and named in the picker
BANDS = timedelta(days=7)  # a band is kept for each result: of so long a time it is read
OWN_SCALE = ("last", "avg", "min", "max")  # aggregates whose limit means the same on the graph of the values


@dataclass(frozen=True, slots=True)
class Subject:
    """What a graph is about. rules: those whose limits and band belong into it; series: by its canonical name, or all."""

    check: str
    metric: str
    window: Stretch
    rules: Sequence[Active] = ()
    series: str = ""
    firing: Sequence[Stretch] = ()
    pending: Sequence[Stretch] = ()


def of_alerts(db: Connection, alerts: Sequence[Alert], incident: Incident, now: datetime, zone: ZoneInfo) -> tuple[Drawn, ...]:
    """What is behind an incident, of its first alert that comes from a check or a rule: the metric, or how a budget burns."""
    first = next((one for one in alerts if one.labels.get("check") and one.source.startswith(("check:", "rule:"))), None)
    if first is None:
        return ()
    end = min(incident.resolved_at + timedelta(minutes=30), now) if incident.resolved_at else now
    before = min(max(end - incident.opened_at, SHORTEST), LONGEST)
    window = (max(incident.opened_at - before / 2, end - LONGEST), end)
    name = first.labels["check"]
    firing = [(one.starts_at, one.ends_at or now) for one in alerts if one.labels.get("check") == name]
    rule = _behind(db, name, first.source)
    state = checks.states_of(db, [name]).get(name)
    if state is None:
        return ()
    series = series_of(first.alertname, first.key)
    if burnt := _burnt(db, name, first.source, series, window, zone, firing):
        return burnt
    metric = rule.metric if rule and rule.metric else main_metric(db, name, state.metrics)
    shown = "" if series == ONE_SERIES else series
    drawn = draw(db, Subject(name, metric, window, [rule] if rule else (), shown, firing), zone)
    return (drawn,) if drawn else ()


def _burnt(
    db: Connection, check: str, source: str, series: str, window: Stretch, zone: ZoneInfo, firing: Sequence[Stretch]
) -> tuple[Drawn, ...]:
    """The pair of windows that matters, and the budget, where a burn-rate rule is behind an alert."""
    rule = next((one for one in in_force.by_check(db).get(check, ()) if one.source == source), None)
    status = next((one for one in rules.listed(db, [rule.name]) if one.series == series), None) if rule else None
    burnt = burning(db, rule, status, window, zone, firing) if rule and status else None
    return tuple(filter(None, (burnt.worst, burnt.left))) if burnt else ()


def draw(db: Connection, subject: Subject, zone: ZoneInfo) -> Drawn | None:
    """The graph of one metric of a check; None when there is nothing to draw."""
    of = [rule for rule in subject.rules if rule.metric == subject.metric]
    found = _ranked(samples.series(db, subject.check, subject.metric, *subject.window), of)
    by_key = {series_name(one.labels): one.labels for one in found}
    chosen = subject.series if subject.series in by_key else ""
    keys = [chosen] if chosen else list(by_key)[:LINES]
    alone = len(keys) == 1
    scene = Scene(
        subject.metric,
        _curves(db, subject, {key: by_key[key] for key in keys}),
        subject.window,
        zone,
        _limits(of),
        subject.firing,
        subject.pending,
        _band(db, of, keys[0], subject.window) if alone else (),
        alone,
    )
    made = graph(scene)
    if made is None:
        return None
    named = tuple(Choice(key, said(key)) for key in by_key) if len(by_key) > 1 else ()
    return Drawn(subject.check, subject.metric, made, named[:CHOICES], chosen, max(0, len(named) - CHOICES))


def said(series: str) -> str:
    """A label set in words: `source 10.0.0.1, user root`."""
    return ", ".join(f"{name} {value}" for name, value in orjson.loads(series).items()) or "no labels"


def main_metric(db: Connection, check: str, metrics: Collection[str]) -> str:
    """What a check is mostly about: what a rule watches, else a share of something, else how long it took."""
    watched = [rule.metric for rule in in_force.by_check(db).get(check, ()) if rule.metric in metrics]
    shares = [name for name in metrics if name.endswith("_percent")]
    return next(iter([*(name for name in watched if name), *shares]), PLAIN if PLAIN in metrics else next(iter(metrics), PLAIN))


def _ranked(found: Sequence[Slice], of: Sequence[Active]) -> list[Slice]:
    """The series that a rule would look at first: the highest, or the lowest where low is bad."""
    low_is_bad = any(getattr(rule.spec, "below", None) is not None for rule in of)
    return sorted(found, key=lambda one: (one.low if low_is_bad else -one.high, series_name(one.labels)))


def _curves(db: Connection, subject: Subject, wanted: dict[str, Any]) -> list[Curve]:
    spots: dict[str, list[Spot]] = {key: [] for key in wanted}
    if wanted:
        for one in samples.curve(db, subject.check, subject.metric, *subject.window, list(wanted.values())):
            spots[series_name(one.labels)].append(Spot(one.at, one.low, one.mean, one.high))
    return [Curve(of_one, said(key), key) for key, of_one in spots.items()]


def _limits(of: Sequence[Active]) -> list[Limit]:
    """The levels that these rules compare values with, each once."""
    found: dict[tuple[float, bool], list[str]] = {}
    for rule in of:
        agg = getattr(rule.spec, "agg", None) or "avg"
        if agg in OWN_SCALE or agg.startswith("p"):
            named = (("above", False), ("below", False), ("clear", True))
            for level, clear in ((getattr(rule.spec, name, None), clear) for name, clear in named):
                if isinstance(level, int | float):
                    found.setdefault((float(level), clear), []).append(rule.alertname)
    return [Limit(value, clear, ", ".join(names)) for (value, clear), names in found.items()]


def _band(db: Connection, of: Sequence[Active], series: str, window: Stretch) -> list[Spot]:
    """Where a rule that learns expected the values."""
    if window[1] - window[0] > BANDS:
        return []
    each = (rules.bands(db, rule.name, series, *window) for rule in of)
    return next(([Spot(*one) for one in found] for found in each if found), [])


def _behind(db: Connection, check: str, source: str) -> Active | None:
    """The rule behind an alert, or any rule of its check that reads a metric."""
    active = [rule for rule in in_force.by_check(db).get(check, ()) if rule.metric]
    return next((rule for rule in active if rule.source == source), next(iter(active), None))
