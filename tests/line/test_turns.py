"""Calls of one source that take several statements go alone; none waits for another source."""

from dataclasses import replace

import pytest

from app.alerts import service as alerts
from app.catalog.model import Severity
from app.db import limit_lock_wait, transaction
from app.errors import Busy
from app.signals.model import Signal, SignalStatus

ALIKE = [Signal("user:t", key, SignalStatus.FIRING, key) for key in ("a", "b")]
MIXED = [ALIKE[0], Signal("user:t", "b", SignalStatus.RESOLVED, "b")]
TWICE = [ALIKE[0], replace(ALIKE[0], severity=Severity.CRITICAL)]
REPEATED = [ALIKE[0], ALIKE[0]]


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        (ALIKE, ALIKE, False),
        (MIXED, ALIKE, True),
        (ALIKE, MIXED, True),
        (MIXED, MIXED, True),
        (TWICE, ALIKE, True),
        (REPEATED, ALIKE, False),
    ],
    ids=["one statement each", "mixed first", "mixed second", "both mixed", "one alert named twice", "one alert repeated"],
)
def test_a_call_of_several_statements_waits_for_those_of_its_source(
    clean: None, first: list[Signal], second: list[Signal], waits: bool
) -> None:
    with transaction() as one:
        alerts.take_turn(one, first)
        with transaction() as other:
            limit_lock_wait(other)
            alerts.take_turn(other, [replace(signal, source="user:another") for signal in second])
        assert waits == _is_kept_waiting(second)
    assert not _is_kept_waiting(second)


def _is_kept_waiting(signals: list[Signal]) -> bool:
    try:
        with transaction() as db:
            limit_lock_wait(db)
            alerts.take_turn(db, signals)
    except Busy:
        return True
    return False
