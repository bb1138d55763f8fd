"""Pages: one message to one contact, from its row to a provider's answer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from app.reason import Code, Reason, Reasons


class Kind(StrEnum):
    """What a message is."""

    PAGE = "page"
    UPDATE = "update"
    RESOLVED = "resolved"
    TEST = "test"


class PageState(StrEnum):
    """Where a page is."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


REACHED = (PageState.ACCEPTED, PageState.DELIVERED)


class Outcome(StrEnum):
    """How one attempt ended; written as unknown before anything is sent."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A page to be queued."""

    key: str
    kind: Kind
    channel: str
    due_at: datetime
    reasons: Reasons
    incident: int | None = None
    obligation: int | None = None  # which it keeps
    breached: int | None = None  # the obligation in whose place it is
    generation: int = 0
    round: int = 0
    step: int | None = None  # counts from 1; None when the policy is exhausted
    user: str | None = None
    contact: str | None = None
    to: str | None = None

    @property
    def slot(self) -> tuple[object, ...]:
        """One step to one person: in it their contacts stand in for each other."""
        return self.incident, self.generation, self.breached, self.round, self.step, self.user


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Draft):
    """A page as stored."""

    id: int
    state: PageState
    made_at: datetime
    next_at: datetime  # of the next attempt
    attempts: int
    ended_at: datetime | None
    seen_at: datetime | None  # read in the inbox

    @property
    def held(self) -> Reason | None:
        """What holds it back, for as long as it waits for its first attempt."""
        return hold_of(self.reasons) if self.state is PageState.QUEUED and not self.attempts else None


def hold_of(reasons: Reasons) -> Reason | None:
    """The one that holds a page back, with the instant `until`: quiet hours."""
    return next((one for one in reasons if one.code == Code.QUIET_HOURS), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPage:
    """The newest success or failure of a channel. state: of the page now; after a failure it may be retried, or delivered."""

    channel: str
    state: PageState
    at: datetime
    incident: int | None
    error: str | None  # of an attempt that failed; None: the page arrived


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send a page; `n` counts from 1."""

    page: int
    n: int
    at: datetime
    outcome: Outcome
    provider_id: str | None
    error: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A page leased for one attempt."""

    id: int
    fence: int
    attempt: int  # counts from 1
    draft: Draft


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel sends: the same facts as text, HTML and JSON."""

    key: str  # the same on every repeat; another stack may have the same
    to: str | None
    title: str
    text: str
    html: str
    json: Mapping[str, Any]
    thread: str | None  # what belongs together, e.g. "incident-42-8f3e..."; no other stack has it
    attempt: int
    asked: float = math.inf  # by `deadline.awake`: when it was wanted at the latest
    not_after: float = math.inf  # by `deadline.awake`; a channel raises Stale instead of sending the first byte later
    uid: str = ""  # of the message, the same on every repeat; no other stack has it


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's yes."""

    provider_id: str | None = None
    delivered: bool = False  # it is known to have arrived, not just to have been taken


class Channel(Protocol):
    """What a module in `app/notify/channels` offers. `send` raises Transient or Permanent."""

    Spec: type[BaseModel]

    async def send(self, spec: Any, message: Message, timeout: float) -> Receipt: ...
