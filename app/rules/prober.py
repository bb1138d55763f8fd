"""Probers: a location that is offline, or has no worker, is one alert instead of one for each of its checks."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from app import beats, uptime
from app.catalog.model import Severity
from app.checks import store as checks
from app.checks.prober import decide, store
from app.checks.prober.model import ProberNews
from app.reason import Code, Reason
from app.signals.model import Signal, SignalStatus
from app.wording import text

OFFLINE = "ProberOffline"  # the alert's name
NO_WORKER = "NoWorker"  # likewise
WORKER_TIMEOUT = timedelta(seconds=beats.FRESH["worker"])  # without a tick for so long, a location has no worker


def evaluate(db: Connection) -> list[Signal]:
    """Locations that went offline or online since the last call."""
    return [_cut_off(row) for row in store.take_news(db)]


def workers(db: Connection, now: datetime) -> list[Signal]:
    """For each location that ever had a worker whether it has one now."""
    pinned = {queue.partition("@")[2] for queue in checks.pinned_queues(db)}
    last_ticks = {part.partition("@")[2]: last_tick for part, last_tick in uptime.last_seen(db).items() if "@" in part}
    return [
        _worker(location, last_tick, location in pinned and now - last_tick > WORKER_TIMEOUT)
        for location, last_tick in last_ticks.items()
    ]


def _cut_off(news: ProberNews) -> Signal:
    offline, answers, location = news.online_since is None, news.answers, news.location
    where = f" at {location}" if location else ""
    back = Reason(Code.REFERENCE_ANSWERS if answers else Code.REMOVED)
    reason = decide.silent(answers) if offline else back
    return Signal(
        source="prober",
        key=location or "here",
        status=SignalStatus.FIRING if offline else SignalStatus.RESOLVED,
        summary=f"The prober{where} is offline: {text(reason) if offline else ''}; its checks of other hosts have no results",
        severity=Severity.ERROR,
        reason_in_summary=offline,
        alertname=OFFLINE,
        family="health",
        labels={"location": location} if location else {},
        reasons=(reason,),
    )


def _worker(location: str, last_seen: datetime, gone: bool) -> Signal:
    reason = Reason(Code.NO_WORKER, {"since": last_seen.isoformat()}) if gone else Reason(Code.WORKER_RUNS)
    return Signal(
        source="prober",
        key=f"worker:{location}",
        status=SignalStatus.FIRING if gone else SignalStatus.RESOLVED,
        summary=f"No worker runs the checks of {location}: their results are missing",
        severity=Severity.ERROR,
        alertname=NO_WORKER,
        family="health",
        labels={"location": location},
        reasons=(reason,),
    )
