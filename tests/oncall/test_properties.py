"""What holds for every schedule in every zone at every clock change, against a reading minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from app.oncall.model import Kind, On, Override, Schedule, Shift
from app.oncall.resolve import changes, free, gaps, holders, layer_shifts, merged, shifts
from app.oncall.rotation import rotation
from tests.oncall import oracle

# Days around which a clock changes: by an hour, two, a half, a whole day; at night, at midnight, a minute after it; for good.
CHANGES = [
    ("Europe/Paris", "2026-10-25"), ("Europe/Paris", "2027-03-28"), ("Europe/Dublin", "2026-10-25"),
    ("Europe/Dublin", "2026-03-29"),
    ("America/New_York", "2026-11-01"), ("America/New_York", "2027-03-14"), ("Australia/Lord_Howe", "2027-04-04"),
    ("Australia/Lord_Howe", "2026-10-04"), ("Pacific/Chatham", "2026-04-05"), ("Pacific/Chatham", "2026-09-27"),
    ("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21"), ("Pacific/Kiritimati", "1994-12-31"),
    ("America/Santiago", "2026-09-06"), ("America/Santiago", "2026-04-05"), ("America/Havana", "2026-03-08"),
    ("Africa/Cairo", "2026-04-24"), ("Africa/Cairo", "2026-10-30"), ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("Africa/Casablanca", "2024-03-10"), ("Africa/Casablanca", "2024-04-14"), ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"), ("America/St_Johns", "2010-11-07"), ("America/St_Johns", "2010-03-14"),
    ("Atlantic/Azores", "2026-03-29"), ("Atlantic/Azores", "2026-10-25"), ("America/Caracas", "2016-05-01"),
    ("America/Caracas", "2007-12-09"), ("Asia/Pyongyang", "2015-08-15"), ("Asia/Kathmandu", "1986-01-01"),
    ("Asia/Kolkata", "2026-11-02"), ("UTC", "2026-11-02"),
]  # fmt: skip
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
USERS = ("ada", "bo", "cy", "dee")
Night = tuple[Schedule, list[Override], datetime, datetime]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
quick = settings(max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(quick, max_examples=120)

near_the_change = st.integers(0, 4 * 12).map(lambda n: f"{n // 12:02}:{n % 12 * 5:02}")
any_time = st.integers(0, 24 * 12 - 1).map(lambda n: f"{n // 12:02}:{n % 12 * 5:02}")
times = near_the_change | any_time
ranges = st.fixed_dictionaries(
    {"from": times, "to": times | st.just("24:00")},
    optional={"days": st.lists(st.sampled_from(DAYS), min_size=1, max_size=5, unique=True)},
)


@st.composite
def layers(draw: st.DrawFn, day: date, name: str) -> dict[str, Any]:
    """A layer that began long before `day`, or begins just about then."""
    unit = draw(st.sampled_from("hddw"))
    every = f"{draw(st.integers(1, 40 if unit == 'h' else 3))}{unit}"
    weekday = draw(st.sampled_from(DAYS)) + " " if unit == "w" else ""
    back = draw(st.integers(-2, 8)) if unit == "h" else draw(st.integers(-2, 8) | st.integers(9, 400))
    made = {
        "name": name,
        "users": draw(st.lists(st.sampled_from(USERS), min_size=1, max_size=4)),
        "every": every,
        "handoff": weekday + draw(times),
        "start": day - back * DAY,
        "only": draw(st.lists(ranges, max_size=2)),
    }
    if draw(st.integers(0, 3)) == 0 and back >= 0:
        made["until"] = day + draw(st.integers(-back + 1, 2)) * DAY
    return made


@st.composite
def written(draw: st.DrawFn, day: date) -> dict[str, Any]:
    """An override as in the files, in local time."""
    begin = datetime.combine(day, time.min) + draw(st.integers(-2 * 288, 2 * 288)) * 5 * MINUTE
    end = begin + draw(st.integers(1, 400)) * 5 * MINUTE
    return {"user": draw(st.sampled_from(USERS)), "from": begin.isoformat(), "to": end.isoformat()}


@st.composite
def made(draw: st.DrawFn, day: date) -> Override:
    """An override or swap made by somebody, in UTC."""
    begin = datetime.combine(day, time.min, UTC) + draw(st.integers(-2 * 288, 2 * 288)) * 5 * MINUTE
    end = begin + draw(st.integers(1, 400)) * 5 * MINUTE
    at = datetime.combine(day, time.min, UTC) - draw(st.integers(1, 5)) * DAY
    kind = draw(st.sampled_from(Kind))
    return Override(
        "s", draw(st.sampled_from(USERS)), begin, end, "", at, kind, draw(st.sampled_from(USERS)) if kind is Kind.SWAP else None
    )


@st.composite
def nights(draw: st.DrawFn) -> Night:
    """A schedule, overrides made for it, and the days around a clock change in its zone."""
    zone, text = draw(st.sampled_from(CHANGES))
    day = date.fromisoformat(text)
    spec = {
        "timezone": zone,
        "layers": [draw(layers(day, f"layer {n}")) for n in range(draw(st.integers(1, 3)))],
        "overrides": draw(st.lists(written(day), max_size=2)),
    }
    begin = datetime.combine(day, time.min, UTC)
    return Schedule.model_validate(spec), draw(st.lists(made(day), max_size=3)), begin - DAY, begin + 2 * DAY


def by_the_minute(found: list[Shift], start: datetime, end: datetime) -> list[oracle.Holder | None]:
    told: list[oracle.Holder | None] = [None] * ((end - start) // MINUTE)
    for one in found:
        low, high = (one.start - start) // MINUTE, (one.end - start) // MINUTE
        assert told[low:high] == [None] * (high - low)
        told[low:high] = [(one.user, str(one.source), one.layer)] * (high - low)
    return told


@thorough
@given(nights())
def test_shifts_are_what_a_reading_minute_by_minute_finds(night: Night) -> None:
    schedule, made, start, end = night
    assert schedule.timezone is not None
    zone = ZoneInfo(schedule.timezone)
    event(schedule.timezone)
    ordered = in_order(schedule, made, zone)
    told = by_the_minute(shifts(schedule, zone, made, start, end), start, end)
    expected = oracle.minutes(schedule, zone, ordered, start, end)
    different = [(str(start + n * MINUTE), told[n], expected[n]) for n in range(len(told)) if told[n] != expected[n]]
    assert different[:1] == []


def in_order(schedule: Schedule, made: list[Override], zone: ZoneInfo) -> list[Override]:
    """The same order, worked out anew: the files' overrides first, then by `made_at`, ties as passed."""
    files = [
        Override("", one.user, oracle.reached(one.from_, zone), oracle.reached(one.to, zone)) for one in schedule.overrides
    ]
    elsewhere = [
        one for at in sorted({one.made_at for one in made if one.made_at is not None}) for one in made if one.made_at == at
    ]
    return files + elsewhere


