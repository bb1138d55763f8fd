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


Family = Literal["health", "performance", "business", "security"]


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

    match: Match = Field(default=(), description="matchers, ANDed")

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
        raise ValueError("is shown to everybody, so it may not hold a user or password; leave that out")
    return value


Link = Annotated[str, AfterValidator(_public)]


class Service(Declared):
    """Something people care about; alerts name it, routes and dependencies hang on it."""

    team: str | None = None
    tier: Literal["critical", "standard", "low"] = "standard"
    depends_on: tuple[str, ...] = ()
    runbook: str | None = None
    business: str | None = Field(default=None, description="what customers would call it")
    description: str | None = None
    links: tuple[Link, ...] = ()


class During(Declared):
    """An urgency that depends on the hours: decided when an incident opens, and again whenever they begin or end."""

    during: str = Field(description="name of the hours")
    then: Urgency = Field(description="while they are open")
    else_: Urgency = Field(alias="else", description="while they are not")

    def at(self, opened: Collection[str]) -> Urgency:
        """The urgency while these hours are open."""
        return self.then if self.during in opened else self.else_


class Route(Matching):
    """The first route that matches decides policy, urgency and hours."""

    policy: str
    urgency: Urgency | During | None = Field(
        default=None, description="high, low, or by hours; default: critical and error are high"
    )
    pages: str | None = Field(default=None, description="name of the hours: pages wait until they are open; default: at once")

    @property
    def hours(self) -> frozenset[str]:
        """The names of the hours that it depends on, but for those that a pattern fits."""
        named = {one.value for one in self.matchers if one.name == HOURS and one.op in (Op.EQUAL, Op.NOT_EQUAL)}
        named |= {self.urgency.during} if isinstance(self.urgency, During) else set()
        return frozenset(named | ({self.pages} if self.pages else set()))


class Step(Declared):
    """Whom to page, and how long to wait for an acknowledgement before the next step."""

    page: Targets = Field(min_length=1)
    wait: Duration = Field(default=parse_duration("5m"))

    @field_validator("wait")
    @classmethod
    def _at_least_a_second(cls, wait: Duration) -> Duration:
        if wait.total_seconds() < 1:
            raise ValueError("a wait is at least 1s")
        return wait


class Policy(Declared):
    """Steps in order; the list runs `repeat` more times; then `if_exhausted` (default: platform.owners)."""

    steps: tuple[Step, ...] = Field(min_length=1)
    repeat: int = Field(default=0, ge=0, le=100)
    ack_timeout: Duration | None = Field(default=None, description="acknowledged this long without an end: start again")
    if_exhausted: Targets | None = None

    @property
    def targets(self) -> frozenset[str]:
        """Everything it names, steps and `if_exhausted`."""
        return frozenset(self.if_exhausted or ()).union(*(step.page for step in self.steps))


class Grouping(Matching):
    """Alerts whose `by` labels are equal join one incident."""

    by: tuple[str, ...] = ()
    window: Duration = Field(default=parse_duration("10m"), description="joining within it sends nothing")
    reopen: Duration = Field(default=parse_duration("0s"), description="a new alert this soon after the end reopens")
    resolve_after: Duration = Field(default=parse_duration("0s"), description="quiet time before the incident ends")
    hold: Duration | None = Field(default=None, description="wait before the incident opens (not active yet)")


class Channel(Declared):
    """A way out; the fields beside `kind` are those of the kind's own Spec (app/notify/channels)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: str

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
    """Who runs Tocsin itself."""

    owners: Targets = ()
    emergency: Targets = ()
    references: tuple[Reference, ...] = Field(
        default=(), max_length=10, description="URLs or host:port that tell whether the prober itself is cut off"
    )


class Defaults(Declared):
    """What holds where nothing else is said."""

    timezone: str = "UTC"


class Flapping(Declared):
    """State changes within a time that count as flapping."""

    changes: int = Field(default=6, ge=2)
    within: Duration = Field(default=parse_duration("10m"))
    calm: Duration = Field(default=parse_duration("10m"))


class Inhibit(Declared):
    """While an alert matches `when`, alerts that match `mute` with the same `equal` labels stay quiet."""

    when: Match
    mute: Match
    equal: tuple[str, ...] = ()


class Maintenance(Matching):
    """Planned work: alerts that match are recorded and page nobody."""

    rrule: str | None = None
    at: str | None = None
    for_: Duration | None = Field(default=None, alias="for")
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    timezone: str | None = None
    reason: str = ""


class Audience(Matching):
    """People who are informed, never paged."""

    via: Targets
    events: tuple[Literal["opened", "acknowledged", "updated", "resolved"], ...] = ("opened", "resolved")
    template: str | None = None


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
