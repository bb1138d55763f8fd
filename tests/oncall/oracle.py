"""The rota read minute by minute, slowly and in another way than `app.oncall.resolve`: walks, scans, keeps no spans."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from app.oncall.model import Layer, Override, Schedule

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
Holder = tuple[str, str, str | None]  # user, source, layer


@cache
def clock(zone: ZoneInfo, day: date) -> tuple[dict[datetime, datetime], list[tuple[datetime, datetime]]]:
    """What the wall shows at every minute around `day`: wall -> its first instant, and all (instant, wall) in order."""
    begin = datetime.combine(day, time.min, UTC) - 2 * DAY
    pairs = [(begin + n * MINUTE, (begin + n * MINUTE).astimezone(zone).replace(tzinfo=None)) for n in range(4 * 1440)]
    return {wall: instant for instant, wall in reversed(pairs)}, pairs


def reached(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the clock first shows `wall`, or if it never does, first shows something later."""
    first, pairs = clock(zone, wall.date())
    return first[wall] if wall in first else next(instant for instant, shown in pairs if shown > wall)


def handovers(layer: Layer, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """(instant, turn) of every hand-over up to `end`; those far before `start` are only counted."""
    day = layer.start
    while layer.handoff.weekday is not None and day.weekday() != layer.handoff.weekday:
        day += DAY
    turn = 0
    if str(layer.every).endswith("h"):
        instant = reached(datetime.combine(day, time.min) + layer.handoff.at, zone)
        while instant < end:
            yield instant, turn
            instant, turn = instant + timedelta(hours=layer.every.count), turn + 1
        return
    days = layer.every.count * (7 if str(layer.every).endswith("w") else 1)
    while day <= end.date() + 2 * DAY:
        if day + (days + 3) * DAY >= start.date():
            yield reached(datetime.combine(day, time.min) + layer.handoff.at, zone), turn
        day, turn = day + days * DAY, turn + 1


def open_times(layer: Layer, zone: ZoneInfo, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Begin and end of each `only` range of each day about then, one by one, overlapping as they may."""
    days = [start.date() + n * DAY for n in range(-3, (end - start).days + 4)]
    told = []
    for only in layer.only:
        for day in days:
            if only.days is None or day.strftime("%a").lower() in only.days:
                wall = datetime.combine(day, time.min)
                until = wall + only.to if only.to > only.from_ else wall + DAY + only.to
                told.append((reached(wall + only.from_, zone), reached(until, zone)))
    return told


def layer_minutes(layer: Layer, zone: ZoneInfo, start: datetime, end: datetime) -> list[str | None]:
    """Who holds the layer at each minute."""
    hands = list(handovers(layer, zone, start, end))
    until = None if layer.until is None else reached(datetime.combine(layer.until, time.min), zone)
    opened = open_times(layer, zone, start, end)
    held: list[str | None] = []
    at, turn, following = start, None, 0
    while at < end:
        while following < len(hands) and hands[following][0] <= at:
            turn, following = hands[following][1], following + 1
        ended = until is not None and at >= until
        shut = bool(layer.only) and not any(low <= at < high for low, high in opened)
        held.append(None if turn is None or ended or shut else layer.users[turn % len(layer.users)])
        at += MINUTE
    return held


def minutes(schedule: Schedule, zone: ZoneInfo, changes: list[Override], start: datetime, end: datetime) -> list[Holder | None]:
    """Who holds at each minute of [start, end); `changes` in the order they were made."""
    layers = [(layer.name, layer_minutes(layer, zone, start, end)) for layer in schedule.layers]
    told: list[Holder | None] = []
    for index in range((end - start) // MINUTE):
        at = start + index * MINUTE
        holder: Holder | None = None
        for name, held in layers:
            if (user := held[index]) is not None:
                holder = (user, "layer", name)
        for change in changes:
            if change.start <= at < change.end:
                if change.kind == "override":
                    holder = (change.user, "override", None)
                elif holder is not None and holder[0] == change.replaces:
                    holder = (change.user, "swap", None)
        told.append(holder)
    return told
