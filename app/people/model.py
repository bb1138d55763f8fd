"""People: who they are, what they may do, how they are reached. `User` and `Team` are the YAML form as well."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.units import Duration, parse_duration

INBOX = "inbox"
FIRST_ADMIN = "admin"  # made by the first start; files may name it without declaring it


class Urgency(StrEnum):
    """How a person is reached: `notify.high` or `notify.low`."""

    HIGH = "high"
    LOW = "low"


def highest(*urgencies: Urgency) -> Urgency:
    """High if any of them is."""
    return Urgency.HIGH if Urgency.HIGH in urgencies else Urgency.LOW


class Role(StrEnum):
    """What somebody may do; each role includes those before it."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    EDITOR = "editor"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 (viewer) to 3 (admin)."""
        return list(Role).index(self)

    @property
    def pageable(self) -> bool:
        """Whether somebody of this role may be paged, and so hold a pager."""
        return self is not Role.VIEWER


def known_zone(name: str) -> str:
    """`name` if the time zone exists. Raises ValueError."""
    if name not in _zones():
        near = get_close_matches(name, _zones(), n=1, cutoff=0.8)
        hint = f' (did you mean "{near[0]}"?)' if near else "; write one like Europe/Paris"
        raise ValueError(f"{name!r} is not a time zone{hint}")
    return name


def _zones() -> frozenset[str]:
    global _ZONES
    if not _ZONES:
        _ZONES = frozenset(available_timezones())
    return _ZONES


_ZONES: frozenset[str] = frozenset()
Zone = Annotated[str, AfterValidator(known_zone)]


def wall_time(value: object) -> object:
    """`"22:00"` -> time. Raises ValueError."""
    if isinstance(value, str):
        try:
            return time.fromisoformat(value)
        except ValueError:
            raise ValueError(f'{value!r} is not a time of day; write "22:00"') from None
    return value


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ContactSpec(_Frozen):
    """A contact whose name is not its channel's."""

    channel: str = Field(description="channel of this contact")
    to: str = Field(description="address in that channel")


class NotifyRule(_Frozen):
    """One contact of a `notify` list, `after` the step began."""

    contact: str = Field(description="name of a contact, or inbox")
    after: Duration = Field(default=parse_duration("0s"), description="delay from the start of the step")


Rules = Annotated[
    tuple[Annotated[NotifyRule, BeforeValidator(lambda v: {"contact": v} if isinstance(v, str) else v)], ...],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]


class Notify(_Frozen):
    """Which contacts, in order, by urgency; None = the default of that urgency."""

    high: Rules | None = Field(default=None, description="at high urgency; default: all contacts, in order, at once")
    low: Rules | None = Field(default=None, description="at low urgency; default: the inbox and the first contact")


class QuietHours(_Frozen):
    """Low-urgency pages wait until `to`, in their zone."""

    from_: Annotated[time, BeforeValidator(wall_time)] = Field(alias="from", description="local time at which they begin")
    to: Annotated[time, BeforeValidator(wall_time)] = Field(description="local time at which they end")


class User(_Frozen):
    """A person; the key in the map is the login."""

    name: str | None = Field(default=None, description="display name; default: the login", examples=["Ada", "Bo"])
    role: Role = Field(default=Role.RESPONDER, description="what they may do; a viewer cannot be paged", examples=["admin"])
    timezone: Zone | None = Field(
        default=None, description="time zone; default: defaults.timezone", examples=[None, "America/New_York"]
    )
    contacts: dict[str, str | ContactSpec] = Field(
        default_factory=dict,
        description="`contact: address`, or `contact: {channel, to}`; the contact has the name of its channel unless"
        " the map names another channel",
        examples=[
            {"email": "ada@example.org", "phone": {"channel": "webhook", "to": "+33600000001"}},
            {"email": "bo@example.org"},
        ],
    )
    notify: Notify = Field(
        default=Notify(),
        description="which contacts are used, by urgency: a list of contacts, or of maps with `contact` and `after`",
        examples=[{"high": ["phone", {"contact": "email", "after": "2m"}], "low": ["email"]}],
    )
    quiet_hours: QuietHours | None = Field(
        default=None,
        description="low-urgency pages are held during these hours, in the person's time zone",
        examples=[None, {"from": "22:00", "to": "07:00"}],
    )

    @model_validator(mode="after")
    def _known_contacts(self) -> "User":
        for urgency in ("high", "low"):
            for rule in getattr(self.notify, urgency) or ():
                if rule.contact != INBOX and rule.contact not in self.contacts:
                    have = ", ".join([INBOX, *self.contacts])
                    raise ValueError(f'notify.{urgency} names contact "{rule.contact}", which is not among {have}')
        return self


class Team(_Frozen):
    """People who are responsible for services."""

    name: str | None = Field(default=None, description="display name; default: the key", examples=["Shop"])
    members: tuple[str, ...] = Field(default=(), description="users; `team:NAME` pages all of them", examples=[["ada", "bo"]])


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach one person."""

    name: str
    channel: str
    to: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """A user in force, declared or local."""

    login: str
    user: User
    declared: bool
    zone: ZoneInfo

    @property
    def title(self) -> str:
        """The name people call them."""
        return self.user.name or self.login

    @property
    def role(self) -> Role:
        return self.user.role

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """In order, the inbox first: everyone has one."""
        own = tuple(
            Contact(name, name, spec) if isinstance(spec, str) else Contact(name, spec.channel, spec.to)
            for name, spec in self.user.contacts.items()
        )
        return (Contact(INBOX, INBOX, None), *own)


@dataclass(frozen=True, slots=True)
class Directory:
    """Everybody there is, by login, and the teams by name."""

    people: Mapping[str, Person]
    teams: Mapping[str, Team]

    @property
    def pageable(self) -> frozenset[str]:
        """The logins of everybody who can be paged: who is here and not a viewer. The one answer to that question."""
        return frozenset(login for login, person in self.people.items() if person.role.pageable)

    @property
    def admins(self) -> list[str]:
        """The logins of those who may do everything, in order."""
        return sorted(login for login, person in self.people.items() if person.role is Role.ADMIN)

    def teams_of(self, login: str) -> tuple[str, ...]:
        """The names of the teams that this login is in."""
        return tuple(name for name, team in self.teams.items() if login in team.members)

    def why_not(self, login: str) -> str:
        """Why this login cannot be paged; empty for one who can."""
        person = self.people.get(login)
        if person is None:
            return f'user "{login}" not found'
        return "" if person.role.pageable else f"{login} is a viewer"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person, or an integration, or Tocsin itself (`login` None)."""

    login: str | None
    role: Role
    via: str  # console, api, cli, link, system


SYSTEM = Actor(None, Role.ADMIN, "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One stored line of the audit."""

    id: int
    at: datetime
    actor: str | None  # a login; None: Tocsin itself
    via: str
    action: str
    object: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A person's API token as it is shown."""

    id: str
    login: str
    name: str
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session of the console as its person sees it."""

    id: str
    login: str
    epoch: int
    agent: str  # what the browser calls itself
    address: str
    began_at: datetime
    seen_at: datetime
