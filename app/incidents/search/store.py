"""The statements that find incidents. They read alerts and obligations too: an incident is found by what belongs to it."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    any_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from app.alerts.table import alert
from app.catalog.matcher import Matcher, Op
from app.incidents.model import Incident, IncidentState
from app.incidents.search.model import RANKS, Order, Position, Search, ServiceCount, Since, Tally
from app.incidents.store import from_row
from app.incidents.table import incident

Condition = ColumnElement[bool]

_PLACE = case(RANKS, value=incident.c.severity)
_RANK = _PLACE + case((incident.c.state == IncidentState.TRIGGERED, 0), else_=1)
_RANKED = array([_RANK, incident.c.number])  # the smallest is the worst; with its number
RARE = 2_000  # alerts
_OWN = ("title", "state", "severity", "urgency", "acknowledged_by", "assigned_to")  # whatever labels of an alert may say
_ESCALATED_TO = text("""exists (select from obligation o
  where o.incident = incident.number and o.generation = incident.generation and o.user_name = :person)""")


# What is open, once for each service that an incident or one of its alerts is of; in places of `RANKS`, smallest = worst.
_OPEN_OF_SERVICES = text(f"""
select service, count(*) as n, count(*) filter (where state = 'triggered') as triggered,
  min(case severity {" ".join(f"when '{severity}' then {place}" for severity, place in RANKS.items())} end) as worst
from (
  select number, state, severity, service from incident where state <> 'resolved' and service <> ''
  union
  select number, incident.state, incident.severity, alert.service from incident join alert on alert.incident = number
  where incident.state <> 'resolved' and alert.service <> ''
) as open group by service
""")


def found(db: Connection, search: Search, after: Position | None = None, limit: int = 50) -> list[Incident]:
    """At most `limit` incidents, in the order asked for, from after a position."""
    query = select(incident).where(*_conditions(db, search)).limit(limit)
    if search.order is Order.WORST:
        query = query.order_by(_RANK, incident.c.number)
        if after is not None:
            query = query.where(tuple_(_RANK, incident.c.number) > tuple_(literal(after.rank), literal(after.number)))
    elif search.order is Order.OLDEST:
        query = query.order_by(incident.c.number)
        if after is not None:
            query = query.where(incident.c.number > after.number)
    else:
        query = query.order_by(incident.c.number.desc())
        if after is not None:
            query = query.where(incident.c.number < after.number)
    return [from_row(row) for row in db.execute(query)]


def count(db: Connection, search: Search) -> int:
    """How many incidents are found in all."""
    return db.scalar(select(func.count()).select_from(incident).where(*_conditions(db, search))) or 0


def highest(db: Connection) -> int:
    """The highest number there is; 0 without any."""
    return db.scalar(select(func.max(incident.c.number))) or 0


def tally(db: Connection, search: Search, since: Since | None = None) -> Tally:
    """What is found in numbers, in one reading of it: in all, by service, and what a page lacks that was loaded `since`."""
    triggered = func.count().filter(incident.c.state == IncidentState.TRIGGERED).label("triggered")
    columns = [incident.c.service, func.count().label("n"), triggered, func.min(_PLACE).label("worst")]
    if since is not None:
        again = and_(incident.c.number <= since.seen, incident.c.reopened_at > since.loaded_at)
        lacking = incident.c.number.not_in(since.known)
        new = and_(lacking, not_(func.coalesce(again, False)) if since.whole else incident.c.number > since.seen)
        for name, condition in (("new", new), ("again", and_(lacking, again))):
            columns += [func.count().filter(condition).label(name), func.min(_RANKED).filter(condition).label(f"worst_{name}")]
    rows = db.execute(select(*columns).where(*_conditions(db, search)).group_by(incident.c.service)).all()
    services = sorted(
        map(_counted, rows),
        key=lambda one: (-one.worst.rank, -one.unacknowledged, -one.incidents, one.service is None, one.service),
    )
    total = sum(row.n for row in rows)
    if since is None:
        return Tally(total, tuple(services))
    worst_new = min((row.worst_new for row in rows if row.new), default=None)
    worst_again = min((row.worst_again for row in rows if row.again), default=None)
    return Tally(
        total,
        tuple(services),
        sum(row.new for row in rows),
        worst_new and worst_new[1],
        sum(row.again for row in rows),
        worst_again and worst_again[1],
    )


def open_of_services(db: Connection) -> dict[str, ServiceCount]:
    """What is open, counted by each service that it is of: an incident counts for the services of all its alerts."""
    return {row.service: _counted(row) for row in db.execute(_OPEN_OF_SERVICES)}


def _counted(row: Row[Any]) -> ServiceCount:
    severities = {place: severity for severity, place in RANKS.items()}
    return ServiceCount(row.service, row.n, row.triggered, severities[row.worst])


def _conditions(db: Connection, search: Search) -> list[Condition]:
    where: list[Condition] = []
    if search.states:
        where.append(incident.c.state.in_(search.states))
    where += [incident.c[name] == value for name, value in search.equal.items()]
    if search.teams is not None:
        where.append(incident.c.team.in_(search.teams))
    if search.person is not None:
        escalated: Condition = and_(incident.c.state == IncidentState.TRIGGERED, _ESCALATED_TO.bindparams(person=search.person))
        theirs = (incident.c.acknowledged_by == search.person, incident.c.assigned_to == search.person)
        where.append(or_(*theirs, escalated))
    where += [_somewhere(word) for word in search.words]
    if search.matchers:
        where += [likely for one in search.matchers if (likely := _indexed(db, one)) is not None]
        one_alert = select(literal(1)).select_from(select(literal(1)).subquery().outerjoin(alert, _OF_INCIDENT))
        where.append(exists(one_alert.where(*(_passes(db, one, where) for one in search.matchers)).correlate(incident)))
    return where


_OF_INCIDENT = alert.c.incident == incident.c.number


def _somewhere(word: str) -> Condition:
    """A word in what an incident is or in what its alerts say."""
    pattern = f"%{_literal(word)}%"
    own: list[Condition] = [incident.c[name].ilike(pattern) for name in ("title", "service", "team")]
    number = word.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 19:
        own.append(incident.c.number == int(number))
    label = func.jsonb_each_text(alert.c.labels).table_valued("key", "value")
    labels = exists(select(literal(1)).select_from(label).where(label.c.value.ilike(pattern)).correlate(alert))
    of_alert = select(literal(1)).where(_OF_INCIDENT, or_(alert.c.summary.ilike(pattern), labels)).correlate(incident)
    return or_(*own, exists(of_alert))


def _literal(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _value(name: str) -> ColumnElement[str]:
    """What a matcher compares: the incident's own, else the label of an alert, else of the group; empty when it is missing."""
    if name == "number":
        return cast(incident.c.number, Text)
    if name == "policy":
        return func.coalesce(incident.c.policy_name, "")
    if name in _OWN:
        return func.coalesce(incident.c[name], "")
    group = incident.c[name] if name in ("service", "team") else incident.c.labels[name].as_string()
    return func.coalesce(func.nullif(alert.c.labels[name].astext, ""), group, "")


