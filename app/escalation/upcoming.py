"""The steps an incident has still to come if nobody does anything: the plan, run ahead of time over the same functions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.escalation.ahead import EscalationTerms, Upcoming, WhoAt, ahead
from app.escalation.model import EscalationState
from app.escalation.plan import ResolvedTarget, targets
from app.escalation.service import assignees_paged, owners, resolve
from app.incidents.hours import urgency
from app.incidents.model import Incident
from app.oncall import service as oncall
from app.people import store as people
from app.people.model import Directory
from app.people.reach import hold
from app.reason import Reason

LONGEST = 100  # steps
NEAR = timedelta(hours=1)


def upcoming(
    db: Connection, incident: Incident, current: EscalationState | None, now: datetime, limit: int = 12
) -> list[Upcoming]:
    """The steps to come, up to and including the first `if_exhausted`; none while nothing is due."""
    if not incident.open or current is None or current.due_at is None:
        return []
    directory = people.directory(db, catalog.defaults(db).timezone)
    terms = terms_of(db, incident)
    return list(islice(ahead(terms, current, now, who_at(db, terms, directory)), min(limit, LONGEST)))


def quiet(db: Connection, incident: Incident, steps: Sequence[Upcoming]) -> list[dict[str, Reason]]:
    """For each of these steps the people whose pages wait for the end of their quiet hours, and why."""
    if not steps:
        return []
    directory, timetable = people.directory(db, catalog.defaults(db).timezone), oncall.timetable(db)
    found = []
    for one in steps:
        then = urgency(incident, timetable, one.at)[0]
        known = [directory.people[user] for target in one.step.targets for user in target.users if user in directory.people]
        holds = {person.login: hold(person, then, one.at) for person in known}
        found.append({login: held[1][0] for login, held in holds.items() if held})
    return found


def terms_of(db: Connection, incident: Incident) -> EscalationTerms:
    """What decides the steps of this incident, as things stand."""
    return all_terms_of(db, [incident])[incident.number]


def all_terms_of(db: Connection, incidents: Iterable[Incident]) -> dict[int, EscalationTerms]:
    """What decides the steps of each of these incidents: who answers for all, and the hours, are asked for once."""
    last, timetable, known = owners(db), oncall.timetable(db), list(incidents)
    paged = assignees_paged(db, known)
    return {
        one.number: EscalationTerms(
            one.policy, last, one.hours, timetable, assigned_to=one.assigned_to, assignee_paged=one.number in paged
        )
        for one in known
    }


def who_at(db: Connection, terms: EscalationTerms, directory: Directory) -> WhoAt:
    """Resolves the targets of policies to people, as of a time."""
    wanted = targets(terms.policy, terms.last, terms.assigned_to)
    return lambda at: resolve(db, wanted, directory, at)


def next_steps(
    db: Connection, incidents: list[Incident], states: dict[int, EscalationState], now: datetime
) -> dict[int, Upcoming]:
    """The next step of each of these incidents; for what is near everybody is looked up once, for now: enough for a list."""
    waiting = {one.number: one for one in incidents if one.open and one.number in states}
    if not waiting:
        return {}
    all_terms = all_terms_of(db, waiting.values())
    look = _lookup(db, all_terms.values(), now)
    steps = {number: first(ahead(terms, states[number], now, look)) for number, terms in all_terms.items()}
    return {number: step for number, step in steps.items() if step}


def _lookup(db: Connection, all_terms: Iterable[EscalationTerms], now: datetime) -> WhoAt:
    """Whom targets stand for, asked once for all that is near and once for each later time (when hours open, mostly)."""
    wanted = {target for one in all_terms for target in targets(one.policy, one.last, one.assigned_to)}
    directory = people.directory(db, catalog.defaults(db).timezone)
    known: dict[datetime, Mapping[str, ResolvedTarget]] = {}

    def look(at: datetime) -> Mapping[str, ResolvedTarget]:
        when = now if at - now < NEAR else at
        if when not in known:
            known[when] = resolve(db, wanted, directory, when)
        return known[when]

    return look


def first(steps: Iterable[Upcoming]) -> Upcoming | None:
    """The first that reaches somebody, else the last: to whom it escalates."""
    last = None
    for last in steps:
        if not last.step.excused:
            break
    return last
