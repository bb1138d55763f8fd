"""Calls of one source that take several statements go alone; none waits for another source."""

import pytest

from app.alerts import service as alerts
from app.db import limit_lock_wait, transaction
from app.errors import Busy
from app.signals.model import Signal, SignalStatus

ALIKE = [Signal("user:t", key, SignalStatus.FIRING, key) for key in ("a", "b")]
MIXED = [ALIKE[0], Signal("user:t", "b", SignalStatus.RESOLVED, "b")]
TWICE = [ALIKE[0], ALIKE[0]]


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [(ALIKE, ALIKE, False), (MIXED, ALIKE, True), (ALIKE, MIXED, True), (MIXED, MIXED, True), (TWICE, ALIKE, True)],
    ids=["one statement each", "mixed first", "mixed second", "both mixed", "one alert named twice"],
)
def test_a_call_of_several_statements_waits_for_those_of_its_source(
    clean: None, first: list[Signal], second: list[Signal], waits: bool
) -> None:
    with transaction() as one:
        alerts.take_turn(one, "user:t", first)
        with transaction() as other:
            limit_lock_wait(other)
            alerts.take_turn(other, "user:another", second)
        assert waits == _is_kept_waiting(second)
    assert not _is_kept_waiting(second)


def _is_kept_waiting(signals: list[Signal]) -> bool:
    try:
        with transaction() as db:
            limit_lock_wait(db)
            alerts.take_turn(db, "user:t", signals)
    except Busy:
        return True
    return False
