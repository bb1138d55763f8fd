"""Who is on call, and overrides. Loads, lets `resolve` decide, saves; the caller owns the transaction."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.catalog.store import declared, defaults
from app.errors import Fault, Invalid, NotFound
from app.oncall import resolve, store
from app.oncall.coverage import Coverage, coverages
from app.oncall.hours import Hours, Timetable
from app.oncall.model import Idle, Kind, ListedOverride, On, Override, Schedule, Shift, Span
from app.oncall.needs import common, needs
from app.oncall.resolve import Pageable
from app.people import store as people
from app.walltime import YEARS

LONGEST = timedelta(days=3660)  # of a range that is asked for or overridden
REASON_LIMIT = 1024  # characters


def schedules(db: Connection) -> Mapping[str, Schedule]:
    """What is declared, by name, in declared order."""
    return declared(db, "schedule", Schedule)


def schedule(db: Connection, name: str) -> Schedule:
    """One by name. Raises NotFound."""
    known = schedules(db)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "see the list of schedules"
        raise NotFound(f'schedule "{name}" not found; {hint}')
    return known[name]


def default_zone(db: Connection) -> ZoneInfo:
    """The zone of schedules that name none."""
    return ZoneInfo(defaults(db).timezone)


def timetable(db: Connection) -> Timetable:
    """The declared hours."""
    return Timetable(declared(db, "hours", Hours), default_zone(db))


def pageable(db: Connection) -> frozenset[str]:
    """The logins of everybody who can be paged; nobody else holds a pager."""
    return people.directory(db, defaults(db).timezone).pageable


def shifts(db: Connection, name: str, start: datetime, end: datetime, taken_by: str | None = None) -> list[Shift]:
    """The final schedule over [start, end). Raises NotFound, and Invalid for a range that is empty or endless.

    taken_by: as if this person had not put themselves on call.
    """
    _check_range(start, end)
    found = schedule(db, name)
    made = [one for one in store.overlapping(db, start, end, name) if not taken_by == one.user == one.made_by]
    return resolve.shifts(found, default_zone(db), made, start, end, pageable(db))


def layer_shifts(db: Connection, name: str, start: datetime, end: datetime) -> dict[str, list[Shift]]:
    """Each layer of a schedule on its own over [start, end). Raises as `shifts`."""
    _check_range(start, end)
    return resolve.layer_shifts(schedule(db, name), default_zone(db), start, end, pageable(db))


def who(db: Connection, at: datetime, able: Pageable = None) -> dict[str, On]:
    """Who is on call at `at`, for every schedule in declared order; raises Invalid for a time without a calendar.

    able: who can be paged, where the caller has asked already.
    """
    _check_time(at, "at")
    able = pageable(db) if able is None else able
    zone, known = default_zone(db), schedules(db)
    changes: defaultdict[str, list[Override]] = defaultdict(list)
    for one in store.overlapping(db, at - resolve.HORIZON, at + resolve.HORIZON):
        changes[one.schedule].append(one)
    return {name: resolve.holders(found, zone, changes[name], at, able) for name, found in known.items()}


def eligible(db: Connection, now: datetime) -> dict[str, tuple[str, ...]]:
    """By schedule everybody who holds it at some time from `now` on: in a layer, or by an override or swap."""
    zone, found = default_zone(db), dict[str, tuple[str, ...]]()
    made = store.overlapping(db, now, now + LONGEST)
    for name, one in schedules(db).items():
        changes = resolve.changes(one, zone, [change for change in made if change.schedule == name])
        layers = [user for layer in one.layers for user in layer.users]
        found[name] = (*layers, *(change.user for change in changes if change.end > now))
    return found


def who_of(db: Connection, name: str, at: datetime) -> On:
    """Who is on call at `at` in one schedule. Raises as `who`, and NotFound."""
    _check_time(at, "at")
    found = schedule(db, name)
    changes = store.overlapping(db, at - resolve.HORIZON, at + resolve.HORIZON, name)
    return resolve.holders(found, default_zone(db), changes, at, pageable(db))


def coverage(db: Connection, now: datetime, days: int) -> dict[str, Coverage]:
    """Coverage of every schedule over the next `days` times 24 h. Raises Invalid unless 1 <= days <= 3660."""
    if not 1 <= days <= LONGEST.days:
        raise Invalid(f"days is {days}; must be 1 to {LONGEST.days}", [Fault("days", f"not within 1 to {LONGEST.days}")])
    changes = store.overlapping(db, now, now + timedelta(days=days))
    needed = needs_of(db, now, now + timedelta(days=days))
    return coverages(schedules(db), default_zone(db), changes, now, days, pageable(db), needed)


def gaps(db: Connection, name: str, start: datetime, end: datetime) -> list[Span]:
    """When nobody holds a schedule that is needed then. Raises as `shifts`."""
    free = resolve.free(shifts(db, name, start, end), start, end)
    needed = needs_of(db, start, end).get(name)
    return free if needed is None else common(free, needed)


def needs_of(db: Connection, start: datetime, end: datetime) -> dict[str, list[Span]]:
    """The parts of [start, end) in which schedules are needed, for those that are not needed all the time."""
    platform = catalog.platform(db)
    always = {*platform.owners, *platform.emergency}
    return needs(schedules(db), catalog.routes(db), catalog.policies(db), always, timetable(db), start, end)


def idle(db: Connection, start: datetime, end: datetime) -> dict[str, list[Idle]]:
    """By schedule the overrides and swaps that touch [start, end) and hold nobody, because of who they name."""
    directory = people.directory(db, defaults(db).timezone)
    return resolve.idle(schedules(db), default_zone(db), store.overlapping(db, start, end), directory, start, end)


def override(
    db: Connection,
    name: str,
    *,
    user: str,
    start: datetime,
    end: datetime,
    now: datetime,
    reason: str = "",
    replaces: str | None = None,
    by: str | None = None,
) -> Override:
    """`user` is on call in schedule `name` over [start, end); with `replaces` a swap, only while that person is.

    Returns it as saved. Raises NotFound for the schedule, Invalid for the rest. Whether `user` exists and may hold a
    pager is for the caller to see: on-call knows names only.
    """
    schedule(db, name)
    made = Override(name, user, start, end, reason, now, Kind.OVERRIDE if replaces is None else Kind.SWAP, replaces, made_by=by)
    _check_override(made)
    return replace(made, id=store.add(db, made, by))


def change(db: Connection, changed: Override) -> None:
    """Write an override or swap made here anew: whom, when and why. Raises Invalid."""
    _check_override(changed)
    store.change(db, changed)


def overrides(db: Connection, name: str, start: datetime, end: datetime) -> list[ListedOverride]:
    """Those of a schedule that touch [start, end), in the order they take effect: the files' first. Raises NotFound."""
    found, made = schedule(db, name), store.overlapping(db, start, end, name)
    directory = people.directory(db, defaults(db).timezone)
    declared_in = catalog.origins(db, "schedule").get(name)
    return [
        ListedOverride(replace(one, schedule=name), resolve.ignored(one, directory), declared_in if one.id is None else None)
        for one in resolve.changes(found, default_zone(db), made)
        if one.start < end and one.end > start
    ]


