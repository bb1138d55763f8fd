"""The sections of a configuration: which maps and lists there are, what stands in each, what each becomes."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from app.catalog.model import (
    Audience,
    Channel,
    Defaults,
    Flapping,
    Grouping,
    Inhibit,
    Maintenance,
    Planned,
    Platform,
    Policy,
    Route,
    Service,
)
from app.checks.heartbeats.model import Heartbeat
from app.checks.model import Check
from app.oncall.hours import Hours
from app.oncall.model import Schedule
from app.people.model import Team, User
from app.rules.model import Rule


class Shape(StrEnum):
    """How a section is written."""

    MAP = "map"  # named things; several files may add to it
    LIST = "list"  # nameless things in order; one file has it
    ONE = "one"  # a single thing; several files may each add keys


@dataclass(frozen=True, slots=True)
class Section:
    """One top-level key. `kind` names its things in the database, in messages and in `config plan`."""

    key: str
    kind: str
    type: type[BaseModel]
    shape: Shape = Shape.MAP
    names: tuple[str, ...] = ()  # of the things in its example


SECTIONS = {
    section.key: section
    for section in (
        Section("defaults", "defaults", Defaults, Shape.ONE),
        Section("platform", "platform", Platform, Shape.ONE),
        Section("teams", "team", Team, names=("shop",)),
        Section("users", "user", User, names=("ada", "bo")),
        Section("channels", "channel", Channel),
        Section("services", "service", Service, names=("shop", "shop-db")),
        Section("checks", "check", Check, names=("shop-http",)),
        Section("rules", "rule", Rule),
        Section("heartbeats", "heartbeat", Heartbeat, names=("nightly-backup", "invoice-run")),
        Section("maintenance", "maintenance", Maintenance, names=("patch-day", "rack-move")),
        Section("policies", "policy", Policy, names=("shop",)),
        Section("schedules", "schedule", Schedule, names=("primary",)),
        Section("hours", "hours", Hours, names=("office",)),
        Section("audiences", "audience", Audience, names=("management",)),
        Section("status_pages", "status_page", Planned),
        Section("enrichment", "enrichment", Planned),
        Section("correlate", "correlation", Planned),
        Section("flapping", "flapping", Flapping, Shape.ONE),
        Section("routes", "route", Route, Shape.LIST),
        Section("grouping", "grouping", Grouping, Shape.LIST),
        Section("inhibit", "inhibit", Inhibit, Shape.LIST),
    )
}
# Known by name and not built yet: accepted as "not active yet". Take a name out here when its file is born.
CHANNEL_KINDS_PLANNED = frozenset(
    {"slack", "apprise", "web_push", "twilio", "telegram", "ntfy", "teams", "discord", "mattermost"}
)  # fmt: skip
SECTIONS_PLANNED = frozenset(  # one warning per map
    {"maintenance", "inhibit", "flapping", "audiences", "status_pages", "enrichment", "correlate"}
)
FIELDS_PLANNED = {  # one warning a word, where it stands first
    "hold": "waiting before the incident opens",
    "flapping": "flapping of its own",
    "depends_on": "suppression by dependency",
    "emergency": "pages when Tocsin itself fails",
}
RUNBOOK = "runbook"
PLANNED = "planned"  # what is not active yet is stored under this kind, as "rule:NAME"
KINDS = (*(section.kind for section in SECTIONS.values()), RUNBOOK, PLANNED)
LISTS = frozenset(section.kind for section in SECTIONS.values() if section.shape is Shape.LIST)


class Runbook(BaseModel):
    """What to do about it: `runbooks/NAME.md`. The title is the first heading."""

    title: str
    markdown: str
