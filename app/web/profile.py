"""The profile of a person, for their own page and for others: how they are notified, and when they are on call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.oncall import service as oncall
from app.oncall.model import Shift
from app.people import store
from app.people.model import Contact, Person, Urgency
from app.people.own import at_night, reached
from app.people.reach import Reach, wanted
from app.reason import Code

AHEAD = timedelta(days=28)
SHIFTS = 8


@dataclass(frozen=True, slots=True)
class Notified:
    """In which order a person's contacts are used for pages of one urgency; `after` counts from the step's beginning."""

    urgency: Urgency
    contacts: tuple[tuple[Contact, timedelta], ...]
    written: bool  # by a rule of theirs; else it is the default


@dataclass(frozen=True, slots=True)
class Profile:
    """What is set for a person, and where. origin: FILE:LINE; None for somebody who was invited."""

    person: Person
    origin: str | None
    zone_origin: str | None  # of the zone that holds: their own, or that of `defaults`; None where neither is written
    notified: tuple[Notified, ...]
    teams: tuple[str, ...]
    night: datetime  # the next 03:00 where they live
    reached: Mapping[Urgency, Sequence[Reach]]  # how a page would reach them then


def profile(db: Connection, person: Person, now: datetime) -> Profile:
    """The active settings of a person."""
    origin = catalog.origins(db, "user").get(person.login) if person.declared else None
    zone_origin = origin if person.user.timezone else catalog.origins(db, "defaults").get("defaults")
    teams = store.directory(db, "UTC").teams_of(person.login)
    notified, night = tuple(_notified(person, urgency) for urgency in Urgency), at_night(person, now)
    return Profile(person, origin, zone_origin, notified, teams, night, reached(person, night))


def shifts(db: Connection, login: str, now: datetime) -> list[tuple[str, Shift]]:
    """The next shifts of a person with the schedule of each, the soonest first."""
    end = now + AHEAD
    eligible = oncall.eligible(db, now)
    found = [(name, one) for name, users in eligible.items() if login in users for one in oncall.shifts(db, name, now, end)]
    return sorted((one for one in found if one[1].user == login), key=lambda one: one[1].start)[:SHIFTS]


def _notified(person: Person, urgency: Urgency) -> Notified:
    known = {one.name: one for one in person.contacts}
    rules = wanted(person, urgency)
    used = sorted(((known[name], after) for name, after, _ in rules), key=lambda one: one[1])
    return Notified(urgency, tuple(used), any(why is not Code.NOTIFY_DEFAULT for _, _, why in rules))
