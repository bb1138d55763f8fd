"""Tocsin's own events: `{"events": [{"key", "status", "severity", "summary", "service", "labels", ...}]}`.

For scripts, webhooks with a configurable body, and `tocsin send`. One invalid event rejects the entire call.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from app.catalog.model import Family, Severity
from app.errors import Fault, Invalid, TooLarge
from app.reason import Code, Reason
from app.signals.model import SUMMARY_LIMIT, Signal, SignalStatus, labels_key, name_of
from app.signals.payload import decode
from app.units import counted
from app.validation import explain, place
from app.walltime import YEARS, parse_instant

EVENTS, VALUE = 5_000, 4 << 10
ENDED = (Reason(Code.RESOLVED_BY_SENDER),)


def _storable(at: datetime) -> datetime:
    """PostgreSQL takes years that Python cannot read back; such an alert could never be shown again."""
    if at.year not in YEARS:
        raise ValueError(f"is not within the years {YEARS.start} to {YEARS.stop - 1}")
    return at.astimezone(UTC)


def _written(value: object) -> object:
    return parse_instant(value) if isinstance(value, str) else value


# Every alert of a storm passes here: a validator of ours for each text would take longer than all the rest, see `_texts`.
Text = StrictStr
Name = Annotated[Text, Field(min_length=1, max_length=128)]
Value = Annotated[Text, Field(max_length=VALUE)]


class Event(BaseModel):
    """One event as it may be sent."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[Text, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="the alert's identity; default: the fingerprint of the labels", examples=["disk-db1"]
    )
    status: Literal["firing", "resolved"] = Field(default="firing", description="firing or resolved")
    severity: Severity = Field(default=Severity.ERROR, description="severity", examples=["critical"])
    summary: Annotated[Text, Field(max_length=SUMMARY_LIMIT)] | None = Field(
        default=None, description="title of the page; default: the alertname", examples=["The disk of db1 is full"]
    )
    service: Annotated[Text, Field(max_length=256)] | None = Field(
        default=None, description="affected service; does not have to be declared", examples=["shop-db"]
    )
    family: Family | None = Field(default=None, description="health, performance, business or security")
    labels: Annotated[dict[Name, Value], Field(max_length=64)] = Field(
        default_factory=dict, description="at most 64 labels; values are text of at most 4 KiB", examples=[{"host": "db1"}]
    )
    annotations: Annotated[dict[Name, Value], Field(max_length=64)] = Field(default_factory=dict, description="additional text")
    starts_at: Annotated[AwareDatetime, AfterValidator(_storable), BeforeValidator(_written)] | None = Field(
        default=None, description="RFC 3339 with offset; default: now", examples=["2026-11-02T09:00:00+01:00"]
    )
    links: Annotated[list[Annotated[Text, Field(max_length=2048)]], Field(max_length=20)] = Field(
        default_factory=list, description="URLs", examples=[["https://grafana.example.org/d/disk"]]
    )
    runbook: Annotated[Text, Field(max_length=256)] | None = Field(default=None, description="name of the runbook")


_EVENTS = TypeAdapter(list[Event])


def parse(body: bytes, source: str, service: str | None = None, trace: str = "") -> list[Signal]:
    """The signals of one call, in order, each with a trace of its own.

    Raises TooLarge, or Invalid with a fault for every error of every event.
    """
    document = decode(body)
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise Invalid('the body must be {"events": [...]}', [Fault("events", "missing, or not a list")])
    if len(events) > EVENTS:
        raise TooLarge(f"{len(events)} events in one call; at most {EVENTS} are allowed")
    unknown = set(document) - {"events"}
    faults = [Fault(name, "unknown field") for name in sorted(unknown)]
    try:
        read = _EVENTS.validate_python(events)
    except ValidationError as error:
        read = []
        faults += [_fault(one) for one in error.errors(include_url=False, include_input=False)]
    faults += _texts(events, may_have_nul=b"\\u0000" in body)
    faults += [_nameless(index) for index, event in enumerate(read) if not _named(event)]
    if faults:
        faults.sort(key=lambda one: -1 if one.index is None else one.index)
        raise Invalid(f"{counted(len(faults), 'error')} in {counted(len(events), 'event')}; nothing was accepted", faults)
    return [_signal(event, source, service, f"{trace}-{index}") for index, event in enumerate(read)]


def _signal(event: Event, source: str, service: str | None, trace: str) -> Signal:
    labels: Mapping[str, str] = {name: value for name, value in event.labels.items() if value}
    key = event.key or labels_key(_about(event, labels))
    name = name_of(labels, event.key, event.summary) or key
    ended = event.status == "resolved"
    return Signal(
        source=source,
        key=key,
        status=SignalStatus.RESOLVED if ended else SignalStatus.FIRING,
        summary=event.summary or name,
        severity=event.severity,
        alertname=name,
        service=event.service or labels.get("service") or service,
        family=event.family,
        labels=labels,
        annotations=event.annotations,
        links=tuple(event.links),
        starts_at=event.starts_at,
        runbook=event.runbook,
        reasons=ENDED if ended else (),
        trace=trace,
    )


def _about(event: Event, labels: Mapping[str, str]) -> Mapping[str, str]:
    """What tells an event without a key from others: its labels, the service among them; its summary if it has none."""
    known = labels or {"summary": event.summary or ""}
    return {**known, "service": event.service} if event.service else known


def _named(event: Event) -> bool:
    """Whether it says anything by which it can be told from others."""
    return bool(event.key or event.summary or any(event.labels.values()))


def _nameless(index: int) -> Fault:
    return Fault("key", "missing: an event needs a key, labels or a summary", index)


def _texts(events: Sequence[Any], *, may_have_nul: bool) -> Iterator[Fault]:
    """What is wrong with texts that the model takes: values of too many bytes, and NUL, which JSON can only write escaped."""
    for index, event in enumerate(events):
        if not isinstance(event, dict):
            continue
        for name in ("labels", "annotations"):
            values = event.get(name)
            for key, value in values.items() if isinstance(values, dict) else ():
                if isinstance(value, str) and VALUE // 4 < len(value) <= VALUE < len(value.encode()):
                    yield Fault(f"{name}.{key}", f"must be at most {VALUE} bytes", index)
        if may_have_nul:
            yield from (Fault(place(where) or "event", "contains a NUL character", index) for where in _nuls(event))


def _nuls(value: object, where: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in it a text has NUL, names included."""
    if isinstance(value, str) and "\0" in value:
        yield where
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(key, str) and "\0" in key:
            yield where
        yield from _nuls(inner, (*where, key))


def _fault(error: Any) -> Fault:
    index, *where = error["loc"]
    return Fault(place(where) or "event", explain(error), index)
