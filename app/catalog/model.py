"""What others refer to: services, routes, policies, groupings, channels. These types are the YAML form as well."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from app.catalog.matcher import HOURS, Matchers, Op, parse_matchers
from app.people.model import Urgency
from app.secret import has_login
from app.units import Duration, parse_duration


class Severity(StrEnum):
    """How bad; ordered by `rank`."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """3 (critical) to 0 (info)."""
        return {"critical": 3, "error": 2, "warning": 1, "info": 0}[self.value]

    @property
    def urgency(self) -> Urgency:
        """Where no route says: critical and error are high."""
        return Urgency.HIGH if self.rank >= Severity.ERROR.rank else Urgency.LOW


Family = Literal["health", "performance", "business", "security"]
WAIT = parse_duration("5m")  # for an acknowledgement, where a policy names no time or there is none


class Declared(BaseModel):
    """Base of whatever the configuration declares: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _target(value: str) -> str:
    kind, colon, name = value.partition(":")
    if not colon or not name or kind not in ("user", "schedule", "team", "channel"):
        raise ValueError(f'{value!r} is not a target; write "user:NAME", "schedule:NAME", "team:NAME" or "channel:NAME"')
    return value


Target = Annotated[str, BeforeValidator(lambda value: _target(value) if isinstance(value, str) else value)]
Targets = Annotated[tuple[Target, ...], BeforeValidator(_listed)]
Match = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Matching(Declared):
    """Anything with a `match`: a list of matchers that must all hold; none = everything."""

    match: Match = Field(
        default=(), description="matchers, which must all match; default: everything", examples=[['service="shop"']]
    )

    @field_validator("match")
    @classmethod
    def _parses(cls, match: tuple[str, ...]) -> tuple[str, ...]:
        for text in match:
            parse_matchers(text)
        return match

    @property
    def matchers(self) -> Matchers:
        """The parsed form; parsing is cached by text."""
        return tuple(one for text in self.match for one in parse_matchers(text))


def _public(value: str) -> str:
    if has_login(value):
        raise ValueError("is shown to everyone, so it must not contain a user or password; remove it")
    return value


Link = Annotated[str, AfterValidator(_public)]


class Service(Declared):
    """Something people rely on. Alerts belong to it; routes and dependencies refer to it."""

    team: str | None = Field(default=None, description="responsible team; label of its alerts", examples=["shop", "shop"])
    tier: Literal["critical", "standard", "low"] = Field(
        default="standard", description="how important it is; label of its alerts", examples=["critical"]
    )
    depends_on: tuple[str, ...] = Field(default=(), description="services it depends on", examples=[["shop-db"]])
    runbook: str | None = Field(
        default=None, description="runbook of its alerts, unless the check or rule has its own", examples=["shop-down"]
    )
    business: str | None = Field(default=None, description="what customers call it", examples=["Taking orders"])
    description: str | None = Field(
        default=None, description="one-sentence description", examples=[None, "PostgreSQL of the shop"]
    )
    links: tuple[Link, ...] = Field(
        default=(),
        description="URLs shown with it: dashboards, repositories",
        examples=[["https://grafana.example.org/d/shop"]],
    )


class During(Declared):
    """An urgency that depends on the hours: decided when an incident opens, and again whenever they begin or end."""

    during: str = Field(description="name of the hours")
    then: Urgency = Field(description="urgency while they are open")
    else_: Urgency = Field(alias="else", description="urgency while they are closed")

    def at(self, opened: Collection[str]) -> Urgency:
        """The urgency while these hours are open."""
        return self.then if self.during in opened else self.else_


class Route(Matching):
    """The first route that matches decides policy, urgency and hours."""

    policy: str = Field(description="escalation policy of its incidents", examples=["shop"])
    urgency: Urgency | During | None = Field(
        default=None,
        description="high, low, or by hours; default: critical and error are high",
        examples=[{"during": "office", "then": "high", "else": "low"}, "low"],
    )
    pages: str | None = Field(
        default=None,
        description="name of the hours: pages are held until they open; default: at once",
        examples=[None, "office"],
    )

    @property
    def hours(self) -> frozenset[str]:
        """The names of the hours that it depends on, but for those that a pattern fits."""
        named = {one.value for one in self.matchers if one.name == HOURS and one.op in (Op.EQUAL, Op.NOT_EQUAL)}
        named |= {self.urgency.during} if isinstance(self.urgency, During) else set()
        return frozenset(named | ({self.pages} if self.pages else set()))


class Step(Declared):
    """Whom to page, and how long to wait for an acknowledgement before the next step."""

    page: Targets = Field(min_length=1, description="user:NAME, team:NAME, schedule:NAME or channel:NAME; one or a list")
    wait: Duration = Field(default=WAIT, description="time until the next step, unless acknowledged; at least 1s")

    @field_validator("wait")
    @classmethod
    def _at_least_a_second(cls, wait: Duration) -> Duration:
        if wait.total_seconds() < 1:
            raise ValueError("must be at least 1s")
        return wait


