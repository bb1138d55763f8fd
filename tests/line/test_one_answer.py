"""Whoever asks gets the same answer: a decision that Python and a statement, or two stages, both need."""

import random
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from app import line
from app.alerts import store as alerts
from app.alerts.model import Alert, AlertState, Tally
from app.alerts.service import accept
from app.catalog.model import Severity
from app.checks import service as checks
from app.checks import store
from app.checks.model import Check, Result
from app.checks.pause import pause
from app.checks.probe import Status
from app.checks.samples import store as samples
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.incidents.rise import lead
from app.people.model import SYSTEM, Urgency
from app.review import recorded
from app.rules.facts import _as_point
from app.signals.model import Signal, SignalStatus
from tests.decisions.words import NOON, s

CONFIG = "routes: []\nchecks: {web: {probe: health.tcp, every: 1s, with: {host: 127.0.0.1, port: 9}}}\n"


def next_look() -> datetime:
    with transaction() as db:
        found: datetime = db.execute(text("select evaluate_at from check_state")).scalar_one()
    return found


@pytest.mark.parametrize("every,silent_after", [(1, 10), (3, 10), (4, 12), (60, 180)])
def test_silence_begins_after_as_long_for_a_new_check_a_resumed_one_and_one_that_gave_a_result(
    clean: None, every: int, silent_after: int
) -> None:
    loaded = load_texts({"a.yaml": CONFIG.replace("1s", f"{every}s")}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, NOON)
    assert next_look() == NOON + s(silent_after)
    with transaction() as db:
        store.pause(db, "web", pause(NOON, "ed"))
        store.resume(db, "web", NOON + timedelta(hours=1))
    assert next_look() == NOON + timedelta(hours=1) + s(silent_after)
    with transaction() as db:
        checks.record(db, [Result("web", NOON + timedelta(hours=2), Status.OK, "", 0.01)])
    line.evaluate(now=NOON + timedelta(hours=2))
    assert next_look() == NOON + timedelta(hours=2) + s(silent_after)


def test_a_check_that_does_not_exist_is_not_paused(clean: None) -> None:
    with transaction() as db:
        assert store.pause(db, "web", pause(NOON, "ed")) is None
        checks.sync(db, {"web": Check.model_validate({"probe": "health.tcp"})}, NOON)
        assert store.pause(db, "web", pause(NOON, "ed")) is not None


@pytest.mark.parametrize(
    "status,value", [(Status.OK, 0.0), (Status.WARNING, 0.0), (Status.CRITICAL, 1.0), (Status.UNKNOWN, None)]
)
def test_a_result_is_the_same_number_to_a_rule_to_its_lookback_and_to_a_replay(
    clean: None, status: Status, value: float | None
) -> None:
    with transaction() as db:
        checks.sync(db, {"web": Check.model_validate({"probe": "health.tcp"})}, NOON)
        checks.record(db, [Result("web", NOON, status, "", 0.01)])
        (result,) = samples.results_after(db, {"web": NOON - s(1)})["web"]
        looked_back = samples.samples_between(db, [("web", None, s(0), NOON - s(1), NOON)])
    (replayed,) = recorded.read(["timestamp,value", f"{NOON.isoformat()},{status}"], of_status=True)
    assert _as_point(result).value == value
    assert replayed.point.value == value
    assert [row[4] for row in looked_back] == ([] if value is None else [value])


def before(one: Alert) -> tuple[int, datetime, int]:
    """The worse before the less bad, of these the earlier, of these the one that was stored first."""
    return -one.severity.rank, one.starts_at, one.id


@pytest.mark.parametrize("seed", range(4))
def test_the_worst_alert_is_the_same_to_a_new_incident_to_its_title_and_to_the_rows(clean: None, seed: int) -> None:
    rng = random.Random(seed)
    signals = [
        Signal("user:t", f"k{n}", SignalStatus.FIRING, "s", rng.choice([*Severity]), starts_at=NOON - s(rng.randrange(2)))
        for n in range(12)
    ]
    with transaction() as db:
        accept(db, signals, NOON)
        alerts.place_all(db, dict.fromkeys(alerts.changed(db, NOON, 100), 1))
        db.execute(text("update alert set state = 'suppressed' where id % 6 = 0"))
        db.execute(text("update alert set state = 'resolved', ends_at = now() where id % 6 = 1"))
        stored = alerts.of_incidents(db, [1])
    while firing := [one for one in stored if one.state is AlertState.FIRING]:
        expected = min(firing, key=before).id
        rng.shuffle(stored)
        left_out = [one.id for one in rng.sample(stored, rng.randrange(len(stored)))]
        with transaction() as db:
            in_rows = alerts.tally(db, 1)
            ((open_one, worst),) = alerts.others(db, [1], left_out).values()
            alerts.place_all(db, {expected: 2})
        assert lead(firing, lambda _: Urgency.HIGH).id == expected
        assert in_rows == Tally().plus(stored)
        assert in_rows.worst is not None
        assert in_rows.worst.id == expected
        rest = Tally().plus([one for one in stored if one.id not in left_out])
        assert (open_one, worst) == (bool(rest.open), rest.worst)
        stored = [one for one in stored if one.id != expected]
