"""Signals: what somebody outside, a check or a rule says about one alert, in one shape; and who may send them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

import orjson

from app.catalog.model import Family, Severity
from app.reason import Reasons

FINGERPRINT_BYTES = 16


class SignalStatus(StrEnum):
    """What the signal says of its alert."""

    PENDING = "pending"  # only our own rules say this
    FIRING = "firing"
    RESOLVED = "resolved"


SUMMARY_LIMIT = 1024  # characters
INTEGRATION, USER, MANUAL = "integration:", "user:", "manual:"
PUSHED = (INTEGRATION, USER, MANUAL)  # what the source of an alert begins with that a sender pushes


@dataclass(frozen=True, slots=True)
class Signal:
    """One statement about one alert; (source, key) is the alert's identity."""

    source: str  # "integration:NAME", "user:LOGIN", "manual:LOGIN", "check:NAME" or "rule:NAME"
    key: str
    status: SignalStatus
    summary: str
    severity: Severity = Severity.ERROR
    alertname: str = ""
    service: str | None = None
    family: Family | None = None
    check: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    starts_at: datetime | None = None
    value: float | None = None
    reasons: Reasons = ()  # why it is so, where its source says
    reason_in_summary: bool = False  # the summary says why, too
    runbook: str | None = None
    shadow: bool = False  # decided and recorded, pages nobody
    trace: str = ""

    @property
    def fingerprint(self) -> str:
        """32 hex digits of (source, key): the alert's identity while it is open."""
        return blake2b(f"{self.source}\0{self.key}".encode(), digest_size=FINGERPRINT_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """What a source sent at once: its signals, and the bytes they were read from (JSON)."""

    source: str
    signals: Sequence[Signal]
    body: bytes
    trace: str  # of the call; that of each signal begins with it


def name_of(labels: Mapping[str, str], key: str | None, summary: str | None) -> str:
    """What an alert is called, its `alertname`: the label, else the key, else the summary; empty where there is none."""
    return labels.get("alertname") or key or summary or ""


def labels_key(labels: Mapping[str, str]) -> str:
    """The key of an event that names none: the fingerprint of its labels, whatever their order."""
    return blake2b(orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS), digest_size=FINGERPRINT_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Integration:
    """An external system that may send, by its key. service: of its alerts that name none."""

    name: str
    kind: str
    service: str | None

    @property
    def source(self) -> str:
        """What its alerts carry as source."""
        return f"{INTEGRATION}{self.name}"


def source_of(login: str | None) -> str:
    """What the alerts carry as source that somebody sends with their token."""
    return f"{USER}{login}"


def manual_source(login: str | None) -> str:
    """What the alert carries as source that somebody opens by paging; nothing that is sent can change it."""
    return f"{MANUAL}{login}"


def source_words(source: str) -> str:
    """Where an alert is from, for people: `user:ada` -> `user ada`, `manual:ada` -> `a page by ada`."""
    return f"a page by {source.removeprefix(MANUAL)}" if source.startswith(MANUAL) else source.replace(":", " ", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedIntegration:
    """An integration with its newest key, encrypted."""

    name: str
    kind: str
    sealed: str
