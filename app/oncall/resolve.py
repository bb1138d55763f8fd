"""Who is on call: rotation, layers and overrides resolved into shifts. Pure: no clock, no database.

1. Layers lie on one another in listed order; where an upper one holds nobody, the one below shows through.
2. Overrides and swaps lie on top in the order they were made, those in the files first.
3. Neighbours of one user, source and layer become one shift.

Whoever is not in `pageable` holds nothing, be it by a layer, an override or a swap: what lies below holds. None: everybody
may. `zone` is the default for schedules that name none. Ranges are half-open, all results UTC. A time without an offset raises
ValueError.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.oncall.model import Idle, Kind, Layer, On, Override, Schedule, Shift, Source, Span
from app.oncall.rotation import turns, within
from app.people.model import Directory
from app.walltime import instant, utc

Pageable = Container[str] | None
HORIZON = timedelta(days=60)  # how far `holders` looks either way
# Most holders change within two days or ten; only for the others is it worth computing four months.
REACHES = (timedelta(days=2), timedelta(days=10), HORIZON)


def shifts(
    schedule: Schedule,
    zone: ZoneInfo,
    overrides: Iterable[Override],
    start: datetime,
    end: datetime,
    pageable: Pageable = None,
) -> list[Shift]:
    """The final schedule over [start, end): sorted, disjoint, merged, clipped. Empty when end <= start."""
    start, end = utc(start), utc(end)
    return merged(_final(schedule, schedule.zone(zone), changes(schedule, zone, overrides), start, end, pageable))


def layer_shifts(
    schedule: Schedule, zone: ZoneInfo, start: datetime, end: datetime, pageable: Pageable = None
) -> dict[str, list[Shift]]:
    """Each layer as if it were alone, by name in listed order: the timeline's picture."""
    start, end, zone = utc(start), utc(end), schedule.zone(zone)
    return {layer.name: merged(_turns(layer, zone, start, end, pageable)) for layer in schedule.layers}


def gaps(
    schedule: Schedule,
    zone: ZoneInfo,
    overrides: Iterable[Override],
    start: datetime,
    end: datetime,
    pageable: Pageable = None,
) -> list[Span]:
    """When nobody holds within [start, end)."""
    return free(shifts(schedule, zone, overrides, start, end, pageable), utc(start), utc(end))


def holders(schedule: Schedule, zone: ZoneInfo, overrides: Iterable[Override], at: datetime, pageable: Pageable = None) -> On:
    """Who holds at `at`, and from when to when that stays so; changes beyond `HORIZON` are None.

    `since` and `until` are about the person: a shift by layer and an override for the same user beside it are one.
    """
    at, ordered = utc(at), changes(schedule, zone, overrides)
    zone = schedule.zone(zone)
    for reach in REACHES:
        low, high = at - reach, at + reach
        on = _around(_final(schedule, zone, ordered, low, high, pageable), at)
        if on.since not in (None, low) and on.until not in (None, high):
            break
    return On(on.users, None if on.since == low else on.since, None if on.until == high else on.until)


def changes(schedule: Schedule, zone: ZoneInfo, overrides: Iterable[Override]) -> list[Override]:
    """Overrides and swaps in the order they take effect: the files' as listed, then by when they were made."""
    zone = schedule.zone(zone)
    written = [
        Override("", spec.user, _bound(spec.from_, zone), _bound(spec.to, zone), spec.reason or "")
        for spec in schedule.overrides
    ]
    early = [one for one in overrides if one.made_at is None]
    late = [(one.made_at, one) for one in overrides if one.made_at is not None]
    return written + early + [one for _, one in sorted(late, key=lambda pair: pair[0])]


