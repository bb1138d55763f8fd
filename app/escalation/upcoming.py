"""The steps an incident has still to come if nobody does anything: the plan, run ahead of time over the same functions."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.escalation.model import Due, Standing, State
from app.escalation.plan import Move, plan, targets
from app.escalation.service import owners, resolve
from app.incidents.model import Incident
from app.people import store as people

LONGEST = 100  # steps


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One step to come, with its clock; who is meant is looked up for that time."""

    at: datetime
    move: Move
    starts_again: bool = False  # an acknowledgement runs out or a snooze ends just then


def upcoming(db: Connection, incident: Incident, standing: Standing | None, now: datetime, limit: int = 12) -> list[Upcoming]:
    """The steps to come, up to and including the first `if_exhausted`; none while nothing is due."""
    if not incident.open or standing is None or standing.due_at is None:
        return []
    last_resort = owners(db)
    wanted = targets(incident.policy, last_resort)
    directory = people.directory(db, catalog.defaults(db).timezone)
    again = standing.due is Due.AGAIN
    place = replace(standing, round=0, step=0, due=Due.STEP) if again else standing
    found: list[Upcoming] = []
    while place.due_at is not None and len(found) < min(limit, LONGEST):
        at = max(place.due_at, now)
        made = plan(incident.policy, last_resort, resolve(db, wanted, directory, at), place, at)
        found += [Upcoming(at, move, again) for move in made.moves]
        again, place = False, made.after
        if place.state is State.EXHAUSTED:
            break
    return found


def next_steps(db: Connection, incidents: list[Incident], standings: dict[int, Standing], now: datetime) -> dict[int, Upcoming]:
    """The next step of each of these incidents, with everybody looked up once, for now: enough for a list."""
    waiting = {one.number: standings[one.number] for one in incidents if one.open and one.number in standings}
    if not waiting:
        return {}
    last_resort = owners(db)
    wanted = {target for one in incidents for target in targets(one.policy, last_resort)}
    resolved = resolve(db, wanted, people.directory(db, catalog.defaults(db).timezone), now)
    found = {}
    for one in incidents:
        standing = waiting.get(one.number)
        if standing is None or standing.due_at is None:
            continue
        again = standing.due is Due.AGAIN
        place = replace(standing, round=0, step=0, due=Due.STEP) if again else standing
        at = max(standing.due_at, now)
        made = plan(one.policy, last_resort, resolved, place, at)
        found[one.number] = Upcoming(at, made.moves[-1], again)
    return found
