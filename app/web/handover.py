"""Handing the pager over, or taking it over: to whom, and until when. The same override as anywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.actions import pager
from app.errors import Fault, Invalid
from app.oncall.model import On
from app.people import store as people
from app.people.model import Actor, Directory, Person
from app.web.wall import morning

SHOWN = 12  # people to choose from; everybody stands in the form of an override
UNTIL = {"shift": "end of my shift", "1h": "1 hour", "morning": "until morning"}
TAKEN = {"1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "morning": "Until morning", "shift": "Until the shift ends"}


@dataclass(frozen=True, slots=True)
class Mate:
    """Somebody who could be on call instead."""

    login: str
    title: str
    mate: bool  # of a team of whoever hands over
    holds: tuple[str, ...]  # the schedules in which they are on call now; none: they are free


@dataclass(frozen=True, slots=True)
class HandOver:
    """The choices of whoever is on call in a schedule."""

    schedule: str
    mates: tuple[Mate, ...]
    until: Mapping[str, datetime]  # the choices that end within the shift; the first is the default


def hand_overs(db: Connection, actor: Actor, person: Person, holding: Mapping[str, On], now: datetime) -> dict[str, HandOver]:
    """By schedule, for each in which only this person is on call now."""
    mine = {name: choices(on, now, person.zone) for name, on in holding.items() if on.users == (person.login,)}
    ends = {name: next(iter(found.values())) for name, found in mine.items() if found}
    own = [name for name, end in ends.items() if pager.may_hand_over(db, name, actor, now, end)]
    mates = _mates(people.directory(db, "UTC"), person, holding) if own else ()
    return {name: HandOver(name, mates, mine[name]) for name in own}


def choices(on: On, now: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """When a hand-over may end, by name: within the shift, whose end comes first where it is known."""
    ends = {"shift": on.until, "1h": now + timedelta(hours=1), "morning": morning(now, zone)}
    return {name: end for name, end in ends.items() if end is not None and (on.until is None or end <= on.until)}


def take_overs(person: Person, holding: Mapping[str, On], now: datetime) -> dict[str, dict[str, datetime]]:
    """When what this person takes over may end, by schedule, for each in which they are not on call now."""
    return {name: takes(on, now, person.zone) for name, on in holding.items() if person.login not in on.users}


def takes(on: On, now: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """When a shift that somebody takes over may end, by name; also after the end of that shift."""
    hours = {f"{count}h": now + timedelta(hours=count) for count in (1, 2, 4)}
    return hours | {"morning": morning(now, zone)} | ({"shift": on.until} if on.until else {})


def until(ends: Mapping[str, datetime], wanted: str) -> datetime:
    """The end that was chosen. Raises Invalid."""
    if wanted not in ends:
        raise Invalid(f'until "{wanted[:20]}" is not one of {", ".join(ends)}', [Fault("until", "unknown")])
    return ends[wanted]


def _mates(directory: Directory, person: Person, holding: Mapping[str, On]) -> tuple[Mate, ...]:
    """Team mates first, the free before those who are on call."""
    members = {login for team in directory.teams_of(person.login) for login in directory.teams[team].members}
    held = {login: tuple(name for name, on in holding.items() if login in on.users) for login in directory.pageable}
    able = sorted(held, key=lambda login: (login not in members, bool(held[login]), login))
    found = [
        Mate(login, directory.people[login].title, login in members, held[login]) for login in able if login != person.login
    ]
    return tuple(found[:SHOWN])