def idle(
    schedules: Mapping[str, Schedule],
    zone: ZoneInfo,
    overrides: Iterable[Override],
    directory: Directory,
    start: datetime,
    end: datetime,
) -> dict[str, list[Idle]]:
    """By schedule the overrides and swaps that touch [start, end) and hold nobody, because of who they name."""
    made, found = list(overrides), {}
    for name, schedule in schedules.items():
        idles = []
        for change in changes(schedule, zone, [one for one in made if one.schedule == name]):
            because = ignored(change, directory)
            if because and change.start < end and change.end > start:
                idles.append(Idle(change, because))
        if idles:
            found[name] = idles
    return found


def ignored(change: Override, directory: Directory) -> str | None:
    """Why an override or swap holds nobody: one of those whom it names cannot be paged."""
    return directory.why_not(change.user) or (directory.why_not(change.replaces) if change.replaces else None)


def merged(pieces: Iterable[Shift]) -> list[Shift]:
    """Adjacent pieces of one user, source and layer made one."""
    whole: list[Shift] = []
    for piece in pieces:
        last = whole[-1] if whole else None
        if last and last.end == piece.start and (last.user, last.source, last.layer) == (piece.user, piece.source, piece.layer):
            whole[-1] = Shift(last.user, last.start, piece.end, last.source, last.layer)
        else:
            whole.append(piece)
    return whole


def free(pieces: Sequence[Shift], start: datetime, end: datetime) -> list[Span]:
    """What of [start, end) these sorted, disjoint pieces leave."""
    left, reached = [], start
    for piece in pieces:
        if piece.start > reached:
            left.append(Span(reached, piece.start))
        reached = piece.end
    if reached < end:
        left.append(Span(reached, end))
    return left


def _final(
    schedule: Schedule,
    zone: ZoneInfo,
    ordered: Iterable[Override],
    start: datetime,
    end: datetime,
    pageable: Pageable,
) -> list[Shift]:
    held: list[Shift] = []
    for layer in schedule.layers:
        held = _lay(_turns(layer, zone, start, end, pageable), held, start, end)
    for change in ordered:
        span = Span(max(start, change.start), min(end, change.end))
        if span.start < span.end and (pageable is None or change.user in pageable):
            held = _lay(_taken(change, span, held), held, start, end)
    return held


def _turns(layer: Layer, zone: ZoneInfo, start: datetime, end: datetime, pageable: Pageable) -> list[Shift]:
    return [turn for turn in turns(layer, zone, start, end) if pageable is None or turn.user in pageable]


def _taken(change: Override, span: Span, held: Sequence[Shift]) -> list[Shift]:
    """What this change takes over within `span`: all of it, or for a swap where the one it replaces holds by now."""
    if change.kind is Kind.OVERRIDE:
        return [Shift(change.user, span.start, span.end, Source.OVERRIDE, None)]
    parts = within([piece for piece in held if piece.user == change.replaces], [span])
    return [Shift(change.user, part.start, part.end, Source.SWAP, None) for part in parts]


def _lay(upper: list[Shift], lower: list[Shift], start: datetime, end: datetime) -> list[Shift]:
    """`upper` where it holds somebody, else `lower`."""
    if not upper or not lower:
        return upper or lower
    return sorted(upper + within(lower, free(upper, start, end)), key=lambda piece: piece.start)


def _around(pieces: Sequence[Shift], at: datetime) -> On:
    """The unbroken stretch of one user, or of nobody, that contains `at`; None where the pieces show no end."""
    index = bisect_right(pieces, at, key=lambda piece: piece.start) - 1
    if index < 0 or pieces[index].end <= at:
        after = index + 1
        return On((), pieces[index].end if index >= 0 else None, pieces[after].start if after < len(pieces) else None)
    first = last = index
    user = pieces[index].user
    while first > 0 and pieces[first - 1].user == user and pieces[first - 1].end == pieces[first].start:
        first -= 1
    while last + 1 < len(pieces) and pieces[last + 1].user == user and pieces[last + 1].start == pieces[last].end:
        last += 1
    return On((user,), pieces[first].start, pieces[last].end)


def _bound(value: datetime, zone: ZoneInfo) -> datetime:
    return instant(value, zone) if value.tzinfo is None else utc(value)
