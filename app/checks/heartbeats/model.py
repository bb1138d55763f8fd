"""Heartbeats: what is expected of a job, what was heard of it, how it stands. `Heartbeat` is the YAML form as well. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, field_validator, model_validator

from app.catalog.model import Declared, Family, Severity
from app.checks.pause import Pause
from app.reason import Reasons
from app.sentence import lower_first
from app.units import Duration, parse_duration


def _cron(value: str) -> str:
    fields = value.split()
    try:
        if len(fields) != 5:
            raise CronSimError(f"{len(fields)} fields")
        next(CronSim(value, datetime(2026, 1, 1, tzinfo=UTC)))
    except StopIteration:
        raise ValueError(f"{value!r} never occurs") from None
    except CronSimError as error:
        why = lower_first(str(error))
        raise ValueError(f'{value!r} is not a cron expression ({why}); write five fields: "15 2 * * *"') from None
    return value


BODY = 10_000  # bytes of a ping's body that are kept, as the header Ping-Body-Limit says
SLUG = 100  # characters of a slug, as in Healthchecks
Cron = Annotated[str, AfterValidator(_cron)]


class Heartbeat(Declared):
    """An expected ping from a job; if it does not arrive, an alert fires."""

    service: str | None = Field(default=None, description="service of its alerts", examples=["shop-db", "shop"])
    cron: Cron | None = Field(
        default=None, description="when a ping is due: five fields, in `timezone`; or use `every`", examples=["15 2 * * *"]
    )
    every: Duration | None = Field(
        default=None, description="longest time between two pings; or use `cron`", examples=[None, "1h"]
    )
    timezone: str | None = Field(default=None, description="zone of `cron`; default: `defaults.timezone`")
    grace: Duration = Field(
        default=parse_duration("5m"),
        description="how late a ping may arrive, and how long a run may take",
        examples=["30m", "10m"],
    )
    severity: Severity = Field(default=Severity.ERROR, description="severity of its alerts", examples=["critical", "warning"])
    summary: str | None = Field(
        default=None,
        description="template; supports {{ heartbeat }}, {{ because }} and {{ labels.NAME }}",
        examples=["Last night's backup is missing"],
    )
    runbook: str | None = Field(default=None, description="name of the runbook of its alerts")
    family: Family = Field(default="health", description="family of its alerts")
    labels: dict[str, str] = Field(default_factory=dict, description="labels of its alerts")

    @field_validator("every")
    @classmethod
    def _at_least_a_second(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value.total_seconds() < 1:
            raise ValueError("must be at least 1s")
        return value

    @model_validator(mode="after")
    def _one_schedule(self) -> "Heartbeat":
        if (self.cron is None) == (self.every is None):
            raise ValueError('write either every: 1h or cron: "15 2 * * *"')
        return self


class HeartbeatState(StrEnum):
    """How a heartbeat stands as far as its alert is concerned."""

    NEW = "new"  # never pinged, or not since it failed, was removed and came back: it cannot alert
    UP = "up"
    DOWN = "down"  # its alert is on
    PAUSED = "paused"  # until it is resumed or pinged, or its pause is over


class Cause(StrEnum):
    """Why it is down."""

    NONE = ""
    SILENT = "silent"  # no ping came
    OVERRUN = "overrun"  # a run started and did not end
    FAILED = "failed"  # the job said so


class Kind(StrEnum):
    """What a ping says."""

    SUCCESS = "success"
    START = "start"
    FAIL = "fail"
    LOG = "log"  # only noted


@dataclass(frozen=True, slots=True)
class Expectation:
    """When pings are due: `every` after the last one, or at the instants of `cron` in `zone`; both with `grace`."""

    zone: ZoneInfo
    grace: timedelta
    every: timedelta | None = None
    cron: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping as kept; `n` counts from 1. `tail` is the last line of a failure's body."""

    n: int
    at: datetime
    kind: Kind
    exit_status: int | None = None
    rid: str | None = None
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way; `rid` is what its pings carry, None for a job that sends none."""

    rid: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Beat:
    """Where a heartbeat stands. `counts_from` is the instant from which the next ping is expected."""

    state: HeartbeatState = HeartbeatState.NEW
    cause: Cause = Cause.NONE
    reasons: Reasons = ()
    since: datetime | None = None  # when it came into this state
    counts_from: datetime | None = None
    last_ping: datetime | None = None  # the last success or failure
    last_start: datetime | None = None
    runs: tuple[Run, ...] = ()  # under way, the oldest first
    run_seconds: float | None = None  # of the last run that was measured


@dataclass(frozen=True, slots=True)
class Assessment:
    """A look at a heartbeat: how it stands now, when its next ping is expected, and when silence becomes its alert."""

    beat: Beat
    expected_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatRecord:
    """A heartbeat as stored: what is declared, how it stands, how far its pings are judged."""

    id: int
    name: str
    uuid: UUID
    slug: str
    origin: str  # config, or ping: made by `?create=1`
    spec: Heartbeat
    zone: str
    beat: Beat
    expected_at: datetime | None
    due_at: datetime | None  # when silence becomes its alert
    pings: int
    judged: int  # number of the last ping taken into account
    pause: Pause | None  # while it is paused

    @property
    def expectation(self) -> Expectation:
        return Expectation(ZoneInfo(self.zone), self.spec.grace, self.spec.every, self.spec.cron)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedHeartbeat:
    """A heartbeat that was removed, as it stood then."""

    id: int
    name: str
    pings: int
    beat: Beat


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a heartbeat's row becomes after a look: `judged` is the last ping's number, `look_at` when to look again."""

    id: int
    assessment: Assessment
    judged: int
    look_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingRecord:
    """A ping as stored, with as much of its body as was asked for."""

    n: int
    at: datetime
    kind: Kind
    exit_status: int | None
    rid: str | None
    seconds: float | None  # how long the run took that it ended
    method: str
    remote: str
    agent: str
    body: bytes = field(repr=False)
    body_bytes: int  # of the whole body

    @property
    def text(self) -> str:
        """Its body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended: `kind` is success or fail, `seconds` None where its start is unknown."""

    at: datetime
    kind: Kind
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """How long a run of the heartbeat with this id and name took; `n` and `at` are of the ping that ended it."""

    id: int
    name: str
    n: int
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class PingRequest:
    """A ping as it comes in, before anybody knows whose it is: by `uuid`, or by `slug`."""

    kind: Kind
    uuid: str | None = None
    slug: str | None = None
    exit_status: int | None = None
    rid: str | None = None
    method: str = ""
    remote: str = ""
    agent: str = ""
    body: bytes = field(default=b"", repr=False)
