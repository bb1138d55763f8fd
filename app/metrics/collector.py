"""The figures as Prometheus reads them: metric families in its text format, each read from the rows when it is asked for."""

from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from app import beats
from app.metrics import store

STATES = {
    "incidents": ("triggered", "acknowledged"),
    "alerts": ("pending", "firing", "suppressed"),
    "checks": ("ok", "warning", "critical", "unknown", "new"),
    "heartbeats": ("new", "up", "down", "paused"),
    "pages": ("queued", "sending"),
    "obligations": ("open",),
}


HELP = {
    "incidents": "Open incidents by state.",
    "alerts": "Unresolved alerts by state.",
    "checks": "Checks that are not paused, by status.",
    "heartbeats": "Heartbeats by state.",
    "pages": "Unsent pages by state.",
    "obligations": "Open obligations to notify a person.",
}


def text(db: Connection) -> bytes:
    """Every figure, in text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(db))
    return generate_latest(registry)


class Figures(Collector):
    """What one transaction sees."""

    def __init__(self, db: Connection) -> None:
        self.db = db

    def collect(self) -> Iterator[Metric]:
        """Each family, those without a row with zeros: a figure that is missing is no zero to an alert rule."""
        build = GaugeMetricFamily("tocsin_build_info", "Always 1; the version is a label.", labels=["version"])
        build.add_metric([_version()], 1)
        yield build
        overdue = round(store.oldest_overdue(self.db), 3)
        help_ = "Age of the oldest overdue job (escalation, page, alert, heartbeat or check); alert on it."
        yield GaugeMetricFamily("tocsin_oldest_overdue_seconds", help_, overdue)
        counts = {(one.what, one.label): one.n for one in store.counts(self.db)}
        for what, states in STATES.items():
            family = GaugeMetricFamily(f"tocsin_{what}", HELP[what], labels=["state"])
            for state in states:
                family.add_metric([state], counts.get((what, state), 0))
            yield family
        yield self._processes()

    def _processes(self) -> Metric:
        help_ = "Seconds since the last heartbeat of a Tocsin process."
        family = GaugeMetricFamily("tocsin_process_seen_seconds", help_, labels=["kind", "name"])
        for one in beats.seen(self.db):
            family.add_metric([one.kind, one.name], round(one.age, 3))
        return family


@lru_cache
def _version() -> str:
    return version("tocsin")
