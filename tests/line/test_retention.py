"""What came in is kept as long as it is of use, and no longer."""

import pytest
from sqlalchemy import text

from app import clock
from app.db import transaction
from app.settings import settings
from app.signals import service as inbox
from app.signals.model import Call
from app.upkeep import drop_old_signals


def received(days_ago: float, number: int) -> None:
    with transaction() as db:
        for n in range(number):
            inbox.keep(db, [Call(f"integration:{days_ago:g}", (), b'{"n": %d}' % n, "trace")], clock.now(db))
        db.execute(
            text("update signal set received_at = received_at - make_interval(secs => :ago) where source = :source"),
            {"ago": days_ago * 86_400, "source": f"integration:{days_ago:g}"},
        )


def kept() -> dict[str, int]:
    with transaction() as db:
        return {row.source: row.n for row in db.execute(text("select source, count(*) as n from signal group by source"))}


@pytest.mark.parametrize("slice_", [1, 7, 20, 1_000])
def test_calls_as_they_came_are_dropped_when_their_retention_is_over(clean: None, slice_: int) -> None:
    days = settings().retain_signals_days
    received(days + 0.01, 20)
    received(days - 0.01, 3)
    received(0, 3)
    assert drop_old_signals(slice_) == 20
    assert kept() == {f"integration:{days - 0.01:g}": 3, "integration:0": 3}
    assert drop_old_signals(slice_) == 0


def test_a_night_of_a_storm_is_dropped_piece_by_piece_the_oldest_first(clean: None) -> None:
    received(90, 4)
    received(60, 4)
    assert drop_old_signals(within=0.0) == 0
    assert kept() == {"integration:90": 4, "integration:60": 4}
    with transaction() as db:
        from app.signals import store

        assert store.delete_old(db, clock.now(db), 4) == 4
    assert kept() == {"integration:60": 4}