def _indexed(db: Connection, matcher: Matcher) -> Condition | None:
    """What the index on labels can answer of a matcher, so that not every incident's alerts are looked at.

    Nothing of a label that more than RARE alerts have: to look at the incidents one by one is then faster.
    """
    if matcher.op is not Op.EQUAL or not matcher.value or matcher.name in (*_OWN, "number", "policy"):
        return None
    labelled: Select[tuple[int]] = select(alert.c.incident).where(
        alert.c.labels.contains({matcher.name: matcher.value}), alert.c.incident.is_not(None)
    )
    if matcher.name in ("service", "team"):  # which have an index, too: a union of two, not a condition on every incident
        other = incident.alias()
        return incident.c.number.in_(union(labelled, select(other.c.number).where(other.c[matcher.name] == matcher.value)))
    numbers = list(db.scalars(labelled.limit(RARE + 1)))
    if len(numbers) > RARE:
        return None
    return or_(
        incident.c.number == any_(literal(numbers, ARRAY(BigInteger))),
        incident.c.labels[matcher.name].as_string() == matcher.value,
    )


def _passes(db: Connection, matcher: Matcher, where: list[Condition]) -> Condition:
    """A matcher in SQL. Regular expressions are RE2's, not PostgreSQL's: they are tried on the values that there are."""
    value = _value(matcher.name)
    if matcher.op is Op.EQUAL:
        return value == matcher.value
    if matcher.op is Op.NOT_EQUAL:
        return value != matcher.value
    known = select(value).distinct().select_from(incident.outerjoin(alert, _OF_INCIDENT)).where(*where)
    passing = [one for one in db.scalars(known) if matcher.matches({matcher.name: one})]
    return value == any_(literal(passing, ARRAY(Text)))
