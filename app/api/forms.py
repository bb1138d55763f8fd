"""Response types: lists, and types that only the API uses. Others are beside the function that builds them, as `Public...`."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Generic, NotRequired, TypeVar

from typing_extensions import TypedDict

from app.checks.probe import Status
from app.configfile.diff import Action
from app.escalation.model import ObligationState
from app.people.model import Role, Urgency
from app.wording import PublicReason

T = TypeVar("T")


class Listed(TypedDict, Generic[T]):
    """A page of a list; `next` is the cursor of the next page, null on the last."""

    items: list[T]
    next: str | None


class PublicReceipt(TypedDict):
    """An event that was accepted."""

    key: str
    trace_id: str


class PublicAccepted(TypedDict):
    """What was accepted; committed when the response is sent."""

    accepted: int
    events: list[PublicReceipt]


class PublicFault(TypedDict):
    """One invalid field; `index` counts events from 0."""

    index: int | None
    field: str
    detail: str


class PublicProblem(TypedDict):
    """An error (RFC 9457); the same `trace_id` is in the log."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    trace_id: str | None
    errors: NotRequired[list[PublicFault]]


class PublicCause(TypedDict):
    """Why a result is unknown, where that is known by code."""

    code: str
    facts: dict[str, Any]


class PublicResult(TypedDict):
    """A stored result of a check."""

    at: datetime
    status: Status
    message: str
    seconds: float
    metrics: Mapping[str, float]
    reason: PublicCause | None


class PublicSample(TypedDict):
    """A stored value of a metric."""

    metric: str
    at: datetime
    value: float
    labels: Mapping[str, str]


class PublicSlice(TypedDict):
    """A time slice that starts at `at`: its lowest, mean and highest value."""

    at: datetime
    low: float
    mean: float
    high: float


class PublicCurve(TypedDict):
    """One label set of a metric, in slices."""

    labels: Mapping[str, str]
    slices: list[PublicSlice]


class PublicValue(TypedDict):
    """A value of a metric with several label sets."""

    metric: str
    labels: dict[str, str]
    value: float


class PublicRun(TypedDict):
    """The result of a run on demand, with the queue and the Celery task that ran it."""

    status: Status
    message: str
    reason: PublicCause | None
    metrics: dict[str, float]
    series: list[PublicValue]
    seconds: float
    queue: str
    task_id: str


class PublicRunItem(TypedDict):
    """One check of a run of many; it has a result once `done_at` is set."""

    name: str
    task_id: str
    done_at: datetime | None
    status: NotRequired[Status]
    message: NotRequired[str]
    reason: NotRequired[PublicCause | None]
    metrics: NotRequired[dict[str, float]]
    seconds: NotRequired[float]


class PublicRuns(TypedDict):
    """Progress of a run of many checks."""

    id: str
    asked_at: datetime
    asked_by: str | None
    total: int
    done: int
    items: list[PublicRunItem]


class PublicBaseline(TypedDict):
    """The accepted baseline of a check, its newest observation, and the names in which they differ."""

    check: str
    accepted: dict[str, str]
    accepted_at: datetime
    accepted_by: str | None
    observed: dict[str, str]
    observed_at: datetime
    added: list[str]
    gone: list[str]
    changed: list[str]


# `from` is a keyword
PublicOnly = TypedDict("PublicOnly", {"days": list[str] | None, "from": str, "to": str})
PublicOnly.__doc__ = "Local times to which a layer is limited; `days` null means every day."


class PublicLayer(TypedDict):
    """A layer of a schedule as in the configuration; from the day `until` it has nobody on call."""

    name: str
    users: list[str]
    every: str
    handoff: str
    start: date
    only: list[PublicOnly]
    until: date | None


class PublicSchedule(TypedDict):
    """A schedule."""

    name: str
    timezone: str
    layers: list[PublicLayer]
    feed_url: str | None


class PublicObligation(TypedDict):
    """An obligation to notify `target` in a step; `step` is null once escalation is exhausted."""

    id: int
    incident: int
    generation: int
    round: int
    step: int | None
    target: str
    user: str | None
    state: ObligationState
    made_at: datetime
    reason: str
    reasons: list[PublicReason]


class PublicIntegration(TypedDict):
    """An integration; `key` and `url` are null for users below editor."""

    name: str
    kind: str
    key: str | None
    url: str | None


class PublicFinding(TypedDict):
    """A configuration warning: location, code and facts for programs, a message for people."""

    file: str
    line: int
    code: str
    path: str
    facts: dict[str, Any]
    message: str


class PublicVersion(TypedDict):
    """The active version of the configuration; 0 is none. `counts`: declared objects by kind."""

    version: int
    applied_at: datetime | None
    applied_by: str | None
    digest: str | None
    counts: dict[str, int]
    files: NotRequired[Mapping[str, str]]


class PublicChange(TypedDict):
    """One change of the configuration."""

    action: Action
    kind: str
    name: str
    detail: str


class PublicPlan(TypedDict):
    """What would change; `paging`: how paging would differ, in sentences."""

    changes: list[PublicChange]
    paging: list[str]
    warnings: list[PublicFinding]


class PublicApplied(TypedDict):
    """The version that is now active, and what changed."""

    version: int
    changes: list[PublicChange]
    warnings: list[PublicFinding]


class PublicContact(TypedDict):
    """A contact of another user, without its address."""

    name: str
    channel: str


class PublicOwnContact(PublicContact):
    """A contact of your own; the inbox has no address."""

    to: str | None


class PublicUser(TypedDict):
    """A user; `declared`: in the configuration."""

    login: str
    name: str
    role: Role
    timezone: str
    declared: bool
    contacts: list[PublicContact]


class PublicRule(TypedDict):
    """A contact of a notification rule; `after` is in seconds from the start of the step."""

    contact: str
    after: float


class PublicNotify(TypedDict):
    """Notification rules by urgency; null is the default of that urgency."""

    high: list[PublicRule] | None
    low: list[PublicRule] | None


PublicQuietHours = TypedDict("PublicQuietHours", {"from": str, "to": str})  # `from` is a keyword
PublicQuietHours.__doc__ = "Local times between which low-urgency pages are held."


class PublicReach(TypedDict):
    """One contact that a page would use, and when."""

    urgency: Urgency
    at: datetime
    contact: str
    channel: str
    reason: str


class PublicMe(TypedDict):
    """The user of the token, and the schedules in which they are on call now. `origin`: FILE:LINE of a declared user."""

    login: str
    name: str
    role: Role
    timezone: str
    declared: bool
    contacts: list[PublicOwnContact]
    on_call: list[str]
    notify: PublicNotify
    quiet_hours: PublicQuietHours | None
    origin: str | None
