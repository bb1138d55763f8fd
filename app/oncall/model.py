"""On-call: schedules as they are written, and what follows from them. `Schedule` and its parts are the YAML form as well."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.oncall.notation import WEEKDAYS, Between, Bound, Day, EndTime, HandoffTime, StartTime, Text, Unit, Weekday
from app.people.model import Zone
from app.walltime import stamp


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Only(_Written):
    """Local times a layer is limited to; `days` are those on which the range begins (none = every day)."""

    days: tuple[Weekday, ...] | None = Field(
        default=None,
        description="days on which a range begins; default: every day",
        examples=[["mon", "tue", "wed", "thu", "fri"]],
    )
    from_: StartTime = Field(alias="from", description="local time at which it begins", examples=["09:00"])
    to: EndTime = Field(
        description='local time at which it ends; if not after `from`, on the next day; "24:00" is allowed', examples=["18:00"]
    )

    @field_validator("days")
    @classmethod
    def _some_day(cls, days: tuple[Weekday, ...] | None) -> tuple[Weekday, ...] | None:
        if days == ():
            raise ValueError("days is empty: never open; omit days for every day")
        return days

    @property
    def weekdays(self) -> frozenset[int]:
        """Monday = 0."""
        return frozenset(range(7) if self.days is None else (WEEKDAYS.index(day) for day in self.days))

    @property
    def length(self) -> timedelta:
        """From begin to end on the wall, more than 0 and at most 24 h."""
        return self.to - self.from_ if self.to > self.from_ else self.to - self.from_ + timedelta(days=1)


class Layer(_Written):
    """One rotation; the first listed user begins."""

    name: Text = Field(description="name of the layer")
    users: tuple[Text, ...] = Field(min_length=1, description="users, in the order of rotation")
    every: Between = Field(description="length of a shift: Nw or Nd in calendar weeks or days, or Nh in elapsed hours")
    handoff: HandoffTime = Field(description="wall-clock time in the schedule's zone, with a weekday for Nw")
    start: Day = Field(description="day of the first shift, or of the first handoff's weekday on or after it")
    only: tuple[Only, ...] = Field(default=(), description="local times to which the layer is limited; default: always")
    until: Day | None = Field(default=None, description="day from which it has nobody on call")

    @model_validator(mode="after")
    def _fits(self) -> "Layer":
        wrong = []
        if self.every.unit is Unit.WEEKS and self.handoff.weekday is None:
            wrong.append(f'every {self.every} needs a weekday in handoff; write "Mon {self.handoff}"')
        if self.every.unit is Unit.DAYS and self.handoff.weekday is not None:
            clock = str(self.handoff).partition(" ")[2]
            wrong.append(f'every {self.every} cannot have a weekday in handoff; write "{clock}", or count in weeks')
        if self.until is not None and self.until <= self.start:
            wrong.append(f"until {self.until} is not after start {self.start}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class OverrideSpec(_Written):
    """An override as written in the files; without an offset in the schedule's zone."""

    user: Text = Field(description="who is on call instead")
    from_: Bound = Field(alias="from", description="start; in the schedule's zone unless it has an offset")
    to: Bound = Field(description="end, exclusive")
    reason: Text | None = Field(default=None, description="shown with the override")

    @model_validator(mode="after")
    def _forwards(self) -> "OverrideSpec":
        comparable = (self.from_.tzinfo is None) == (self.to.tzinfo is None)
        if comparable and self.to <= self.from_:
            raise ValueError("to is not after from")
        return self


class Schedule(_Written):
    """Who is on call when. The last layer that has somebody on call wins; overrides win over layers."""

    timezone: Zone | None = Field(default=None, description="time zone; default: defaults.timezone", examples=["Europe/Paris"])
    layers: tuple[Layer, ...] = Field(
        description="rotations; the last one that has somebody on call wins",
        examples=[
            [
                {"name": "week", "users": ["ada", "bo"], "every": "1w", "handoff": "Mon 09:00", "start": "2026-11-02"},
                {
                    "name": "nights",
                    "users": ["bo"],
                    "every": "1d",
                    "handoff": "22:00",
                    "start": "2026-11-02",
                    "only": [{"from": "22:00", "to": "06:00"}],
                },
            ]
        ],
    )
    overrides: tuple[OverrideSpec, ...] = Field(
        default=(),
        description="win over layers; if two overlap, the last one wins",
        examples=[[{"user": "bo", "from": "2026-12-24T18:00", "to": "2026-12-26T09:00", "reason": "holidays"}]],
    )

    @field_validator("layers")
    @classmethod
    def _distinct(cls, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        names = [layer.name for layer in layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'two layers are named "{twice[0]}"; names must be unique')
        return layers

    def zone(self, default: ZoneInfo) -> ZoneInfo:
        """The zone its wall clocks hang in."""
        return default if self.timezone is None else ZoneInfo(self.timezone)


class Kind(StrEnum):
    """What a change of the schedule does: take over all, or one person's part."""

    OVERRIDE = "override"
    SWAP = "swap"


class Source(StrEnum):
    """Why somebody is on call."""

    LAYER = "layer"
    OVERRIDE = "override"
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class Override:
    """`user` holds from `start` to `end` (half-open, UTC); a swap only where `replaces` would hold."""

    schedule: str
    user: str
    start: datetime
    end: datetime
    reason: str = ""
    made_at: datetime | None = None  # None: written in the files, so made before any made elsewhere
    kind: Kind = Kind.OVERRIDE
    replaces: str | None = None  # for a swap
    id: int | None = None  # None: written in the files, or not saved yet
    made_by: str | None = None

    def __str__(self) -> str:
        """As a sentence names it; times in UTC."""
        whom = f"{self.user} for {self.replaces}" if self.replaces else self.user
        return f"{self.kind} by {whom} from {stamp(self.start)} to {stamp(self.end)}"


@dataclass(frozen=True, slots=True)
class Idle:
    """An override or swap that holds nobody, because of somebody it names; what is below it holds."""

    override: Override
    because: str

    def __str__(self) -> str:
        return f"{self.override} is ignored: {self.because}"


@dataclass(frozen=True, slots=True)
class ListedOverride:
    """An override or swap in the list of a schedule. ignored: why it holds nobody; origin: FILE:LINE of one in the files."""

    override: Override
    ignored: str | None
    origin: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, half-open, UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Shift:
    """`user` is on call from `start` to `end` (half-open, UTC)."""

    user: str
    start: datetime
    end: datetime
    source: Source
    layer: str | None  # None for overrides and swaps

    def between(self, start: datetime, end: datetime) -> "Shift":
        """The part within [start, end), which must not be empty."""
        if start <= self.start and self.end <= end:
            return self
        return Shift(self.user, max(start, self.start), min(end, self.end), self.source, self.layer)


@dataclass(frozen=True, slots=True)
class On:
    """Who is on call at an instant; `users` is empty in a gap.

    since, until: how long these users hold, or the gap lasts, whatever the source; None = beyond the horizon.
    """

    users: tuple[str, ...]
    since: datetime | None
    until: datetime | None
