"""Which route an alert would take by a configuration that need not be in force: the line's own functions. Pure."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from app.alerts.label import asked
from app.alerts.label import labels as labelled
from app.catalog.model import Defaults, Route, Service, Severity
from app.configfile.model import Config
from app.incidents.route import Routed, route
from app.oncall.hours import Hours, Timetable


def routing(config: Config, given: Mapping[str, str], severity: Severity, at: datetime) -> tuple[dict[str, str], Routed]:
    """The labels that an alert which carries `given` has at `at`, and its route."""
    opened = timetable_of(config).open_at(at)
    known = labelled(asked(given, severity), config.of("service", Service), opened)
    return known, route(known, severity, tuple(config.of("route", Route).values()))


def timetable_of(config: Config) -> Timetable:
    """The hours of a configuration."""
    zone = next(iter(config.of("defaults", Defaults).values()), Defaults()).timezone
    return Timetable(config.of("hours", Hours), ZoneInfo(zone))
