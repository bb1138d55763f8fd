"""When the alerts of a check's rules were firing or pending: the ranges that graphs shade."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.alerts.model import Alert, AlertState
from app.rules import store as rules
from app.rules.active import Active
from app.rules.evaluate import ONE_SERIES, series_of
from app.rules.model import Change, RuleState
from app.web.graph import Stretch

MOST = 200  # newest alerts that are looked at
SEEN = timedelta(days=7)  # pending takes minutes: over a longer time it would be a hair's breadth


@dataclass(frozen=True, slots=True)
class Trouble:
    """Stretches of time, and the alerts behind them, newest first."""

    firing: tuple[Stretch, ...]
    pending: tuple[Stretch, ...]
    alerts: tuple[Alert, ...]


def trouble(db: Connection, check: str, of: Sequence[Active], window: Stretch, now: datetime, series: str = "") -> Trouble:
    """What these rules said of a check within a window; of one series, if that is asked for."""
    sources = {rule.source for rule in of}
    known = alerts.listed(db, state=None, service=None, labels={"check": check}, before=None, limit=MOST)
    mine = tuple(one for one in known if one.source in sources and _is_of(one, series))
    on = [one for one in mine if one.state is not AlertState.PENDING]
    firing = tuple((one.starts_at, one.ends_at or now) for one in on)
    waiting = [(one.starts_at, now) for one in mine if one.state is AlertState.PENDING]
    if window[1] - window[0] <= SEEN:
        waiting += [span for rule in of for span in pending(rules.verdicts(db, rule.name, *window), now, series)]
    return Trouble(firing, tuple(waiting), mine)


def pending(verdicts: Sequence[Change], now: datetime, series: str = "") -> list[Stretch]:
    """From each verdict that says pending to the next one of its series."""
    found: list[Stretch] = []
    since: dict[str, datetime] = {}
    for one in verdicts:
        if series and one.series not in (series, ONE_SERIES):
            continue
        begun = since.pop(one.series, None)
        if begun is not None:
            found.append((begun, one.at))
        if one.state is RuleState.PENDING:
            since[one.series] = one.at
    return found + [(begun, now) for begun in since.values()]


def _is_of(alert: Alert, series: str) -> bool:
    return not series or series_of(alert.alertname, alert.key) in (ONE_SERIES, series)
