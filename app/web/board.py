"""Incidents as rows of a list: in the order of how bad they are, each with who has it or who is next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.escalation import store as escalations
from app.escalation.ahead import Upcoming
from app.escalation.upcoming import next_steps
from app.incidents.model import Incident, IncidentState

SHOWN = 20  # rows of the home page


@dataclass(frozen=True, slots=True)
class Row:
    """One incident and its next step."""

    incident: Incident
    next: Upcoming | None

    @property
    def who(self) -> str:
        """Who is meant by the next step: `ada, bo`, `channel room`, or nothing."""
        return reached(self.next) if self.next else ""


@dataclass(frozen=True, slots=True)
class Board:
    """What is shown, and what is new since it was shown: rows never move under a finger, so new ones wait outside."""

    rows: tuple[Row, ...]
    waiting: tuple[Incident, ...]
    more: int  # further open ones that do not fit


def rows(db: Connection, incidents: Sequence[Incident], now: datetime) -> tuple[Row, ...]:
    """These incidents with their next steps, in the given order."""
    states = escalations.of_incidents(db, [one.number for one in incidents if one.open])
    steps = next_steps(db, list(incidents), states, now)
    return tuple(Row(one, steps.get(one.number)) for one in incidents)


def board(db: Connection, open_: Sequence[Incident], shown: Sequence[int], gone: Sequence[Incident], now: datetime) -> Board:
    """The open incidents; with `shown` those rows in that order (`gone`: since resolved), and the others waiting."""
    if not shown:
        ordered = sorted(open_, key=urgency)
        return Board(rows(db, ordered[:SHOWN], now), (), max(0, len(ordered) - SHOWN))
    known = {one.number: one for one in (*open_, *gone)}
    kept = [known[number] for number in shown if number in known]
    newest = max(shown)
    waiting = tuple(sorted((one for one in open_ if one.number not in set(shown) and one.number > newest), key=urgency))
    more = len([one for one in open_ if one.number not in set(shown)]) - len(waiting)
    return Board(rows(db, kept, now), waiting, more)


def urgency(incident: Incident) -> tuple[int, bool, int]:
    """Sorts the worst first, then what nobody has, then the oldest."""
    return -incident.severity.rank, incident.state is not IncidentState.TRIGGERED, incident.number


def reached(step: Upcoming) -> str:
    """Who a step reaches, in a few words."""
    names = [name for one in step.step.targets for name in (*one.users, *([f"channel {one.channel}"] if one.channel else []))]
    return ", ".join(dict.fromkeys(names))
