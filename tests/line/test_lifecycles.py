"""The life cycles as tables, and the database that holds to the same: alerts in SQL for speed, incidents by a trigger."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.alerts import service
from app.alerts import store as alerts
from app.alerts.lifecycle import Progress, after, ended
from app.alerts.model import AlertState
from app.catalog.model import Severity
from app.db import engine
from app.errors import Conflict
from app.incidents import store
from app.incidents.lifecycle import MOVES, Move, acknowledged, merged, reopened, resolved, retriggered, snoozed, unacknowledged
from app.incidents.model import Incident, IncidentState
from app.reason import Code, Reason
from app.signals.model import Integration, Signal, SignalStatus, source_of
from tests.decisions.words import NOON, incident


@pytest.fixture
def db(clean: None) -> Iterator[Connection]:
    with engine().connect() as made:
        yield made
        made.rollback()


_SUPPRESS = "update alert set state = 'suppressed' where source = :here and key = :key and state = 'firing'"
HERE = "user:lifecycles"  # nobody else's alerts
says = st.builds(
    Signal,
    source=st.just(HERE),
    key=st.sampled_from(["a", "b"]),
    status=st.sampled_from(SignalStatus),
    summary=st.just("s"),
    severity=st.sampled_from([Severity.ERROR, Severity.CRITICAL]),
    shadow=st.booleans(),
    starts_at=st.none() | st.integers(-100, 100).map(lambda n: NOON + timedelta(seconds=n)),
)


@given(st.lists(st.lists(says, min_size=1, max_size=5), max_size=6), st.data())
@settings(max_examples=80, deadline=None, database=None)
def test_what_the_statements_make_of_signals_is_what_the_table_says(calls: list[list[Signal]], data: st.DataObject) -> None:
    with engine().connect() as db:
        course: dict[str, Progress] = {}
        over: list[Progress] = []
        for n, call in enumerate(calls):
            now = NOON + timedelta(minutes=n)
            service.accept(db, call, now)
            for signal in call:
                made = after(course.pop(signal.key, None), signal, now)
                if made is not None and made.state is AlertState.RESOLVED:
                    over.append(made)
                elif made is not None:
                    course[signal.key] = made
            if course and bool(data.draw(st.booleans(), "the dedup stage comes by, and suppresses one")):
                key = data.draw(st.sampled_from(sorted(course)))
                db.execute(text("update alert set dedup_at = null where source = :here"), {"here": HERE})
                db.execute(text(_SUPPRESS), {"here": HERE, "key": key})
                over = [replace(one, news=False) for one in over]
                course = {name: replace(one, news=False) for name, one in course.items()}
                if course[key].state is AlertState.FIRING:
                    course[key] = replace(course[key], state=AlertState.SUPPRESSED)
            if course and bool(data.draw(st.booleans(), "somebody resolves the incident of one")):
                key = data.draw(st.sampled_from(sorted(course)))
                _end_pushed(db, "key = :key", key=key, now=now)
                over.append(ended(course.pop(key), now))
        assert _stored(db, "state <> 'resolved'") == sorted(course.values(), key=str)
        assert _stored(db, "state = 'resolved'") == sorted(over, key=str)
        db.rollback()


def _end_pushed(db: Connection, which: str, now: datetime, **values: object) -> None:
    ids = db.scalars(text(f"select id from alert where {which} and state <> 'resolved'"), values).all()
    alerts.end_pushed(db, ids, Reason(Code.INCIDENT_RESOLVED, {"by": "ada", "via": "api"}), now)


@pytest.mark.parametrize(
    ("source", "state"),
    [
        (Integration("grafana", "generic", None).source, "resolved"),
        (source_of("ada"), "resolved"),
        ("check:user:web", "firing"),
        ("rule:integration:x", "firing"),
        ("heartbeat:backup", "firing"),
        ("prober", "firing"),
    ],
)
def test_only_what_senders_push_ends_with_its_incident(db: Connection, source: str, state: str) -> None:
    service.accept(db, [Signal(source, "k", SignalStatus.FIRING, "s")], NOON)
    _end_pushed(db, "true", NOON)
    assert db.execute(text("select state from alert")).scalar_one() == state


def _stored(db: Connection, which: str) -> list[Progress]:
    columns = "state, severity, shadow, starts_at, ends_at, dedup_at is not null"
    query = f"select {columns} from alert where source = '{HERE}' and {which}"
    return sorted((Progress(AlertState(s), Severity(v), *rest) for s, v, *rest in db.execute(text(query))), key=str)


@pytest.mark.parametrize(("before", "then"), list(product(AlertState, AlertState)))
def test_the_database_refuses_a_move_that_no_alert_makes(db: Connection, before: AlertState, then: AlertState) -> None:
    legal = before is then or (before is not AlertState.RESOLVED and then is not AlertState.PENDING)
    service.accept(db, [Signal("user:t", "a", SignalStatus.FIRING, "s")], NOON)
    ends = {state: "now()" if state is AlertState.RESOLVED else "null" for state in AlertState}
    db.execute(text("alter table alert disable trigger alert_move"))
    db.execute(text(f"update alert set state = '{before}', ends_at = {ends[before]}"))
    db.execute(text("alter table alert enable trigger alert_move"))
    change = text(f"update alert set state = '{then}', ends_at = {ends[then]}")
    if legal:
        db.execute(change)
    else:
        with pytest.raises(IntegrityError, match=f"from {before} to {then}"):
            db.execute(change)


DOES = {
    Move.ACKNOWLEDGE: lambda one: acknowledged(one, "ada", NOON),
    Move.SNOOZE: lambda one: snoozed(one, "ada", NOON + timedelta(hours=1), NOON),
    Move.RESOLVE: lambda one: resolved(one, "ada", NOON),
    Move.MERGE: lambda one: merged(one, 7, "ada", NOON),
    Move.REOPEN: lambda one: reopened(one, NOON),
    Move.UNACKNOWLEDGE: unacknowledged,
    Move.RETRIGGER: retriggered,
}
AS = {
    IncidentState.TRIGGERED: incident(),
    IncidentState.ACKNOWLEDGED: acknowledged(incident(), "bo", NOON),
    IncidentState.RESOLVED: resolved(acknowledged(incident(), "bo", NOON), "bo", NOON),
}
BEFORE: dict[str, Incident] = {str(state): one for state, one in AS.items()} | {
    "snoozed": snoozed(incident(), "bo", NOON + timedelta(hours=2), NOON),
    "reopened": reopened(AS[IncidentState.RESOLVED], NOON),
    "resolved while snoozed": resolved(snoozed(incident(), "bo", NOON + timedelta(hours=2), NOON), None, NOON),
}


@pytest.mark.parametrize(("before", "move"), list(product(BEFORE, DOES)))
def test_the_database_takes_every_move_of_an_incident_that_the_table_has(db: Connection, before: str, move: Move) -> None:
    one = _stored_as(db, BEFORE[before])
    if (one.state, move) not in MOVES:
        with pytest.raises(Conflict, match=f"cannot {move}"):
            DOES[move](one)
        return
    then = DOES[move](one)
    store.save_all(db, [then])
    assert store.get(db, one.number) == then
    assert then.state is MOVES[one.state, move]


@pytest.mark.parametrize(("before", "then"), [(a, b) for a in IncidentState for b in IncidentState if a is not b])
def test_the_database_refuses_every_other(db: Connection, before: IncidentState, then: IncidentState) -> None:
    one = _stored_as(db, AS[before])
    wanted = {(state, to) for (state, _), to in MOVES.items()}
    raw = replace(AS[then], number=one.number, generation=one.generation + (then is IncidentState.TRIGGERED))
    if (before, then) in wanted:
        store.save_all(db, [raw])
    else:
        with pytest.raises(IntegrityError, match=f"from {before} to {then}"):
            store.save_all(db, [raw])


WRONG = {
    "triggered again under the same generation": (
        IncidentState.ACKNOWLEDGED,
        {"state": IncidentState.TRIGGERED, "acknowledged_at": None},
    ),
    "a generation that falls": (IncidentState.TRIGGERED, {"generation": 0}),
    "one that grows without a start": (IncidentState.ACKNOWLEDGED, {"generation": 2}),
    "one that jumps": (IncidentState.TRIGGERED, {"generation": 3}),
    "resolved at no time": (IncidentState.TRIGGERED, {"state": IncidentState.RESOLVED}),
    "a time of resolution on one that is open": (IncidentState.TRIGGERED, {"resolved_at": NOON}),
    "acknowledged at no time": (IncidentState.TRIGGERED, {"state": IncidentState.ACKNOWLEDGED}),
    "an acknowledgement that outlives itself": (IncidentState.TRIGGERED, {"acknowledged_at": NOON}),
    "snoozed and triggered": (IncidentState.TRIGGERED, {"snoozed_until": NOON}),
    "merged and open": (IncidentState.TRIGGERED, {"merged_into": 9}),
}


@pytest.mark.parametrize(("before", "change"), WRONG.values(), ids=WRONG)
def test_the_database_refuses_what_no_move_leads_to(db: Connection, before: IncidentState, change: dict[str, Any]) -> None:
    one = _stored_as(db, AS[before])
    with pytest.raises(IntegrityError):
        store.save_all(db, [replace(one, **change)])


def _stored_as(db: Connection, one: Incident) -> Incident:
    numbers = store.open_all(db, [replace(one, number=-1)])
    assert numbers is not None
    found = store.get(db, numbers[-1])
    assert found is not None
    return found