@quick
@given(nights())
def test_shifts_are_sorted_disjoint_merged_and_clipped(night: Night) -> None:
    schedule, made, start, end = night
    found = shifts(schedule, ZoneInfo("UTC"), made, start, end)
    assert all(start <= one.start < one.end <= end and one.start.tzinfo is UTC for one in found)
    for one, after in pairwise(found):
        assert one.end <= after.start
        assert one.end < after.start or (one.user, one.source, one.layer) != (after.user, after.source, after.layer)
    alone = layer_shifts(schedule, ZoneInfo("UTC"), start, end)
    assert all(merged(pieces) == pieces for pieces in alone.values())


@quick
@given(nights(), st.integers(0, 3 * 1440))
def test_shifts_over_a_range_are_those_over_its_parts(night: Night, cut: int) -> None:
    schedule, made, start, end = night
    middle, zone = start + cut * MINUTE, ZoneInfo("UTC")
    parts = shifts(schedule, zone, made, start, middle) + shifts(schedule, zone, made, middle, end)
    assert merged(parts) == shifts(schedule, zone, made, start, end)


@quick
@given(nights(), st.integers(0, 3 * 86_400))
def test_holders_agree_with_shifts(night: Night, after: int) -> None:
    schedule, made, start, _ = night
    at, zone, far = start + timedelta(seconds=after), ZoneInfo("UTC"), 60 * DAY
    around = shifts(schedule, zone, made, at - far, at + far)
    stretches = people(around) + [((), gap.start, gap.end) for gap in free(around, at - far, at + far)]
    (who, since, until), *more = [one for one in stretches if one[1] <= at < one[2]]
    assert more == []
    assert holders(schedule, zone, made, at) == On(
        who, None if since == at - far else since, None if until == at + far else until
    )


def people(found: list[Shift]) -> list[tuple[tuple[str, ...], datetime, datetime]]:
    """Shifts as stretches of one person, whatever the source."""
    told: list[tuple[tuple[str, ...], datetime, datetime]] = []
    for one in found:
        if told and told[-1][0] == (one.user,) and told[-1][2] == one.start:
            told[-1] = ((one.user,), told[-1][1], one.end)
        else:
            told.append(((one.user,), one.start, one.end))
    return told


@quick
@given(nights())
def test_gaps_and_shifts_together_are_the_whole_range(night: Night) -> None:
    schedule, made, start, end = night
    zone = ZoneInfo("UTC")
    held = sum((one.end - one.start for one in shifts(schedule, zone, made, start, end)), timedelta())
    assert held + sum((one.end - one.start for one in gaps(schedule, zone, made, start, end)), timedelta()) == end - start


@thorough
@given(nights(), st.integers(0, 3 * 86_400), st.integers(0, 86_400))
def test_the_pager_never_goes_back(night: Night, after: int, later: int) -> None:
    schedule, _, start, _ = night
    assert schedule.timezone is not None
    hands = rotation(schedule.layers[0], ZoneInfo(schedule.timezone))
    at = start + timedelta(seconds=after)
    turn = hands.turn(at)
    assert turn <= hands.turn(at + timedelta(seconds=later))
    assert hands.handover(turn) <= at < hands.handover(turn + 1)
    assert hands.handover(turn) <= hands.handover(turn + 1) <= hands.handover(turn + 2)


@quick
@given(nights())
def test_a_schedule_survives_the_files(night: Night) -> None:
    schedule, made, _, _ = night
    again = Schedule.model_validate(schedule.model_dump(mode="json", by_alias=True))
    assert again == schedule
    assert changes(again, ZoneInfo("UTC"), made) == changes(schedule, ZoneInfo("UTC"), made)
