"""Every error Tocsin raises on purpose. The class says what to do next, and how it is answered wherever it ends.

TocsinError                                                  -> HTTP 500, exit 2
├── Invalid        the caller sent something wrong           -> HTTP 422, exit 2
│   ├── TooLarge         more than a stated limit            -> HTTP 413
│   ├── UnknownEncoding  a Content-Encoding we do not know   -> HTTP 415
│   └── Garbled          a body that is not what it says     -> HTTP 400
├── NotLoggedIn    no token, or an invalid one               -> HTTP 401, exit 2
├── Denied         permission denied                         -> HTTP 403, exit 2
│   └── TooOften         too many requests: wait             -> HTTP 429
├── NotFound       not found                                 -> HTTP 404, exit 2
│   └── Gone             removed after its retention         -> HTTP 410
├── Conflict       the state does not allow the action       -> HTTP 409, exit 1
│   └── Expired          a link that has expired             -> HTTP 410
├── NotActive      planned, not built yet                    -> HTTP 501, exit 2
├── Unavailable    database or broker unavailable: retry     -> HTTP 503, exit 1
│   ├── Busy       another transaction holds the row: likewise
│   └── Unusable   settings, files or data are wrong: no use
└── DeliveryError  a channel did not take the message
    ├── Stale      it was not sent: ask first whether it is still wanted
    ├── Transient  try again: time-out, refused, 408, 429, 5xx
    └── Permanent  never again: bad address, bad token, other 4xx

A protocol that is not ours may insist on other words; its file says which (`app/api/managing.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class TocsinError(Exception):
    """The root; a message starts lower-case, names the thing and suggests the fix."""

    status: ClassVar[int] = 500  # of the answer over HTTP
    exit_status: ClassVar[int] = 2  # of a command: 1 the answer is no, or nobody could say; 2 wrong use or bad input


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field of what the caller sent; `index` counts list items from 0."""

    field: str
    detail: str
    index: int | None = None


class Invalid(TocsinError):
    """The caller sent something wrong; `faults` lists each error when there are several."""

    status = 422

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class TooLarge(Invalid):
    """More than a stated limit (body, events, nesting)."""

    status = 413


class UnknownEncoding(Invalid):
    """A Content-Encoding that is not supported."""

    status = 415


class Garbled(Invalid):
    """A body that is not what its headers say."""

    status = 400


class NotLoggedIn(TocsinError):
    """No token, or an invalid one."""

    status = 401


class Denied(TocsinError):
    """Permission denied."""

    status = 403


class TooOften(Denied):
    """Too many tries; `seconds` until the next may be made."""

    status = 429

    def __init__(self, message: str, seconds: float = 1.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class NotFound(TocsinError):
    """Not found."""

    status = 404


class Gone(NotFound):
    """It existed, and was removed when its retention was over."""

    status = 410


class Conflict(TocsinError):
    """The state of the object does not allow the action."""

    status = 409
    exit_status = 1


class Expired(Conflict):
    """What was offered until a time that has passed: a link in a page."""

    status = 410


class NotActive(TocsinError):
    """Planned and known by name, but not built yet."""

    status = 501


class Unavailable(TocsinError):
    """The database or the broker is away; the same call may work in a moment."""

    status = 503
    exit_status = 1


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
