"""Whoever asks gets the same answer: a decision that Python and a statement, or two stages, both need."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from app import line
from app.checks import service as checks
from app.checks import store
from app.checks.model import Check, Result
from app.checks.probe import Status
from app.checks.samples import store as samples
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.review import recorded
from app.rules.facts import _as_point
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
        store.set_paused(db, "web", True, NOON)
        store.set_paused(db, "web", False, NOON + timedelta(hours=1))
    assert next_look() == NOON + timedelta(hours=1) + s(silent_after)
    with transaction() as db:
        checks.record(db, [Result("web", NOON + timedelta(hours=2), Status.OK, "", 0.01)])
    line.evaluate(now=NOON + timedelta(hours=2))
    assert next_look() == NOON + timedelta(hours=2) + s(silent_after)


def test_a_check_that_does_not_exist_is_not_paused(clean: None) -> None:
    with transaction() as db:
        assert not store.set_paused(db, "web", True, NOON)
        checks.sync(db, {"web": Check.model_validate({"probe": "health.tcp"})}, NOON)
        assert store.set_paused(db, "web", True, NOON)


@pytest.mark.parametrize("status,value", [(Status.OK, 0.0), (Status.WARNING, 0.0), (Status.CRITICAL, 1.0), (Status.UNKNOWN, None)])
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
