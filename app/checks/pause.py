"""A pause of a check or a heartbeat: since when, until when, why, by whom. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import TypedDict

from app.errors import Fault, Invalid

REASON_LIMIT = 500  # characters
LONGEST = timedelta(days=366)
LONG = timedelta(days=7)  # who is paused for longer is named, as is who is paused without an end


@dataclass(frozen=True, slots=True)
class Pause:
    """Not run, or not expected, until then. at: None where an older release paused it and nobody noted when."""

    at: datetime | None
    until: datetime | None  # None: until it is resumed
    reason: str
    by: str | None  # a login, or an integration's name


class PauseFields(TypedDict):
    """The same beside the other fields of what is paused, in its row and in its JSON; null where it is not."""

    paused_at: datetime | None
    paused_until: datetime | None
    pause_reason: str | None
    paused_by: str | None


def flat(one: Pause | None) -> PauseFields:
    """A pause as fields."""
    if one is None:
        return {"paused_at": None, "paused_until": None, "pause_reason": None, "paused_by": None}
    return {"paused_at": one.at, "paused_until": one.until, "pause_reason": one.reason, "paused_by": one.by}


def facts(one: Pause | None) -> dict[str, Any]:
    """For the audit, before and after."""
    if one is None:
        return {"paused": False, "until": None, "reason": None, "by": None}
    return {"paused": True, "until": one.until.isoformat() if one.until else None, "reason": one.reason or None, "by": one.by}


def pause(now: datetime, by: str | None, until: datetime | None = None, reason: str = "") -> Pause:
    """One that begins now. Raises Invalid for an end that is past or too far ahead, and for a reason that is too long."""
    if until is not None and until <= now:
        raise Invalid("the end of the pause is not in the future", [Fault("until", "is not in the future")])
    if until is not None and until - now > LONGEST:
        raise Invalid(
            "a pause may last at most 366 days; leave out the end to pause until resumed", [Fault("until", "is too late")]
        )
    reason = " ".join(reason.split())
    if len(reason) > REASON_LIMIT:
        raise Invalid(f"reason: at most {REASON_LIMIT} characters", [Fault("reason", f"at most {REASON_LIMIT} characters")])
    return Pause(now, until, reason, by)


def forgotten(pauses: Mapping[str, Pause], now: datetime) -> list[str]:
    """The names of what is paused without an end, or for long already."""
    return [name for name, one in pauses.items() if one.until is None or (one.at is not None and now - one.at > LONG)]