class Policy(Declared):
    """Steps, in order. All steps run `repeat` more times; then `if_exhausted` is paged (default: platform.owners)."""

    steps: tuple[Step, ...] = Field(
        min_length=1,
        description="steps, in order; the first runs at once",
        examples=[[{"page": "schedule:primary", "wait": "10m"}, {"page": ["team:shop", "channel:webhook"]}]],
    )
    repeat: int = Field(default=0, ge=0, le=100, description="how many more times the steps run", examples=[1])
    ack_timeout: Duration | None = Field(
        default=None,
        description="if an acknowledged incident is not resolved or snoozed within this time, the policy restarts at"
        " step 1; default: never",
        examples=["30m"],
    )
    if_exhausted: Targets | None = Field(
        default=None,
        description="paged after the last step, every 30 minutes until acknowledged; default: platform.owners",
        examples=["user:ada"],
    )

    @property
    def targets(self) -> frozenset[str]:
        """Everything it names, steps and `if_exhausted`."""
        return frozenset(self.if_exhausted or ()).union(*(step.page for step in self.steps))


class Grouping(Matching):
    """Alerts whose `by` labels are equal join one incident."""

    by: tuple[str, ...] = Field(
        default=(),
        description="labels: alerts with equal values of these labels join one incident",
        examples=[["service"], ["alertname"]],
    )
    window: Duration = Field(
        default=parse_duration("10m"),
        description="alerts that join within it send nothing; later ones send one update",
        examples=["15m"],
    )
    reopen: Duration = Field(
        default=parse_duration("0s"),
        description="an alert within this time after resolution reopens the incident",
        examples=["10m"],
    )
    resolve_after: Duration = Field(
        default=parse_duration("0s"), description="the incident resolves this long after its last alert", examples=["2m"]
    )
    hold: Duration | None = Field(default=None, description="delay before the incident opens, cancelled by recovery")


class Channel(Declared):
    """Where messages are sent; the fields other than `kind` depend on the kind."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: str = Field(description="kind of channel")

    @property
    def options(self) -> dict[str, object]:
        """The kind's own fields."""
        return dict(self.model_extra or {})


def _reference(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s@]+|[\w.:\[\]-]+:\d{1,5}", value):
        raise ValueError(f"{value!r} is not a reference target; write https://HOST/ or HOST:PORT")
    return _public(value)


Reference = Annotated[str, AfterValidator(_reference)]


class Platform(Declared):
    """The people who run Tocsin itself."""

    owners: Targets = Field(
        default=(), description="paged after the last step of a policy without `if_exhausted`", examples=[["user:ada"]]
    )
    emergency: Targets = Field(default=(), description="paged when Tocsin itself fails", examples=[["user:ada"]])
    references: tuple[Reference, ...] = Field(
        default=(),
        max_length=10,
        description="URLs or HOST:PORT that are always reachable while Tocsin is online",
        examples=[["https://www.example.org/", "192.0.2.1:53"]],
    )


class Defaults(Declared):
    """Defaults for fields that are not set elsewhere."""

    timezone: str = Field(
        default="UTC",
        description="time zone of users, schedules, hours and heartbeats that do not set their own",
        examples=["Europe/Paris"],
    )


class Flapping(Declared):
    """How many state changes within a time count as flapping."""

    changes: int = Field(default=6, ge=2, description="number of state changes that count as flapping", examples=[6])
    within: Duration = Field(default=parse_duration("10m"), description="time within which they are counted", examples=["10m"])
    calm: Duration = Field(
        default=parse_duration("10m"), description="flapping ends after this time without a change", examples=["10m"]
    )


class Inhibit(Declared):
    """While an alert matches `when`, alerts that match `mute` with the same `equal` labels are suppressed."""

    when: Match = Field(description="matchers for the alert that suppresses others", examples=[['alertname="HostDown"']])
    mute: Match = Field(description="matchers for the alerts that it suppresses", examples=[['severity=~"warning|info"']])
    equal: tuple[str, ...] = Field(default=(), description="labels whose values must be equal in both", examples=[["host"]])


class Maintenance(Matching):
    """Planned work, once (`from`, `to`) or recurring (`rrule`, `at`, `for`): alerts that match are recorded and suppressed."""

    rrule: str | None = Field(
        default=None, description="recurrence (RFC 5545), with `at` and `for`", examples=["FREQ=MONTHLY;BYDAY=2TU"]
    )
    at: str | None = Field(default=None, description="local time at which a recurrence begins", examples=["22:00"])
    for_: Duration | None = Field(default=None, alias="for", description="duration of a recurrence", examples=["2h"])
    from_: str | None = Field(
        default=None, alias="from", description="start of one-time maintenance", examples=[None, "2027-01-09T20:00"]
    )
    to: str | None = Field(default=None, description="end of one-time maintenance", examples=[None, "2027-01-09T23:00"])
    timezone: str | None = Field(default=None, description="time zone; default: defaults.timezone")
    reason: str = Field(
        default="",
        description="shown with the alerts that it suppresses",
        examples=["patches", "everything moves to a new rack"],
    )


class Audience(Matching):
    """People who are informed, never paged."""

    via: Targets = Field(description="where they are informed, e.g. channel:NAME", examples=["channel:webhook"])
    events: tuple[Literal["opened", "acknowledged", "updated", "resolved"], ...] = Field(
        default=("opened", "resolved"),
        description="what they are informed about",
        examples=[["opened", "acknowledged", "resolved"]],
    )
    template: str | None = Field(default=None, description="name of the template of their messages", examples=["business"])


class Planned(Declared):
    """Reserved; its fields are not defined yet, so any are accepted."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Declaration(NamedTuple):
    """One declared thing in its stored form."""

    kind: str
    name: str
    position: int
    spec: Mapping[str, Any]
    origin: str  # FILE:LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A configuration that came into force, without its files."""

    id: int
    applied_at: datetime
    applied_by: str
    digest: str
    changes: Sequence[Mapping[str, str]]
