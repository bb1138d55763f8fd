"""Downtime: stretches in which Tocsin itself did not run, and what they mean for the silence of others. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SETTLE = timedelta(seconds=10)  # after a start, until checks run on time again: workers take so long to come up
STEP = timedelta(seconds=2)  # a clock that is behind the last tick by more was set back
NEVER_RAN = datetime(1970, 1, 1, tzinfo=UTC)  # nothing is known of the time before a part's first tick


@dataclass(frozen=True, slots=True)
class Downtime:
    """A stretch in which a part did not run."""

    began: datetime
    ended: datetime

    @property
    def length(self) -> timedelta:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick found: a downtime that just ended, or by how much the clock was set back since the last one."""

    downtime: Downtime | None = None
    set_back: timedelta = timedelta(0)


def between(last: datetime | None, now: datetime, gap: timedelta) -> Tick:
    """What the time since the last tick was."""
    if last is None:
        return Tick(Downtime(NEVER_RAN, now))
    if now - last > gap:
        return Tick(Downtime(last, now))
    return Tick(set_back=last - now) if last - now > STEP else Tick()


def united(*known: Sequence[Downtime]) -> list[Downtime]:
    """When any of several parts did not run, oldest first, without overlaps."""
    found: list[Downtime] = []
    for one in sorted((one for of_part in known for one in of_part), key=lambda one: one.began):
        if found and one.began <= found[-1].ended:
            found[-1] = Downtime(found[-1].began, max(found[-1].ended, one.ended))
        else:
            found.append(one)
    return found


def silent_since(known: datetime, silence: timedelta, away: Sequence[Downtime], settle: timedelta = timedelta(0)) -> datetime:
    """From when on silence counts for what was last heard at `known`, and counts as long once it lasts `silence`.

    It counts from the end of the last downtime since, and `settle` after that. Downtimes that come again and again put it off
    by one `silence` at most, so that a stack that keeps failing still speaks up.
    """
    since = [one for one in away if one.ended > known]
    if not since:
        return known
    missed = sum((one.ended - max(one.began, known) for one in since), timedelta(0))
    return min(since[-1].ended + settle, known + missed + silence + settle)