def _check_override(made: Override) -> None:
    user, replaces, reason = made.user, made.replaces, made.reason
    _check_range(made.start, made.end)
    if not user or replaces == "":
        raise Invalid("missing user", [Fault("user" if not user else "replaces", "is empty")])
    if replaces == user:
        raise Invalid(f"{user} cannot replace themselves", [Fault("replaces", "the same person as user")])
    for field, value in (("user", user), ("replaces", replaces), ("reason", reason)):
        if value is not None and ("\0" in value or len(value) > REASON_LIMIT):
            raise Invalid(f"{field} is too long or contains NUL", [Fault(field, f"at most {REASON_LIMIT} characters, no NUL")])


def remove(db: Connection, id_: int, now: datetime) -> None:
    """Take back an override or swap made here. Raises NotFound when it is not in force."""
    if not store.remove(db, id_, now):
        raise NotFound(f"override {id_} not found; overrides from the configuration are deleted in its files")


def _check_range(start: datetime, end: datetime) -> None:
    _check_time(start, "start")
    _check_time(end, "end")
    if end <= start:
        raise Invalid("the end is not after the start", [Fault("end", "not after start")])
    if end - start > LONGEST:
        raise Invalid(f"the range is longer than {LONGEST.days} days", [Fault("end", f"over {LONGEST.days} days away")])


def _check_time(at: datetime, field: str) -> None:
    if at.tzinfo is None:
        raise Invalid(f"{field} has no offset; write 2026-11-02T09:00:00+01:00", [Fault(field, "no offset")])
    if at.year not in YEARS:
        detail = f"not within {YEARS.start} to {YEARS.stop - 1}"
        raise Invalid(f"{field} is in the year {at.year}, {detail}", [Fault(field, detail)])
