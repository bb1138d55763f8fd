"""Every error Tocsin raises on purpose; the class says what to do next.

TocsinError
├── Invalid        the caller sent something wrong           -> HTTP 422 (413, 415, 400), exit 2
├── Denied         the actor may not do this                 -> HTTP 403, exit 2
├── NotFound       there is no such thing                    -> HTTP 404, exit 2
├── Conflict       the state forbids this move               -> HTTP 409, exit 1
│   └── Expired    it could be done once, and no more        -> HTTP 410, exit 1
├── NotActive      planned, not built yet                    -> HTTP 501, exit 2
├── Unavailable    database or broker is away: try again     -> HTTP 503, exit 1
│   ├── Busy       another transaction holds the row: likewise
│   └── Unusable   settings, files or data are wrong: no use  -> HTTP 503, exit 1
└── DeliveryError  a channel did not take the message
    ├── Stale      it was not sent: ask first whether it is still wanted
    ├── Transient  try again: time-out, refused, 408, 429, 5xx
    └── Permanent  never again: bad address, bad token, other 4xx
"""

from collections.abc import Sequence
from dataclasses import dataclass


class TocsinError(Exception):
    """The root; a message starts lower-case, names the thing and suggests the fix."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field of what the caller sent; `index` counts list items from 0."""

    field: str
    detail: str
    index: int | None = None


class Invalid(TocsinError):
    """The caller sent something wrong; `faults` lists each error when there are several."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class TooLarge(Invalid):
    """More than a stated limit (body, events, nesting) -> HTTP 413."""


class UnknownEncoding(Invalid):
    """A Content-Encoding that is not supported -> HTTP 415."""


class Garbled(Invalid):
    """A body that is not what its headers say -> HTTP 400."""


class Denied(TocsinError):
    """The actor may not do this."""


class NotFound(TocsinError):
    """There is no such thing."""


class Conflict(TocsinError):
    """The state the thing is in forbids this move."""


class Expired(Conflict):
    """What was offered until a time that has passed: a link in a page."""


class NotActive(TocsinError):
    """Planned and known by name, but not built yet."""


class Unavailable(TocsinError):
    """The database or the broker is away; the same call may work in a moment."""


class Busy(Unavailable):
    """Another transaction held a row for longer than we wait; the rest of the database is well."""


class Unusable(Unavailable):
    """What this process needs is wrong, not away: trying again does not help until somebody has changed something."""


class DeliveryError(TocsinError):
    """A channel did not take the message."""


class Stale(DeliveryError):
    """Nothing has left: too much time has passed since somebody made sure that the message is wanted."""


class Transient(DeliveryError):
    """Worth another try; `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Permanent(DeliveryError):
    """No repeat will help."""
