"""Which metric to draw for a check or an incident, over which time, with which limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.alerts.model import Alert
from app.checks import store as checks
from app.checks.samples import store as samples
from app.incidents.model import Incident
from app.rules import book
from app.web.graph import Graph, graph

LONGEST, SHORTEST = timedelta(days=7), timedelta(hours=1)
SAMPLES = 3000  # read for one graph
PLAIN = "seconds"  # every check has it: how long it took


@dataclass(frozen=True, slots=True)
class Drawn:
    """A graph, and what it is of."""

    check: str
    metric: str
    graph: Graph


def of_alerts(db: Connection, alerts: Sequence[Alert], incident: Incident, now: datetime, zone: ZoneInfo) -> Drawn | None:
    """The metric behind an incident: of its first alert that comes from a check or a rule."""
    first = next((one for one in alerts if one.labels.get("check") and one.source.startswith(("check:", "rule:"))), None)
    if first is None:
        return None
    end = min(incident.resolved_at + timedelta(minutes=30), now) if incident.resolved_at else now
    before = min(max(end - incident.opened_at, SHORTEST), LONGEST)
    window = (max(incident.opened_at - before / 2, end - LONGEST), end)
    name = first.labels["check"]
    firing = [(one.starts_at, one.ends_at or now) for one in alerts if one.labels.get("check") == name]
    metric, marks = _watched(db, name, first.source)
    return draw(db, name, metric, window, firing, marks, zone)


def draw(
    db: Connection,
    name: str,
    metric: str | None,
    window: tuple[datetime, datetime],
    firing: Sequence[tuple[datetime, datetime]],
    marks: tuple[float | None, float | None],
    zone: ZoneInfo,
) -> Drawn | None:
    """The graph of one metric of a check; None when there is nothing to draw."""
    state = checks.states_of(db, [name]).get(name)
    if state is None:
        return None
    chosen = metric or main_metric(db, name, state["metrics"])
    rows = samples.history(db, name, chosen, *window, SAMPLES)
    points = [(row["at"], row["value"]) for row in reversed(rows) if not row["labels"]]
    made = graph(chosen, points, firing, marks, window, zone)
    return Drawn(name, chosen, made) if made else None


def main_metric(db: Connection, check: str, metrics: Mapping[str, Any]) -> str:
    """What a check is mostly about: what a rule watches, else a share of something, else how long it took."""
    watched = [rule.metric for rule in book.by_check(db).get(check, ()) if rule.metric in metrics]
    shares = [name for name in metrics if name.endswith("_percent")]
    return next(iter([*(name for name in watched if name), *shares]), PLAIN if PLAIN in metrics else next(iter(metrics), PLAIN))


def _watched(db: Connection, check: str, source: str) -> tuple[str | None, tuple[float | None, float | None]]:
    """The metric and limits of the rule behind an alert, or of any rule of its check."""
    active = book.by_check(db).get(check, ())
    behind = [rule for rule in active if rule.source == source and rule.metric]
    chosen = next(iter(behind or [rule for rule in active if rule.metric]), None)
    return (chosen.metric, limits(chosen.spec)) if chosen else (None, (None, None))


def limits(spec: Any) -> tuple[float | None, float | None]:
    """Threshold and recovery limit of a rule that has them."""
    above = getattr(spec, "above", None)
    return (above if above is not None else getattr(spec, "below", None)), getattr(spec, "clear", None)
